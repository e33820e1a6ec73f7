"""The comparison of arms against another, mostly the reference arm, paired by seed and by patient."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from gan_aug.errors import DataError
from gan_aug.evaluation.statistics.auc import paired_test
from gan_aug.evaluation.statistics.detectable import detectable_gain
from gan_aug.evaluation.statistics.ground_truth import GroundTruth
from gan_aug.evaluation.statistics.uncertainty import (
    ALPHA,
    Estimate,
    FloatArray,
    Influence,
    difference,
    mean_over_seeds,
    p_value,
)

Verdict = Literal["improves", "non-inferior", "inferior", "inconclusive"]


@dataclass(frozen=True)
class Comparison:
    """One arm's AUC less that of `against`: the mean over seeds of the paired differences.

    `p` and `ci95` come from one statistic that holds patients and seeds; `p_adjusted` is `p` after Holm over the
    comparisons. Beside them stands the paired DeLong test of the scores averaged over seeds, which leaves out seeds and
    counts images of one patient as independent: `p_delong`, and the difference that it is of, `difference_delong`,
    which is not `difference`. `smallest_detectable` is `detectable_gain`'s, for one comparison alone.
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


def estimate_auc(truth: GroundTruth, seeds: Sequence[FloatArray]) -> Estimate:
    """An arm's AUC, the mean over `seeds` of scores `(N, K)`, with its interval over patients and seeds."""
    return mean_over_seeds([truth.auc(scores) for scores in seeds], truth.patients, truth.pairs, "logit")


def estimate_difference(truth: GroundTruth, arm: Sequence[FloatArray], reference: Sequence[FloatArray]) -> Estimate:
    """The mean over seeds of `arm`'s AUC less `reference`'s, seed i paired with seed i, on the same patients."""
    return _difference(truth, [truth.auc(scores) for scores in arm], [truth.auc(scores) for scores in reference])


def _difference(truth: GroundTruth, arm: Sequence[Influence], reference: Sequence[Influence]) -> Estimate:
    if len(arm) != len(reference):
        raise DataError(
            f"{len(arm)} seeds against {len(reference)}: seeds are compared in pairs; compare again so that both arms "
            "have the same"
        )
    apart = [difference(ours, theirs) for ours, theirs in zip(arm, reference, strict=True)]
    return mean_over_seeds(apart, truth.patients, truth.pairs, "identity")


def compare_arms(
    truth: GroundTruth,
    arms: Mapping[str, Sequence[FloatArray]],
    against: str,
    margin: float,
    also: Sequence[tuple[str, str]] = (),
) -> list[Comparison]:
    """Every arm of `arms` but `against` compared with it, in the mapping's order; seeds in the same order in each.

    `also` names further pairs, each an arm and what it is compared with; Holm's adjustment is over all of them.
    """
    aucs = {name: [truth.auc(scores) for scores in seeds] for name, seeds in arms.items()}
    images = truth.by_image()
    averaged = {name: images.auc(np.mean(seeds, axis=0)) for name, seeds in arms.items()}
    pairs = [*((name, against) for name in arms if name != against), *also]
    estimates = [_difference(truth, aucs[name], aucs[other]) for name, other in pairs]
    adjusted = holm([p_value(estimate) for estimate in estimates])
    return [
        Comparison(
            arm=name,
            against=other,
            difference=estimate.value,
            ci95=estimate.ci95,
            p=p_value(estimate),
            p_adjusted=p,
            difference_delong=averaged[name].value - averaged[other].value,
            p_delong=paired_test(averaged[name], averaged[other], truth.pairs),
            verdict=verdict(estimate, p, margin),
            margin=margin,
            smallest_detectable=detectable_gain(aucs[name], aucs[other], truth.patients, truth.pairs),
            sources=estimate.sources,
        )
        for (name, other), estimate, p in zip(pairs, estimates, adjusted, strict=True)
    ]


def verdict(estimate: Estimate, p_adjusted: float, margin: float) -> Verdict:
    """What a difference says, given a margin fixed beforehand.

    Improves: adjusted p below 0.05 and a difference above 0. Non-inferior: the interval stays above -margin. Inferior:
    it stays below -margin. Else inconclusive.
    """
    low, high = estimate.ci95
    if p_adjusted < ALPHA and estimate.value > 0:
        return "improves"
    if low > -margin:
        return "non-inferior"
    return "inferior" if high < -margin else "inconclusive"


def holm(p_values: Sequence[float]) -> list[float]:
    """The p-values adjusted for their number, in their order (Holm, Scand. J. Statist. 6:65, 1979)."""
    adjusted = [0.0] * len(p_values)
    largest = 0.0
    for rank, i in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[i]))
        adjusted[i] = largest
    return adjusted
