"""The averaged generator: a moving average of the trained weights, and its calibration before it makes images."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

from gan_aug.gan.networks.base import Generator
from gan_aug.gan.seeds import Purpose, image_noise

CALIBRATION_IMAGES = 1024


class MovingAverage:
    """Keeps the weights of `network` as the moving average of those of `source`, counts as they are.

    Both must keep their tensors: what is loaded into them is copied in place.
    """

    def __init__(self, network: nn.Module, source: nn.Module) -> None:
        theirs = source.state_dict()
        pairs = [(value, theirs[name]) for name, value in network.state_dict().items()]
        floats = [pair for pair in pairs if pair[0].is_floating_point()]
        self._floats, self._theirs = [value for value, _ in floats], [value for _, value in floats]
        counts = [pair for pair in pairs if not pair[0].is_floating_point()]
        self._counts, self._their_counts = [value for value, _ in counts], [value for _, value in counts]

    @torch.no_grad()
    def update(self, weight: float) -> None:
        """Move the average by `weight`, from 0 to 1, towards the source's weights of now."""
        torch._foreach_lerp_(self._floats, self._theirs, weight)
        if self._counts:
            torch._foreach_copy_(self._counts, self._their_counts)


def averaging_weight(count: int, seen: int, half_life: float) -> float:
    """The weight of the newest networks in the average after a step.

    Early in the training the half-life is at most 5% of all images seen (EDM2's warm-up).

    Args:
        count: Images of the step.
        seen: Images seen so far, those of the step included.
        half_life: Of the average, in images.

    Returns:
        From 0 to 1.
    """
    return float(1 - 0.5 ** (count / max(min(half_life, seen * 0.05), 1e-8)))


@torch.no_grad()
def calibrated(generator: Generator, label_rows: Tensor, seed: int, batch: int = 64) -> Generator:
    """A copy of `generator` in evaluation mode whose batch norms hold the statistics of its own images.

    The running statistics belong to the trained weights and do not fit the averaged ones. As with BigGAN's standing
    statistics (arXiv 1809.11096, section 4.1) new ones are computed from fixed noise.

    Args:
        generator: Left unchanged.
        label_rows: `(M, K) float32` labels, used one after another and again from the first.
        seed: Of the noise.
        batch: Images per pass.

    Returns:
        The calibrated copy, on the generator's device.
    """
    result = copy.deepcopy(generator).train()
    norms = [module for module in result.modules() if isinstance(module, torch.nn.BatchNorm2d)]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # cumulative mean
    device = label_rows.device
    for first in range(0, CALIBRATION_IMAGES, batch):
        indices = range(first, first + batch)
        noise = torch.from_numpy(image_noise(seed, Purpose.CALIBRATION, indices, result.settings.latent)).to(device)
        result(noise, label_rows[torch.tensor(indices, device=device) % len(label_rows)])
    return result.eval()
