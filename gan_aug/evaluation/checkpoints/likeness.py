"""How like the validation images other images are: the figures of a score."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Likeness:
    """How like the validation images some others are.

    Attributes:
        kid: Kernel distance by the judge's features.
        kid_se: Its standard error.
        random_kid: Kernel distance by the features of a random network.
        random_kid_se: Its standard error.
        finest: Power at the finest frequencies, as a multiple of that of the validation images.
        precision: Share of the images that look real, by the judge's features.
        recall: Share of the validation images that could be among them.
        coverage: Share of the validation images that have one of them nearby.
        labels: How often the judge sees the label asked for: a mean over the labels.
    """

    kid: float
    kid_se: float
    random_kid: float
    random_kid_se: float
    finest: float
    precision: float
    recall: float
    coverage: float
    labels: float
