"""The uncertainty of a figure: its interval includes the variance of the training seeds and of the test patients.

Every figure here is a mean over cases, at least to first order. It is therefore represented by an `Influence`: its
value, and what each test case contributes to it.

**Seeds and patients.** They are *crossed*: every seed is scored on every patient, as every reader reads every patient
in a reader study. The variance of a mean over S seeds is estimated as there::

    V = var_s(value_s) / S  +  max(0, mean over pairs of seeds s != t of cov(value_s, value_t))

The covariance of two seeds' values is the one over patients: the sum over patients of the products of their
contributions, where the images of a patient are summed first (Obuchowski 1997), or that of bootstrap replicates of the
patients. The first term includes the seeds and their interaction with the patients (a seed that by chance suits some
patients). The second term is the effect of the patients on all seeds alike. Nothing is counted twice. Obuchowski &
Rockette, Commun. Stat. Simul. 24:285 (1995).

**Degrees of freedom.** The first term has S - 1, the second practically infinitely many, so by Satterthwaite's method
`df = V^2 / (V_seeds^2 / (S - 1))`: Hillis, Stat. Med. 26:596 (2007). With two or three seeds the first term is often
near 0 by chance. Then the interval is narrow already, and Satterthwaite's df grows without bound. So in this case the
quantile is the mean of the quantiles of both terms, weighted by the terms (Cochran, Biometrics 20:191, 1964), and df is
the number that has this quantile. With one seed, or with seeds that agree exactly, only the patients' variance of the
mean is left, with the normal quantile: this is DeLong's interval.

**Draws.** Random subsets of the training images are a third source, crossed with the other two (each seed is trained on
each draw). The variance of a mean over D draws and S seeds is estimated as::

    V = var_d(mean_d) / D  +  var_s(mean_s) / S  +  max(0, mean covariance of cells that share neither draw nor seed)

An effect of a draw together with a seed is counted twice here, so the interval is too wide rather than too narrow.
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
# A smaller variance is rounding: one swapped pair among 10^6 x 10^6 cases gives about 2e-24.
_NO_VARIANCE = 1e-24
# With so few values a sample variance is too uncertain for Satterthwaite's degrees of freedom (docs/decisions/0010).
_FEW = 3


@dataclass(frozen=True)
class Influence:
    """A figure, and the contribution of each case to its deviation from the true value.

    `cases` is `(N,) float64`; its sum is 0, and the sum of its squares is the figure's variance over cases.
    """

    value: float
    cases: FloatArray


@dataclass(frozen=True)
class Estimate:
    """A figure's mean over seeds with its standard error, degrees of freedom and 95 % interval.

    `sources` names the sources of variance in the interval: `patients`, and `seeds` and `draws` if there are several.
    `independent` is the number of independent comparisons that the test set allows; it gives the exact bound if nothing
    varied (`se` is 0).
    """

    value: float
    se: float
    df: float
    ci95: tuple[float, float]
    sources: tuple[str, ...]
    independent: int


def difference(first: Influence, second: Influence) -> Influence:
    """`first - second` of two figures on the same cases, so that what they have in common cancels."""
    return Influence(first.value - second.value, first.cases - second.cases)


def mean_over_seeds(seeds: Sequence[Influence], patients: IntArray, independent: int, scale: Scale) -> Estimate:
    """The mean over seeds with both sources of variance; the module's docstring has the formula.

    Args:
        seeds: The figure of each seed. Its contributions must include Obuchowski's factor for patients, see
            `cluster_factor`.
        patients: `(N,) int64`, the patient of each case as 0, 1, ...
        independent: See `exact_interval`.
        scale: See `crossed_estimate`.

    Returns:
        The mean with its interval.
    """
    values = np.array([seed.value for seed in seeds])
    totals = patient_totals(seeds, patients)
    return crossed_estimate(values, totals @ totals.T, independent, scale)


def cluster_factor(patients: IntArray) -> float:
    """Obuchowski's small-sample factor sqrt(G/(G-1)) for contributions to a mean over cases of G `patients`.

    For a single patient the factor of two is used, since nothing is known about the variance of patients.
    """
    count = max(2, int(np.count_nonzero(np.bincount(patients))))
    return math.sqrt(count / (count - 1))


def patient_totals(seeds: Sequence[Influence], patients: IntArray) -> FloatArray:
    """The contribution of each patient to each seed's figure, `(S, P)`: the sum over the patient's images."""
    return np.array([np.bincount(patients, weights=seed.cases) for seed in seeds])


def crossed_estimate(values: FloatArray, covariance: FloatArray, independent: int, scale: Scale) -> Estimate:
    """The mean of the seeds' values with its interval over patients and seeds.

    Args:
        values: `(S,)`, one per seed.
        covariance: `(S, S)`, their covariance over patients.
        independent: See `exact_interval`; used if nothing varied.
        scale: Of the interval: `logit` for AUCs and `wilson` for proportions, both from 0 to 1; `identity` for
            differences, cut to [-1, 1].

    Returns:
        The mean with its interval.
    """
    sources = ("patients", "seeds") if len(values) > 1 else ("patients",)
    return _estimate(float(values.mean()), _variance(values, covariance), independent, scale, sources)


def mean_over_draws(
    draws: Sequence[Sequence[Influence]], patients: IntArray, independent: int, scale: Scale
) -> Estimate:
    """The mean over draws and seeds with three sources of variance; the module's docstring has the formula.

    With one draw, or one seed, it is `mean_over_seeds` of the other.

    Args:
        draws: The figures of each draw, with the same seeds in each.
        patients: `(N,) int64`, the patient of each case as 0, 1, ...
        independent: See `exact_interval`.
        scale: See `crossed_estimate`.

    Returns:
        The mean with its interval.
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
    """The variance of the mean of the values, and its degrees of freedom."""
    count, of_patients = len(values), float(covariance.mean())
    if count == 1:
        return of_patients, math.inf
    shared = float(covariance.sum() - np.trace(covariance)) / (count * (count - 1))
    of_seeds = float(values.var(ddof=1)) / count
    if of_seeds <= _NO_VARIANCE:
        return of_patients, math.inf
    return _sum_of_variances([(of_seeds, count)], max(0.0, shared))


