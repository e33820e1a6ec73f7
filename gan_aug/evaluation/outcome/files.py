"""The files that belong to a report: its figures, and the tables of scores for statistics programs."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from typing import Any

import numpy as np

from gan_aug.data.manifest import INTERNAL, Manifest, Split
from gan_aug.evaluation.cells.result import CellResult
from gan_aug.evaluation.outcome.internal_test import internal_scores
from gan_aug.evaluation.statistics.ground_truth import GroundTruth
from gan_aug.run import layout

SCORES = f"{layout.COMPARE}/{layout.SCORES}"
"""The table of the scores that each arm and seed gave to every test image; a path below the run folder."""
INTERNAL_SCORES = f"{layout.COMPARE}/{layout.INTERNAL_SCORES}"
"""The same of every image of the internal test."""

FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
"""The starts of a cell that a spreadsheet would take for a formula."""


def score_files(manifest: Manifest) -> dict[str, str]:
    """The tables of scores that a comparison of a data set has, as a report names them."""
    return {"scores": SCORES} | ({"internal_test_scores": INTERNAL_SCORES} if INTERNAL in manifest.splits else {})


def figure_names(report: dict[str, Any]) -> list[str]:
    """The names of the figures that a report has, in the order in which it shows them."""
    has = {
        "differences": bool(report["comparisons"]),
        "learning-curves": bool(report["curves"]),
        "roc": True,
        "precision-recall": True,
        "spectrum": bool(report["fidelity"] and report["fidelity"].get("spectrum")),
        "calibration": True,
        "confusion": any(arm["confusion"] for arm in report["arms"].values()),
        "history": any(any(arm["history"]) for arm in report["arms"].values()),
    }
    return [name for name, present in has.items() if present]


def figure_files(report: dict[str, Any]) -> list[str]:
    """The paths of a report's figures, below the run folder."""
    return [f"{layout.FIGURES}/{name}.svg" for name in figure_names(report)]


def safe_cell(text: str) -> str:
    """The text of a CSV cell; an apostrophe comes first if a spreadsheet would take the text for a formula."""
    return f"'{text}" if text.startswith(FORMULA) else text


def scores_tables(manifest: Manifest, cells: Sequence[CellResult]) -> dict[str, str]:
    """The CSV table of the test, and that of the internal test if there is one, by their paths below the run folder."""
    tables = {SCORES: scores_csv(manifest, cells)}
    return tables | ({INTERNAL_SCORES: scores_csv(manifest, cells, INTERNAL)} if INTERNAL in manifest.splits else {})


def scores_csv(manifest: Manifest, cells: Sequence[CellResult], split: Split = "test") -> str:
    """The CSV table of the scores, with one row per image of a split, in full precision.

    Its columns are:

    - `case`: the image's row in the manifest.
    - `image`: its content hash; no file name is given.
    - `patient`: the number of its patient, counted in order of appearance, so that it identifies nobody. An image
      without a patient counts as a patient of its own.
    - `labels`: its labels, joined by `+`.
    - `truth/LABEL`: 1 if the image has the label, else 0.
    - `ARM/SEED/LABEL`: the probability that the cell gave to the label.

    With two classes, the last two exist for the positive label only.

    Args:
        manifest: The data set.
        cells: The cells.
        split: The test or the internal test.

    Returns:
        The table.
    """
    rows, labels = manifest.indices(split), manifest.label_matrix()
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
    kept = [cell.test_scores if split == "test" else internal_scores(cell) for cell in cells]
    scores = np.concatenate([own[:, judged] for own in kept], axis=1).tolist()
    numbers: dict[int, int] = {}
    patients = [numbers.setdefault(own, len(numbers)) for own in GroundTruth.of(manifest, split).patients.tolist()]
    for row, patient, of_case in zip(rows.tolist(), patients, scores, strict=True):
        study = manifest.studies[row]
        names_of_case = safe_cell("+".join(manifest.labels[k] for k in study.labels))
        truth = [int(labels[row, k]) for k in judged]
        writer.writerow([row, study.content, patient, names_of_case, *truth, *of_case])
    return out.getvalue()
