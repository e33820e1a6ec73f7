"""The precision in which a GPU computes, and whether it gives the same bits each time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

import torch

Precision = Literal["fp32", "tf32"]
"""How a GPU multiplies: `fp32` takes all 24 bits of a number, `tf32` takes 11 of them and adds in fp32.

PyTorch's own default is tf32 for convolutions and fp32 for products of matrices."""


@contextmanager
def arithmetic(device: torch.device, precision: Precision = "fp32") -> Iterator[None]:
    """Within the block, let a GPU compute in `precision`, by algorithms of cuDNN that give the same bits each time.

    On another device nothing changes.
    """
    if device.type != "cuda":
        yield
        return
    cudnn, matmul = torch.backends.cudnn, torch.backends.cuda.matmul
    before = cudnn.allow_tf32, cudnn.deterministic, cudnn.benchmark, matmul.allow_tf32
    wanted = precision == "tf32", True, False, precision == "tf32"
    _set(wanted)
    try:
        yield
    finally:
        _set(before)


def _set(values: tuple[bool, bool, bool, bool]) -> None:
    cudnn, matmul = torch.backends.cudnn, torch.backends.cuda.matmul
    cudnn.allow_tf32, cudnn.deterministic, cudnn.benchmark, matmul.allow_tf32 = values