def _sum_of_variances(parts: Sequence[tuple[float, int]], known: float) -> tuple[float, float]:
    """The sum of variances, and its degrees of freedom.

    `parts` holds variances, not all 0, each with the number of values from which it was estimated. `known` is a
    variance with practically infinite degrees of freedom.
    """
    total = sum(part for part, _ in parts) + known
    if min(count for _, count in parts) > _FEW:
        return total, total**2 / sum(part**2 / (count - 1) for part, count in parts)
    weighted = sum(part * t_quantile(1 - ALPHA / 2, count - 1) for part, count in parts)
    quantile = (weighted + known * t_quantile(1 - ALPHA / 2, math.inf)) / total
    return total, float(special.stdtridf(1 - ALPHA / 2, quantile))


def plain_interval(value: float, se: float, df: float = math.inf) -> tuple[float, float]:
    """The untransformed interval `value ± t se`.

    Args:
        value: A difference, or another figure from -1 to 1.
        se: Its standard error.
        df: Its degrees of freedom.

    Returns:
        The 95 % limits, cut to [-1, 1].
    """
    half = t_quantile(1 - ALPHA / 2, df) * se
    return max(-1.0, value - half), min(1.0, value + half)


def logit_interval(value: float, se: float, df: float = math.inf) -> tuple[float, float]:
    """The interval `logit(value) ± t se / (value (1 - value))`, transformed back (Pepe 2003, section 5.2).

    Args:
        value: Strictly between 0 and 1, as an AUC is if some pair was lost and another one won.
        se: Its standard error.
        df: Its degrees of freedom.

    Returns:
        The 95 % limits, between 0 and 1.
    """
    centre = math.log(value / (1 - value))
    half = t_quantile(1 - ALPHA / 2, df) * se / (value * (1 - value))
    return _expit(centre - half), _expit(centre + half)


def wilson_interval(value: float, se: float, df: float = math.inf) -> tuple[float, float]:
    """Wilson's interval (1927) of a proportion, for the number of independent cases that would have this `se`.

    This number is `n = value (1 - value) / se^2`, as for clustered samples (Korn & Graubard 1998); t replaces z. Near 1
    the interval is narrower than the logit interval.

    Args:
        value: Strictly between 0 and 1.
        se: Its standard error.
        df: Its degrees of freedom.

    Returns:
        The 95 % limits, within [0, 1].
    """
    t = t_quantile(1 - ALPHA / 2, df)
    extra = (t * se) ** 2 / (value * (1 - value))
    centre, half = value + extra / 2, t * se * math.sqrt(1 + extra / (4 * value * (1 - value)))
    return (centre - half) / (1 + extra), (centre + half) / (1 + extra)


def exact_interval(value: float, independent: int, low: float = 0.0) -> tuple[float, float]:
    """The interval of a figure whose variance is 0, because no case and no seed disagreed.

    All of k independent comparisons had the same outcome. If an outcome has probability q, the probability of this is
    q^k. All q with q^k >= 0.05 remain possible, and the figure differs from the observed value by at most 1 - q. So the
    half-width is `1 - 0.05^(1/k)`. For an AUC of 1 this is the exact binomial bound, [0.05^(1/k), 1].

    Args:
        value: The figure.
        independent: k: for an AUC the number of disjoint pairs of a positive and a negative case, for an accuracy the
            number of patients.
        low: The smallest possible value; the largest is 1.

    Returns:
        The 95 % limits.
    """
    half = 1 - float(ALPHA ** (1 / independent))
    return max(low, value - half), min(1.0, value + half)


_INTERVALS = {"logit": logit_interval, "wilson": wilson_interval, "identity": plain_interval}


def p_value(estimate: Estimate) -> float:
    """The two-sided p-value of the hypothesis that the figure is 0, from the same statistic as the interval.

    If nothing varied, it is `(1 - |value|)^k`, which is below 0.05 exactly if `exact_interval` does not contain 0.
    """
    if estimate.se == 0.0:
        return float((1 - min(1.0, abs(estimate.value))) ** estimate.independent)
    return min(1.0, 2 * float(special.stdtr(estimate.df, -abs(estimate.value) / estimate.se)))


def t_quantile(probability: float, df: float) -> float:
    """The quantile of Student's t distribution; of the normal distribution if `df` is infinite."""
    return float(special.stdtrit(df, probability))


def _expit(x: float) -> float:
    # Only the exponential of a negative number is used, because it cannot overflow.
    return 1 / (1 + math.exp(-x)) if x >= 0 else math.exp(x) / (1 + math.exp(x))
