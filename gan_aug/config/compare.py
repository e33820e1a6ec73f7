"""The config sections of the comparison: the downstream classifier, the arms, and the measures of fidelity."""

from __future__ import annotations

from math import inf
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from gan_aug.config.section import Count, Positive, Section

ClassifierName = Literal["cnn", "small-cnn", "softmax", "mlp", "resnet18", "densenet121"]
ArmName = Literal["real", "synthetic", "mixed", "duplicate", "classic", "pretrain", "classic+mixed", "classic+pretrain"]
RATIO_ARMS: tuple[ArmName, ...] = ("mixed", "classic+mixed")
"""The arms whose number of synthetic images for each real one is the ratio."""
FeaturesName = Literal["classifier", "random", "inception", "resnet18", "resnet50", "densenet121"]
WEIGHTED: tuple[FeaturesName, ...] = ("resnet18", "resnet50", "densenet121")
"""The feature networks whose weights are in the file `compare.weights`."""
GANS = 3
"""How many GANs a comparison has if `compare.gans` does not say, and there are as many seeds."""


class ClassifierConfig(Section):
    """The downstream classifier; it is the same in every arm."""

    name: ClassifierName = Field(
        "cnn",
        description="the network: cnn and small-cnn (convolutions), softmax (linear), mlp, resnet18 or densenet121",
    )
    steps: Count | None = Field(
        None,
        description="optimiser steps, the same in every arm; default: by the number of training images, and doubled "
        "(at most twice) if the validation AUC of the arm real still gains by it",
    )
    batch: Annotated[int, Field(ge=2)] = Field(64, description="images per step")
    optimizer: Literal["adam", "adamw", "sgd", "rmsprop"] = Field("adamw", description="sgd has momentum 0.9")
    lr: Positive | None = Field(None, description="learning rate; default: 0.02 for sgd, 1e-3 for the others")
    weight_decay: Annotated[float, Field(ge=0)] | None = Field(
        None, description="default: 1e-2 for adamw (decoupled weight decay), 5e-4 for the others"
    )
    epochs: Count = Field(
        20,
        description="how many times the model is validated, evenly spread over the steps, with a few more early on; "
        "the best model is kept",
    )

    @property
    def settled_steps(self) -> int:
        """`steps` once they are known; raises ValueError before the comparison has chosen them."""
        if self.steps is None:
            raise ValueError("classifier.steps is not settled yet: see evaluation.training_length")
        return self.steps


