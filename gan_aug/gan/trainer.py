"""The GAN's training step: draw noise, update both networks, update the averaged generator."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from gan_aug.eager import eager
from gan_aug.gan.adaptive import EVERY, AdaptiveSettings, AdaptiveStrength, sum_logits
from gan_aug.gan.augment import UNIFORMS, AugmentName, augment, uniforms_needed
from gan_aug.gan.average import MovingAverage, averaging_weight
from gan_aug.gan.device.arithmetic import Precision, arithmetic
from gan_aug.gan.device.graphs import Recorded
from gan_aug.gan.device.inputs import Ahead, Batches, Images, to_device
from gan_aug.gan.device.results import Results, StepReport, check_finite
from gan_aug.gan.device.use import DeviceUse, use_of
from gan_aug.gan.losses import LossName
from gan_aug.gan.networks.catalogue import build_discriminator, build_generator
from gan_aug.gan.networks.layers import compute_in_parts
from gan_aug.gan.networks.settings import NetworkSettings
from gan_aug.gan.ranks import Ranks, share_statistics
from gan_aug.gan.seeds import Purpose, image_numbers
from gan_aug.gan.updates import Losses, Pairs

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
    - `precision`: how a GPU multiplies.
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
    precision: Precision = "fp32"


class _Kind(NamedTuple):
    """What steps differ in: the gradient penalty, a measurement of how much D overfits, the images of all ranks."""

    penalised: bool
    measured: bool
    images: int


class GanTrainer:
    """Trains a generator and a discriminator, with one optimiser step of each per batch.

    On a GPU nobody waits for a step's results: they are read some steps later, and the device itself sees to it that
    nothing is updated any more after a loss or a gradient that is not finite.

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
        use: How the device is used; by default as suits it.
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
        use: DeviceUse | None = None,
    ) -> None:
        self.settings = settings
        self.batches = batches
        self.device = device or torch.device("cpu")
        self.ranks = ranks or Ranks()
        self.dtype = dtype
        self.images = 0
        self.use = use or use_of(self.device, self.ranks.size, micro_batch, graphs=True)
        self.adaptive = AdaptiveStrength(settings.adaptive, self.device) if settings.adaptive and held_out else None
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
        of_gpu = self.device.type == "cuda"
        # In the memory of a GPU, a recorded step finds the learning rate of now.
        lr = torch.tensor(settings.lr, device=self.device) if of_gpu else settings.lr
        self.optimizers = {
            name: eager(torch.optim.Adam)(
                network.parameters(), lr=lr, betas=settings.betas, fused=True, capturable=of_gpu
            )
            for name, network in (("generator", self.generator), ("discriminator", self.discriminator))
        }
        for optimizer in self.optimizers.values():
            # Before they are recorded, steps are done as usual: that is meant so, and nobody has to be warned.
            optimizer._warned_capturable_if_run_uncaptured = True
        self._broken = torch.zeros((), device=self.device)  # 1 after a loss or a gradient that is not finite
        self._results = Results()
        self._images = Images(batches, self.device, self.use.room)
        self._ahead = Ahead(self._draw, self.device) if self.use.ahead else None
        self._steps = Recorded(self._compute, self._state, self.use.record)

    @property
    def finished(self) -> bool:
        """Whether all images of `settings.images` were seen."""
        return self.images >= self.settings.images

    def begin_at(self, images: int) -> None:
        """Go on after so many images, with networks and moments that were loaded."""
        self.images = images
        self._results.forget()
        self._broken.zero_()
        self._steps.forget()

    def close(self) -> None:
        """Give back the images and recordings on the device, before another training takes its place."""
        self._steps.forget()
        self._images.forget()
        if self._ahead:
            self._ahead.close()

    @property
    def how(self) -> str:
        """How the device is used, in words; empty on a CPU."""
        if not self.use.ahead:
            return ""
        why = self._steps.refused or self.use.why
        recorded = self.use.record is not None and not why
        steps = "steps repeated from CUDA graphs" if recorded else "no CUDA graphs" + (f": {why}" if why else "")
        where = "kept on the device" if self._images.resident else "brought there batch by batch"
        return f"{self.settings.precision}, images {where}, {steps}"

    def step(self) -> StepReport:
        """Update both networks on the next batch, and wait for the result; raises as `advance`."""
        return [*self.advance(), *self.read()][-1]

    def advance(self) -> list[StepReport]:
        """Update both networks on the next batch; this rank works on its share of it.

        Returns:
            The steps whose results were read now, oldest first. On a CPU it is this step. On a GPU it is none most of
            the time, and after every so many steps it is all of these.

        Raises:
            TrainingDiverged: A loss or a gradient of this step, or on a GPU of one before it, is not finite; raised on
                all ranks. From that step on nothing was updated.
            RankLost: Another rank is gone.
        """
        count = min(self.settings.batch, self.settings.images - self.images)
        share = self.ranks.share(self.images, count, self.discriminator.group)
        step = self.images // self.settings.batch
        kind = _Kind(
            penalised=self.settings.penalty > 0 and step % self.settings.penalty_every == 0,
            measured=self.adaptive is not None and step % EVERY == 0,
            images=count,
        )
        self._set_learning_rates()
        with arithmetic(self.device, self.settings.precision):
            inputs, labels = self._inputs(share)
            if kind.measured and self.held_out is not None:
                inputs += tuple(to_device(part, self.device) for part in self.held_out(share.start, labels))
            self._results.add(self.images, count, self._steps(inputs, kind))
        reports = self.read() if len(self._results) >= self.use.read_every else []
        self.images += count
        self._averaging.update(averaging_weight(count, self.before + self.images, self.settings.average))
        return reports

    def read(self) -> list[StepReport]:
        """Wait for the results that were not read yet; raises TrainingDiverged as `advance`."""
        return self._results.read()

    def _inputs(self, share: range) -> tuple[tuple[Tensor, ...], Tensor]:
        """What a step needs, on the device: images, labels, noise, augmentation numbers; and the labels on the CPU."""
        if self._ahead is None:
            drawn = here = self._draw(share)
        else:
            drawn, here = self._ahead(share, self.settings.batch)
        return (self._images.seen(drawn[0]), *drawn[1:]), here[1]

    def _draw(self, share: range) -> tuple[Tensor, ...]:
        """In the CPU's memory, images (or their places), labels, and the images' own random numbers.

        These are noise `(N, latent)` and augmentation numbers `(N, VIEWS, U)`. Without augmentation its numbers are not
        drawn, U is 0; the noise is the same. Of more numbers than UNIFORMS those up to there come first in the stream,
        for all views: they are the same too.
        """
        wanted = uniforms_needed(self.settings.augment, self.adaptive is not None)
        first = min(wanted, UNIFORMS)
        latent = self.generator.settings.latent
        drawn = image_numbers(self.settings.seed, Purpose.TRAINING, share, latent, VIEWS * wanted)
        noise, uniforms = (torch.from_numpy(numbers) for numbers in drawn)
        parts = ((uniforms[:, : VIEWS * first], first), (uniforms[:, VIEWS * first :], wanted - first))
        views = torch.cat([part.reshape(len(share), VIEWS, width) for part, width in parts], dim=2)
        return *self._images.draw(share), noise, views

    def _compute(self, inputs: tuple[Tensor, ...], kind: _Kind) -> Tensor:
        """Update both networks; the results, `(7 or 9,) float64`, see `Results.add`. It waits for no GPU.

        Args:
            inputs: Images, labels, noise and augmentation numbers; if it measures, held-out images and which count.
            kind: What is to be done.
        """
        try:
            return torch.cat(self._computed(inputs, kind))
        except RuntimeError:  # in the middle of a recording, say: the next step must not add to its gradients
            for optimizer in self.optimizers.values():
                optimizer.zero_grad(set_to_none=True)
            raise

    def _computed(self, inputs: tuple[Tensor, ...], kind: _Kind) -> list[Tensor]:
        images, labels, noise, views, *held_out = inputs
        labels, uniforms = labels.to(self.dtype), views.transpose(0, 1)
        real = self._signed(images)
        fake = self.generator(noise.to(self.dtype), labels)
        if kind.measured:
            self._adapt((real, self._signed(held_out[0]), fake.detach()), labels, uniforms[0], held_out[1])
        p = self.adaptive.probability if self.adaptive else None
        pairs = Pairs(real, fake.detach(), labels, uniforms, kind.images, p)
        values = self._losses.discriminator_gradient(self.discriminator, pairs, kind.penalised)
        of_d = self._update("discriminator", values)
        values, gradient = self._losses.images_gradient(self.discriminator, pairs)
        fake.backward(gradient, inputs=list(self.generator.parameters()))  # type: ignore[no-untyped-call]
        of_g = self._update("generator", values)
        return [of_d, of_g, *([self.adaptive.shown()] if self.adaptive else [])]

    def _signed(self, images: Tensor) -> Tensor:
        return to_signed(images).to(self.dtype)

    @torch.no_grad()
    def _adapt(self, groups: tuple[Tensor, ...], labels: Tensor, uniforms: Tensor, found: Tensor) -> None:
        """Adapt the augmentation's p by D's logits of training, held-out and fake images, of which some count."""
        if self.adaptive is None:
            return
        views = [augment(group, uniforms, self.settings.augment, self.adaptive.probability) for group in groups]
        total = sum_logits(self.discriminator, views, labels, found, self._losses.at_once)
        self.ranks.sum_([total])
        self.adaptive.update(total, images=EVERY * self.settings.batch)

    def _set_learning_rates(self) -> None:
        left = 1 - self.images / self.settings.images
        scale = min(1.0, left / self.settings.decay) if self.settings.decay else 1.0
        for optimizer in self.optimizers.values():
            for group in optimizer.param_groups:
                if isinstance(group["lr"], Tensor):
                    group["lr"].fill_(self.settings.lr * scale)
                else:
                    group["lr"] = self.settings.lr * scale

    def _update(self, name: str, values: Tensor) -> Tensor:
        """Take one optimiser step of the named network by the gradient that its parameters hold, if all is finite.

        Args:
            name: Of the network.
            values: This rank's parts of the loss and of what is shown.

        Returns:
            The norm of the gradient, and the sums of `values` over the ranks, as float64.

        Raises:
            TrainingDiverged: If results are read at each step: before this one, if loss or gradient is not finite.
        """
        optimizer = self.optimizers[name]
        gradients = [p.grad for group in optimizer.param_groups for p in group["params"] if p.grad is not None]
        self.ranks.sum_([*gradients, values])
        results = torch.cat([torch.nn.utils.get_total_norm(gradients)[None], values])
        if self.use.read_every == 1:
            norm, loss = results[:2].tolist()
            check_finite(name, norm, loss, self.images)
        else:
            self._broken.masked_fill_(~torch.isfinite(results[:2]).all(), 1.0)
            optimizer.found_inf = self._broken  # type: ignore[attr-defined]  # as a GradScaler does: 1 means no step
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        return results.double()

    def _state(self) -> list[list[Tensor]]:
        """All that a step alters: weights, buffers, moments, and the rest."""
        networks = (self.generator, self.discriminator)
        moments = [
            value
            for optimizer in self.optimizers.values()
            for state in optimizer.state.values()
            for value in state.values()
        ]
        rest = [self._broken, *(self.adaptive.tensors() if self.adaptive else ())]
        return [
            [p.detach() for network in networks for p in network.parameters()],
            [buffer for network in networks for buffer in network.buffers()],
            moments,
            rest,
        ]


def to_signed(images: Tensor) -> Tensor:
    """Convert images from `uint8` in [0, 255] to `float32` in [-1, 1]."""
    return images.float().div_(127.5).sub_(1)


def to_bytes(images: Tensor) -> Tensor:
    """Convert images from `float32` in [-1, 1] to `uint8` in [0, 255], rounded to the nearest."""
    # One copy, changed in place: it stays in the processor's cache; a new copy at each operation would not.
    return (images + 1).mul_(127.5).round_().clamp_(0, 255).to(torch.uint8)
