"""The files that belong to a report: its figures and the table of scores."""

from __future__ import annotations

from typing import Any

from gan_aug.data.manifest import INTERNAL, Manifest
from gan_aug.run import layout

SCORES = f"{layout.COMPARE}/{layout.SCORES}"
"""The table of the scores that each arm and seed gave to every test image; a path below the run folder."""
INTERNAL_SCORES = f"{layout.COMPARE}/{layout.INTERNAL_SCORES}"
"""The same of every image of the internal test."""


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
