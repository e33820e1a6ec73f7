"""The comparison of arms with another arm, mostly the reference arm, paired by seed and by patient."""

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
    """An arm's AUC minus that of the arm `against`: the mean over seeds of the paired differences.

    - `p` and `ci95` come from the same statistic, which includes patients and seeds.
    - `p_adjusted` is `p` after Holm's adjustment for all comparisons.
    - `p_delong` is that of the paired DeLong test of the scores averaged over seeds. It ignores the variance of seeds
      and counts images of one patient as independent. `difference_delong` is the difference that it tests, which
      differs from `difference`.
    - `smallest_detectable` is the gain that could have been found, see `detectable_gain`; for this comparison alone,
      without Holm's adjustment.
    - `sources` names the sources of variance in the interval.
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
    """An arm's AUC, the mean over `seeds`, each with scores `(N, K)`; with its interval over patients and seeds."""
    return mean_over_seeds([truth.auc(scores) for scores in seeds], truth.patients, truth.pairs, "logit")


def estimate_difference(truth: GroundTruth, arm: Sequence[FloatArray], reference: Sequence[FloatArray]) -> Estimate:
    """The difference of two arms' AUCs, the mean over seeds, with its interval over patients and seeds.

    Args:
        truth: The labels and patients.
        arm: The scores `(N, K)` of each seed of one arm.
        reference: Those of the other arm; seed i is paired with seed i.

    Returns:
        The AUC of `arm` minus that of `reference`.

    Raises:
        DataError: The numbers of seeds differ.
    """
    return _difference(truth, [truth.auc(scores) for scores in arm], [truth.auc(scores) for scores in reference])


def _difference(truth: GroundTruth, arm: Sequence[Influence], reference: Sequence[Influence]) -> Estimate:
    if len(arm) != len(reference):
        raise DataError(
            f"one arm has {len(arm)} seeds and the other {len(reference)}, but seeds are compared in pairs: run the "
            "comparison again with the same seeds for both arms"
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
    """Compare every arm with the arm `against`.

    Args:
        truth: The labels and patients.
        arms: For each arm the scores `(N, K)` of its seeds, which are in the same order in all arms.
        against: The arm with which all others are compared.
        margin: See `verdict`.
        also: Further pairs to compare: an arm and the arm with which it is compared.

    Returns:
        The comparisons in the order of `arms`, then those of `also`; Holm's adjustment is over all of them.

    Raises:
        DataError: The numbers of seeds differ, or a class is absent.
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
