"""Judges whether synthetic images look like real ones, from the figures of `measure_fidelity` alone.

Nearly every generator differs from real images by more than chance, if there are enough images to see it. So a figure
fails only if it is off by more than chance **and** by more than matters (docs/decisions/0029):

- **grain**: the power at the finest frequencies. It fails above `GRAINY` or below `SMOOTH` times that of other real
  images, unless the difference is less than white noise of 2 grey values has, which nobody sees. Less power is a softer
  image, which the eye forgives sooner than grain: so the limits are not the same on both sides.
- **contrast**: the power at all frequencies together. It fails outside `CONTRAST`, as in images that are empty.
- **distance**: KID, of raw and of blurred images, by each network. It fails if it exceeds that of other real images by
  more than `FAR` of the spread of real images.
- **variety**: recall by the random network. It fails below `VARIETY` of that of other real images.
- **labels**: how often the classifier agrees with the labels, a mean over the classes. It fails if less than
  `LABELS_SHARE` of the way from chance to real validation images is left.
- **hard** and **easy**: the classifier's AUC against the labels. Hard: it is below that on real validation images by
  `HARD` or more, and its distance from chance is less than `LABELS_SHARE` of theirs. Easy: it is above theirs by `EASY`
  or more, and it lacks less than a third of what they lack to 1.

Chance is `SURE` standard errors. That many, because a report makes some twenty such tests, with each class more; and
because standard errors of few images are uncertain themselves. A class with fewer than `FEWEST` images is not judged.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from gan_aug.data.manifest import Task

RANDOM = "random-cnn-1"
"""The name of the random network, by which its figures are known; a changed network needs another number."""

SURE = 4.0
GRAINY, SMOOTH = 2.0, 0.25
CONTRAST = (0.25, 4.0)
INVISIBLE = 4.0  # squared grey values: the power of white noise of 2 grey values
FAR = 0.05
VARIETY = 0.5
LABELS_SHARE = 0.8
HARD, EASY, EASY_SHARE = 0.05, 0.01, 1 / 3
FEWEST = 30
CHANCE = 0.5
"""The AUC of a classifier that knows nothing."""

Figures = Mapping[str, Any]
Check = dict[str, Any]


def judge(figures: Figures, task: Task) -> list[Check] | None:
    """The checks of one synthetic set.

    Args:
        figures: What `measure_fidelity` gave.
        task: Of the data set; agreement is judged for multi-class alone.

    Returns:
        Each {`check`, `label` (None: all images), `features` (a network's name or None), `blurred`, `value`,
        `expected` (the same of real images), `low`, `high` (its limits, or None), `passed`}. Those of all images come
        first. No check of a figure for which there are too few images; None for figures by an older recipe.
    """
    if "by_features" not in figures:
        return None
    if figures["looked_at"] < FEWEST:
        return []
    return [
        *_contrast(figures),
        *_looks(figures, figures["by_features"], None),
        *_variety(figures),
        *(_labels(figures) if task == "multi-class" else ()),
        *_separation(figures),
        *(
            check
            for label, own in figures["per_class"].items()
            if own["images"] >= FEWEST
            for check in _looks(own, figures["by_features"], label)
        ),
    ]


def failed(checks: Sequence[Check]) -> list[Check]:
    """The checks that failed; those of a class only if the same one did not fail over all images."""
    overall = {_kind(check) for check in checks if check["label"] is None and not check["passed"]}
    return [
        check for check in checks if not check["passed"] and (check["label"] is None or _kind(check) not in overall)
    ]


def _kind(check: Check) -> tuple[str, str | None, bool]:
    return check["check"], check["features"], check["blurred"]


def _contrast(figures: Figures) -> Iterator[Check]:
    """The sums over the spectrum's frequencies, nearly all of which is at the lowest."""
    reference, real, synthetic = (sum(figures["spectrum"][side]) for side in ("reference", "real", "synthetic"))
    if reference > 0:
        yield _check("contrast", {"value": synthetic / reference, "real": real / reference}, CONTRAST, None)


def _looks(own: Figures, networks: Sequence[Figures], label: str | None) -> Iterator[Check]:
    """Grain, and the distance by each network; the spread is that of all real images also within a class."""
    if finest := own["finest"]:
        yield _grain(finest, label)
    for network, by_network in zip(networks, own["by_features"], strict=True):
        for key, soft in (("", False), ("_blurred", True)):
            kid, spread = by_network[f"kid{key}"], network[f"spread{key}"]
            if kid and spread is not None:
                chance = SURE * math.hypot(kid["se"], kid["real_se"])
                high = kid["real"] + max(chance, FAR * spread)
                yield _check("distance", kid, (None, high), label, network["extractor"]["name"], soft)


def _grain(finest: Figures, label: str | None) -> Check:
    value, real = finest["value"], finest["real"]
    # In logarithms, as a ratio is skewed. Images without any power have no relative error, and need none.
    parts = [finest[error] / ratio for error, ratio in (("se", value), ("real_se", real)) if ratio > 0]
    chance, room = math.exp(SURE * math.hypot(*parts)), INVISIBLE / finest["power"]
    low = min(real * min(SMOOTH, 1 / chance), real - room)
    high = max(real * max(GRAINY, chance), real + room)
    return _check("grain", finest, (low, high), label)


def _variety(figures: Figures) -> Iterator[Check]:
    for network in figures["by_features"]:
        recall = network["recall"]
        if network["extractor"]["name"] == RANDOM and recall:
            chance = SURE * _error_of_shares(recall["real"], figures["looked_at"])
            low = min(VARIETY * recall["real"], recall["real"] - chance)
            yield _check("variety", recall, (low, None), None, RANDOM)


def _labels(figures: Figures) -> Iterator[Check]:
    pairs = [own["label_agreement"] for own in figures["per_class"].values()]
    if not all(pairs):
        return
    value, real = (sum(pair[key] for pair in pairs) / len(pairs) for key in ("value", "real"))
    guess, chance = 1 / len(pairs), SURE * _error_of_shares(real, figures["looked_at"])
    low = min(guess + LABELS_SHARE * max(0.0, real - guess), real - chance)
    yield _check("labels", {"value": value, "real": real}, (low, None), None)


def _separation(figures: Figures) -> Iterator[Check]:
    auc = figures["label_auc"]
    if not auc:
        return
    real, chance = auc["real"], SURE * math.hypot(auc["se"], auc["real_se"])
    low = min(CHANCE + LABELS_SHARE * max(0.0, real - CHANCE), real - HARD, real - chance)
    high = max(1 - EASY_SHARE * (1 - real), real + EASY, real + chance)
    yield _check("hard", auc, (low, None), None)
    yield _check("easy", auc, (None, high), None)


def _error_of_shares(share: float, images: int) -> float:
    """The standard error of the difference of two shares of so many images each."""
    return math.sqrt(2 * max(share * (1 - share), 1 / images) / images)


def _check(
    name: str,
    figure: Figures,
    limits: tuple[float | None, float | None],
    label: str | None,
    features: str | None = None,
    soft: bool = False,
) -> Check:
    value, (low, high) = figure["value"], limits
    return {
        "check": name,
        "label": label,
        "features": features,
        "blurred": soft,
        "value": value,
        "expected": figure["real"],
        "low": low,
        "high": high,
        "passed": (low is None or value >= low) and (high is None or value <= high),
    }
