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

**GANs.** If the classifiers of an arm trained on images of several GANs, then those of one GAN are a cluster: what a
GAN does well or badly, it does in all of them. So the seeds of a GAN are averaged first, and GANs take the place of
seeds. If each seed has its own GAN, that is the same formula. If all have the same GAN, nothing shows how much another
one would differ, and no interval includes it. GANs with different numbers of seeds are weighted by these, so that the
value remains the mean over seeds; see `_of_clusters`.

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

from gan_aug.evaluation.statistics.intervals import (
    ALPHA,
    exact_interval,
    logit_interval,
    plain_interval,
    t_quantile,
    wilson_interval,
)

FloatArray = npt.NDArray[np.float64]
Scale = Literal["logit", "wilson", "identity"]
BoolArray = npt.NDArray[np.bool_]
IntArray = npt.NDArray[np.int64]
Gans = Sequence[int | None]
"""The number of the GAN behind each seed of an arm; None, or an empty sequence, if it has none or it is not known."""

# A smaller variance is rounding: one swapped pair among 10^6 x 10^6 cases gives about 2e-24.
NO_VARIANCE = 1e-24
# With so few values a sample variance is too uncertain for Satterthwaite's degrees of freedom (docs/decisions/0010).
FEW = 3
# GANs differ so much that this holds of more of them (docs/decisions/0022).
FEW_GANS = 5


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

    `sources` names the sources of variance in the interval: `patients`, and `seeds`, `gans` and `draws` if there are
    several.
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


def mean_influence(parts: Sequence[Influence]) -> Influence:
    """The mean of figures on the same cases."""
    return Influence(float(np.mean([part.value for part in parts])), np.mean([part.cases for part in parts], axis=0))


def mean_over_seeds(
    seeds: Sequence[Influence], patients: IntArray, independent: int, scale: Scale, gans: Gans = ()
) -> Estimate:
    """The mean over seeds with both sources of variance; the module's docstring has the formula.

    Args:
        seeds: The figure of each seed. Its contributions must include Obuchowski's factor for patients, see
            `cluster_factor`.
        patients: `(N,) int64`, the patient of each case as 0, 1, ...
        independent: See `exact_interval`.
        scale: See `crossed_estimate`.
        gans: See `crossed_estimate`.

    Returns:
        The mean with its interval.
    """
    values = np.array([seed.value for seed in seeds])
    totals = patient_totals(seeds, patients)
    return crossed_estimate(values, totals @ totals.T, independent, scale, gans)


def clusters(gans: Gans, seeds: int) -> tuple[FloatArray, FloatArray]:
    """The weight of each cluster in the mean over all seeds, `(C,)`, and of each seed in its cluster's mean, `(C, S)`.

    The seeds of one GAN are a cluster if there are several GANs; else each seed is one.
    """
    known = sorted({gan for gan in gans if gan is not None})
    parts = np.array([[gan == one for gan in gans] for one in known]) if len(known) > 1 else np.eye(seeds)
    sizes = parts.sum(axis=1)
    return sizes / seeds, parts / sizes[:, None]


def cluster_factor(patients: IntArray) -> float:
    """Obuchowski's small-sample factor sqrt(G/(G-1)) for contributions to a mean over cases of G `patients`.

    For a single patient the factor of two is used, since nothing is known about the variance of patients.
    """
    count = max(2, int(np.count_nonzero(np.bincount(patients))))
    return math.sqrt(count / (count - 1))


def patient_totals(seeds: Sequence[Influence], patients: IntArray) -> FloatArray:
    """The contribution of each patient to each seed's figure, `(S, P)`: the sum over the patient's images."""
    return np.array([np.bincount(patients, weights=seed.cases) for seed in seeds])


def few_of(gans: Gans) -> int:
    """Up to how many clusters count as few: see `sum_of_variances`."""
    return FEW_GANS if _are_several(gans) else FEW


def _are_several(gans: Gans) -> bool:
    return len({gan for gan in gans if gan is not None}) > 1


def crossed_estimate(
    values: FloatArray, covariance: FloatArray, independent: int, scale: Scale, gans: Gans = ()
) -> Estimate:
    """The mean of the seeds' values with its interval over patients and seeds.

    Args:
        values: `(S,)`, one per seed.
        covariance: `(S, S)`, their covariance over patients.
        independent: See `exact_interval`; used if nothing varied.
        scale: Of the interval: `logit` for AUCs and `wilson` for proportions, both from 0 to 1; `identity` for
            differences, cut to [-1, 1].
        gans: The GAN behind each seed, or None for all seeds of an arm without one. If these are several GANs, the
            seeds of each are a cluster.

    Returns:
        The mean with its interval.
    """
    sources = ("patients", *(("seeds",) if len(values) > 1 else ()), *(("gans",) if _are_several(gans) else ()))
    shares, means = clusters(gans, len(values))
    variance = variance_of_mean(means @ values, means @ covariance @ means.T, shares, few_of(gans))
    return _estimate(float(values.mean()), variance, independent, scale, sources)


