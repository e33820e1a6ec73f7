"""The smallest detectable gain in AUC: the gain that a comparison finds with 80 % power at a two-sided level.

It is a gain delta of the arm over the reference, if the reference has the observed AUC. It solves::

    delta = (t_{1 - level/2} + t_0.8) se(delta) / c4

Here `se(delta)` is the standard error of the difference if the arm's AUC were that of the reference plus delta. Near an
AUC of 1 it differs from the standard error that was observed between similar arms: the arm's part becomes smaller, the
reference's part does not, and what both had in common no longer cancels. The change from an AUC of A to one of A' is
that of the binormal model with equal variances: the patients' contributions are multiplied by sqrt(V(A') / V(A)), and
the seeds' deviations by phi(z') / phi(z), with::

    V(A) = Phi2(z, z; 1/2) - A^2 = A - 2 T(z, 1/sqrt(3)) - A^2,      z = Phi^-1(A)

T is Owen's function. V is the variance of a placement value, `Q - A^2` of Hanley & McNeil (Radiology 143:29, 1982); in
this model it is the same for positives and negatives. `c4(df)` is the ratio of the mean of an estimated standard error
to the true one, 0.94 at 4 degrees of freedom; without it the figure would be too small on average if there are few
seeds.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from scipy import special
from scipy.optimize import brentq

from gan_aug.evaluation.statistics.intervals import ALPHA, exact_interval, t_quantile
from gan_aug.evaluation.statistics.uncertainty import (
    FloatArray,
    Gans,
    Influence,
    IntArray,
    crossed_estimate,
    patient_totals,
)

POWER = 0.8
_STEPS = 24


def detectable_gain(
    arm: Sequence[Influence],
    reference: Sequence[Influence],
    patients: IntArray,
    independent: int,
    *,
    gans: Gans = (),
    level: float = ALPHA,
) -> float | None:
    """The smallest gain over the reference's AUC that is found with 80 % power.

    Args:
        arm: The AUC of each seed of the arm.
        reference: That of each seed of the reference.
        patients: `(N,) int64`, the patient of each case.
        independent: How many independent comparisons the test set allows, see `exact_interval`.
        gans: The GAN behind each seed of either arm.
        level: The two-sided level of the test.

    Returns:
        The gain, or None if no gain up to an AUC of 1 would be found. If nothing varied, it is the half-width of
        `exact_interval`.
    """
    pair = _Pair.of(arm, reference, patients, independent, gans, level)
    left = 1 - pair.level
    if pair.standard_error(0.0)[0] == 0.0:
        half = exact_interval(0.0, independent)[1]
        return half if half <= left else None
    # In steps from below: near an AUC of 1 the standard error rises steeply, so a larger gain can be harder to find.
    gains = np.linspace(0.0, left, _STEPS + 1)
    for low, high in pairwise(gains.tolist()):
        if pair.shortfall(high) <= 0:
            return float(brentq(pair.shortfall, low, high, xtol=1e-12))
    return None


def power_factor(df: float, level: float = ALPHA) -> float:
    """`(t_{1 - level/2} + t_0.8) / c4`: a difference of so many standard errors is found with 80 % power."""
    return (t_quantile(1 - level / 2, df) + t_quantile(POWER, df)) / shrinkage(df)


def placement_variance(auc: float) -> float:
    """V of the module's docstring: the variance of a placement value at an AUC from 0 to 1; it is 1/12 at 0.5."""
    z = float(special.ndtri(auc))
    return auc - 2 * float(special.owens_t(z, 1 / math.sqrt(3))) - auc**2 if math.isfinite(z) else 0.0


@dataclass(frozen=True)
class _Pair:
    """Two arms: their mean AUCs, the deviations of their seeds `(S,)`, and covariances over patients `(S, S)`."""

    mean: float
    level: float
    arm: FloatArray
    reference: FloatArray
    of_arm: FloatArray
    of_both: FloatArray
    of_reference: FloatArray
    independent: int
    gans: Gans
    level_of_test: float

    @classmethod
    def of(
        cls,
        arm: Sequence[Influence],
        reference: Sequence[Influence],
        patients: IntArray,
        independent: int,
        gans: Gans,
        level_of_test: float,
    ) -> _Pair:
        ours, theirs = (np.array([seed.value for seed in seeds]) for seeds in (arm, reference))
        a, r = (patient_totals(seeds, patients) for seeds in (arm, reference))
        both = a @ r.T
        mean, level = float(ours.mean()), float(theirs.mean())
        covariances = a @ a.T, both + both.T, r @ r.T
        return cls(mean, level, ours - mean, theirs - level, *covariances, independent, gans, level_of_test)

    def standard_error(self, gain: float) -> tuple[float, float]:
        """Standard error and degrees of freedom of the difference if the arm's AUC were the reference's + `gain`."""
        there = self.level + gain
        of_patients, of_seeds = placement_ratio(there, self.mean) ** 0.5, slope_ratio(there, self.mean)
        covariance = of_patients**2 * self.of_arm - of_patients * self.of_both + self.of_reference
        estimate = crossed_estimate(
            of_seeds * self.arm - self.reference, covariance, self.independent, "identity", self.gans
        )
        return estimate.se, estimate.df

    def shortfall(self, gain: float) -> float:
        """How much smaller `gain` is than the gain that would be found with 80 % power."""
        se, df = self.standard_error(gain)
        return power_factor(df, self.level_of_test) * se - gain


def placement_ratio(there: float, here: float) -> float:
    """By what a case's variance is multiplied if an arm's AUC is `there` instead of `here`."""
    return _ratio(placement_variance(there), placement_variance(here))


def slope_ratio(there: float, here: float) -> float:
    """By what a seed's deviation is multiplied if an arm's AUC is `there` instead of `here`."""
    return _ratio(_slope(there), _slope(here))


def _slope(auc: float) -> float:
    """phi(z): the derivative of the AUC with respect to z."""
    z = float(special.ndtri(auc))
    return math.exp(-(z**2) / 2) / math.sqrt(2 * math.pi) if math.isfinite(z) else 0.0


def _ratio(there: float, here: float) -> float:
    """`there / here`; 1 if `here` is 0, because an arm with an AUC of 0 or 1 does not show its variance."""
    return max(0.0, there) / here if here > 0 else 1.0


def shrinkage(df: float) -> float:
    """c4: the mean of sqrt(chi2_df / df)."""
    if df > 1e6:
        return 1.0
    return math.sqrt(2 / df) * math.exp(math.lgamma((df + 1) / 2) - math.lgamma(df / 2))
