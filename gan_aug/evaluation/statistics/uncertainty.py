"""How sure a figure is: one estimate over training seeds and test patients, with both sources in its interval.

Every figure here is a mean over cases of something, at least to first order, so it travels as an `Influence`: its
value, and what each test case contributes to it. Patients and seeds are *crossed* (every seed is scored on every
patient), as readers and patients are in a reader study, and the variance of a mean over S seeds is estimated as there::

    V = var_s(value_s) / S  +  max(0, mean over pairs of seeds s != t of cov(value_s, value_t))

with the covariance over patients of two seeds' values: the sum over patients of the products of their contributions,
images of one patient summed first (Obuchowski 1997), or the same from resampled patients (`bootstrap`). The first term
holds the seeds and their interaction with the patients (a seed that happens to suit certain patients), the second what
the patients do to all seeds alike; nothing is counted twice. Obuchowski & Rockette, Commun. Stat. Simul. 24:285 (1995).

The first term rests on S - 1 degrees of freedom, the second on as good as unlimited ones, so that after Satterthwaite
`df = V^2 / (V_seeds^2 / (S - 1))`: Hillis, Stat. Med. 26:596 (2007). With two or three seeds the first term is often
near 0 by chance, just where the interval is narrow already, and Satterthwaite's df then grows without bound. There the
quantile is the mean of both terms' own, weighted by them (Cochran, Biometrics 20:191, 1964), and df is the one that
has it. With one seed, or with seeds that agree exactly, what is left is the patients' variance of the mean and the
normal quantile: DeLong's interval.

Subsets of the training images (draws) are a third source, crossed with both (every seed starts each draw's training).
The variance of a mean over D draws and S seeds is estimated as::

    V = var_d(mean_d) / D  +  var_s(mean_s) / S  +  max(0, mean covariance of cells that share neither draw nor seed)

in which what depends on draw and seed at once is counted twice: rather too wide than too narrow.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy import special

FloatArray = npt.NDArray[np.float64]
Scale = Literal["logit", "wilson", "identity"]
BoolArray = npt.NDArray[np.bool_]
IntArray = npt.NDArray[np.int64]

ALPHA = 0.05
# Below this a variance is rounding: the smallest that one swapped pair leaves among 10^6 x 10^6 cases is about 2e-24.
_NO_VARIANCE = 1e-24
# Up to here a sample variance is too uncertain for Satterthwaite's degrees of freedom (docs/decisions/0010).
_FEW = 3


@dataclass(frozen=True)
class Influence:
    """A figure and what each case adds to its deviation from the truth.

    `cases` is `(N,) float64` and sums to zero; the sum of its squares is the figure's variance over cases.
    """

    value: float
    cases: FloatArray


@dataclass(frozen=True)
class Estimate:
    """A figure's mean over seeds with its standard error, degrees of freedom and 95 % interval.

    `sources` names what the interval holds: `patients`, `seeds` where there are several, `draws` likewise.
    `independent` is the number of
    independent comparisons that the test set allows, behind the exact bound where nothing varied (`se` 0).
    """

    value: float
    se: float
    df: float
    ci95: tuple[float, float]
    sources: tuple[str, ...]
    independent: int


def difference(first: Influence, second: Influence) -> Influence:
    """`first - second` of two figures measured on the same cases, so that what they share cancels."""
    return Influence(first.value - second.value, first.cases - second.cases)


def mean_over_seeds(seeds: Sequence[Influence], patients: IntArray, independent: int, scale: Scale) -> Estimate:
    """The mean over seeds with both sources of uncertainty; the module's docstring has the formula.

    `patients` is `(N,) int64`, the patient of each case as 0, 1, ...; Obuchowski's factor G/(G-1) for G patients has to
    be in the contributions already. `scale` and `independent` are those of `crossed_estimate`.
    """
    values = np.array([seed.value for seed in seeds])
    totals = patient_totals(seeds, patients)
    return crossed_estimate(values, totals @ totals.T, independent, scale)


def clustered(patients: IntArray) -> float:
    """Obuchowski's small-sample factor sqrt(G/(G-1)) of contributions to a mean over cases of G `patients`.

    With a single one it is that of two: nothing can be known of how patients differ.
    """
    count = max(2, int(np.count_nonzero(np.bincount(patients))))
    return math.sqrt(count / (count - 1))


def patient_totals(seeds: Sequence[Influence], patients: IntArray) -> FloatArray:
    """What each patient contributes to each seed's figure, `(S, P)`: images of one patient summed first."""
    return np.array([np.bincount(patients, weights=seed.cases) for seed in seeds])


