"""Comparisons: of an arm with another, paired by seed and patient; of figures of different patients."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from gan_aug.errors import DataError
from gan_aug.evaluation.statistics.auc import paired_test
from gan_aug.evaluation.statistics.detectable import detectable_gain
from gan_aug.evaluation.statistics.ground_truth import GroundTruth
from gan_aug.evaluation.statistics.intervals import ALPHA
from gan_aug.evaluation.statistics.uncertainty import (
    Estimate,
    FloatArray,
    Gans,
    Influence,
    difference,
    mean_over_seeds,
    p_value,
)

Verdict = Literal["improves", "non-inferior", "inferior", "inconclusive"]

RULE = 2
"""The rule by which comparisons are judged (`compare.rule`); 1 is that of versions up to 0.2."""
FEWEST_SEEDS = 2
FEWEST_CASES = 10
"""With fewer patients of a class the interval of an AUC is too uncertain for a verdict (docs/decisions/0022)."""


@dataclass(frozen=True)
class Comparison:
    """An arm's AUC minus that of the arm `against`: the mean over seeds of the paired differences.

    - `p` and `ci95` come from the same statistic, which includes patients and seeds.
    - `p_adjusted` is `p` after Holm's adjustment for all comparisons.
    - `p_delong` is that of the paired DeLong test of the scores averaged over seeds. It ignores the variance of seeds
      and counts images of one patient as independent. `difference_delong` is the difference that it tests, which
      differs from `difference`.
    - `smallest_detectable` is the gain that this comparison finds with 80 % power, see `detectable_gain`: at the level
      that Holm's adjustment left for it (see `holm_level`). By rule 1 at 5 %, without adjustment.
    - `sources` names the sources of variance in the interval.
    - `under_trained` names those of the two arms that were trained too briefly for a verdict.
    """

    arm: str
    against: str
    difference: float
    ci95: tuple[float, float]
    p: float
    p_adjusted: float
    difference_delong: float
    p_delong: float
    verdict: Verdict
    margin: float
    smallest_detectable: float | None
    sources: tuple[str, ...]
    under_trained: tuple[str, ...] = ()


@dataclass(frozen=True)
class Missing:
    """What a verdict would need more of; None for what there is enough of.

    - `seeds`: the number of training seeds, if there is one alone: nothing shows how much another training differs.
    - `label` and `cases`: the class with too few patients in the test split, and their number.
    """

    seeds: int | None = None
    label: str | None = None
    cases: int | None = None

    def __bool__(self) -> bool:
        return self != Missing()


def missing_for_verdict(truth: GroundTruth, seeds: int) -> Missing:
    """What is missing for a verdict on arms with this number of `seeds`, tested on the patients of `truth`."""
    label, cases = truth.fewest_cases
    few = (label, cases) if cases < FEWEST_CASES else (None, None)
    return Missing(seeds if seeds < FEWEST_SEEDS else None, *few)


def estimate_auc(truth: GroundTruth, seeds: Sequence[FloatArray], gans: Gans = ()) -> Estimate:
    """An arm's AUC, the mean over `seeds`, each with scores `(N, K)`; the interval includes patients, seeds, `gans`."""
    return mean_over_seeds([truth.auc(scores) for scores in seeds], truth.patients, truth.pairs, "logit", gans)


def estimate_difference(
    truth: GroundTruth, arm: Sequence[FloatArray], reference: Sequence[FloatArray], gans: Gans = ()
) -> Estimate:
    """The difference of two arms' AUCs, the mean over seeds, with its interval over patients, seeds and GANs.

    Args:
        truth: The labels and patients.
        arm: The scores `(N, K)` of each seed of one arm.
        reference: Those of the other arm; seed i is paired with seed i.
        gans: The GAN behind each seed of either arm; if both have one, it is the same.

    Returns:
        The AUC of `arm` minus that of `reference`.

    Raises:
        DataError: The numbers of seeds differ.
    """
    return paired(truth, [truth.auc(scores) for scores in arm], [truth.auc(scores) for scores in reference], gans)


def paired(truth: GroundTruth, arm: Sequence[Influence], reference: Sequence[Influence], gans: Gans) -> Estimate:
    """As `estimate_difference`, from the AUC of each seed."""
    if len(arm) != len(reference):
        raise DataError(
            f"one arm has {len(arm)} seeds and the other {len(reference)}, but seeds are compared in pairs: run the "
            "comparison again with the same seeds for both arms"
        )
    apart = [difference(ours, theirs) for ours, theirs in zip(arm, reference, strict=True)]
    return mean_over_seeds(apart, truth.patients, truth.pairs, "identity", gans)


