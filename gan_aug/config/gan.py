"""What a GAN, its training and its synthetic set may be asked to be."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from gan_aug.config.section import Count, Positive, Section, Share


class GanConfig(Section):
    """The networks and what their losses see."""

    loss: Literal["bce", "hinge", "relativistic"] = "relativistic"
    regularizer: Literal["spectral", "r1", "none"] | None = Field(
        None, description="spectral norm in D, or a gradient penalty; without it what suits the loss"
    )
    penalty: Positive = Field(1.0, description="weight of the gradient penalty (gamma of R1 and R2)")
    penalty_every: Count = Field(8, description="steps between two penalties (lazy regularisation)")
    width: Count = Field(16, description="channels of the widest resolution; each level below doubles it")
    latent: Count = Field(64, description="dimensions of the noise")
    augment: tuple[Literal["translation", "cutout", "brightness", "contrast"], ...] = Field(
        (), description="differentiable augmentation of what both losses see, for sets of a few hundred images"
    )
    balance: Literal["data", "classes"] = Field("data", description="draw training images as they come, or evenly")
    average: Positive = Field(10_000, description="half-life of the averaged generator, in images")

    @property
    def regularizer_wanted(self) -> str:
        """What keeps the discriminator in bounds: as asked, else what suits the loss."""
        return self.regularizer or ("r1" if self.loss == "relativistic" else "spectral")


class TrainConfig(Section):
    """How long and how fast the GAN trains; progress counts images seen."""

    images: Count = Field(200_000, description="training images to see")
    batch: Annotated[int, Field(ge=2)] = 64
    lr: Positive = 1e-3
    betas: tuple[Share, Share] = (0.0, 0.99)
    decay: Annotated[float, Field(ge=0, le=1)] = Field(
        0.5, description="last share of the training over which the rate falls to zero"
    )
    checkpoint_every: Count = Field(50_000, description="images between two checkpoints")
    sample_every: Count = Field(50_000, description="images between two sample grids")


class SynthesisConfig(Section):
    """How many synthetic images, of which classes, from which seed."""

    counts: Literal["like-real"] | Annotated[int, Field(ge=0)] | dict[str, Annotated[int, Field(ge=0)]] = Field(
        "like-real", description="per class: a number, a number for each label, or as in the training split"
    )
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0
    shard: Annotated[int, Field(ge=64, multiple_of=64)] = Field(4096, description="images per file; multiple of 64")
    multiple: Positive = Field(1.0, description="with like-real: how many times the training split")
