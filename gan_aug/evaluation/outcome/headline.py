"""The headline of a comparison: the best arm with a GAN against every arm without one.

A GAN is worth its trouble if it does better than *all* that can be had without it. So the headline follows from those
comparisons of the table that are of the best arm with a GAN and an arm without one:

- it improves if each of them says so (an intersection-union test, Berger, Technometrics 24:295, 1982);
- it is non-inferior if none is open or worse;
- it is inferior if one says so, with a p below 0.05 after Holm's adjustment for the table;
- else it is inconclusive, and so it is if something is missing for a verdict.

The best arm is chosen on the validation images. The same trained classifiers are tested, so an arm that was lucky in
its trainings is chosen more often; that costs nothing, since Holm's adjustment includes the comparisons of all that
might have been chosen. The strongest arm without a GAN is chosen on validation too, and only named.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import inf
from typing import Literal

import numpy as np

from gan_aug.errors import DataError
from gan_aug.evaluation.arm_catalogue import REFERENCE, known
from gan_aug.evaluation.cells.result import CellResult
from gan_aug.evaluation.statistics.comparison import Comparison, Missing, Verdict, missing_for_verdict
from gan_aug.evaluation.statistics.ground_truth import GroundTruth
from gan_aug.evaluation.statistics.intervals import ALPHA
from gan_aug.evaluation.statistics.power import Study
from gan_aug.evaluation.statistics.uncertainty import Gans

FEWEST_FOR_POWER = 3
"""From two trainings their spread is hardly known, and so is what could have been shown."""


@dataclass(frozen=True)
class Choice:
    """What the validation images chose: the best arm with a GAN, and the strongest without one.

    `by` is the figure: the mean AUC over seeds, or if a class is absent the mean loss of the kept weights.
    """

    arm: str
    strongest: str
    by: Literal["auc", "loss"]


@dataclass(frozen=True)
class Against:
    """The AUC of the best arm with a GAN minus that of one arm without; see `Comparison`."""

    arm: str
    difference: float
    ci95: tuple[float, float]
    p: float
    p_adjusted: float
    verdict: Verdict


@dataclass(frozen=True)
class Headline:
    """The verdict on a GAN.

    Attributes:
        arm: The best arm with a GAN, by validation.
        strongest: The strongest arm without one, by validation.
        chosen_by: See `Choice.by`.
        verdict: As in comparisons.
        against: The comparisons with all arms without a GAN.
        p: That the arm is not better than all of them: the largest adjusted p, or 1 if a difference is not above 0.
        margin: The largest loss that counts as none.
        missing: What a verdict would need more of; None if nothing.
        sources: The sources of variance in the intervals.
        smallest_detectable: The gain over the best of them that this rule finds with 80 % power; None if none is.
        power_if_equal: How often the verdict is non-inferior or better if all arms are equally good.
    """

    arm: str
    strongest: str
    chosen_by: Literal["auc", "loss"]
    verdict: Verdict
    against: tuple[Against, ...]
    p: float
    margin: float
    missing: Missing | None
    sources: tuple[str, ...]
    smallest_detectable: float | None
    power_if_equal: float | None


def choose(validation: GroundTruth, cells: Mapping[str, Sequence[CellResult]]) -> Choice | None:
    """Choose the best arms by the validation images; of equal ones the first.

    Args:
        validation: Their labels and patients.
        cells: The cells of each arm, in the order of reports.

    Returns:
        The choice, or None without an arm with a GAN.
    """
    with_gan = [arm.name for arm in known(cells) if arm.needs_synthetic]
    without = [arm.name for arm in known(cells) if not arm.needs_synthetic]
    if not with_gan:
        return None
    try:
        value = {
            name: np.mean([validation.auc(cell.validation_scores).value for cell in cells[name]])
            for name in (*with_gan, *without)
        }
        by: Literal["auc", "loss"] = "auc"
    except DataError:  # too few images of a class
        value = {name: -np.mean([_loss(cell) for cell in cells[name]]) for name in (*with_gan, *without)}
        by = "loss"
    return Choice(max(with_gan, key=value.__getitem__), max(without, key=value.__getitem__), by)


def _loss(cell: CellResult) -> float:
    """The validation loss of the kept weights."""
    return next((float(row["validation_loss"]) for row in cell.history if row["step"] == cell.best_step), inf)


def judged_pairs(names: Iterable[str], choice: Choice | None) -> list[tuple[str, str]]:
    """The comparisons of the table: each arm with the reference first, then arms with a GAN and others without one.

    Args:
        names: The arms of the comparison, in the order of reports.
        choice: The best arm with a GAN. An arm without real images adds nothing to them, so it is compared with all
            arms without a GAN only if it is the best, and else with the one that is made alike.

    Returns:
        The pairs: an arm and the arm with which it is compared.
    """
    arms = list(names)
    rows = known(arms)
    others = [arm.name for arm in rows if not arm.needs_synthetic and arm.name != REFERENCE]
    pairs: list[tuple[str, str]] = [(name, REFERENCE) for name in arms if name != REFERENCE]
    for arm in rows:
        if arm.needs_synthetic:
            adds_or_is_best = arm.real != "none" or (choice is not None and arm.name == choice.arm)
            pairs += [(arm.name, other) for other in others if adds_or_is_best or other == arm.alike]
    return pairs


def headline(
    truth: GroundTruth,
    choice: Choice,
    comparisons: Sequence[Comparison],
    cells: Mapping[str, Sequence[CellResult]],
    gans: Gans,
) -> Headline:
    """The headline that follows from the table of comparisons.

    Args:
        truth: The labels and patients of the test split.
        choice: What the validation images chose.
        comparisons: The table, of `judged_pairs`.
        cells: The cells of each arm, sorted by seed.
        gans: The GAN behind each seed of the chosen arm.

    Returns:
        The headline, with what its rule could have shown.
    """
    own = own_rows(comparisons, choice.arm)
    missing = missing_for_verdict(truth, len(cells[choice.arm]))
    gain = power = None
    if not missing and len(cells[choice.arm]) >= FEWEST_FOR_POWER:
        names = (choice.arm, *(row.against for row in own))
        aucs = [[truth.auc(cell.test_scores) for cell in cells[name]] for name in names]
        study = Study.of(aucs, truth.patients, truth.pairs, gans, [row.p for row in comparisons if row not in own])
        gain, power = study.smallest_gain(), study.no_worse_if_equal(own[0].margin)
    return Headline(
        arm=choice.arm,
        strongest=choice.strongest,
        chosen_by=choice.by,
        verdict=joint_verdict(own),
        against=tuple(
            Against(row.against, row.difference, row.ci95, row.p, row.p_adjusted, row.verdict) for row in own
        ),
        p=max(row.p_adjusted if row.difference > 0 else 1.0 for row in own),
        margin=own[0].margin,
        missing=missing or None,
        sources=own[0].sources,
        smallest_detectable=gain,
        power_if_equal=power,
    )


def own_rows(comparisons: Sequence[Comparison], arm: str) -> list[Comparison]:
    """The comparisons of an arm with a GAN with all arms without one."""
    without = {row.name for row in known({one.against for one in comparisons}) if not row.needs_synthetic}
    return [one for one in comparisons if one.arm == arm and one.against in without]


def joint_verdict(rows: Sequence[Comparison]) -> Verdict:
    """The verdict on an arm compared with several; the module's docstring has the rule."""
    verdicts = {row.verdict for row in rows}
    if verdicts == {"improves"}:
        return "improves"
    if verdicts <= {"improves", "non-inferior"}:
        return "non-inferior"
    worse = any(row.verdict == "inferior" and row.p_adjusted < ALPHA for row in rows)
    return "inferior" if worse else "inconclusive"
