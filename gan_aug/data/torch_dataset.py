"""Labelled images as a PyTorch dataset, for whoever trains models of their own on them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.utils.data import Dataset

from gan_aug.data.manifest import Task
from gan_aug.data.synthetic.shards import ShardedImages

Images = npt.NDArray[np.uint8] | ShardedImages


class LabelledImages(Dataset[tuple[Tensor, int | Tensor]]):
    """A map-style dataset: item i is an image `(C, H, W) uint8` and its label.

    The label is a position in `labels` for multi-class, and a vector `(K,) float32` of zeros and ones for multi-label.
    `targets` has those of all items. The images are opened, memory-mapped, when the first one is asked for, and by each
    worker of a `DataLoader` for itself.
    """

    def __init__(
        self,
        opened: Callable[[], Images],
        rows: npt.NDArray[np.int64],
        matrix: npt.NDArray[np.float32],
        labels: tuple[str, ...],
        task: Task,
    ) -> None:
        """Make a dataset of some of the images that `opened` gives.

        Args:
            opened: Opens the images `(M, C, H, W) uint8`; a partial of an importable function, so that it can be sent
                to other processes.
            rows: Which of the images these are, `(N,) int64`.
            matrix: Their labels as zeros and ones, `(N, K) float32`.
            labels: The names of the labels.
            task: Whether each image has exactly one label, or any number.
        """
        self._opened, self._rows = opened, rows
        self._images: Images | None = None
        self.labels = labels
        self.targets = torch.from_numpy(matrix.argmax(axis=1) if task == "multi-class" else matrix)

    def __len__(self) -> int:
        """The number of images."""
        return len(self._rows)

    def __getitem__(self, index: int) -> tuple[Tensor, int | Tensor]:
        """Image and label number `index`; counted from the end if it is negative.

        Raises IndexError if there is no such image, ManifestError if the file of images is absent or altered.
        """
        if not -len(self) <= index < len(self):
            raise IndexError(f"there is no image {index}: the dataset has {len(self)}")
        if self._images is None:
            self._images = self._opened()
        row = int(self._rows[index])
        image = torch.from_numpy(np.array(self._images[row : row + 1])[0])
        target = self.targets[index]
        return image, target if target.ndim else int(target)

    def __getstate__(self) -> dict[str, Any]:
        """Everything but the open images: a memory map would be copied whole into another process."""
        return self.__dict__ | {"_images": None}