def mean_over_draws(
    draws: Sequence[Sequence[Influence]], patients: IntArray, independent: int, scale: Scale, gans: Gans = ()
) -> Estimate:
    """The mean over draws and seeds with three sources of variance; the module's docstring has the formula.

    With one draw, or one seed, it is `mean_over_seeds` of the other. Among several draws each has a GAN of its own, so
    that GANs are no further source.

    Args:
        draws: The figures of each draw, with the same seeds in each.
        patients: `(N,) int64`, the patient of each case as 0, 1, ...
        independent: See `exact_interval`.
        scale: See `crossed_estimate`.
        gans: The GAN behind each seed of a single draw; see `crossed_estimate`.

    Returns:
        The mean with its interval.
    """
    if len(draws) == 1:
        return mean_over_seeds(draws[0], patients, independent, scale, gans)
    cells = [cell for of_draw in draws for cell in of_draw]
    count, seeds = len(draws), len(draws[0])
    sources = ("patients", *(("seeds",) if seeds > 1 else ()), "draws")
    if seeds == 1:
        return replace(mean_over_seeds(cells, patients, independent, scale), sources=sources)
    values = np.array([cell.value for cell in cells]).reshape(count, seeds)
    totals = patient_totals(cells, patients).reshape(count, seeds, -1)
    whole, of_draws, of_seeds = (
        float((sums**2).sum()) for sums in (totals.sum(axis=(0, 1)), totals.sum(axis=1), totals.sum(axis=0))
    )
    apart = whole - of_draws - of_seeds + float((totals**2).sum())
    parts = [
        (float(means.var(ddof=1)) / len(means), len(means) - 1.0)
        for means in (values.mean(axis=1), values.mean(axis=0))
    ]
    if sum(part for part, _ in parts) <= NO_VARIANCE:
        variance = whole / (count * seeds) ** 2, math.inf
    else:
        variance = sum_of_variances(parts, max(0.0, apart / (count * (count - 1) * seeds * (seeds - 1))))
    return _estimate(float(values.mean()), variance, independent, scale, sources)


def _estimate(
    value: float, variance: tuple[float, float], independent: int, scale: Scale, sources: tuple[str, ...]
) -> Estimate:
    total, df = variance
    low = -1.0 if scale == "identity" else 0.0
    if total < NO_VARIANCE:
        return Estimate(value, 0.0, math.inf, exact_interval(value, independent, low), sources, independent)
    se = math.sqrt(total)
    interval = _INTERVALS[scale]
    return Estimate(value, se, df, interval(value, se, df), sources, independent)


def variance_of_mean(
    values: FloatArray, covariance: FloatArray, shares: FloatArray, few: int = FEW
) -> tuple[float, float]:
    """The variance of a mean of clusters, and its degrees of freedom; the module's docstring has the formula.

    Args:
        values: `(C,)`, the mean of each cluster of seeds.
        covariance: `(C, C)`, their covariance over patients.
        shares: `(C,)`, the weight of each cluster; their sum is 1.
        few: See `sum_of_variances`.

    Returns:
        The variance, and its degrees of freedom.
    """
    of_patients = float(shares @ covariance @ shares)
    if len(values) == 1:
        return of_patients, math.inf
    own = shares**2
    shared = (of_patients - float(own @ np.diag(covariance))) / (1 - float(own.sum()))
    of_seeds, df = _of_clusters(values, shares)
    if of_seeds <= NO_VARIANCE:
        return of_patients, math.inf
    return sum_of_variances([(of_seeds, df)], max(0.0, shared), few)


def _of_clusters(values: FloatArray, shares: FloatArray) -> tuple[float, float]:
    """The variance of a weighted mean of independent values, and its degrees of freedom.

    It is the sum of the squared weighted deviations from that mean, times the factor that makes it unbiased for values
    of equal variance. As a quadratic form with the matrix A it has `tr(A)^2 / tr(A^2)` degrees of freedom. With equal
    weights these are the sample variance / C and C - 1.
    """
    form, squares = cluster_form(shares), float((shares**2 * (values - shares @ values) ** 2).sum())
    trace = float(np.trace(form))
    return squares * float((shares**2).sum()) / trace, trace**2 / float((form**2).sum())


def cluster_form(shares: FloatArray) -> FloatArray:
    """The matrix A `(C, C)` of the sum of squared deviations from the weighted mean, each times its weight squared."""
    centred = np.eye(len(shares)) - shares
    form: FloatArray = centred.T @ np.diag(shares**2) @ centred
    return form


def sum_of_variances(parts: Sequence[tuple[float, float]], known: float, few: int = FEW) -> tuple[float, float]:
    """The sum of variances, and its degrees of freedom.

    Args:
        parts: Variances, not all 0, each with its degrees of freedom.
        known: A variance with practically infinite degrees of freedom.
        few: Up to so many values, one more than the degrees of freedom, Cochran's quantile is taken.

    Returns:
        The sum, and its degrees of freedom.
    """
    total = sum(part for part, _ in parts) + known
    if min(df for _, df in parts) > few - 1 + 1e-9:  # df of a quadratic form are rounded
        return total, total**2 / sum(part**2 / df for part, df in parts)
    weighted = sum(part * t_quantile(1 - ALPHA / 2, df) for part, df in parts)
    quantile = (weighted + known * t_quantile(1 - ALPHA / 2, math.inf)) / total
    return total, float(special.stdtridf(1 - ALPHA / 2, quantile))


_INTERVALS = {"logit": logit_interval, "wilson": wilson_interval, "identity": plain_interval}


def p_value(estimate: Estimate) -> float:
    """The two-sided p-value of the hypothesis that the figure is 0, from the same statistic as the interval.

    If nothing varied, it is `(1 - |value|)^k`, which is below 0.05 exactly if `exact_interval` does not contain 0.
    """
    if estimate.se == 0.0:
        return float((1 - min(1.0, abs(estimate.value))) ** estimate.independent)
    return min(1.0, 2 * float(special.stdtr(estimate.df, -abs(estimate.value) / estimate.se)))
