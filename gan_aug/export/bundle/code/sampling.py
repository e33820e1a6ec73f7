"""From a seed, numbers and labels to images: the same ones that gan-aug makes of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from .about import LABELS
from .seeds import image_noise

Label = str | int | Sequence[str | int] | None
"""The name of a label or its position; a list of those that an image has, which may be empty; None: the first one."""

BLOCK = 64
"""Images in every pass of the network, each in the row of its number: elsewhere its last bits could differ."""


def load(network: Any, file: str | Path, device: str = "cpu") -> Any:
    """The network with the weights of `models/model.pt`, ready to make images; only tensors are read of the file."""
    weights = torch.load(file, map_location="cpu", weights_only=True)  # noqa: TID251 - MONAI's own file
    network.load_state_dict(weights)
    return network.to(device, memory_format=torch.channels_last).eval().requires_grad_(False)


def sample(network: Any, label: Label = None, count: int = 16, seed: int = 0, first: int = 0) -> npt.NDArray[np.uint8]:
    """Make consecutive images of one label.

    Args:
        network: What `load` gives.
        label: Which one, or which ones each image has.
        count: How many images.
        seed: From 0 to 2^32 - 1.
        first: The number of the first image.

    Returns:
        `(count, C, H, W) uint8`.

    Raises:
        ValueError: There is no such label, or a number is out of its range.
    """
    if count < 0 or first < 0 or not 0 <= seed < 2**32:
        raise ValueError(
            f"count {count}, seed {seed}, first {first}: count and first are not negative, seed is from 0 to 2^32 - 1"
        )
    wanted = names_of(label)
    row = np.array([name in wanted for name in LABELS], dtype=np.float32)
    return make(network, np.tile(row, (count, 1)), seed, first)


def names_of(label: Label) -> list[str]:
    """The names of the labels that `label` means; raises ValueError if there is no such label."""
    if label is None:
        return LABELS[:1]
    wanted = label if isinstance(label, list | tuple) else [label]
    return [_name_of(own) for own in wanted]


def _name_of(label: Any) -> str:
    if str(label) in LABELS:  # command lines read names such as 7 as numbers
        return str(label)
    if isinstance(label, int) and not isinstance(label, bool) and 0 <= label < len(LABELS):
        return LABELS[label]
    raise ValueError(f"there is no label {label!r}: the labels are {', '.join(LABELS)}")


def make(network: Any, rows: npt.NDArray[np.float32], seed: int, first: int = 0) -> npt.NDArray[np.uint8]:
    """Make consecutive images, each of its own labels.

    Args:
        network: What `load` gives.
        rows: The labels of each image, `(N, K)` zeros and ones.
        seed: From 0 to 2^32 - 1.
        first: The number of the first image.

    Returns:
        `(N, C, H, W) uint8`.
    """
    device = next(network.parameters()).device
    before = first % BLOCK
    images = np.empty((before + len(rows), *network.shape), dtype=np.uint8)
    with _one_thread(), torch.inference_mode(), _plain_arithmetic():
        for start in range(0, len(images), BLOCK):
            x = torch.zeros(BLOCK, network.latent + network.classes)
            at = range(max(start, before), min(start + BLOCK, len(images)))
            own = slice(at.start - start, at.stop - start)
            x[own, : network.latent] = torch.from_numpy(
                image_noise(seed, range(first - before + at.start, first - before + at.stop), network.latent)
            )
            x[own, network.latent :] = torch.from_numpy(rows[at.start - before : at.stop - before])
            images[at.start : at.stop] = to_bytes(network(x.to(device)))[own].cpu().numpy()
    return images[before:]


def to_bytes(images: Tensor) -> Tensor:
    """Convert images from `float32` in [-1, 1] to `uint8` in [0, 255], rounded to the nearest."""
    return (images + 1).mul_(127.5).round_().clamp_(0, 255).to(torch.uint8)


@contextmanager
def _one_thread() -> Iterator[None]:
    """A block on one thread: several could add up in another order."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _plain_arithmetic() -> Any:
    """A block in which a GPU multiplies all bits of a number, by algorithms that give the same each time."""
    return torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True, allow_tf32=False)
