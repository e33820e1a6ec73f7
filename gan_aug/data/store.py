"""The store: all images of a data set as one memory-mapped array, so that every process shares the pages."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from gan_aug.data.manifest import Manifest
from gan_aug.errors import ManifestError

FILE = "images.npy"


def open_images(folder: Path, manifest: Manifest) -> npt.NDArray[np.uint8]:
    """The images of `folder` as `(N, C, H, W) uint8`, read-only and memory-mapped, in the manifest's order.

    Raises ManifestError when the array is absent or does not fit the manifest.
    """
    path = folder / FILE
    try:
        images: npt.NDArray[np.uint8] = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError) as error:
        raise ManifestError(f"{path} is absent or torn: remove {folder} and import again") from error
    expected = (len(manifest.studies), *manifest.shape)
    if images.dtype != np.uint8 or images.shape != expected:
        raise ManifestError(
            f"{path} holds {images.shape} {images.dtype}, the manifest {expected} uint8: remove {folder}, import again"
        )
    return images
