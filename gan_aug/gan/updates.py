"""The gradients of both losses on one batch, as a whole or in micro-batches that need less memory.

Micro-batches give the whole batch's gradient, to rounding: losses and penalty are means over images or over pairs of a
real and a fake image, and a logit of D depends on no other images than those of its group, which are not divided.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrize import ParametrizationList

from gan_aug.gan.augment import AugmentName, augment
from gan_aug.gan.losses import LossName, discriminator_loss, generator_loss, gradient_penalty, mean
from gan_aug.gan.networks.base import Discriminator


@dataclass(frozen=True)
class Pairs:
    """A batch of real and fake images with the same labels, or this rank's share of it.

    - `real`, `fake`: `(N, C, H, W)` in [-1, 1].
    - `labels`: `(N, K)`.
    - `uniforms`: `(VIEWS, N, UNIFORMS)`, the numbers of their augmentation.
    - `count`: the number of pairs on all ranks.
    - `p`: the probability of each augmentation; None applies all, see `augment`.
    """

    real: Tensor
    fake: Tensor
    labels: Tensor
    uniforms: Tensor
    count: int
    p: float | Tensor | None = None

    def parts(self, most: int | None, group: int = 1) -> list[Pairs]:
        """Consecutive parts of at most `most` pairs, or of one group, evenly sized; at least one, which may be empty.

        Args:
            most: The most pairs of a part; None for all in one part.
            group: So many consecutive pairs are not divided.

        Returns:
            The parts.
        """
        groups = -(-len(self.real) // group)
        number = 1 if most is None else max(1, -(-groups // max(1, most // group)))
        ends = [min(len(self.real), groups * part // number * group) for part in range(number + 1)]
        return [self.part(slice(*pair)) for pair in pairwise(ends)] if number > 1 else [self]

    def part(self, rows: slice) -> Pairs:
        """The pairs in some rows."""
        return replace(
            self,
            real=self.real[rows],
            fake=self.fake[rows],
            labels=self.labels[rows],
            uniforms=self.uniforms[:, rows],
        )


@dataclass(frozen=True)
class Losses:
    """Both losses: their name, what D sees of the images, and the most pairs that are computed at once.

    `penalty` is the weight of the gradient penalty in a step that has it.
    """

    name: LossName
    augment: tuple[AugmentName, ...] = ()
    penalty: float = 0.0
    at_once: int | None = None

    def discriminator_gradient(self, discriminator: Discriminator, pairs: Pairs, penalised: bool) -> Tensor:
        """Add the gradient of D's loss to its parameters.

        Args:
            discriminator: D.
            pairs: The batch.
            penalised: Whether the loss has the gradient penalty.

        Returns:
            `(4,)`: the loss with the penalty, the loss alone, and the mean logits of real and of fake images.
        """
        values = []
        for part in _normalised_once(discriminator, pairs.parts(self.at_once, discriminator.group)):
            total, *shown = self._discriminator_loss(discriminator, part, penalised)
            total.backward(inputs=list(discriminator.parameters()))  # type: ignore[no-untyped-call]
            values.append(torch.stack([value.detach() for value in (total, *shown)]))
        return _sum(values)

    def _discriminator_loss(self, discriminator: Discriminator, pairs: Pairs, penalised: bool) -> list[Tensor]:
        views = torch.cat([self._seen(pairs, pairs.real, 0), self._seen(pairs, pairs.fake, 1)])
        views.requires_grad_(penalised)
        logits = discriminator(views, pairs.labels.repeat(2, 1), sets=2)
        on_real, on_fake = logits[: len(pairs.real)], logits[len(pairs.real) :]
        loss = discriminator_loss(self.name, on_real, on_fake, pairs.count)
        total = loss
        if penalised:
            both = self.name == "relativistic"
            penalty = gradient_penalty(logits if both else on_real, views, 2 * pairs.count) * 2
            total = loss + self.penalty * penalty
        return [total, loss, mean(on_real, pairs.count), mean(on_fake, pairs.count)]

    def _seen(self, pairs: Pairs, images: Tensor, view: int) -> Tensor:
        """The images of the pairs as D sees them in one of its views."""
        return augment(images, pairs.uniforms[view], self.augment, pairs.p)

    def images_gradient(self, discriminator: Discriminator, pairs: Pairs) -> tuple[Tensor, Tensor]:
        """The gradient of G's loss with respect to the fake images; D's parameters get none.

        Args:
            discriminator: D.
            pairs: The batch.

        Returns:
            The loss, `(1,)`, and its gradient, `(N, C, H, W)`.
        """
        parts = pairs.parts(self.at_once, discriminator.group)
        with _frozen(discriminator):
            real_logits: list[Tensor | None] = [None] * len(parts)
            if self.name == "relativistic":
                with torch.no_grad():
                    real_logits = [
                        discriminator(self._seen(part, part.real, 3), part.labels)
                        for part in _normalised_once(discriminator, parts)
                    ]
            values: list[Tensor] = []
            gradients: list[Tensor] = []
            for part, on_real in zip(_normalised_once(discriminator, parts), real_logits, strict=True):
                fake = part.fake.detach().requires_grad_()
                on_fake = discriminator(self._seen(part, fake, 2), part.labels)
                loss = generator_loss(self.name, on_fake if on_real is None else on_real, on_fake, pairs.count)
                gradients += torch.autograd.grad(loss, [fake])
                values.append(loss.detach()[None])
        return _sum(values), gradients[0] if len(gradients) == 1 else torch.cat(gradients)


def _sum(values: list[Tensor]) -> Tensor:
    return values[0] if len(values) == 1 else torch.stack(values).sum(dim=0)


def _normalised_once(discriminator: Discriminator, parts: list[Pairs]) -> Iterator[Pairs]:
    """Each part in turn; spectral norm iterates for the first alone, as it would for the whole batch."""
    norms = [module for module in discriminator.modules() if isinstance(module, ParametrizationList)]
    try:
        for number, part in enumerate(parts):
            if number == 1:
                for norm in norms:
                    norm.eval()
            yield part
    finally:
        for norm in norms:
            norm.train()


@contextmanager
def _frozen(network: nn.Module) -> Iterator[None]:
    """No gradient for the parameters of `network` within the block."""
    network.requires_grad_(False)
    try:
        yield
    finally:
        network.requires_grad_(True)