def crossed_estimate(values: FloatArray, covariance: FloatArray, independent: int, scale: Scale) -> Estimate:
    """The mean of `values (S,)`, one per seed, whose covariance over patients is `covariance (S, S)`.

    `scale` logit is for AUCs and wilson for proportions, both within 0 and 1; identity is for differences, cut to -1
    and 1. `independent` is handed on to `exact_interval` for the case that nothing varied.
    """
    sources = ("patients", "seeds") if len(values) > 1 else ("patients",)
    return _estimate(float(values.mean()), _variance(values, covariance), independent, scale, sources)


def mean_over_draws(
    draws: Sequence[Sequence[Influence]], patients: IntArray, independent: int, scale: Scale
) -> Estimate:
    """The mean over draws and the same seeds in each, with three sources of uncertainty; see the module's docstring.

    With one draw, or one seed, it is `mean_over_seeds` of the other.
    """
    cells = [cell for of_draw in draws for cell in of_draw]
    count, seeds = len(draws), len(draws[0])
    sources = ("patients", *(("seeds",) if seeds > 1 else ()), *(("draws",) if count > 1 else ()))
    if min(count, seeds) == 1:
        return replace(mean_over_seeds(cells, patients, independent, scale), sources=sources)
    values = np.array([cell.value for cell in cells]).reshape(count, seeds)
    totals = patient_totals(cells, patients).reshape(count, seeds, -1)
    whole, of_draws, of_seeds = (
        float((sums**2).sum()) for sums in (totals.sum(axis=(0, 1)), totals.sum(axis=1), totals.sum(axis=0))
    )
    apart = whole - of_draws - of_seeds + float((totals**2).sum())
    parts = [
        (float(means.var(ddof=1)) / len(means), len(means)) for means in (values.mean(axis=1), values.mean(axis=0))
    ]
    if sum(part for part, _ in parts) <= _NO_VARIANCE:
        variance = whole / (count * seeds) ** 2, math.inf
    else:
        variance = _sum_of_variances(parts, max(0.0, apart / (count * (count - 1) * seeds * (seeds - 1))))
    return _estimate(float(values.mean()), variance, independent, scale, sources)


def _estimate(
    value: float, variance: tuple[float, float], independent: int, scale: Scale, sources: tuple[str, ...]
) -> Estimate:
    total, df = variance
    low = -1.0 if scale == "identity" else 0.0
    if total < _NO_VARIANCE:
        return Estimate(value, 0.0, math.inf, exact_interval(value, independent, low), sources, independent)
    se = math.sqrt(total)
    interval = _INTERVALS[scale]
    return Estimate(value, se, df, interval(value, se, df), sources, independent)


def _variance(values: FloatArray, covariance: FloatArray) -> tuple[float, float]:
    """The variance of the values' mean and its degrees of freedom."""
    count, of_patients = len(values), float(covariance.mean())
    if count == 1:
        return of_patients, math.inf
    shared = float(covariance.sum() - np.trace(covariance)) / (count * (count - 1))
    of_seeds = float(values.var(ddof=1)) / count
    if of_seeds <= _NO_VARIANCE:
        return of_patients, math.inf
    return _sum_of_variances([(of_seeds, count)], max(0.0, shared))


