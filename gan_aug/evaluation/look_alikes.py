"""Synthetic images made elsewhere that look nearly like a validation or test image: found, kept, refused where many.

They come as JPEG, resized, fitted: a test film among them has another content hash than the one in the data set, and
passes the gate of exact copies. A few may be chance, or a film of the training split that nearly repeats a held-out
one; many are the held-out images themselves.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from gan_aug.data.manifest import Manifest
from gan_aug.data.splits.near_duplicates import SMALLEST_SIDE, near_duplicates
from gan_aug.data.store import open_images
from gan_aug.data.synthetic.shards import ShardedImages, SyntheticManifest
from gan_aug.errors import LeakageError
from gan_aug.run import layout
from gan_aug.run.files import json_sha256, write_json

FEW, SHARE = 10, 0.01
"""From so many look-alikes that are also such a share of the images on, the set is refused."""

SHOWN = 20
"""Pairs that a report lists."""


class _Together:
    """Images of a store and then those of a synthetic set, `(N, C, H, W) uint8`, read by row."""

    def __init__(self, store: npt.NDArray[np.uint8], synthetic: npt.NDArray[np.uint8] | ShardedImages) -> None:
        self._store, self._synthetic = store, synthetic
        self.shape = (len(store) + len(synthetic), *store.shape[1:])

    def __getitem__(self, rows: npt.NDArray[np.int64]) -> npt.NDArray[np.uint8]:
        """Copies of the images at `rows`, `(B, C, H, W) uint8`."""
        images = np.empty((len(rows), *self.shape[1:]), dtype=np.uint8)
        stored = rows < len(self._store)
        images[stored] = self._store[rows[stored]]
        images[~stored] = self._synthetic[rows[~stored] - len(self._store)]
        return images


def find_look_alikes(
    dataset: Path,
    synthetic: npt.NDArray[np.uint8] | ShardedImages,
    manifest: Manifest,
    cancelled: Callable[[], bool] | None = None,
) -> dict[str, Any] | None:
    """The synthetic images that look nearly like a held-out one, as JSON values; None where images are too small.

    `dataset` is the folder of the manifest's images, `synthetic` `(N, C, H, W) uint8`.
    `images` says how many they are, `of` of how many, and each of `pairs` is the row of a `synthetic` image, the `case`
    that it looks like (a row of the manifest), its `split`, and the `correlation` of their details, once per synthetic
    image and in their order. Raises Cancelled.
    """
    if min(manifest.shape[1:]) < SMALLEST_SIDE:
        return None
    store = open_images(dataset, manifest)
    held_out = np.concatenate([manifest.indices("validation"), manifest.indices("test")])
    rows = np.arange(len(store), len(store) + len(synthetic), dtype=np.int64)
    found = near_duplicates(_Together(store, synthetic), held_out, rows, cancelled=cancelled)
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


def check_look_alikes(found: dict[str, Any] | None, manifest: Manifest, source: Sequence[str]) -> None:
    """Raise LeakageError where many synthetic images look nearly like held-out ones.

    `source` is what each of the pairs' synthetic images is called where it comes from.
    """
    if found is None or found["images"] < max(FEW, SHARE * found["of"]):
        return
    pairs = zip(source[:3], found["pairs"], strict=False)
    shown = ", ".join(f"{name} ({pair['split']} image {pair['case']})" for name, pair in pairs)
    raise LeakageError(
        f"{found['images']} of the {found['of']} synthetic images look nearly the same as validation or test images of "
        f"{manifest.name}, such as {shown}: take out those listed in {layout.SYNTHETIC}/{layout.LOOK_ALIKES}, or have "
        "the images made again from the training split alone"
    )


def keep_look_alikes(
    folder: Path, manifest: Manifest, synthetic: SyntheticManifest, found: dict[str, Any] | None, source: Sequence[str]
) -> None:
    """Write what was found beside the synthetic set; `source` is what its origin calls each image that was."""
    record = {"request": _request(manifest, synthetic), "sum": json_sha256(found), "found": found, "source": [*source]}
    write_json(folder / layout.LOOK_ALIKES, record)


def kept_look_alikes(folder: Path, manifest: Manifest, synthetic: SyntheticManifest | None) -> dict[str, Any] | None:
    """What was found in this very set, its first pairs; None where nothing was looked for, or the record is altered."""
    if synthetic is None:
        return None
    try:
        record = json.loads((folder / layout.LOOK_ALIKES).read_text(encoding="utf-8"))
        found: dict[str, Any] | None = record["found"]
        whole = record["request"] == _request(manifest, synthetic) and record["sum"] == json_sha256(found)
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return {**found, "pairs": found["pairs"][:SHOWN]} if whole and found else None


def _request(manifest: Manifest, synthetic: SyntheticManifest) -> dict[str, str]:
    return {"dataset": manifest.fingerprint, "synthetic": synthetic.fingerprint}
