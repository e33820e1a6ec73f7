"""Classifiers of comparisons, kept in memory, which score sampled images in a thread of their own."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from gan_aug.run import layout

if TYPE_CHECKING:
    from gan_aug.evaluation.cells.kept import KeptClassifier

LOADED = 4
"""Classifiers kept in memory; the one that was unused for longest goes first."""


class Classifiers:
    """The classifiers that were asked last; all share one thread, which is not that of the generators."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(1, "classifier", _one_thread)
        self._loaded: OrderedDict[tuple[Path, int], KeptClassifier] = OrderedDict()

    async def get(self, run: Path, arm: str) -> KeptClassifier:
        """The classifier of an arm of a run; raises DataError if there is none, CheckpointError if it is damaged."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, self._get, run, arm)

    async def score(self, classifier: KeptClassifier, images: npt.NDArray[np.uint8]) -> npt.NDArray[np.float64]:
        """The probability of each label for images `(N, C, H, W) uint8`, `(N, K)`."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, classifier.probabilities, images)

    def evict_removed(self) -> None:
        """Drop the classifiers whose cells are gone, because their runs were removed."""
        for key in [key for key in self._loaded if not key[0].exists()]:
            self._loaded.pop(key, None)

    def close(self) -> None:
        """End the thread."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _get(self, run: Path, arm: str) -> KeptClassifier:
        from gan_aug.evaluation.cells.kept import find_cell, load_kept

        key = find_cell(run, arm), _written(run / layout.REPORT)  # the report says how well the classifier does
        if key not in self._loaded:
            self._loaded[key] = load_kept(run, arm)
            while len(self._loaded) > LOADED:
                self._loaded.popitem(last=False)
        self._loaded.move_to_end(key)
        return self._loaded[key]


def _written(path: Path) -> int:
    """When a file was written; 0 if there is none."""
    try:
        return path.stat().st_mtime_ns
    except FileNotFoundError:
        return 0


def _one_thread() -> None:
    """Use one thread of PyTorch, as in `gan-aug latent`: another number can change the last bits."""
    import torch

    torch.set_num_threads(1)