def _sum_of_variances(parts: Sequence[tuple[float, int]], known: float) -> tuple[float, float]:
    """The sum of variances of means with its degrees of freedom.

    `parts` holds variances, not all 0, each estimated from so many values; `known` is one as good as known.
    """
    total = sum(part for part, _ in parts) + known
    if min(count for _, count in parts) > _FEW:
        return total, total**2 / sum(part**2 / (count - 1) for part, count in parts)
    weighted = sum(part * t_quantile(1 - ALPHA / 2, count - 1) for part, count in parts)
    quantile = (weighted + known * t_quantile(1 - ALPHA / 2, math.inf)) / total
    return total, float(special.stdtridf(1 - ALPHA / 2, quantile))


def plain_interval(value: float, se: float, df: float = math.inf) -> tuple[float, float]:
    """`value ± t se`, untransformed, cut to -1 and 1."""
    half = t_quantile(1 - ALPHA / 2, df) * se
    return max(-1.0, value - half), min(1.0, value + half)


def logit_interval(value: float, se: float, df: float = math.inf) -> tuple[float, float]:
    """The interval `logit(value) ± t se / (value (1 - value))`, carried back to 0..1 (Pepe 2003, section 5.2).

    For a value strictly between 0 and 1, as it is wherever some pair was lost and another won.
    """
    centre = math.log(value / (1 - value))
    half = t_quantile(1 - ALPHA / 2, df) * se / (value * (1 - value))
    return _expit(centre - half), _expit(centre + half)


def wilson_interval(value: float, se: float, df: float = math.inf) -> tuple[float, float]:
    """Wilson's interval (1927) of a proportion, for the number of independent cases that would have this `se`.

    That number is `n = value (1 - value) / se^2`, as for clustered samples (Korn & Graubard 1998), and t stands in
    for z. Near 1 it is narrower than the logit's, and it keeps within 0 and 1.
    """
    t = t_quantile(1 - ALPHA / 2, df)
    extra = (t * se) ** 2 / (value * (1 - value))
    centre, half = value + extra / 2, t * se * math.sqrt(1 + extra / (4 * value * (1 - value)))
    return (centre - half) / (1 + extra), (centre + half) / (1 + extra)


def exact_interval(value: float, independent: int, low: float = 0.0) -> tuple[float, float]:
    """An honest interval where no case and no seed disagreed, so that every variance is 0.

    With k independent comparisons (for an AUC k disjoint pairs of a positive and a negative; for an accuracy k
    patients) that all came out alike, the chance of that is at most q^k when a comparison comes out so with
    probability q. All q with q^k >= 0.05 remain possible, and the figure lies within 1 - q of what was seen: the
    half-width is `1 - 0.05^(1/k)`. For an AUC of 1 this is the exact binomial bound, [0.05^(1/k), 1].
    """
    half = 1 - float(ALPHA ** (1 / independent))
    return max(low, value - half), min(1.0, value + half)


_INTERVALS = {"logit": logit_interval, "wilson": wilson_interval, "identity": plain_interval}


def p_value(estimate: Estimate) -> float:
    """The two-sided p of the hypothesis that the figure is 0, from the same statistic as the interval.

    Where nothing varied it is `(1 - |value|)^k`, which is below 0.05 just when `exact_interval` leaves out 0.
    """
    if estimate.se == 0.0:
        return float((1 - min(1.0, abs(estimate.value))) ** estimate.independent)
    return min(1.0, 2 * float(special.stdtr(estimate.df, -abs(estimate.value) / estimate.se)))


def t_quantile(probability: float, df: float) -> float:
    """The quantile of Student's t; the normal's for infinite `df`."""
    return float(special.stdtrit(df, probability))


def _expit(x: float) -> float:
    # Written with the exponent of a negative number alone, which cannot overflow.
    return 1 / (1 + math.exp(-x)) if x >= 0 else math.exp(x) / (1 + math.exp(x))
