"""What follows every level of the generator: batch norm whose scale and shift are linear in the labels."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class ConditionalBatchNorm(nn.Module):
    """Normalises images, scales them by 1 + s(labels), shifts them by b(labels), and sets what is negative to zero."""

    def __init__(self, channels: int, classes: int, as_first: bool) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(channels, affine=False)
        self.modulation = nn.Linear(classes, 2 * channels, bias=False)
        self.as_first = as_first

    def forward(self, x: Tensor, labels: Tensor) -> Tensor:
        """The result for `x` `(N, C, H, W)` with `labels` `(N, K)`."""
        normed = self.norm(x)
        scale, shift = self.modulation(labels)[:, :, None, None].chunk(2, dim=1)
        if self.as_first:  # the sums of version 0.1 of gan-aug, which round in another order
            return torch.addcmul(normed + shift, normed, scale).relu_()
        return torch.addcmul(shift, normed, 1 + scale).relu_()


def first_level(project: nn.Linear, x: Tensor, size: tuple[int, int]) -> Tensor:
    """The coarsest level `(N, C, *size)` from noise and labels `(N, latent + K)`."""
    made: Tensor = project(x)
    return torch.unflatten(made, 1, (-1, *size)).contiguous(memory_format=torch.channels_last)
