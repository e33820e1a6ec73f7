"""The GAN's training step: draw noise, update both networks, update the averaged generator."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from gan_aug.errors import TrainingDiverged
from gan_aug.gan.adaptive import EVERY, AdaptiveSettings, AdaptiveStrength, sum_logits
from gan_aug.gan.augment import UNIFORMS, AugmentName, augment, uniforms_needed
from gan_aug.gan.average import MovingAverage, averaging_weight
from gan_aug.gan.losses import LossName
from gan_aug.gan.networks.catalogue import build_discriminator, build_generator
from gan_aug.gan.networks.layers import compute_in_parts
from gan_aug.gan.networks.settings import NetworkSettings
from gan_aug.gan.ranks import Ranks, share_statistics
from gan_aug.gan.seeds import Purpose, image_numbers
from gan_aug.gan.updates import Losses, Pairs

Batches = Callable[[int, int], tuple[Tensor, Tensor]]
"""From (index of the first image, count) to images `(N, C, H, W) uint8` and labels `(N, K) float32`.

The result depends on the indices alone. So a resumed training sees the same images as an uninterrupted one, and several
ranks together see the same images as one process. `count` may be 0."""


HeldOut = Callable[[int, Tensor], tuple[Tensor, Tensor]]
"""From (index of the first image, labels `(N, K) float32`) to held-out images `(N, C, H, W) uint8` with these labels,
and `(N,) bool`, which is false for an image whose labels no held-out image has. As for Batches, N may be 0."""

VIEWS = 4
"""How often each image is augmented in a step: a real and a fake one for each of the two losses."""


@dataclass(frozen=True)
class TrainSettings:
    """How the GAN is trained; progress is counted in real images seen.

    - `images`: how many real images the training sees in all.
    - `batch`: images per step, over all ranks.
    - `lr`, `betas`: learning rate and moments' decay of Adam, for both networks.
    - `decay`: the last share of the training, over which the learning rate falls linearly to zero.
    - `penalty`: weight of R1 on real images, and of R2 on fake ones with the relativistic loss; 0 means none.
    - `penalty_every`: the penalty is computed in every so many steps, and weighted by this number.
    - `average`: half-life of the averaged generator, in images.
    - `adaptive`: how the probability of the augmentations is adapted; None applies them always.
    """

    images: int
    batch: int = 64
    loss: LossName = "hinge"
    lr: float = 1e-3
    betas: tuple[float, float] = (0.0, 0.99)
    decay: float = 0.5
    penalty: float = 0.0
    penalty_every: int = 8
    augment: tuple[AugmentName, ...] = ()
    average: float = 10_000.0
    seed: int = 0
    adaptive: AdaptiveSettings | None = None


@dataclass(frozen=True)
class StepReport:
    """Both losses and D's mean logits of one step; `images` counts the real images seen after it.

    `augment` and `overfitting` are the adaptive augmentation's p and r_v; None without it.
    """

    images: int
    loss_d: float
    loss_g: float
    real: float
    fake: float
    augment: float | None = None
    overfitting: float | None = None


class GanTrainer:
    """Trains a generator and a discriminator, with one optimiser step of each per batch.

    Args:
        networks: What both networks are built from.
        settings: How they are trained.
        batches: The training images by index.
        device: Where the networks live and compute; the CPU by default.
        ranks: The processes that train together; this one alone by default. Each takes its share of every batch, and
            all hold the same networks after every step.
        dtype: Of the networks and of their inputs.
        micro_batch: The most images, or pairs of them, that are computed at once; all by default. It alters the
            rounding alone.
        held_out: Real images that the training never sees; the adaptive augmentation needs them.
    """

    def __init__(
        self,
        networks: NetworkSettings,
        settings: TrainSettings,
        batches: Batches,
        device: torch.device | None = None,
        ranks: Ranks | None = None,
        dtype: torch.dtype = torch.float32,
        micro_batch: int | None = None,
        held_out: HeldOut | None = None,
    ) -> None:
        self.settings = settings
        self.batches = batches
        self.device = device or torch.device("cpu")
        self.ranks = ranks or Ranks()
        self.dtype = dtype
        self.images = 0
        self.adaptive = AdaptiveStrength(settings.adaptive) if settings.adaptive and held_out else None
        self.held_out = held_out
        self.before = 0  # images that the networks had seen before this training, if it started from another one's
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(settings.seed)
            self.generator = build_generator(networks).to(self.device, dtype)
            self.discriminator = build_discriminator(networks).to(self.device, dtype)
        for network in (self.generator, self.discriminator):
            network.to(memory_format=torch.channels_last)
        self.average = copy.deepcopy(self.generator).requires_grad_(False)
        share_statistics(self.generator, self.ranks)
        compute_in_parts(self.generator, micro_batch)
        self._averaging = MovingAverage(self.average, self.generator)
        self._losses = Losses(settings.loss, settings.augment, settings.penalty * settings.penalty_every, micro_batch)
        self.optimizers = {
            name: torch.optim.Adam(network.parameters(), lr=settings.lr, betas=settings.betas, fused=True)
            for name, network in (("generator", self.generator), ("discriminator", self.discriminator))
        }

    @property
    def finished(self) -> bool:
        """Whether all images of `settings.images` were seen."""
        return self.images >= self.settings.images

    def step(self) -> StepReport:
        """Update both networks on the next batch; this rank works on its share of it.

        Raises:
            TrainingDiverged: A loss or a gradient is not finite; raised on all ranks, before the update.
            RankLost: Another rank is gone.
        """
        count = min(self.settings.batch, self.settings.images - self.images)
        share = self.ranks.share(self.images, count, self.discriminator.group)
        real, labels = (part.to(self.device, non_blocking=True) for part in self.batches(share.start, len(share)))
        real, labels = to_signed(real).to(self.dtype), labels.to(self.dtype)
        noise, uniforms = self._draw(share)
        self._set_learning_rates()
        fake = self.generator(noise, labels)
        self._adapt(real, fake.detach(), labels, uniforms, share)
        pairs = Pairs(real, fake.detach(), labels, uniforms, count, self.adaptive.p if self.adaptive else None)
        values = self._losses.discriminator_gradient(self.discriminator, pairs, self._penalised)
        _, loss_d, on_real, on_fake = self._update("discriminator", values)
        values, gradient = self._losses.images_gradient(self.discriminator, pairs)
        fake.backward(gradient, inputs=list(self.generator.parameters()))  # type: ignore[no-untyped-call]
        (loss_g,) = self._update("generator", values)
        self.images += count
        self._averaging.update(averaging_weight(count, self.before + self.images, self.settings.average))
        adapted = (self.adaptive.p, self.adaptive.overfitting) if self.adaptive else ()
        return StepReport(self.images, loss_d, loss_g, on_real, on_fake, *adapted)

    @torch.no_grad()
    def _adapt(self, real: Tensor, fake: Tensor, labels: Tensor, uniforms: Tensor, share: range) -> None:
        """Adapt the augmentation's p in every so many steps, by D's logits of training, held-out and fake images."""
        if self.adaptive is None or self.held_out is None or self.images // self.settings.batch % EVERY:
            return
        images, found = (part.to(self.device) for part in self.held_out(share.start, labels.cpu()))
        names, p, held_out = self.settings.augment, self.adaptive.p, to_signed(images).to(self.dtype)
        views = [augment(group, uniforms[0], names, p) for group in (real, held_out, fake)]
        total = sum_logits(self.discriminator, views, labels, found, self._losses.at_once)
        self.ranks.sum_([total])
        counted, on_real, on_held_out, on_fake = total.tolist()
        self.adaptive.update(counted, on_real, on_held_out, on_fake, images=EVERY * self.settings.batch)

    @property
    def _penalised(self) -> bool:
        """Whether the next step has the gradient penalty."""
        settings = self.settings
        return settings.penalty > 0 and self.images // settings.batch % settings.penalty_every == 0

    def _draw(self, indices: range) -> tuple[Tensor, Tensor]:
        """Noise `(N, latent)` and augmentation numbers `(VIEWS, N, U)` of the images, from their own streams.

        Without augmentation its numbers are not drawn, U is 0; the noise is the same. Of more numbers than UNIFORMS
        those up to there come first in the stream, for all views: they are the same too.
        """
        wanted = uniforms_needed(self.settings.augment, self.adaptive is not None)
        first = min(wanted, UNIFORMS)
        latent = self.generator.settings.latent
        drawn = image_numbers(self.settings.seed, Purpose.TRAINING, indices, latent, VIEWS * wanted)
        noise, uniforms = (torch.from_numpy(numbers).to(self.device) for numbers in drawn)
        parts = ((uniforms[:, : VIEWS * first], first), (uniforms[:, VIEWS * first :], wanted - first))
        views = torch.cat([part.reshape(len(indices), VIEWS, width) for part, width in parts], dim=2)
        return noise.to(self.dtype), views.transpose(0, 1)

    def _set_learning_rates(self) -> None:
        left = 1 - self.images / self.settings.images
        scale = min(1.0, left / self.settings.decay) if self.settings.decay else 1.0
        for optimizer in self.optimizers.values():
            for group in optimizer.param_groups:
                group["lr"] = self.settings.lr * scale

    def _update(self, name: str, values: Tensor) -> list[float]:
        """Take one optimiser step of the named network by the gradient that its parameters hold.

        Args:
            name: Of the network.
            values: This rank's parts of the loss and of what is shown.

        Returns:
            The sums of `values` over the ranks.

        Raises:
            TrainingDiverged: Before the step, if the loss or the gradient is not finite.
        """
        optimizer = self.optimizers[name]
        gradients = [p.grad for group in optimizer.param_groups for p in group["params"] if p.grad is not None]
        self.ranks.sum_([*gradients, values])
        norm, *sums = torch.cat([torch.nn.utils.get_total_norm(gradients)[None], values]).tolist()
        if not math.isfinite(sums[0]) or not math.isfinite(norm):
            raise TrainingDiverged(
                f"the {name}'s loss ({sums[0]:g}) or its gradient (norm {norm:g}) is not finite after "
                f"{self.images} images: lower train.lr and start in a new run folder"
            )
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        return sums


def to_signed(images: Tensor) -> Tensor:
    """Convert images from `uint8` in [0, 255] to `float32` in [-1, 1]."""
    return images.float().div_(127.5).sub_(1)


def to_bytes(images: Tensor) -> Tensor:
    """Convert images from `float32` in [-1, 1] to `uint8` in [0, 255], rounded to the nearest."""
    # One copy, changed in place: it stays in the processor's cache; a new copy at each operation would not.
    return (images + 1).mul_(127.5).round_().clamp_(0, 255).to(torch.uint8)
