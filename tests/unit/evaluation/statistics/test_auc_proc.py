"""AUC, DeLong's variance, interval and paired test, and the partial AUC, beside R's pROC and scikit-learn.

The stored figures in tests/golden/proc.json were made by pROC 1.18.0.

    python -m tests.unit.evaluation.statistics.test_auc_proc

makes them anew.
"""

from __future__ import annotations

import csv
import functools
import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from gan_aug.evaluation.statistics.auc import auc, auc_influence, delong_test, partial_auc, placements
from tests.support.places import GOLDEN

FIGURES = ("auc", "partial_auc", "variance", "low", "high", "p")
SETS = 200


def make_set(number):
    """Labels and two scores: with and without ties, classes of one case and up, AUCs from under 0.5 to 1."""
    rng = np.random.default_rng([number, 5])
    m, n = (1 + number % 4, 30) if number % 5 == 0 else rng.integers(2, 60, size=2)
    labels = np.repeat([True, False], (m, n) if number % 2 else (n, m))
    effect = (-0.5, 0.0, 0.7, 2.0, 3.2)[number % 5 if number % 3 else 4]
    a = rng.normal(size=m + n) + effect * labels
    b = 0.7 * a + rng.normal(size=m + n)
    digits = (0, 1, 6)[number % 3 if number % 7 else 0]
    return labels, np.round(a, digits) + 0.0, np.round(b, digits) + 0.0


def ours(labels, a, b):
    figures = {"auc": placements(labels, a)[0].mean(), "partial_auc": partial_auc(labels, a, 0.2)}
    if min(labels.sum(), (~labels).sum()) > 1:
        cases = auc_influence(labels, a).cases
        low, high = auc(labels, a, "identity").ci95
        figures |= {"variance": cases @ cases, "low": low, "high": high, "p": delong_test(labels, a, b)}
    return figures


def run_proc(sets, folder):
    with (folder / "cases.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["set", "label", "a", "b"])
        for number, (labels, a, b) in enumerate(sets):
            writer.writerows(
                [number, int(y), repr(float(x)), repr(float(z))] for y, x, z in zip(labels, a, b, strict=True)
            )
    command = ["Rscript", GOLDEN / "proc_reference.R", folder / "cases.csv", folder / "figures.csv"]
    subprocess.run(command, check=True, capture_output=True)
    with (folder / "figures.csv").open() as file:
        rows = [{name: float(row[name]) if row[name] else None for name in row} for row in csv.DictReader(file)]
    return sorted(rows, key=lambda row: row["set"])


def deviations(labels, a, b, theirs):
    """Ours less theirs of each figure that pROC can give: where nothing varies it has no variance and no test."""
    figures = ours(labels, a, b)
    degenerate = not theirs["variance"] or theirs["variance"] < 1e-15
    compared = {name for name in FIGURES if theirs[name] is not None}
    if degenerate:
        compared -= {"low", "high"}
    if figures["auc"] < 0.5:
        compared -= {"partial_auc"}  # pROC does not standardise below chance
    return {name: abs(figures[name] - theirs[name]) for name in compared}


@functools.cache
def why_no_proc():
    if not shutil.which("Rscript"):
        return "Rscript is not installed (Debian: r-base-core, r-cran-proc)"
    found = subprocess.run(["Rscript", "-e", "library(pROC)"], capture_output=True, check=False)
    return "R's package pROC is not installed (Debian: r-cran-proc)" if found.returncode else ""


@pytest.mark.pROC
def test_two_hundred_random_sets_agree_with_proc(tmp_path):
    if why_no_proc():
        pytest.skip(why_no_proc())
    sets = [make_set(number) for number in range(SETS)]
    found = [deviations(*one, theirs) for one, theirs in zip(sets, run_proc(sets, tmp_path), strict=True)]
    for name in FIGURES:
        apart = [row[name] for row in found if name in row]
        assert len(apart) > 100
        assert max(apart) < 1e-9, name


def test_the_stored_figures_of_proc_are_met():
    golden = json.loads((GOLDEN / "proc.json").read_text())
    assert len(golden) == SETS
    for one in golden:
        labels, a, b = np.array(one["labels"], dtype=bool), np.array(one["a"]), np.array(one["b"])
        assert all(apart < 1e-9 for apart in deviations(labels, a, b, one["figures"]).values())


def test_scikit_learn_gives_the_same_auc():
    for number in range(SETS):
        labels, a, _ = make_set(number)
        of_positives, of_negatives = placements(labels, a)
        assert of_positives.mean() == pytest.approx(roc_auc_score(labels, a), abs=1e-12)
        assert of_negatives.mean() == pytest.approx(roc_auc_score(labels, a), abs=1e-12)
        assert partial_auc(labels, a, 1.0) == pytest.approx(of_positives.mean(), abs=1e-12)


def store(folder):
    sets = [make_set(number) for number in range(SETS)]
    golden = [
        {
            "labels": labels.astype(int).tolist(),
            "a": a.tolist(),
            "b": b.tolist(),
            "figures": {name: theirs[name] for name in FIGURES},
        }
        for (labels, a, b), theirs in zip(sets, run_proc(sets, folder), strict=True)
    ]
    (GOLDEN / "proc.json").write_text("[\n" + ",\n".join(json.dumps(one) for one in golden) + "\n]\n")


if __name__ == "__main__":
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        store(Path(folder))
    sys.exit(0)
