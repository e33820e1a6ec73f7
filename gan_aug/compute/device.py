"""Which device a request means."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gan_aug.errors import ComputeError

if TYPE_CHECKING:
    import torch


def choose_device(name: str) -> torch.device:
    """The device called `name`; `auto` is the GPU where there is one. Raises ComputeError where it is not there."""
    import torch

    if name == "cuda" and not torch.cuda.is_available():
        raise ComputeError("compute.device is cuda and torch sees no GPU here: set it to auto or cpu")
    return torch.device("cuda" if name == "cuda" or (name == "auto" and torch.cuda.is_available()) else "cpu")
