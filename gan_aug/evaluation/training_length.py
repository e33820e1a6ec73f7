"""How long every arm trains: by the number of training images, doubled while that raises the validation AUC."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from gan_aug.config.stages import CompareRequest
from gan_aug.data.manifest import Manifest
from gan_aug.evaluation.arm_catalogue import REFERENCE
from gan_aug.evaluation.cells.plan import Cell, cell_request, make_cell, scarce_label
from gan_aug.evaluation.cells.result import CellResult
from gan_aug.evaluation.statistics.comparison import estimate_difference
from gan_aug.evaluation.statistics.ground_truth import GroundTruth

SEEN = 64_000
"""Images that a classifier sees in training by default, with up to `ALIKE` training images: 1000 batches of 64."""

ALIKE = 1250
"""Up to this number of training images the default is the same; above, it grows with the square root of the number."""

LONGEST = 8
"""The default never is more than this many times `SEEN`."""

DOUBLINGS = 2
"""How often the default may be doubled."""

SMALLEST_GAIN = 0.002
"""A gain in validation AUC below this is not worth twice the time, even if it is more than chance."""


def default_steps(images: int, batch: int) -> int:
    """The number of steps with which a comparison begins, a multiple of 100.

    Args:
        images: The number of training images.
        batch: Images per step.
    """
    seen = SEEN * min(LONGEST, max(1.0, math.sqrt(images / ALIKE)))
    return 100 * math.ceil(round(seen / batch / 100, 6))


def with_steps(comparison: CompareRequest, steps: int) -> CompareRequest:
    """The request of a comparison with a number of steps."""
    classifier = comparison.classifier.model_copy(update={"steps": steps})
    return comparison.model_copy(update={"classifier": classifier})


def choose_steps(
    manifest: Manifest,
    comparison: CompareRequest,
    results: Callable[[Sequence[Cell], str], Mapping[str, CellResult]],
) -> dict[str, Any]:
    """The number of steps: that of the config, or else one that twice as many no longer improve.

    It begins with `default_steps`. The arm `real` with its first seed is trained with these and with twice as many. If
    its validation AUC is higher with twice as many, by `SMALLEST_GAIN` at least and by more than chance in the
    validation patients explains, these are taken, at most `DOUBLINGS` times. Test scores play no part.

    Args:
        manifest: The data set.
        comparison: The request of the comparison.
        results: Returns the results of cells by key; the text says what they are for.

    Returns:
        JSON values: `value`; `given`, whether the config names it; and `tried` [{`steps`, `validation_auc`, `gain`,
        `gain_ci95`}], each with its gain over half as many steps (None for the first). `tried` is None if the number
        was given, or the validation split has too few images of a class.
    """
    given = comparison.classifier.steps
    if given is not None:
        return {"value": given, "given": True, "tried": None}
    value = default_steps(len(manifest.indices("train")), comparison.classifier.batch)
    if not has_auc(manifest):
        return {"value": value, "given": False, "tried": None}
    validation, tried = GroundTruth.of(manifest, "validation"), list[dict[str, Any]]()
    for _ in range(DOUBLINGS):
        cells = [_cell(manifest, comparison, steps) for steps in (value, 2 * value)]
        found = results(cells, f"whether {2 * value} steps are better than {value}, on validation images")
        once, twice = (found[cell.key].validation_scores for cell in cells)
        if not tried:
            tried.append(_tried(value, validation.auc(once).value))
        gain = estimate_difference(validation, [twice], [once])
        tried.append(_tried(2 * value, validation.auc(twice).value, gain.value, list(gain.ci95)))
        if gain.value < SMALLEST_GAIN or gain.ci95[0] <= 0:
            break
        value *= 2
    return {"value": value, "given": False, "tried": tried}


def _tried(steps: int, auc: float, gain: float | None = None, ci95: list[float] | None = None) -> dict[str, Any]:
    return {"steps": steps, "validation_auc": auc, "gain": gain, "gain_ci95": ci95}


def _cell(manifest: Manifest, comparison: CompareRequest, steps: int) -> Cell:
    """The arm `real` with its first seed: a cell of the comparison itself, if it ends with this number of steps."""
    return make_cell(cell_request(manifest, None, with_steps(comparison, steps), REFERENCE, 0, 0.0))


def has_auc(manifest: Manifest) -> bool:
    """Whether the validation split has enough images of each label, and without it, for an AUC and its variance."""
    return scarce_label(manifest, "validation") is None
