"""The comparison's sections of the config: the downstream classifier, the arms, and what fidelity looks at."""

from __future__ import annotations

from math import inf
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from gan_aug.config.section import Count, Positive, Section

ClassifierName = Literal["cnn", "small-cnn", "softmax", "mlp", "resnet18", "densenet121"]
ArmName = Literal["real", "synthetic", "mixed", "duplicate", "classic", "pretrain", "classic+mixed", "classic+pretrain"]
RATIO_ARMS: tuple[ArmName, ...] = ("mixed", "classic+mixed")
"""The arms that take so many synthetic images for each real one as the ratio says."""
FeaturesName = Literal["classifier", "random", "inception", "resnet18", "resnet50", "densenet121"]
WEIGHTED: tuple[FeaturesName, ...] = ("resnet18", "resnet50", "densenet121")
"""The features of networks whose weights `compare.weights` names."""


class ClassifierConfig(Section):
    """The downstream classifier: the same in every arm."""

    name: ClassifierName = "cnn"
    steps: Count = Field(2000, description="optimiser steps, the same in every arm")
    batch: Annotated[int, Field(ge=2)] = 64
    optimizer: Literal["adam", "adamw", "sgd", "rmsprop"] = Field("adamw", description="sgd has momentum 0.9")
    lr: Positive | None = Field(None, description="without it what suits the optimiser: 1e-3, or 0.02 for sgd")
    weight_decay: Annotated[float, Field(ge=0)] | None = Field(
        None, description="without it what suits the optimiser: 1e-2 for adamw, where it is decoupled; else 5e-4"
    )
    epochs: Count = Field(
        20, description="validation points, evenly spread over the steps (and a few early ones); the best is kept"
    )


class CompareConfig(Section):
    """Which arms are compared, over how many seeds."""

    arms: tuple[ArmName, ...] = Field(
        ("real", "synthetic", "mixed", "duplicate", "classic"),
        description="how each classifier's images are put together",
    )
    seeds: Annotated[int, Field(ge=1, le=100)] = 3
    ratio: Positive | Literal["search"] = Field(
        1.0, description="synthetic images for each real one in `mixed`; search: the one of `ratios` best on validation"
    )
    ratios: tuple[Positive, ...] = Field((0.5, 1.0, 2.0, 4.0), description="what a search for the ratio tries")
    pretrain: Annotated[float, Field(gt=0, lt=1)] = Field(
        0.5, description="share of the steps that `pretrain` spends on synthetic images before the real ones"
    )
    sizes: tuple[Count | Literal["all"], ...] = Field(
        (), description="learning curves: numbers of real training images, each with a GAN of its own; all: every one"
    )
    draws: Annotated[int, Field(ge=1, le=20)] = Field(3, description="subsets of each size, for the learning curves")
    curve_images: Count | None = Field(
        None, description="images that each GAN of the learning curves sees; as many as train.images by default"
    )
    canaries: bool = Field(True, description="test the comparison itself: shuffled labels, a planted test image")
    margin: Positive = Field(0.02, description="the largest loss of AUC that counts as none, fixed beforehand")
    synthetic: Path | None = Field(
        None,
        description="synthetic images made elsewhere, instead of the run's own: a folder of class folders, or an npz "
        "with `images` and `labels`; what their generator saw stays unknown in the report",
    )
    fidelity: bool = Field(True, description="measure how like the real images the synthetic ones are")
    features: FeaturesName = Field(
        "classifier",
        description="what fidelity compares images by: the arm real's classifier, a random network (also for softmax, "
        "which has no features), torchvision's Inception where its weights are on disk, or a network with `weights`",
    )
    weights: Path | None = Field(
        None,
        description="with the features resnet18, resnet50 or densenet121: the file of that network's weights, a state "
        "dict (.pth, .pt, .safetensors) of torchvision's form, for densenet121 also of MONAI's",
    )
    weights_range: tuple[float, float] | Literal["imagenet"] = Field(
        "imagenet",
        description="the values of black and white that `weights` were trained on, as [-1, 1]; imagenet: torchvision's "
        "mean and deviation",
    )

    @field_validator("arms")
    @classmethod
    def _with_reference(cls, arms: tuple[ArmName, ...]) -> tuple[ArmName, ...]:
        if "real" not in arms:
            raise ValueError("the arm 'real' is what the others are compared against: add it")
        if len(set(arms)) < len(arms):
            raise ValueError("an arm is named twice: name each once")
        return arms

    @field_validator("weights_range")
    @classmethod
    def _black_below_white(cls, values: tuple[float, float] | str) -> tuple[float, float] | str:
        if not isinstance(values, str) and not -inf < values[0] < values[1] < inf:
            raise ValueError("black and white are two finite numbers, the smaller one first: as [-1, 1]")
        return values

    @field_validator("sizes", "ratios")
    @classmethod
    def _each_once(cls, values: tuple[float | str, ...]) -> tuple[float | str, ...]:
        if len(set(values)) < len(values):
            raise ValueError("a value is named twice: name each once")
        return tuple(sorted(values, key=lambda value: float("inf") if isinstance(value, str) else value))

    @model_validator(mode="after")
    def _search_has_an_arm(self) -> CompareConfig:
        if self.ratio == "search" and not set(RATIO_ARMS) & set(self.arms):
            raise ValueError(f"ratio: search needs the arm {' or '.join(RATIO_ARMS)}: add one, or give a number")
        if self.ratio == "search" and not self.ratios:
            raise ValueError("ratios is empty: name at least one, or give compare.ratio a number")
        return self

    @model_validator(mode="after")
    def _curves_need_the_gan(self) -> CompareConfig:
        if self.sizes and self.synthetic is not None:
            raise ValueError(
                "sizes trains a GAN on each subset, and synthetic names images made elsewhere, of whose generator "
                "nothing is known: leave out one of the two"
            )
        return self

    @model_validator(mode="after")
    def _weights_have_a_network(self) -> CompareConfig:
        # The other way round is asked when they are needed: reports name features, and no paths.
        if self.weights is not None and self.features not in WEIGHTED:
            raise ValueError(
                f"weights are given and features is {self.features}, which takes none: set features to one of "
                f"{', '.join(WEIGHTED)}"
            )
        return self

    @property
    def largest_ratio(self) -> float:
        """The most synthetic images for each real one that an arm may ask for."""
        return max(self.ratios) if self.ratio == "search" else self.ratio
