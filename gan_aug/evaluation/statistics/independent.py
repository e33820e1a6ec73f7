"""The difference of two figures that were measured on different patients."""

from __future__ import annotations

import math

from gan_aug.evaluation.statistics.uncertainty import Estimate


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
