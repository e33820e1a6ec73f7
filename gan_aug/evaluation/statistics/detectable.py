"""The gain in AUC that a comparison could have shown: found with 80 % power at two-sided 5 %.

What is to be found is a gain delta of the arm over the reference, whose AUC stays as it was seen. It solves::

    delta = (t_0.975 + t_0.8) se(delta) / c4

where `se(delta)` is the standard error of the difference if the arm's AUC were the reference's + delta. Near an AUC of
1 that is not the one seen between arms that are alike: the arm's part shrinks, the reference's does not, and what both
shared no longer cancels. The binormal model with equal variances says by how much, from an AUC of A to one of A'. The
patients' contributions are multiplied by sqrt(V(A') / V(A)) and the seeds' deviations by phi(z') / phi(z), with::

    V(A) = Phi2(z, z; 1/2) - A^2 = A - 2 T(z, 1/sqrt(3)) - A^2,      z = Phi^-1(A)

where T is Owen's. V is the variance of a placement value, `Q - A^2` of Hanley & McNeil (Radiology 143:29, 1982), the
same for positives and negatives there. `c4(df)` is the mean of an estimated standard error over the true one, 0.94 at 4
degrees of freedom: without it few seeds would make the figure too small on average.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from scipy import special
from scipy.optimize import brentq

from gan_aug.evaluation.statistics.uncertainty import (
    ALPHA,
    FloatArray,
    Influence,
    IntArray,
    crossed_estimate,
    exact_interval,
    patient_totals,
    t_quantile,
)

POWER = 0.8
_STEPS = 24


def detectable_gain(
    arm: Sequence[Influence], reference: Sequence[Influence], patients: IntArray, independent: int
) -> float | None:
    """The smallest gain over the reference's AUC found with 80 % power, or None where none below an AUC of 1 would be.

    `arm` and `reference` hold the AUC of each seed, `patients` and `independent` are those of `mean_over_seeds`. Where
    nothing varied it is the half-width of `exact_interval`.
    """
    pair = _Pair.of(arm, reference, patients, independent)
    left = 1 - pair.level
    if pair.standard_error(0.0)[0] == 0.0:
        half = exact_interval(0.0, independent)[1]
        return half if half <= left else None
    # From below: the standard error rises steeply towards an AUC of 1, so that a larger gain may be harder to find.
    gains = np.linspace(0.0, left, _STEPS + 1)
    for low, high in pairwise(gains.tolist()):
        if pair.shortfall(high) <= 0:
            return float(brentq(pair.shortfall, low, high, xtol=1e-12))
    return None


def power_factor(df: float) -> float:
    """`(t_0.975 + t_0.8) / c4`: how many standard errors a difference must be to be found four times in five."""
    return (t_quantile(1 - ALPHA / 2, df) + t_quantile(POWER, df)) / _shrinkage(df)


def placement_variance(auc: float) -> float:
    """V of the module's docstring: the variance of a placement value at an AUC in 0..1, 1/12 at 0.5."""
    z = float(special.ndtri(auc))
    return auc - 2 * float(special.owens_t(z, 1 / math.sqrt(3))) - auc**2 if math.isfinite(z) else 0.0


@dataclass(frozen=True)
class _Pair:
    """An arm's and its reference's mean AUC, the seeds' deviations `(S,)` and covariances over patients `(S, S)`."""

    mean: float
    level: float
    arm: FloatArray
    reference: FloatArray
    of_arm: FloatArray
    of_both: FloatArray
    of_reference: FloatArray
    independent: int

    @classmethod
    def of(
        cls, arm: Sequence[Influence], reference: Sequence[Influence], patients: IntArray, independent: int
    ) -> _Pair:
        ours, theirs = (np.array([seed.value for seed in seeds]) for seeds in (arm, reference))
        a, r = (patient_totals(seeds, patients) for seeds in (arm, reference))
        both = a @ r.T
        mean, level = float(ours.mean()), float(theirs.mean())
        return cls(mean, level, ours - mean, theirs - level, a @ a.T, both + both.T, r @ r.T, independent)

    def standard_error(self, gain: float) -> tuple[float, float]:
        """The difference's standard error and degrees of freedom if the arm's AUC were the reference's + `gain`."""
        there = self.level + gain
        of_patients = _ratio(placement_variance(there), placement_variance(self.mean)) ** 0.5
        of_seeds = _ratio(_slope(there), _slope(self.mean))
        covariance = of_patients**2 * self.of_arm - of_patients * self.of_both + self.of_reference
        estimate = crossed_estimate(of_seeds * self.arm - self.reference, covariance, self.independent, "identity")
        return estimate.se, estimate.df

    def shortfall(self, gain: float) -> float:
        """By how much `gain` is less than what would be found four times in five."""
        se, df = self.standard_error(gain)
        return power_factor(df) * se - gain


def _slope(auc: float) -> float:
    """phi(z), what a step of z changes the AUC by."""
    z = float(special.ndtri(auc))
    return math.exp(-(z**2) / 2) / math.sqrt(2 * math.pi) if math.isfinite(z) else 0.0


def _ratio(there: float, here: float) -> float:
    """`there / here`; 1 where an arm that missed nothing, or everything, does not show what it varies by."""
    return max(0.0, there) / here if here > 0 else 1.0


def _shrinkage(df: float) -> float:
    """c4: the expectation of sqrt(chi2_df / df)."""
    if df > 1e6:
        return 1.0
    return math.sqrt(2 / df) * math.exp(math.lgamma((df + 1) / 2) - math.lgamma(df / 2))
