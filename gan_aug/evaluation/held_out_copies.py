"""Find images of another program that look nearly like a validation or test image, and refuse a set with many of them.

Such a set may have been saved as JPEG or resized. A test image in it then has another content hash than in the data
set, so the check for exact copies does not find it. A few near copies may be chance, or training images that are nearly
the same as a held-out image. Many are the held-out images themselves.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from gan_aug.data.image_store import open_images
from gan_aug.data.manifest import HELD_OUT, NAMES, Manifest
from gan_aug.data.splits.near_duplicates import SMALLEST_SIDE, ImagesByRow, near_duplicates
from gan_aug.data.synthetic.shards import ShardedImages, SyntheticManifest
from gan_aug.errors import LeakageError
from gan_aug.run import layout
from gan_aug.run.files import json_sha256, write_json

FEW, SHARE = 10, 0.01
"""A set is refused if at least this many of its images, and at least this share of them, look like held-out ones."""

LISTED = 20
"""How many pairs a report lists."""


class Joined:
    """The images of a data set followed by those of a synthetic set, `(N, C, H, W) uint8`, read by row."""

    def __init__(self, store: npt.NDArray[np.uint8], synthetic: ImagesByRow) -> None:
        self._store, self._synthetic = store, synthetic
        self.shape = (len(store) + synthetic.shape[0], *store.shape[1:])

    def __getitem__(self, rows: npt.NDArray[np.int64]) -> npt.NDArray[np.uint8]:
        """Copies of the images at `rows`, `(B, C, H, W) uint8`."""
        images = np.empty((len(rows), *self.shape[1:]), dtype=np.uint8)
        stored = rows < len(self._store)
        images[stored] = self._store[rows[stored]]
        images[~stored] = self._synthetic[rows[~stored] - len(self._store)]
        return images


def find_held_out_copies(
    dataset: Path,
    synthetic: npt.NDArray[np.uint8] | ShardedImages,
    manifest: Manifest,
    cancelled: Callable[[], bool] | None = None,
) -> dict[str, Any] | None:
    """Find the synthetic images that look nearly like a held-out image.

    Args:
        dataset: The folder of the manifest's images.
        synthetic: The synthetic images, `(N, C, H, W) uint8`.
        manifest: The data set.
        cancelled: Says whether to stop, or None.

    Returns:
        JSON values: `images` is how many were found, `of` the number of all synthetic images, and `pairs` has one entry
        for each that was found, in their order. A pair holds the row of the `synthetic` image, the `case` that it looks
        like most (a row of the manifest), the case's `split`, and their `correlation`, as in `Pair`. None if the
        images are too small to tell.

    Raises:
        Cancelled: If `cancelled` says so.
    """
    if min(manifest.shape[1:]) < SMALLEST_SIDE:
        return None
    store = open_images(dataset, manifest)
    held_out = np.concatenate([manifest.indices(split) for split in HELD_OUT])
    rows = np.arange(len(store), len(store) + len(synthetic), dtype=np.int64)
    found = near_duplicates(Joined(store, synthetic), held_out, rows, cancelled=cancelled)
    best = {pair.second: pair for pair in sorted(found, key=lambda pair: pair.correlation)}
    pairs = [
        {
            "synthetic": row - len(store),
            "case": best[row].first,
            "split": manifest.studies[best[row].first].split,
            "correlation": round(best[row].correlation, 3),
        }
        for row in sorted(best)
    ]
    return {"images": len(pairs), "of": len(synthetic), "pairs": pairs}


def check_held_out_copies(found: dict[str, Any] | None, manifest: Manifest, source: Sequence[str]) -> None:
    """Refuse a set in which many images look nearly like held-out images.

    Args:
        found: The result of `find_held_out_copies`.
        manifest: The data set.
        source: The name of each pair's synthetic image in its source, such as its file name.

    Raises:
        LeakageError: If there are too many.
    """
    if found is None or found["images"] < max(FEW, SHARE * found["of"]):
        return
    pairs = zip(source[:3], found["pairs"], strict=False)
    shown = ", ".join(f"{name} ({NAMES[pair['split']]} image {pair['case']})" for name, pair in pairs)
    raise LeakageError(
        f"{found['images']} of the {found['of']} synthetic images look nearly the same as validation or test images of "
        f"{manifest.name}, such as {shown}: remove those listed in {layout.SYNTHETIC}/{layout.LOOK_ALIKES}, or "
        "generate the images again from the training split alone"
    )


def save_held_out_copies(
    folder: Path, manifest: Manifest, synthetic: SyntheticManifest, found: dict[str, Any] | None, source: Sequence[str]
) -> None:
    """Write what was found into the folder of the synthetic set.

    Args:
        folder: The folder of the synthetic set.
        manifest: The data set.
        synthetic: The manifest of the synthetic set.
        found: The result of `find_held_out_copies`.
        source: The name of each pair's synthetic image in its source.
    """
    record = {"request": _request(manifest, synthetic), "sum": json_sha256(found), "found": found, "source": [*source]}
    write_json(folder / layout.LOOK_ALIKES, record)


def load_held_out_copies(
    folder: Path, manifest: Manifest, synthetic: SyntheticManifest | None
) -> dict[str, Any] | None:
    """Read what was found in a synthetic set.

    Args:
        folder: The folder of the synthetic set.
        manifest: The data set.
        synthetic: The manifest of the synthetic set, or None if the run has none.

    Returns:
        The result of `find_held_out_copies` with its first pairs. None if the set was not searched, or the record is
        altered or belongs to another set.
    """
    if synthetic is None:
        return None
    try:
        record = json.loads((folder / layout.LOOK_ALIKES).read_text(encoding="utf-8"))
        found: dict[str, Any] | None = record["found"]
        whole = record["request"] == _request(manifest, synthetic) and record["sum"] == json_sha256(found)
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return {**found, "pairs": found["pairs"][:LISTED]} if whole and found else None


def _request(manifest: Manifest, synthetic: SyntheticManifest) -> dict[str, str]:
    return {"dataset": manifest.fingerprint, "synthetic": synthetic.fingerprint}