class CompareConfig(Section):
    """Which arms are compared, over how many seeds, and what else is measured."""

    arms: tuple[ArmName, ...] = Field(
        ("real", "synthetic", "mixed", "duplicate", "classic"),
        description="the arms: how the training images of each classifier are chosen",
    )
    seeds: Annotated[int, Field(ge=1, le=100)] = Field(
        3, description="classifiers of each arm, from different seeds; from one seed no verdict is given"
    )
    gans: Annotated[int, Field(ge=1, le=100)] | None = Field(
        None,
        description="GANs trained on the same images from different seeds, at most one for each of `seeds`: the "
        "classifier of seed i trains on the images of GAN i modulo gans; default: as many as the run folder has, and 3 "
        "in a new one",
    )
    ratio: Positive | Literal["search"] = Field(
        1.0,
        description="synthetic images for each real one in the arm `mixed`; search: the value of `ratios` with the "
        "best AUC on validation",
    )
    ratios: tuple[Positive, ...] = Field((0.5, 1.0, 2.0, 4.0), description="the ratios that a search tries")
    pretrain: Annotated[float, Field(gt=0, lt=1)] = Field(
        0.5, description="share of the steps that the arm `pretrain` trains on synthetic images, before the real ones"
    )
    sizes: tuple[Count | Literal["all"], ...] = Field(
        (),
        description="learning curves: numbers of real training images, or all; a GAN is trained on each subset",
    )
    draws: Annotated[int, Field(ge=1, le=20)] = Field(3, description="learning curves: random subsets of each size")
    curve_images: Count | None = Field(
        None, description="learning curves: images that each GAN sees in training; default: train.images"
    )
    canaries: bool = Field(
        True, description="test the comparison itself, with shuffled labels and with a test image put into training"
    )
    margin: Positive = Field(
        0.02, description="non-inferiority margin: a loss of AUC below it counts as none; fix it beforehand"
    )
    rule: Literal[1, 2] = Field(
        2,
        description="how comparisons are judged: 2 compares arms with a GAN with every arm without one, and gives no "
        "verdict from one seed or few cases; 1 is what version 0.2 did, kept for runs that began with it",
    )
    synthetic: Path | None = Field(
        None,
        description="synthetic images made elsewhere, used instead of the run's own: a folder of class folders, or an "
        "npz file with `images` and `labels`; the report says that what their generator saw is unknown",
    )
    fidelity: bool = Field(True, description="measure how similar the synthetic images are to the real ones")
    features: FeaturesName = Field(
        "classifier",
        description="the network whose features fidelity compares: the classifier of the arm real; a random network "
        "(also used for softmax, which has no features); torchvision's Inception, if its weights are on disk; or a "
        "network with your `weights`",
    )
    weights: Path | None = Field(
        None,
        description="for the features resnet18, resnet50 or densenet121: the file with that network's weights, a "
        "state dict (.pth, .pt, .safetensors) with torchvision's names, for densenet121 also with MONAI's",
    )
    weights_range: tuple[float, float] | Literal["imagenet"] = Field(
        "imagenet",
        description="the pixel values of black and white with which `weights` were trained, such as [-1, 1]; "
        "imagenet: torchvision's mean and standard deviation",
    )

    @field_validator("arms")
    @classmethod
    def _with_reference(cls, arms: tuple[ArmName, ...]) -> tuple[ArmName, ...]:
        if "real" not in arms:
            raise ValueError("the arm 'real' is missing, with which all others are compared: add it")
        if len(set(arms)) < len(arms):
            raise ValueError("an arm is named twice: name each once")
        return arms

    @field_validator("weights_range")
    @classmethod
    def _black_below_white(cls, values: tuple[float, float] | str) -> tuple[float, float] | str:
        if not isinstance(values, str) and not -inf < values[0] < values[1] < inf:
            raise ValueError("black and white must be two finite numbers, the smaller one first, such as [-1, 1]")
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
            raise ValueError(
                f"ratio: search needs the arm {' or '.join(RATIO_ARMS)}: add one, or set ratio to a number"
            )
        if self.ratio == "search" and not self.ratios:
            raise ValueError("ratios is empty: name at least one, or set compare.ratio to a number")
        return self

    @model_validator(mode="after")
    def _curves_need_the_gan(self) -> CompareConfig:
        if self.sizes and self.synthetic is not None:
            raise ValueError(
                "sizes trains a GAN on each subset, but synthetic names images made elsewhere by an unknown generator: "
                "leave out one of the two"
            )
        return self

    @model_validator(mode="after")
    def _weights_have_a_network(self) -> CompareConfig:
        # Features without weights are no fault here, only when they are needed: reports name features but no paths.
        if self.weights is not None and self.features not in WEIGHTED:
            raise ValueError(
                f"weights are given, but features is {self.features}, which uses none: set features to one of "
                f"{', '.join(WEIGHTED)}"
            )
        return self

    @property
    def gans_wanted(self) -> int:
        """How many GANs the seeds use; 1 with images made elsewhere, which are one set."""
        return 1 if self.synthetic is not None else min(self.gans or GANS, self.seeds)

    @property
    def largest_ratio(self) -> float:
        """The largest number of synthetic images for each real one that an arm may need."""
        return max(self.ratios) if self.ratio == "search" else self.ratio
