"""A synthetic set in formats that other tools read: PNG files in class folders, or one npz."""

from __future__ import annotations

import csv
import io
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from gan_aug.data.pictures import folder_names, png
from gan_aug.data.synthetic.shards import SyntheticManifest, read_images, read_shard
from gan_aug.errors import StorageError
from gan_aug.run import layout
from gan_aug.run.events import Progress
from gan_aug.run.files import atomic_file, storage_errors
from gan_aug.run.stores import Place, below


def export_png(place: Place, out: Path, progress: Progress | None = None) -> int:
    """Write the set at `place` as `out/LABEL/INDEX.png` with `out/labels.csv`; gives the number of images.

    The folder appears whole or not at all. Raises StorageError when `out` exists and holds something.
    """
    manifest = SyntheticManifest.load(below(place, layout.MANIFEST))
    out = out.resolve()
    with storage_errors(out):
        if out.exists() and (not out.is_dir() or any(out.iterdir())):
            raise StorageError(f"{out} exists and is not empty: choose another --out, or remove it")
        temporary = out.with_name(f".{out.name}.tmp")
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir(parents=True)
        try:
            for name, content in png_files(place, manifest, progress):
                (temporary / name).parent.mkdir(exist_ok=True)
                (temporary / name).write_bytes(content)
            temporary.rename(out)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
    return len(manifest.image_labels)


def png_files(
    place: Place, manifest: SyntheticManifest, progress: Progress | None = None
) -> Iterator[tuple[str, bytes]]:
    """Each image of the set at `place` as the name `LABEL/INDEX.png` and its PNG, then `labels.csv`."""
    names = folder_names(manifest.labels)
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(["file", "label", "index", "seed", "checkpoint"])
    for shard in manifest.shards:
        for index, image in enumerate(read_shard(place, shard), start=shard.first):
            labels = manifest.image_labels[index]
            file = f"{'+'.join(names[k] for k in labels) or 'none'}/{index:08d}.png"
            yield file, png(image)
            said = "|".join(manifest.labels[k] for k in labels)
            writer.writerow([file, said, index, manifest.seed, manifest.checkpoint])
        if progress:
            progress(shard.first + shard.count, len(manifest.image_labels))
    yield "labels.csv", table.getvalue().encode()


def export_npz(place: Place, out: Path) -> int:
    """Write the set at `place` as one npz, read without pickle; gives the number of images.

    It holds `images` `(N, C, H, W) uint8`, `labels` `(N, K) uint8` of zeros and ones, `label_names`, `seed` and
    `checkpoint`. Raises StorageError when `out` exists.
    """
    manifest = SyntheticManifest.load(below(place, layout.MANIFEST))
    if out.exists():
        raise StorageError(f"{out} exists: choose another --out, or remove it")
    arrays = {
        "images": read_images(place, manifest),
        **npz_labels(manifest),
    }
    with atomic_file(out) as file:
        np.savez_compressed(file, **arrays)  # type: ignore[arg-type]
    return len(manifest.image_labels)


def npz_labels(manifest: SyntheticManifest) -> dict[str, npt.NDArray[Any]]:
    """All arrays of a set's npz but the images."""
    return {
        "labels": manifest.label_matrix().astype(np.uint8),
        "label_names": np.array(manifest.labels),
        "seed": np.array(manifest.seed),
        "checkpoint": np.array(manifest.checkpoint),
    }
