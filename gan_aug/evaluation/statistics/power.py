"""The power of a verdict on one arm against several others: the rule itself, on simulated repetitions of the study.

A repetition draws new patients and new trainings with the variances that were estimated here, and judges them as the
study was judged: the arm is better if the p-value against *every* opponent is small enough after Holm's adjustment. So
chance has to be kind several times, with differences that are correlated because they have the arm in common. The other
comparisons of the table, for which Holm adjusts too, keep their p-values. The variances are

- over trainings: the covariance between arms of the clusters' values (`uncertainty.variance_of_mean`), divided by c4^2,
  because standard deviations of few values are too small on average;
- over patients: the covariance between arms of different clusters' contributions.

If the arm is to be better by a gain, its AUC lies elsewhere. Its part of the variances is scaled to there as in
`detectable`. Opponents stay at their AUCs, and the gain is one over the best of them. Opponents that are equally good
differ by chance. So their distances from the best are shrunk by what chance explains (James & Stein 1961), or the power
would be too high: to be better than one is easier than to be better than three that are as good.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import pairwise

import numpy as np
from scipy import special

from gan_aug.evaluation.statistics.detectable import POWER, placement_ratio, shrinkage, slope_ratio
from gan_aug.evaluation.statistics.intervals import ALPHA, exact_interval, t_quantile
from gan_aug.evaluation.statistics.uncertainty import (
    NO_VARIANCE,
    FloatArray,
    Gans,
    Influence,
    IntArray,
    cluster_form,
    clusters,
    few_of,
    patient_totals,
)

REPETITIONS = 1000
_STEPS = 24
_HALVINGS = 8


@dataclass(frozen=True)
class Study:
    """What chance does to an arm and its opponents. Arrays are over arms, A in all, the arm in question first.

    Attributes:
        levels: `(A,)`, the mean AUCs; those of opponents nearer to the best of them, see `_shrunk`.
        of_trainings: `(A, A)`, the covariance of the clusters' values over trainings.
        of_patients: `(A, A)`, the covariance over patients that clusters have in common.
        shares: `(C,)`, the weight of each cluster in the mean.
        independent: See `intervals.exact_interval`.
        few: See `uncertainty.sum_of_variances`.
        beside: The p-values of the other comparisons of the table.
    """

    levels: FloatArray
    of_trainings: FloatArray
    of_patients: FloatArray
    shares: FloatArray
    independent: int
    few: int
    beside: tuple[float, ...] = ()

    @classmethod
    def of(
        cls,
        arms: Sequence[Sequence[Influence]],
        patients: IntArray,
        independent: int,
        gans: Gans,
        beside: Sequence[float] = (),
    ) -> Study:
        """The study that was made.

        Args:
            arms: The AUC of each seed, at least two, of the arm and then of each opponent.
            patients: `(N,) int64`, the patient of each case.
            independent: See `intervals.exact_interval`.
            gans: The GAN behind each seed of the arm.
            beside: The p-values of the other comparisons of the table.

        Returns:
            The study, with the variances that it shows.
        """
        shares, means = clusters(gans, len(arms[0]))
        values = means @ np.array([[seed.value for seed in seeds] for seeds in arms]).T
        totals = np.array([means @ patient_totals(seeds, patients) for seeds in arms])
        apart, own = values - shares @ values, shares**2
        whole = np.tensordot(totals, shares, axes=(1, 0))
        alone = np.einsum("acp,bcp,c->ab", totals, totals, own)
        of_trainings = (apart.T * own) @ apart / float(np.trace(cluster_form(shares)))
        of_patients = (whole @ whole.T - alone) / (1 - float(own.sum()))
        return cls(
            levels=_shrunk(shares @ values, float(own.sum()) * of_trainings + of_patients),
            of_trainings=of_trainings,
            of_patients=of_patients,
            shares=shares,
            independent=independent,
            few=few_of(gans),
            beside=tuple(beside),
        )

    def better(self, gain: float) -> float:
        """How often the verdict is "improves" if the arm's AUC is higher by `gain` than that of the best opponent."""
        found, errors, df = self._repeated(gain)
        p_values = 2 * special.stdtr(df, -np.abs(found) / errors)
        return float(((found > 0) & (self._adjusted(p_values) < ALPHA)).all(axis=1).mean())

    def no_worse_if_equal(self, margin: float) -> float:
        """How often the verdict is "improves" or "non-inferior" if the arm and all opponents are equally good."""
        equal = np.where(np.arange(len(self.levels)) == 0, self.levels, self.levels[1:].max())
        found, errors, df = replace(self, levels=equal)._repeated(0.0)
        return float((found - special.stdtrit(df, 1 - ALPHA / 2) * errors > -margin).all(axis=1).mean())

    def smallest_gain(self) -> float | None:
        """The smallest gain over the best opponent that is found in 80 % of repetitions.

        Returns None if none is up to an AUC of 1. If nothing varied, it is the half-width of `exact_interval`.
        """
        left = 1 - float(self.levels[1:].max())
        if max(self.of_trainings.max(), self.of_patients.max()) < NO_VARIANCE:
            half = exact_interval(0.0, self.independent)[1]
            return half if half <= left else None
        # In steps from below: near an AUC of 1 a larger gain can be harder to find.
        for low, high in pairwise(np.linspace(0.0, left, _STEPS + 1).tolist()):
            if self.better(high) >= POWER:
                return self._between(low, high)
        return None

    def _between(self, low: float, high: float) -> float:
        for _ in range(_HALVINGS):
            middle = (low + high) / 2
            low, high = (low, middle) if self.better(middle) >= POWER else (middle, high)
        return high

    def _repeated(self, gain: float) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Of each repetition and opponent the difference, its standard error and degrees of freedom, `(R, A - 1)`."""
        here, there = float(self.levels[0]), float(self.levels[1:].max()) + gain
        new_trainings, new_patients = _chance(len(self.shares), len(self.levels))
        form = cluster_form(self.shares)
        trace = float(np.trace(form))
        df = trace**2 / float((form**2).sum())
        apart, _ = _differences(new_trainings / shrinkage(df), self.of_trainings, slope_ratio(there, here))
        tested, of_pairs = _differences(new_patients, self.of_patients, placement_ratio(there, here) ** 0.5)
        found = np.tensordot(apart, self.shares, axes=(1, 0)) + tested + there - self.levels[1:]
        squares = np.einsum("rco,cd,rdo->ro", apart, form, apart, optimize=True)
        of_seeds = squares * float((self.shares**2).sum()) / trace
        total = np.maximum(NO_VARIANCE, of_seeds + np.maximum(0.0, of_pairs))
        return found, np.sqrt(total), _degrees(of_seeds / total, df, self.few)

    def _adjusted(self, p_values: FloatArray) -> FloatArray:
        """The p-values `(R, A - 1)` after Holm's adjustment, for themselves and those beside them."""
        count = p_values.shape[1]
        fixed = np.broadcast_to(np.array(self.beside), (len(p_values), len(self.beside)))
        whole = np.concatenate([p_values, fixed], axis=1)
        order = np.argsort(whole, axis=1)
        steps = np.take_along_axis(whole, order, axis=1) * np.arange(whole.shape[1], 0, -1)
        adjusted = np.empty_like(whole)
        np.put_along_axis(adjusted, order, np.maximum.accumulate(steps, axis=1), axis=1)
        return adjusted[:, :count]