def independent_difference(first: Estimate, second: Estimate) -> tuple[float, tuple[float, float]]:
    """`first - second` with its 95 % interval, from the intervals of both.

    It is the method of variance estimates recovery (MOVER): Zou & Donner, Stat Med 27:1693 (2008). With values a, b
    and intervals [l, u], it goes from `a - b - sqrt((a - l_a)^2 + (u_b - b)^2)` to
    `a - b + sqrt((u_a - a)^2 + (b - l_b)^2)`. So a skewed interval, as that of an AUC near 1, stays skewed. If the same
    classifiers were scored on both, what their seeds have in common cancels in the difference, but not in this
    interval: it is then too wide rather than too narrow.

    Args:
        first: One figure.
        second: The other one.

    Returns:
        The difference and its interval.
    """
    apart = first.value - second.value
    (low, high), (other_low, other_high) = first.ci95, second.ci95
    below = math.hypot(first.value - low, other_high - second.value)
    above = math.hypot(high - first.value, second.value - other_low)
    return apart, (max(-1.0, apart - below), min(1.0, apart + above))


def compare_arms(
    truth: GroundTruth,
    arms: Mapping[str, Sequence[FloatArray]],
    pairs: Sequence[tuple[str, str]],
    margin: float,
    *,
    gans: Mapping[str, Gans] | None = None,
    rule: int = RULE,
) -> list[Comparison]:
    """Compare arms in pairs.

    Args:
        truth: The labels and patients.
        arms: For each arm the scores `(N, K)` of its seeds, which are in the same order in all arms.
        pairs: An arm and the arm with which it is compared.
        margin: See `verdict`.
        gans: For arms with a GAN the one behind each seed.
        rule: 2; or 1, which gave verdicts from one seed and few cases, and detectable gains without adjustment.

    Returns:
        The comparisons in the order of `pairs`; Holm's adjustment is over all of them.

    Raises:
        DataError: The numbers of seeds differ, or a class is absent.
    """
    aucs = {name: [truth.auc(scores) for scores in seeds] for name, seeds in arms.items()}
    images = truth.by_image()
    averaged = {name: images.auc(np.mean(seeds, axis=0)) for name, seeds in arms.items()}
    behind = [gans_of_pair(gans or {}, pair) for pair in pairs]
    estimates = [paired(truth, aucs[name], aucs[other], of) for (name, other), of in zip(pairs, behind, strict=True)]
    p_values = [p_value(estimate) for estimate in estimates]
    missing = rule > 1 and missing_for_verdict(truth, len(next(iter(arms.values()))))
    return [
        Comparison(
            arm=name,
            against=other,
            difference=estimate.value,
            ci95=estimate.ci95,
            p=p_values[i],
            p_adjusted=p,
            difference_delong=averaged[name].value - averaged[other].value,
            p_delong=paired_test(averaged[name], averaged[other], truth.pairs),
            verdict="inconclusive" if missing else verdict(estimate, p, margin),
            margin=margin,
            smallest_detectable=None
            if missing
            else detectable_gain(
                aucs[name],
                aucs[other],
                truth.patients,
                truth.pairs,
                gans=behind[i],
                level=holm_level(p_values, i) if rule > 1 else ALPHA,
            ),
            sources=estimate.sources,
        )
        for i, ((name, other), estimate, p) in enumerate(zip(pairs, estimates, holm(p_values), strict=True))
    ]


def rule_of(compare: Mapping[str, Any]) -> int:
    """The rule that the section `compare` of a config asks for; one without the key knew rule 1 alone."""
    return int(compare.get("rule", 1))


def gans_of_pair(gans: Mapping[str, Gans], pair: tuple[str, str]) -> Gans:
    """The GAN behind each seed of the first arm that has one, or an empty sequence; arms with one have the same."""
    return next((gans[name] for name in pair if gans.get(name)), ())


def verdict(estimate: Estimate, p_adjusted: float, margin: float) -> Verdict:
    """The verdict on a difference, with a margin that was fixed beforehand.

    Args:
        estimate: The difference of the AUCs.
        p_adjusted: Its p-value, adjusted for the number of comparisons.
        margin: The largest loss of AUC that counts as none, above 0.

    Returns:
        `improves` if the adjusted p-value is below 0.05 and the difference above 0; `non-inferior` if the whole
        interval is above -margin; `inferior` if it is below -margin; else `inconclusive`.
    """
    low, high = estimate.ci95
    if p_adjusted < ALPHA and estimate.value > 0:
        return "improves"
    if low > -margin:
        return "non-inferior"
    return "inferior" if high < -margin else "inconclusive"


def holm(p_values: Sequence[float]) -> list[float]:
    """The p-values adjusted for their number, in the given order (Holm, Scand. J. Statist. 6:65, 1979)."""
    adjusted = [0.0] * len(p_values)
    largest = 0.0
    for rank, i in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[i]))
        adjusted[i] = largest
    return adjusted


def holm_level(p_values: Sequence[float], i: int) -> float:
    """The largest p-value with which comparison `i` is significant by Holm's method, the others being as they are."""
    others = sorted(p for k, p in enumerate(p_values) if k != i)
    ahead = 0
    while ahead < len(others) and others[ahead] < ALPHA / (len(p_values) - ahead):
        ahead += 1
    return ALPHA / (len(p_values) - ahead)
