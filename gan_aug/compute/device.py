"""The torch device that a request asks for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gan_aug.errors import ComputeError

if TYPE_CHECKING:
    import torch


def choose_device(name: str) -> torch.device:
    """The device called `name`; `auto` is a GPU if there is one, else the CPU.

    Raises ComputeError if `name` is `cuda` and torch sees no GPU.
    """
    import torch

    if name == "cuda" and not torch.cuda.is_available():
        raise ComputeError("compute.device is cuda and torch sees no GPU here: set it to auto or cpu")
    return torch.device("cuda" if name == "cuda" or (name == "auto" and torch.cuda.is_available()) else "cpu")
