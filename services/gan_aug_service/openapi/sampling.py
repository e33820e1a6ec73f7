"""The bodies of requests for images that are made now: samples, walks between two images, and cases of a classifier."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import ConfigDict, Field, StringConstraints

from gan_aug_service.openapi.schemas import In

Label = Annotated[str | list[str], Field(description="a label; a multi-label model takes any number of them")]
Seed = Annotated[int, Field(ge=0, lt=2**32)]
Number = Annotated[
    int, Field(ge=0, lt=2**40, description="index of the first image: image k of a seed is always the same")
]
Truncation = Annotated[
    float,
    Field(
        ge=0,
        le=1,
        allow_inf_nan=False,
        description="scales the noise: below 1 images are more typical and less varied",
    ),
]
Arm = Annotated[str, StringConstraints(min_length=1, max_length=64)]
LatentFormat = Annotated[
    Literal["png", "npz", "zip"],
    Field(description="png: a sheet with captions; npz: arrays; zip: a PNG of each image, the sheet, and index.csv"),
]


class SampleIn(In):
    """Which synthetic images to sample now."""

    model_config = ConfigDict(json_schema_extra={"example": {"label": "3", "seed": 7, "count": 4}})
    label: Label
    seed: Seed = 0
    first: Number = 0
    count: int = Field(1, ge=1, le=256)
    truncation: Truncation = 1
    format: Literal["png", "npz"] = Field("png", description="png: one image, or a grid of several; npz: arrays")


class WalkIn(In):
    """From one image to another: in label, seed or truncation, or in several of them."""

    model_config = ConfigDict(json_schema_extra={"example": {"label": "3", "to_label": "8", "seed": 7, "steps": 8}})
    label: Label
    to_label: Label | None = Field(None, description="the label of the last image; without it, that of the first")
    seed: Seed = 0
    to_seed: Seed | None = Field(None, description="the seed of the last image; without it, that of the first")
    first: Number = 0
    truncation: Truncation = 1
    to_truncation: Truncation | None = Field(None, description="that of the last image; without it, that of the first")
    steps: int = Field(8, ge=2, le=64, description="images, the first and the last included")
    arm: Arm | None = Field(None, description="whose classifier scores the images; without it, none does")
    format: LatentFormat = "png"


class CasesIn(In):
    """Images of a label for which a classifier of the comparison gives a wanted probability."""

    model_config = ConfigDict(json_schema_extra={"example": {"label": "3", "of": "8", "confidence": 0.5, "count": 2}})
    label: Label
    confidence: float = Field(gt=0, lt=1, allow_inf_nan=False, description="the wanted probability")
    of: str | None = Field(None, description="the label whose probability it is; without it, that of the images")
    from_label: Label | None = Field(
        None, description="looks only on the way from this label to the other one, the noise unchanged"
    )
    tolerance: float = Field(0.05, ge=0.001, lt=1, allow_inf_nan=False)
    count: int = Field(1, ge=1, le=8, description="cases, each from noise of its own")
    seed: Seed = 0
    first: Number = 0
    images: int = Field(128, ge=1, le=256, description="images of the seed that are tried at most")
    truncation: Truncation = 1
    arm: Arm = Field("real", description="whose classifier")
    format: LatentFormat = "png"
