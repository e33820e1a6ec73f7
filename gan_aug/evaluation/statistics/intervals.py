"""The 95 % intervals of a figure, from its standard error and degrees of freedom."""

from __future__ import annotations

import math

from scipy import special

ALPHA = 0.05


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


def t_quantile(probability: float, df: float) -> float:
    """The quantile of Student's t distribution; of the normal distribution if `df` is infinite."""
    return float(special.stdtrit(df, probability))


def _expit(x: float) -> float:
    # Only the exponential of a negative number is used, because it cannot overflow.
    return 1 / (1 + math.exp(-x)) if x >= 0 else math.exp(x) / (1 + math.exp(x))
