"""Training batches as a function of the image index, so that training can resume at any image and see the same ones."""

from __future__ import annotations

from functools import lru_cache
from typing import Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor


class TrainingBatches:
    """Endless shuffled passes over some of the stored images; only the batch is copied.

    The image at an index depends on the seed and the index alone. `count` is the number of images in a pass.
    """

    def __init__(
        self,
        images: npt.NDArray[np.uint8],
        labels: npt.NDArray[np.float32],
        rows: npt.NDArray[np.int64],
        *,
        seed: int,
        balance: Literal["data", "classes"] = "data",
    ) -> None:
        """Prepare the passes; nothing is read yet.

        Args:
            images: All stored images, `(N, C, H, W) uint8`; may be memory-mapped.
            labels: Their labels, `(N, K) float32` of zeros and ones.
            rows: The positions of the images to use, `(M,) int64`.
            seed: The seed of the shuffling.
            balance: With "data", every pass holds each image once. With "classes", the label combinations take turns,
                each in a shuffled order of its own.
        """
        self._images, self._labels, self._rows, self._seed = images, labels, rows, seed
        self.count = len(rows)
        self._groups = [np.arange(len(rows), dtype=np.int64)]
        if balance == "classes":
            _, group = np.unique(labels[rows], axis=0, return_inverse=True)
            self._groups = [np.flatnonzero(group == g) for g in range(int(group.max()) + 1)]
        self._order = lru_cache(maxsize=2 * len(self._groups))(self._shuffled)

    def __call__(self, first: int, count: int) -> tuple[Tensor, Tensor]:
        """The images `(count, C, H, W) uint8` and labels `(count, K) float32` at the indices from `first` on."""
        return self.stored(self.places(first, count))

    def places(self, first: int, count: int) -> npt.NDArray[np.int64]:
        """Which of the `count` used images, from 0 on, are at the indices from `first` on."""
        return np.array([self._place(index) for index in range(first, first + count)], dtype=np.int64)

    def stored(self, places: npt.NDArray[np.int64]) -> tuple[Tensor, Tensor]:
        """The images `(N, C, H, W) uint8` and labels `(N, K) float32` at these places among the used ones."""
        rows = self._rows[places]
        return torch.from_numpy(self._images[rows]), torch.from_numpy(self._labels[rows])

    def _place(self, index: int) -> int:
        turn, group = divmod(index, len(self._groups))
        epoch, position = divmod(turn, len(self._groups[group]))
        return int(self._order(group, epoch)[position])

    def _shuffled(self, group: int, epoch: int) -> npt.NDArray[np.int64]:
        return np.random.default_rng([self._seed, group, epoch]).permutation(self._groups[group])


class HeldOutBatches:
    """Held-out images with the same labels as training images have, so that D's logits of both can be compared."""

    def __init__(
        self, images: npt.NDArray[np.uint8], labels: npt.NDArray[np.float32], rows: npt.NDArray[np.int64]
    ) -> None:
        """Prepare the groups; nothing is read yet.

        Args:
            images: All stored images, `(N, C, H, W) uint8`; may be memory-mapped.
            labels: Their labels, `(N, K) float32` of zeros and ones.
            rows: The positions of the held-out images, `(M,) int64`.
        """
        self._images = images
        kinds, group = np.unique(labels[rows], axis=0, return_inverse=True)
        self._rows = {kind.tobytes(): rows[group == number] for number, kind in enumerate(kinds)}

    def __call__(self, first: int, labels: Tensor) -> tuple[Tensor, Tensor]:
        """One held-out image for each of the training images at the indices from `first` on.

        Args:
            first: The index of the first training image.
            labels: Their labels, `(n, K) float32`.

        Returns:
            Images `(n, C, H, W) uint8`, and `(n,) bool`: false if no held-out image has these labels.
        """
        kinds = labels.numpy().astype(np.float32)
        rows = np.array([self._row(first + place, kind.tobytes()) for place, kind in enumerate(kinds)], dtype=np.int64)
        return torch.from_numpy(self._images[rows.clip(0)]), torch.from_numpy(rows >= 0)

    def _row(self, index: int, kind: bytes) -> int:
        """The position of the image for a training image of these labels; -1 if there is none."""
        group = self._rows.get(kind)
        if group is None:
            return -1
        # Images of consecutive indices differ, as D may compare them with each other. Each pass over the group starts
        # at another place (Fibonacci hashing), or a batch that is a divisor of the group would see one part alone.
        turn, place = divmod(index, len(group))
        return int(group[(place + (turn * 0x9E3779B97F4A7C15 % 2**64 >> 32)) % len(group)])
