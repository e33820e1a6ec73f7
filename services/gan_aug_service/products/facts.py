"""What lists say of a run folder: the name and labels of its data set, and its report's verdict in a word."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from gan_aug.config.titles import fitted_title
from gan_aug.data.manifest import Manifest
from gan_aug.errors import GanAugError
from gan_aug.run import layout
from gan_aug.run.files import read_json

ALARM, NOT_COMPARED = "alarm", "nothing compared"
MOST_LABELS = 1000


def run_facts(run: Path) -> dict[str, Any]:
    """What can be said of a run folder; what is absent, or cannot be read, is left out.

    It loads PyTorch if there is a report: its words are the library's.
    """
    return _data_facts(run / layout.DATASET / layout.MANIFEST) | _report_facts(run / layout.REPORT)


def _data_facts(path: Path) -> dict[str, Any]:
    try:
        manifest = Manifest.load(path)
    except (GanAugError, OSError):
        return {}
    labels = [fitted_title(label) for label in manifest.labels[:MOST_LABELS]]
    return {"data_name": fitted_title(manifest.name), "labels": labels}


def _report_facts(path: Path) -> dict[str, Any]:
    if not path.exists():
        return {}
    from gan_aug.report.words.checks import alarm
    from gan_aug.report.words.headline import opening

    try:
        report = read_json(path)
        if alarm(report):
            return {"verdict": ALARM}
        first = opening(report)
    except (OSError, json.JSONDecodeError, KeyError, TypeError, ValueError, AttributeError):
        return {}  # it is of a version that says less, or torn
    return {"verdict": first.word if first else NOT_COMPARED}
