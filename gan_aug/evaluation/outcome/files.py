"""The files that stand beside a report: which figures it has, and where they and the scores are."""

from __future__ import annotations

from typing import Any

from gan_aug.run import layout

SCORES = f"{layout.COMPARE}/{layout.SCORES}"
"""Below the run folder: every test image with its score by each arm and seed."""


def figure_names(report: dict[str, Any]) -> list[str]:
    """The names of a report's figures, in the order in which it shows them."""
    has = {
        "differences": bool(report["comparisons"]),
        "learning-curves": bool(report["curves"]),
        "roc": True,
        "precision-recall": True,
        "calibration": True,
        "confusion": any(arm["confusion"] for arm in report["arms"].values()),
        "history": any(any(arm["history"]) for arm in report["arms"].values()),
    }
    return [name for name, there in has.items() if there]


def figure_files(report: dict[str, Any]) -> list[str]:
    """Where a report's figures are, below the run folder."""
    return [f"{layout.FIGURES}/{name}.svg" for name in figure_names(report)]
