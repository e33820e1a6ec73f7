"""Images that resemble films: smooth, of one kind, each with shapes of its own."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.ndimage import gaussian_filter

from gan_aug.data.manifest import Manifest, Split, Study, content_hash


def films(count: int, shape: tuple[int, int], seed: int, detail: float = 1.5) -> npt.NDArray[np.uint8]:
    """Grey images `(count, 1, H, W) uint8`: the same broad bright field, and blobs of `detail` pixels of their own."""
    chance = np.random.default_rng(seed)
    height, width = shape
    down, right = np.mgrid[:height, :width]
    field = np.exp(-(((down - height / 2) / height) ** 2 + ((right - width / 2) / width) ** 2) * 4)
    blobs = gaussian_filter(chance.standard_normal((count, height, width)), (0, detail, detail))
    blobs /= blobs.std(axis=(1, 2), keepdims=True)
    grey: npt.NDArray[np.uint8] = np.clip(np.rint(60 + 100 * field + 25 * blobs), 0, 255).astype(np.uint8)
    return grey[:, None]


def film_manifest(images: npt.NDArray[np.uint8], splits: list[Split], patients: npt.NDArray[np.int64]) -> Manifest:
    """A data set of two classes that alternate, with these images, splits and patients."""
    studies = tuple(
        Study(content_hash(image), (k % 2,), split, f"{patient:016x}", f"film {k}")
        for k, (image, split, patient) in enumerate(zip(images, splits, patients.tolist(), strict=True))
    )
    channels, height, width = images.shape[1:]
    return Manifest("films", ("normal", "ill"), "multi-class", (channels, height, width), studies, positive="ill")
