"""Inspect an imported data set before training on it: counts, sizes, what is missing, contact sheets."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from gan_aug.data.image_store import open_images
from gan_aug.data.labels import folder_names
from gan_aug.data.manifest import Manifest, Split
from gan_aug.data.patients import per_patient
from gan_aug.data.pictures.png import png_grid
from gan_aug.errors import DataError
from gan_aug.run import layout
from gan_aug.run.files import read_json, write_bytes

COLUMNS, ROWS = 10, 6
"""Images per row and rows on a contact sheet; the images are spread evenly over the class."""


def inspect_dataset(folder: Path) -> dict[str, Any]:
    """Describe the data set in `folder`, a run folder or its dataset folder, and draw its contact sheets there.

    Raises DataError if nothing was imported there, and ManifestError if the data set is damaged.
    """
    place = next((path for path in (folder / layout.DATASET, folder) if (path / layout.MANIFEST).is_file()), None)
    if place is None:
        raise DataError(
            f"{folder} holds no imported data set: give the folder that --run named, after `gan-aug import`"
        )
    manifest = Manifest.load(place / layout.MANIFEST)
    sheets = draw_contact_sheets(place, manifest)
    return describe_dataset(place, manifest) | {"contact_sheets": [str(sheet) for sheet in sheets]}


def describe_dataset(folder: Path, manifest: Manifest) -> dict[str, Any]:
    """Counts, sizes and patients of the data set in the dataset folder `folder`, and what was set aside and why."""
    channels, height, width = manifest.shape
    report = read_json(folder / layout.IMPORT_REPORT) if (folder / layout.IMPORT_REPORT).is_file() else {}
    return {
        "name": manifest.name,
        "fingerprint": manifest.fingerprint,
        "task": manifest.task,
        "stored": f"{len(manifest.studies)} images of {height}x{width}, {'grey' if channels == 1 else 'colour'}",
        "positive": manifest.positive,
        "flips": list(manifest.flips),
        "splits": {split: _split(manifest, split) for split in manifest.splits},
        "source": report.get("source"),
        "read": report.get("read"),
        "split_origin": report.get("splits", {}).get("origin"),
        "no_internal_test": manifest.no_internal_test,
        "native_sizes": report.get("native_sizes", {}),
        "spacings": report.get("spacings", {}),
        "set_aside": report.get("reasons", {}),
        "assumed": report.get("assumed", {}),
        "dropped": len(report.get("dropped", [])),
        "notes": list(manifest.notes),
        "remarks": report.get("remarks", []),
    }


def draw_contact_sheets(folder: Path, manifest: Manifest) -> list[Path]:
    """Draw images of each class as `contact-CLASS.png`, training images if there are any, and return the paths."""
    images = open_images(folder, manifest)
    labels = manifest.label_matrix()
    train = np.zeros(len(manifest.studies), dtype=bool)
    train[manifest.indices("train")] = True
    sheets = []
    for k, name in enumerate(folder_names(manifest.labels)):
        of_class = labels[:, k] > 0
        rows = np.flatnonzero(of_class & train) if (of_class & train).any() else np.flatnonzero(of_class)
        if len(rows):
            path = contact_sheet(folder, name)
            write_bytes(path, png_grid(_spread(images, rows)))
            sheets.append(path)
    return sheets


def contact_sheet(folder: Path, name: str) -> Path:
    """The path of the contact sheet of a class; `name` is that of its label in `folder_names`."""
    return folder / layout.contact_sheet(name)


def _spread(images: npt.NDArray[np.uint8], rows: npt.NDArray[np.int64]) -> list[npt.NDArray[np.uint8]]:
    """Images spread evenly over `rows`, as many as a sheet takes at most, in lines of COLUMNS."""
    count = min(len(rows), COLUMNS * ROWS)
    chosen = rows[np.linspace(0, len(rows) - 1, count).astype(np.int64)]
    return [np.asarray(images[chosen[start : start + COLUMNS]]) for start in range(0, count, COLUMNS)]


def _split(manifest: Manifest, split: Split) -> dict[str, Any]:
    studies = [study for study in manifest.studies if study.split == split]
    counts = list(Counter(study.patient for study in studies if study.patient).values())
    return {
        "images": len(studies),
        "patients": len(counts) or None,
        "images_per_patient": per_patient(counts),
        "labels": manifest.counts()[split],
    }
