"""What a step begins with, brought to a GPU ahead of it: images, labels, noise.

All of it is drawn on the CPU as it always was, so that a GPU sees the same numbers. A thread draws for the steps that
come next, while the GPU computes. What it drew for several steps is brought over at once, from pinned memory.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

Batches = Callable[[int, int], tuple[Tensor, Tensor]]
"""From (index of the first image, count) to images `(N, C, H, W) uint8` and labels `(N, K) float32`.

The result depends on the indices alone. So a resumed training sees the same images as an uninterrupted one, and several
ranks together see the same images as one process. `count` may be 0."""

Draw = Callable[[range], tuple[Tensor, ...]]
"""From a step's indices to what it needs, in the CPU's memory: tensors with a row for each index."""

STEPS = 32
"""For how many steps is drawn at once, at most."""

BYTES = 64 << 20
"""How much is brought over at once, at most, if that is not a single step's."""


@runtime_checkable
class StoredBatches(Protocol):
    """Batches of stored images, each of which has a place from 0 to `count` - 1."""

    count: int

    def places(self, first: int, count: int) -> npt.NDArray[np.int64]:
        """The places of the images at the indices from `first` on."""

    def stored(self, places: npt.NDArray[np.int64]) -> tuple[Tensor, Tensor]:
        """The images `(N, C, H, W) uint8` and labels `(N, K) float32` at these places."""


class Images:
    """The images of a training: they travel with each step, or stay on the GPU if there is room."""

    def __init__(self, batches: Batches, device: torch.device, room: int) -> None:
        """Bring the images to the device if they fit.

        Args:
            batches: The images by index.
            device: Where they are needed.
            room: The bytes that they may take there; 0 if they are to travel.
        """
        self._batches = batches
        self._stored = _resident(batches, device, room)

    @property
    def resident(self) -> bool:
        """Whether they stay on the device."""
        return self._stored is not None

    def forget(self) -> None:
        """Let them travel from now on."""
        self._stored = None

    def draw(self, share: range) -> tuple[Tensor, Tensor]:
        """The images at these indices, or their places if they are resident; and their labels. In the CPU's memory."""
        if self._stored is None:
            return self._batches(share.start, len(share))
        places = self._stored[0].places(share.start, len(share))
        return torch.from_numpy(places), self._stored[0].stored(places)[1]

    def seen(self, drawn: Tensor) -> Tensor:
        """The images `(N, C, H, W) uint8` from what `draw` gave, once that is on the device."""
        return drawn if self._stored is None else self._stored[1].index_select(0, drawn)


def _resident(batches: Batches, device: torch.device, room: int) -> tuple[StoredBatches, Tensor] | None:
    """The batches and a copy of all their images on the device; None if these take more than `room` bytes."""
    if not room or not isinstance(batches, StoredBatches) or not batches.count:
        return None
    one = batches.stored(np.zeros(1, dtype=np.int64))[0]
    if one.nbytes * batches.count > room:
        return None
    images = torch.empty(batches.count, *one.shape[1:], dtype=one.dtype, device=device)
    part = max(1, BYTES // one.nbytes)
    for first in range(0, batches.count, part):
        places = np.arange(first, min(first + part, batches.count), dtype=np.int64)
        images[first : first + part] = batches.stored(places)[0].to(device)
    return batches, images


@dataclass(frozen=True)
class _Block:
    """What several steps need. Their indices begin `batch` apart, and each has as many as the first one."""

    first: range
    batch: int
    steps: int

    def number(self, share: range) -> int | None:
        """Which of the steps has these indices; None if none has."""
        step, rest = divmod(share.start - self.first.start, self.batch)
        return step if not rest and 0 <= step < self.steps and len(share) == len(self.first) else None

    def shares(self) -> list[range]:
        """The indices of each step."""
        return [
            range(self.first.start + step * self.batch, self.first.stop + step * self.batch)
            for step in range(self.steps)
        ]

    @property
    def next(self) -> _Block:
        """The block after it."""
        moved = self.steps * self.batch
        return _Block(range(self.first.start + moved, self.first.stop + moved), self.batch, self.steps)


class Ahead:
    """Gives each step what it needs on the device, and draws meanwhile for those after it."""

    def __init__(self, draw: Draw, device: torch.device, steps: int | None = None) -> None:
        """Draw nothing yet.

        Args:
            draw: Gives the same for the same indices, and may be called by another thread.
            device: Where it is needed.
            steps: For how many steps is drawn at once; by default as many as BYTES hold, up to STEPS.
        """
        self._draw, self._device, self._steps = draw, device, steps
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="drawing-ahead")
        self._coming: tuple[_Block, Future[tuple[Tensor, ...]]] | None = None
        self._block: _Block | None = None
        self._here: tuple[Tensor, ...] = ()
        self._there: tuple[Tensor, ...] = ()

    def __call__(self, share: range, batch: int) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
        """What a step needs: on the device, and the same in the CPU's memory.

        Args:
            share: Its indices.
            batch: How far the indices of consecutive steps are apart.

        Returns:
            Twice the tensors that `draw` gives.
        """
        step = self._block.number(share) if self._block and self._block.batch == batch else None
        if self._block is None or step is None:
            self._block = self._load(share, batch)
            step = 0
        rows = slice(step * len(share), (step + 1) * len(share))
        return tuple(part[rows] for part in self._there), tuple(part[rows] for part in self._here)

    def close(self) -> None:
        """End the thread and forget what was drawn."""
        self._thread.shutdown(cancel_futures=True)
        self._block, self._coming, self._here, self._there = None, None, (), ()

    def _load(self, share: range, batch: int) -> _Block:
        """Bring over a block that begins with `share`, and begin to draw the one after it."""
        if self._coming and self._coming[0].number(share) == 0 and self._coming[0].batch == batch:
            block, self._here = self._coming[0], self._coming[1].result()
        else:
            block, self._here = self._anew(share, batch)
        self._there = tuple(to_device(part, self._device) for part in self._here)
        self._coming = block.next, self._thread.submit(self._drawn, block.next)
        return block

    def _anew(self, share: range, batch: int) -> tuple[_Block, tuple[Tensor, ...]]:
        """A block of which nothing is drawn yet: at the start, and if the training ends with a smaller batch."""
        drawn = self._draw(share)
        if self._steps is None:
            size = sum(part.nbytes for part in drawn)
            self._steps = min(STEPS, max(1, BYTES // max(1, size)))
        if self._block is not None and len(share) != len(self._block.first):
            return _Block(share, batch, 1), drawn
        block = _Block(share, batch, self._steps)
        return block, self._drawn(block)

    def _drawn(self, block: _Block) -> tuple[Tensor, ...]:
        """What all steps of a block need, one after the other."""
        return tuple(torch.cat(parts) for parts in zip(*map(self._draw, block.shares()), strict=True))


def to_device(values: Tensor, device: torch.device) -> Tensor:
    """`values`, in the CPU's memory, on the device; the CPU does not wait for the copy to a GPU."""
    if device.type != "cuda" or not values.numel():
        return values.to(device)
    return values.pin_memory().to(device, non_blocking=True)
