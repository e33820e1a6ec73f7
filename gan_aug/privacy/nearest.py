"""The nearest training image of each image, over all variants of the image."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from gan_aug.data.splits.near_duplicates import ImagesByRow
from gan_aug.errors import Cancelled
from gan_aug.privacy.space import Space
from gan_aug.privacy.views import Variant, images_to_views

BLOCK = 1024
"""How many images are read and projected at a time."""

TILE = (256, 1024)
"""How many images are compared with how many training images at a time, so that their distances stay in the cache."""

IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float64]
Patients = Sequence[Sequence[int]]
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Nearest:
    """For each image its nearest training image: `distance` `(N,)`, its `row`, and the number of the `variant`."""

    distance: FloatArray
    row: IntArray
    variant: IntArray


class AlignedSearch:
    """Training images, among which the nearest one to any variant of another image is looked for."""

    def __init__(self, space: Space, features: Tensor, patients: IntArray, variants: Sequence[Variant]) -> None:
        """Keep the training images.

        Args:
            space: Where distances are taken.
            features: Of the training images as they are, `(N, D)`.
            patients: The patient of each, `(N,)`.
            variants: Those of the other image that are compared.
        """
        self.space, self.features, self.variants = space, features, variants
        self._order = np.argsort(patients, kind="stable")
        self._sorted = patients[self._order]
        self._half_norms = (features**2).sum(1) / 2
        self._bases, self._offsets = space.warped(variants)

    def nearest(
        self,
        images: ImagesByRow,
        rows: IntArray,
        *,
        without: Patients | None = None,
        progress: Progress | None = None,
        cancelled: Callable[[], bool] | None = None,
    ) -> Nearest:
        """The nearest training image of each image.

        Args:
            images: `(M, C, H, W) uint8`.
            rows: Which of them, `(B,) int64`.
            without: The patients that are passed over, for each of the rows.
            progress: Called with (images done, images in all).
            cancelled: Asked before each block of images whether to stop.

        Returns:
            The nearest of each; the distance is infinite if all are passed over.

        Raises:
            Cancelled: `cancelled` returned True.
        """
        parts: list[tuple[npt.NDArray[Any], ...]] = [(np.empty(0), np.empty(0), np.empty(0))]
        for first in range(0, len(rows), BLOCK):
            if cancelled and cancelled():
                raise Cancelled("the audit was stopped on request: run it again")
            block = slice(first, first + BLOCK)
            views = images_to_views(images[rows[block]])
            parts.append(self._block(views, self._passed_over(without[block]) if without else None))
            if progress:
                progress(min(first + BLOCK, len(rows)), len(rows))
        distance, row, variant = (np.concatenate(column) for column in zip(*parts, strict=True))
        return Nearest(distance, row.astype(np.int64), variant.astype(np.int64))

    def _block(self, views: Tensor, passed_over: tuple[Tensor, Tensor] | None) -> tuple[npt.NDArray[Any], ...]:
        """Distance, row and variant of the nearest of each view."""
        variants, dimensions, pixels = self._bases.shape
        made = (views @ self._bases.reshape(-1, pixels).T).reshape(len(views), variants, dimensions) - self._offsets
        half_norms = (made**2).sum(2) / 2
        best, chosen = torch.full((len(views),), torch.inf), torch.zeros(len(views), dtype=torch.long)
        for number in range(variants):
            least = self._least(made[:, number].contiguous(), passed_over) + half_norms[:, number]
            nearer = least < best
            best, chosen = torch.where(nearer, least, best), torch.where(nearer, number, chosen)
        aligned = made[torch.arange(len(views)), chosen]
        found = self._half_norms - aligned @ self.features.T
        if passed_over:
            found[passed_over] = torch.inf
        row = found.argmin(1)
        distance = (aligned.double() - self.features[row].double()).norm(dim=1)  # exact: copies are near 0
        distance[torch.isinf(found.amin(1))] = torch.inf
        return distance.numpy(), row.numpy(), chosen.numpy()

    def _least(self, made: Tensor, passed_over: tuple[Tensor, Tensor] | None) -> Tensor:
        """Half the squared distance of each row of `made` to its nearest, less half its own squared norm."""
        height, width = TILE
        least = torch.full((len(made),), torch.inf)
        tile = torch.empty(height, width)
        for top in range(0, len(made), height):
            part, best = made[top : top + height], least[top : top + height]
            for left in range(0, len(self.features), width):
                some = self.features[left : left + width]
                found = tile.flatten()[: len(part) * len(some)].view(len(part), len(some))
                torch.addmm(self._half_norms[left : left + width], part, some.T, alpha=-1, out=found)
                if passed_over:
                    rows, columns = passed_over
                    here = (rows >= top) & (rows < top + height) & (columns >= left) & (columns < left + width)
                    found[rows[here] - top, columns[here] - left] = torch.inf
                torch.minimum(best, found.amin(1), out=best)
        return least

    def _passed_over(self, patients: Patients) -> tuple[Tensor, Tensor]:
        """The pairs of a view and a training image that are passed over, as rows and columns."""
        rows, columns = [np.empty(0, dtype=np.int64)], [np.empty(0, dtype=np.int64)]
        for view, own in enumerate(patients):
            for patient in own:
                low, high = np.searchsorted(self._sorted, [patient, patient + 1])
                rows.append(np.full(high - low, view))
                columns.append(self._order[low:high])
        return torch.from_numpy(np.concatenate(rows)), torch.from_numpy(np.concatenate(columns))
