"""The scores of every test image as a table that statistics programs read."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence

import numpy as np

from gan_aug.data.manifest import Manifest
from gan_aug.evaluation.cells.result import CellResult
from gan_aug.evaluation.statistics.ground_truth import GroundTruth

FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
"""What a cell must not begin with: a spreadsheet would compute it."""


def safe_cell(text: str) -> str:
    """A text for a cell of a CSV file, with an apostrophe before what a spreadsheet would compute."""
    return f"'{text}" if text.startswith(FORMULA) else text


def scores_csv(manifest: Manifest, cells: Sequence[CellResult]) -> str:
    """One row for each test image: what it is, and the probabilities that each cell gave it, in full precision.

    `case` is the image's row in the manifest and `image` its content hash: no file name. `patient` counts the test
    patients in order of appearance, which tells images of one from those of others and nothing else; an image of which
    none is named counts as one. `labels` are joined by `+`; `truth/LABEL` is 1 or 0 and `ARM/SEED/LABEL` the
    probability, for the positive label of two classes, else for every label.
    """
    rows, labels = manifest.indices("test"), manifest.label_matrix()
    positive = manifest.positive_index if manifest.task == "multi-class" and len(manifest.labels) == 2 else None
    judged = range(len(manifest.labels)) if positive is None else [positive]
    names = [manifest.labels[k] for k in judged]
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(
        ["case", "image", "patient", "labels"]
        + [f"truth/{name}" for name in names]
        + [f"{cell.arm}/{cell.seed}/{name}" for cell in cells for name in names]
    )
    scores = np.concatenate([cell.test_scores[:, judged] for cell in cells], axis=1).tolist()
    numbers: dict[int, int] = {}
    patients = [numbers.setdefault(own, len(numbers)) for own in GroundTruth.of(manifest, "test").patients.tolist()]
    for row, patient, of_case in zip(rows.tolist(), patients, scores, strict=True):
        study = manifest.studies[row]
        held = safe_cell("+".join(manifest.labels[k] for k in study.labels))
        truth = [int(labels[row, k]) for k in judged]
        writer.writerow([row, study.content, patient, held, *truth, *of_case])
    return out.getvalue()
