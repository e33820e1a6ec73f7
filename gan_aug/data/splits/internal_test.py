"""The internal test: patients drawn from the training images and held out of everything but a second test.

A data set's own test may come from another place than its training images. Classifiers are then scored on images of the
same kind as those that they were trained on, too. No image of the internal test is used for training or to choose
anything, so drawing it costs training images. It is drawn by itself only if the data set's own test may differ, and
enough patients of each label would be in it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from gan_aug.data.manifest import INTERNAL, Split
from gan_aug.data.splits.assign import Assignment, Candidate, groups_of
from gan_aug.data.splits.near_duplicate_policy import NearDuplicate
from gan_aug.data.splits.stratify import divide

SHARE = 0.1
"""The share of the training patients that is held out if the config does not give one."""
FEWEST = 30
"""Unless the config gives a share, an internal test has so many patients of each label (docs/decisions/0031)."""

ORIGIN = "; internal test: "
"""Where the words on the internal test begin in those on how the splits were made."""

Wish = Literal["auto", "off"] | float
"""`data.internal_test`."""


@dataclass(frozen=True)
class HeldOut:
    """The splits with an internal test, or why there is none.

    Attributes:
        assigned: The splits.
        none_since: Why no internal test was drawn, as the rest of a sentence; None if there is one.
    """

    assigned: Assignment
    none_since: str | None = None


def hold_out(
    assigned: Assignment,
    candidates: Sequence[Candidate],
    labels: Sequence[str],
    wish: Wish,
    *,
    test_alike: str | None,
    seed: int,
    ties: Sequence[tuple[int, int]] = (),
) -> HeldOut:
    """Draw an internal test from the training images, if one is wanted.

    Patients are drawn at random within strata of labels, whatever the rule of the other splits is. Those stay as they
    are.

    Args:
        assigned: The splits without it.
        candidates: The images.
        labels: The label names.
        wish: What is asked for.
        test_alike: How the data set's makers drew its test from the same images; None if it may differ.
        seed: The seed of the splits.
        ties: Further pairs of positions that must stay in one split.

    Returns:
        The splits with an internal test, or why there is none.
    """
    why = _not_wanted(wish, assigned, candidates, test_alike)
    if why:
        return HeldOut(assigned, why)
    share = SHARE if wish == "auto" else float(wish)
    splits = assigned.splits
    groups = [[i for i in group if splits[i] == "train"] for group in groups_of(candidates, ties)]
    pool = [group for group in groups if group]
    shares: dict[Split, float] = {"train": 1 - share, INTERNAL: share}
    rng = np.random.default_rng([seed, *b"internal test"])
    drawn = divide(pool, [candidate.labels for candidate in candidates], shares, rng)
    of = "patients" if any(candidate.patient for candidate in candidates) else "images"
    if wish == "auto" and (few := _too_few(pool, drawn, candidates, labels, of)):
        return HeldOut(assigned, few)
    how = f"drawn at random within strata of labels{' and images per patient' * (of == 'patients')}, from the seed"
    origin = f"{assigned.origin}{ORIGIN}{share:g} of the training {of}, {how}"
    return HeldOut(replace(assigned, splits=tuple(drawn.get(i, s) for i, s in enumerate(splits)), origin=origin))


def spoiled(
    drawn: Assignment, left: Assignment, near: Sequence[NearDuplicate], candidates: Sequence[Candidate]
) -> str | None:
    """Why near copies speak against an internal test, as the rest of a sentence; None if they do not.

    Training images that are nearly the same as one of its images are dropped, and so are its images that are nearly the
    same as a validation or test image. Too many are, of any label, more of the first than it has, and half of its own.

    Args:
        drawn: The splits as the internal test was drawn.
        left: The splits after near copies were dropped.
        near: The near copies that were found.
        candidates: The images.
    """

    def of_labels(assigned: Assignment) -> Counter[int]:
        pairs = zip(assigned.splits, candidates, strict=True)
        return Counter(label for split, one in pairs if split == INTERNAL for label in one.labels)

    before, after, number = of_labels(drawn), of_labels(left), drawn.splits.count(INTERNAL)
    copies = {one.origin for one in near if (one.split, one.like_split) == ("train", INTERNAL)}
    lost = Counter(label for one in candidates if one.origin in copies for label in one.labels)
    if any(lost[label] > before[label] for label in lost):
        return f"{len(copies):,} training images are nearly the same as one of the {number:,} that it would have"
    if any(2 * after[label] < before[label] for label in before):
        gone = number - left.splits.count(INTERNAL)
        return f"{gone:,} of the {number:,} images that it would have are nearly the same as a validation or test image"
    return None


def _not_wanted(
    wish: Wish, assigned: Assignment, candidates: Sequence[Candidate], test_alike: str | None
) -> str | None:
    """Why no internal test is wanted, as the rest of a sentence; None if one is."""
    if wish == "off":
        return "data.internal_test is off"
    if wish != "auto":
        return None
    if not any(candidate.split == "test" for candidate in candidates):
        if "test" not in assigned.splits:
            return "there is no test beside which it would stand"
        return "the test is one itself, drawn at random from the same images as the training images"
    return f"the test is one itself, as {test_alike}" if test_alike else None


def _too_few(
    pool: Sequence[Sequence[int]],
    drawn: dict[int, Split],
    candidates: Sequence[Candidate],
    labels: Sequence[str],
    of: str,
) -> str | None:
    """Which label too few of the drawn `of` (patients or images) have, as the rest of a sentence; None if none."""
    groups = [group for group in pool if drawn[group[0]] == INTERNAL]
    found = Counter(k for group in groups for k in {k for i in group for k in candidates[i].labels})
    rarest = min(range(len(labels)), key=lambda k: found[k])
    if found[rarest] >= FEWEST:
        return None
    return (
        f"of the label {labels[rarest]!r} it would have {found[rarest]} {of}, and {FEWEST} of each label are needed "
        f"(data.internal_test: {SHARE:g} draws one all the same)"
    )
