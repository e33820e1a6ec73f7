"""The models of what a classifier says of an image."""

from __future__ import annotations

from pydantic import BaseModel, Field


class PredictionOut(BaseModel):
    """What a classifier says of one image."""

    frame: int | None = Field(None, description="counts from 1 in a file with several images")
    labels: list[str] = Field(description="the most probable label; of several at once, each above one half")
    probabilities: dict[str, float] = Field(description="of each label")
    unlike: bool | None = Field(
        description="the image is unlike the training images, so what is said of it means little; null: not known"
    )
    distance: float | None = Field(
        None,
        description="how far it is from the nearest training image; above 1 is unlike. Told to editors alone",
    )
    detail: float | None = Field(
        None, description="how far its amount of fine detail is from theirs; above 1 is unlike. Only as `distance`"
    )
    assumed: list[str] = Field(default=[], description="what was assumed to read the file")


class PredictionsOut(BaseModel):
    """What a classifier of a comparison says of the images in a file."""

    arm: str = Field(description="whose classifier, that of its first seed")
    predictions: list[PredictionOut]
    notice: str = Field("no medical device: for research and teaching", description="what it is not")
