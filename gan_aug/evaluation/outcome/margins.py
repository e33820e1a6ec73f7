"""The margins of a comparison: a margin has to be fixed beforehand, so a change after the results is kept.

They stand in a file beside the cells. As long as a run has no results, its margin may be changed without a trace.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from gan_aug.run import layout
from gan_aug.run.files import read_json, write_json

SCHEMA = 1


def load_margins(compare: Path) -> list[float] | None:
    """The margins since the first result, in order, of the comparison in this folder; None if they were not kept."""
    path = compare / layout.MARGINS
    return list(read_json(path)["margins"]) if path.exists() else None


def keep_margin(compare: Path, margin: float) -> list[float]:
    """Add a margin to those kept, unless it is the last one; call it before the comparison's request is replaced.

    Args:
        compare: The folder of the comparison.
        margin: The margin that is asked for now.

    Returns:
        The margins since the first result, in order.
    """
    before = _before(compare) if _has_results(compare) else []
    margins = before if before and before[-1] == margin else [*before, margin]
    if margins != load_margins(compare):
        write_json(compare / layout.MARGINS, {"schema": SCHEMA, "margins": margins})
    return margins


def _has_results(compare: Path) -> bool:
    return any((compare / layout.CELLS).glob(f"[0-9a-f]*/{layout.CELL_RESULT}"))


def _before(compare: Path) -> list[float]:
    """The margins kept; those of a run of version 0.2, which kept none, are the one of its request."""
    kept, request = load_margins(compare), compare / layout.REQUEST
    if kept is not None:
        return kept
    saved: dict[str, Any] = read_json(request) if request.exists() else {}
    margin = saved.get("compare", {}).get("margin")
    return [] if margin is None else [margin]
