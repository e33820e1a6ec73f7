"""The fingerprint of a comparison's results: the last link of the provenance chain."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from gan_aug.run import layout
from gan_aug.run.files import json_sha256

NOT_FIGURES = ("environment", "timing")
"""The parts of a report in which equal results may differ."""

COUNTED = (layout.CELL_SCORES, layout.CLASSIFIER_WEIGHTS)


def results_fingerprint(report: dict[str, Any], cells: Mapping[str, Mapping[str, str]]) -> str:
    """The SHA-256 of all that a report says of its results, and of the scores and weights that they follow from.

    Args:
        report: The content of `report.json`; a fingerprint in it is left out.
        cells: The SHA-256 of the files of each cell that the report rests on, by the cell's key and the file's name.

    Returns:
        64 hexadecimal digits.
    """
    said = {key: value for key, value in report.items() if key not in NOT_FIGURES}
    said["privacy"] = None  # an audit may be made later, and alters no result
    said["provenance"] = {key: value for key, value in report["provenance"].items() if key != "results"}
    kept = {key: {name: sums[name] for name in COUNTED} for key, sums in cells.items()}
    return json_sha256({"report": json.loads(json.dumps(said)), "cells": kept})  # as it is read again from JSON
