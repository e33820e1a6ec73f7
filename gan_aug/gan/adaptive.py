"""The strength of the augmentation, adapted to how much D overfits: ADA, Karras et al. 2020 (arXiv 2006.06676).

Each augmentation of an image is applied with probability p. Held-out images that D never trained on say how much it
overfits: r_v = (E[D_train] - E[D_held out]) / (E[D_train] - E[D_generated]), section 3. It is 0 if D takes held-out
images for training images, and 1 if D takes them for generated ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from gan_aug.gan.networks.base import Discriminator

EVERY = 4
"""Steps from one measurement to the next, as in the paper."""

MOST = 0.8
"""The largest p: with more, the generator begins to show the augmentations itself (section 2.2)."""

MEMORY = 0.95
"""The share of the running means that stays at each measurement: one batch alone says little."""


@dataclass(frozen=True)
class AdaptiveSettings:
    """How p is adapted.

    - `target`: p rises while r_v is above it, and falls while it is below.
    - `rise`: so many images take p from 0 to 1, or back.
    """

    target: float
    rise: int


class AdaptiveStrength:
    """The probability p and what it is adapted by; a part of the trainer's state, on its device."""

    def __init__(self, settings: AdaptiveSettings, device: torch.device | None = None) -> None:
        """Begin with p = 0, with its state on `device`, by default the CPU."""
        self.settings = settings
        self._state = torch.zeros(3, dtype=torch.float64, device=device)  # p, and the running means of r_v's two parts

    @property
    def p(self) -> float:
        """The probability of each augmentation, from 0 to MOST."""
        return float(self._state[0])

    @property
    def probability(self) -> float | Tensor:
        """The same for `augment`: on a GPU a scalar in its memory, since nobody should wait for a number."""
        return self.p if self._state.device.type == "cpu" else self._state[0]

    @property
    def overfitting(self) -> float:
        """r_v from running means of its parts; 0 as long as D does not tell training images from generated ones."""
        return float(_overfitting(self._state))

    def update(self, sums: Tensor, images: int) -> None:
        """Adapt p by D's logits of images with the same labels; nothing changes if there are none.

        Args:
            sums: `(4,) float64`: how many images of each kind there are, and the sums of the logits of training images,
                held-out images and generated images.
            images: How many images the training saw since the last update.
        """
        count, real, held_out, fake = sums.unbind()
        p, gap, lead = self._state.unbind()
        gap = MEMORY * gap + (1 - MEMORY) * (real - held_out) / count
        lead = MEMORY * lead + (1 - MEMORY) * (real - fake) / count
        step = images / self.settings.rise
        rises = _overfitting(torch.stack([p, gap, lead])) > self.settings.target
        p = torch.where(rises, p + step, p - step).clamp(0, MOST)
        self._state.copy_(torch.where(count > 0, torch.stack([p, gap, lead]), self._state))

    def shown(self) -> Tensor:
        """What is shown of it: p and r_v, `(2,) float64`, on the device."""
        return torch.stack([self._state[0], _overfitting(self._state)])

    def state(self) -> Tensor:
        """All that a resumed training needs, `(3,) float64`."""
        return self._state.clone()

    def tensors(self) -> list[Tensor]:
        """The tensors that an update alters."""
        return [self._state]

    def load(self, state: Tensor) -> None:
        """Go on from a `state`."""
        self._state.copy_(state)


def _overfitting(state: Tensor) -> Tensor:
    _, gap, lead = state.unbind()
    return torch.where(lead > 0, gap / lead, 0.0)


@torch.no_grad()
def sum_logits(
    discriminator: Discriminator, groups: Sequence[Tensor], labels: Tensor, found: Tensor, at_once: int | None = None
) -> Tensor:
    """Sum D's logits over each group of images; D stays as it is.

    Args:
        discriminator: D.
        groups: Each `(N, C, H, W)`, all with the same labels.
        labels: `(N, K)`.
        found: `(N,) bool`: the images that count.
        at_once: The most images that D sees at once; all by default.

    Returns:
        `(1 + G,) float64`: how many images count, and for each of the G groups the sum of their logits.
    """
    sums = [found.sum()]
    discriminator.eval()  # spectral norm takes a step in each pass of the training mode
    most = at_once or max(1, len(labels))
    most = max(most - most % discriminator.group, discriminator.group)  # of images that it compares, none are divided
    parts = [slice(first, first + most) for first in range(0, len(labels), most)]
    try:
        for group in groups:
            logits = [(discriminator(group[part], labels[part]) * found[part]).sum() for part in parts]
            sums.append(torch.stack([found.new_zeros((), dtype=group.dtype), *logits]).sum())
    finally:
        discriminator.train()
    return torch.stack([part.double() for part in sums])
