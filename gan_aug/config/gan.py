"""The config sections of the GAN, its training and its synthetic images."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from gan_aug.config.presets import Adaptive
from gan_aug.config.section import Count, Positive, Section, Share

Augmentation = Literal["translation", "cutout", "brightness", "contrast", "affine", "flip"]

SCORES, FEWEST_SCORED = 15, 10_000
"""The scores of a training, and the fewest images from one to the next, if `train.score_every` does not say."""


class GanConfig(Section):
    """The networks, their losses and the images that the losses see."""

    network: Literal["auto", "dcgan", "resize", "residual"] = Field(
        "auto",
        description="the networks: dcgan (transposed convolutions, for sizes that can be halved), resize (enlarges by "
        "resizing and convolution, with a layer at full size), residual (residual blocks with smooth enlargement); "
        "resize and residual take any size from 16 pixels on; auto: by the images' size, dcgan up to 32 pixels, resize "
        "up to 255, residual above, and in a folder with a trained GAN as it was",
    )
    loss: Literal["bce", "hinge", "relativistic"] = Field(
        "relativistic",
        description="the losses: bce (that of the first GANs), hinge, or relativistic (compares real with synthetic "
        "images)",
    )
    regularizer: Literal["spectral", "r1", "none"] | None = Field(
        None,
        description="spectral norm in the discriminator, or a gradient penalty; default: r1 for the relativistic loss, "
        "else spectral",
    )
    penalty: Positive | None = Field(
        None,
        description="weight of the gradient penalty (gamma of R1 and R2); default: 1 for dcgan, 0.0001 times pixels / "
        "batch for the others, and in a folder with a trained GAN as it was",
    )
    penalty_every: Count = Field(8, description="steps from one penalty to the next (lazy regularisation)")
    width: Count = Field(
        16,
        description="channels at half the images' size; they double from level to level, up to 8 times the width, and "
        "are half as many at full size",
    )
    latent: Count = Field(64, description="dimensions of the noise")
    augment: tuple[Augmentation, ...] | Adaptive | None = Field(
        None,
        description="differentiable augmentation of the images that both losses see: a list, each always applied "
        "(affine: a small rotation and zoom; flip: left and right, only if `data.flips` has horizontal); adaptive: all "
        "of them, each with a probability that rises while the discriminator overfits by validation images; default: "
        "adaptive below 500 training images, else none, and in a folder with a trained GAN as it was",
    )
    balance: Literal["data", "classes"] = Field(
        "data", description="draw training images with their own class shares, or equally often from each class"
    )
    average: Positive = Field(10_000, description="half-life of the averaged generator's weights, in images")

    @property
    def regularizer_wanted(self) -> str:
        """The regulariser of the discriminator: the one asked for, else the default for the loss."""
        return self.regularizer or ("r1" if self.loss == "relativistic" else "spectral")


class TrainConfig(Section):
    """How long and how fast the GAN trains; progress is counted in real images seen."""

    images: Count = Field(200_000, description="how many real images the training sees, repeats included")
    batch: Annotated[int, Field(ge=2)] | None = Field(
        None,
        description="images per step; default: 64 for the network dcgan, 16 for the others, and in a folder with a "
        "trained GAN as it was",
    )
    micro_batch: Annotated[int, Field(ge=0)] | None = Field(
        None,
        description="the most images of a batch that are computed at once, 0 for all of them; fewer take less memory "
        "and give the same gradients, to rounding; default: all if the memory that is free is enough, else as many as "
        "fit, and in a folder with a trained GAN as it was",
    )
    lr: Positive = Field(1e-3, description="learning rate of generator and discriminator")
    betas: tuple[Share, Share] = Field((0.0, 0.99), description="the two rates of Adam's averages")
    decay: Annotated[float, Field(ge=0, le=1)] = Field(
        0.5, description="last share of the training, over which the learning rate falls to zero"
    )
    precision: Literal["fp32", "tf32"] = Field(
        "fp32",
        description="how a GPU multiplies: fp32 with all 24 bits of a number, tf32 with 11, on its tensor cores; the "
        "CPU always takes fp32",
    )
    checkpoint_every: Count = Field(50_000, description="images from one checkpoint to the next")
    sample_every: Count = Field(50_000, description="images from one sample grid to the next")
    score_every: Annotated[int, Field(ge=0)] | None = Field(
        None,
        description="images from one score on validation images to the next, each at a checkpoint of its own; a "
        "training shorter than this is not scored; 0: never; default: a fifteenth of the training, but at least "
        "10,000, and in a folder with a trained GAN as it was",
    )
    keep: Literal["best", "last"] = Field(
        "best", description="the checkpoint that is the GAN: the best one by its scores, or the last one"
    )
    patience: Count | None = Field(
        10,
        description="so many scores in a row that are no better than those before shorten the training, with its share "
        "of falling learning rates; null: never",
    )
    restarts: Annotated[int, Field(ge=0, le=5)] = Field(
        1, description="how often a training that breaks down goes on from its last good checkpoint with another seed"
    )
    start_from: Path | None = Field(
        None,
        description="run folder of a trained GAN whose networks this training starts from; of labels, those of the "
        "same name",
    )

    @property
    def scored_every(self) -> int:
        """The images from one score to the next: those asked for, else so many that a training has up to 15 scores."""
        if self.score_every is not None:
            return self.score_every
        return max(FEWEST_SCORED, -(-self.images // (SCORES * 1000)) * 1000)


class SynthesisConfig(Section):
    """How many synthetic images are made, of which classes, and from which seed."""

    counts: Literal["like-real"] | Annotated[int, Field(ge=0)] | dict[str, Annotated[int, Field(ge=0)]] = Field(
        "like-real",
        description="images of each class: one number for all, a number for each label, or like-real: as many as in "
        "the training split",
    )
    seed: Annotated[int, Field(ge=0, lt=2**32)] = Field(0, description="of the noise that images are made from")
    shard: Annotated[int, Field(ge=64, multiple_of=64)] = Field(4096, description="images per file, a multiple of 64")
    multiple: Positive = Field(1.0, description="with like-real: how many images for each training image")