def _shrunk(levels: FloatArray, covariance: FloatArray) -> FloatArray:
    """Mean AUCs `(A,)` with the opponents' distances d from the best of them times `1 - variance / d^2`, or 0."""
    best = 1 + int(levels[1:].argmax())
    distances = levels[best] - levels[1:]
    variances = covariance[best, best] + np.diag(covariance)[1:] - 2 * covariance[best, 1:]
    kept = 1 - np.divide(variances, distances**2, out=np.ones_like(distances), where=distances > 0)
    return np.concatenate([levels[:1], levels[best] - distances * np.clip(kept, 0.0, 1.0)])


@cache
def _chance(clusters: int, arms: int) -> tuple[FloatArray, FloatArray]:
    """Standard normal numbers, the same at every call: of trainings `(R, C, A)` and of patients `(R, A)`."""
    rng = np.random.default_rng(0)
    return rng.normal(size=(REPETITIONS, clusters, arms)), rng.normal(size=(REPETITIONS, arms))


def _differences(chance: FloatArray, covariance: FloatArray, factor: float) -> tuple[FloatArray, FloatArray]:
    """Random deviations of the differences `(..., A - 1)` from standard normal `chance (..., A)`, and their variances.

    The arm's deviations are multiplied by `factor`. What it had in common with an opponent then cancels no longer, or
    by accident altogether, if the covariance is one of few trainings. So the variance of a difference is not below the
    one observed, times the factor's square.
    """
    size = len(covariance)
    scaled = covariance * np.outer(factors := np.array([factor, *np.ones(size - 1)]), factors)
    variances, observed = (
        np.maximum(0.0, matrix[0, 0] + np.diag(matrix)[1:] - 2 * matrix[0, 1:]) for matrix in (scaled, covariance)
    )
    wanted = np.maximum(variances, factor**2 * observed)
    stretch = np.sqrt(np.divide(wanted, variances, out=np.ones_like(wanted), where=variances > NO_VARIANCE))
    drawn = chance @ _root(scaled).T
    return (drawn[..., :1] - drawn[..., 1:]) * stretch, wanted


def _root(covariance: FloatArray) -> FloatArray:
    """A matrix whose product with its transpose is the covariance, as far as that is one."""
    values, vectors = np.linalg.eigh(covariance)
    root: FloatArray = vectors * np.sqrt(np.maximum(0.0, values))
    return root


def _degrees(part: FloatArray, df: float, few: int) -> FloatArray:
    """The degrees of freedom as by `uncertainty.sum_of_variances`; `part` is the share of the trainings' variance."""
    if df > few - 1 + 1e-9:
        return df / np.maximum(1e-12, part) ** 2
    low, high = t_quantile(1 - ALPHA / 2, np.inf), t_quantile(1 - ALPHA / 2, df)
    inverse, quantiles = _quantiles()
    return 1 / np.maximum(1e-12, np.interp(part * high + (1 - part) * low, quantiles, inverse))


@cache
def _quantiles() -> tuple[FloatArray, FloatArray]:
    """1 / df from 0 to 1.3, and the quantile of t at 0.975 for each."""
    inverse = np.linspace(0.0, 1.3, 2000)
    df = np.divide(1.0, inverse, out=np.full_like(inverse, np.inf), where=inverse > 0)
    return inverse, np.asarray(special.stdtrit(df, 1 - ALPHA / 2))
