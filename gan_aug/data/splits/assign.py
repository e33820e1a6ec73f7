"""Training, validation and test splits: those of the data set if it has them, else made here; never with a leak."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from gan_aug.data.manifest import NAMES, SPLITS, Split
from gan_aug.data.splits import largest_first, stratify
from gan_aug.errors import DataError, LeakageError

Rule = Literal["strata", "largest-first"]


@dataclass(frozen=True)
class Candidate:
    """An image that was read and has no final split yet.

    Attributes:
        content: The hash of the stored image.
        labels: Positions in the label names.
        patient: The keyed hash of the patient, or None.
        split: The split that the data set gives, or None.
        origin: Where the image came from.
    """

    content: str
    labels: tuple[int, ...]
    patient: str | None
    split: Split | None
    origin: str


@dataclass(frozen=True)
class Dropped:
    """An image that was dropped because another split holds its patient or a copy of it.

    Attributes:
        origin: Where the image came from.
        split: The split it was in.
        reason: Why, naming the image in the other split by its origin.
    """

    origin: str
    split: Split
    reason: str


@dataclass(frozen=True)
class Assignment:
    """The result of assigning splits.

    Attributes:
        splits: The split of each candidate; None if it was dropped.
        dropped: The candidates that were dropped.
        origin: How the splits were made, as a report says it.
        notes: Sentences that a report must repeat.
    """

    splits: tuple[Split | None, ...]
    dropped: tuple[Dropped, ...]
    origin: str
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Fold:
    """The part of a cross-validation that is the test split: fold `number`, from 0, of `count` folds."""

    number: int
    count: int


def assign_splits(
    candidates: Sequence[Candidate],
    *,
    validation: float,
    test: float,
    on_leak: Literal["error", "drop"],
    seed: int,
    ties: Sequence[tuple[int, int]] = (),
    fold: Fold | None = None,
    rule: Rule = "strata",
) -> Assignment:
    """Assign splits so that no patient and no identical image is in two of them.

    Splits that the data set gives are kept. The splits that it lacks are made from its training images, or from all
    images if it gives no splits.

    Args:
        candidates: The images.
        validation: The share that becomes validation if none is given: of the training images if the data set gives
            splits, else of the images that are not test.
        test: The share that becomes test if none is given: of the training images if the data set gives splits, else
            of all images.
        on_leak: What to do about a patient or an image in two given splits. "error" raises; "drop" drops it from
            training, or from validation if the other split is test.
        seed: The seed. The same arguments give the same splits.
        ties: Further pairs of positions that must stay in one split.
        fold: For data sets without splits: the fold that becomes test, in place of `test`.
        rule: How the splits that the set lacks are made; "largest-first" is what version 0.2 did.

    Returns:
        The split of each candidate, and what was dropped.

    Raises:
        LeakageError: If given splits share a patient or an image, and `on_leak` is "error".
        DataError: If the data set gives splits, but no training split.
    """
    groups = groups_of(candidates, ties)
    given = {candidate.split for candidate in candidates if candidate.split}
    dropped = _leaks(candidates, groups)
    if dropped and on_leak == "error":
        raise LeakageError(_leak_sentence(list(dropped.values())))
    notes = _notes(candidates, dropped)
    splits: list[Split | None] = [None if i in dropped else c.split or "train" for i, c in enumerate(candidates)]
    labels, drawn = [candidate.labels for candidate in candidates], stratify if rule == "strata" else largest_first
    if fold:
        rng = np.random.default_rng([seed, fold.count, *b"folds"])
        for group, number in zip(groups, drawn.divide_into_folds(groups, labels, fold.count, rng), strict=True):
            for i in group if number == fold.number else ():
                splits[i] = "test"
        given = {"train", "test"}
    shares = _shares(given, validation, test)
    if len(shares) > 1:
        pool = [found for group in groups if (found := [i for i in group if splits[i] == "train"])]
        made = drawn.divide(pool, labels, shares, np.random.default_rng([seed, *b"split"]))
        splits = [made.get(i, split) for i, split in enumerate(splits)]
        if rule == "strata" and (few := len(stratify.labels_of_few(pool, labels, shares))):
            notes.append(f"labels of so few patients that each split made here got one, whatever its share: {few}")
    origin = _origin(given, shares, validation, test, fold)
    if rule == "strata" and (fold or len(shares) > 1):
        who, of = ("patients", " and images per patient") if any(c.patient for c in candidates) else ("images", "")
        origin += f"; {who} drawn at random within strata of labels{of}, from the seed"
    return Assignment(tuple(splits), tuple(dropped.values()), origin, tuple(notes))


def check_classes(
    names: Sequence[str],
    labels: Sequence[tuple[int, ...]],
    splits: Sequence[Split | None],
    needed: Sequence[Split],
    given: set[Split | None],
) -> None:
    """Check that every label has an image in every split that needs one.

    Args:
        names: The label names.
        labels: The labels of each image, as positions in `names`.
        splits: The split of each image; None if it was dropped.
        needed: The splits that need every label.
        given: The splits that the data set gives. If one of them lacks a label, the data set is incomplete; if another
            split lacks it, the class is too small.

    Raises:
        DataError: If a label has no image in a split; the message names the first one found.
    """
    counts = Counter((split, label) for split, found in zip(splits, labels, strict=True) if split for label in found)
    for label, name in enumerate(names):
        for split in needed:
            if counts[split, label]:
                continue
            others = ", ".join(f"{counts[other, label]} in {other}" for other in SPLITS if other != split)
            if split in given:
                raise DataError(
                    f"class {name!r} has no usable image in the {split} split ({others}): add some there, or leave "
                    "the class out of the set"
                )
            raise DataError(
                f"class {name!r} is too small to be split, no image is left for {NAMES[split]} ({others}): it needs at "
                f"least {len(needed)} that share neither patient nor content; add some, leave the class out, or raise "
                "data.limit if it is set"
            )


def _shares(given: set[Split], validation: float, test: float) -> dict[Split, float]:
    """The share of the groups to divide that goes to each split."""
    if given and "train" not in given:
        raise DataError(
            f"the set names {' and '.join(s for s in SPLITS if s in given)} images but none for training: "
            "add training images, or leave the splits out so that they are made here"
        )
    wanted: dict[Split, float] = {"test": test, "validation": validation if given else (1 - test) * validation}
    made = {split: share for split, share in wanted.items() if split not in given and share > 0}
    return {"train": 1 - sum(made.values()), **made}


def _origin(given: set[Split], shares: dict[Split, float], validation: float, test: float, fold: Fold | None) -> str:
    """Where the splits come from, and which shares those made here have."""
    rest = f"{validation:g} of the rest for validation"
    if fold:
        return f"made here: fold {fold.number} of 0 to {fold.count - 1} for test, {rest}"
    if not given:
        return f"made here: {test:g} of all for test, {rest}"
    made = [f"; {split}: {share:g} of its training images" for split, share in shares.items() if split != "train"]
    return f"the set's own{''.join(made)}"


def groups_of(candidates: Sequence[Candidate], ties: Sequence[tuple[int, int]] = ()) -> list[list[int]]:
    """Positions that must stay together: linked by patient, identical content or a tie, directly or through others."""
    parents = list(range(len(candidates)))

    def root(i: int) -> int:
        while parents[i] != i:
            parents[i] = parents[parents[i]]
            i = parents[i]
        return i

    first: dict[tuple[str, str], int] = {}
    for i, candidate in enumerate(candidates):
        keys = [("content", candidate.content)]
        if candidate.patient is not None:
            keys.append(("patient", candidate.patient))
        for key in keys:
            a, b = root(i), root(first.setdefault(key, i))
            parents[max(a, b)] = min(a, b)
    for one, other in ties:
        a, b = root(one), root(other)
        parents[max(a, b)] = min(a, b)
    groups: dict[int, list[int]] = {}
    for i in range(len(candidates)):
        groups.setdefault(root(i), []).append(i)
    return list(groups.values())


def _leaks(candidates: Sequence[Candidate], groups: list[list[int]]) -> dict[int, Dropped]:
    """The positions to drop if given splits share a group: all of the group but those in its last split."""
    dropped: dict[int, Dropped] = {}
    for group in groups:
        last = max((SPLITS.index(split) for i in group if (split := candidates[i].split)), default=0)
        kept = [i for i in group if (candidates[i].split or "train") == SPLITS[last]]
        contents = {candidates[i].content: i for i in kept}
        for i in group:
            split = candidates[i].split or "train"
            if split == SPLITS[last]:
                continue
            twin = contents.get(candidates[i].content)
            what, other = ("patient", kept[0]) if twin is None else ("image", twin)
            reason = f"same {what} as {candidates[other].origin} in {SPLITS[last]}"
            dropped[i] = Dropped(candidates[i].origin, split, reason)
    return dict(sorted(dropped.items()))


def _leak_sentence(dropped: list[Dropped]) -> str:
    shown = ", ".join(f"{leak.origin} ({leak.reason})" for leak in dropped[:3])
    count = "1 image leaks" if len(dropped) == 1 else f"{len(dropped)} images leak"
    scope = "patient" if any(leak.reason.startswith("same patient") for leak in dropped) else ""
    return (
        f"{count} from one split into another: {shown}{', ...' if len(dropped) > 3 else ''}: repair the splits, set "
        "data.on_leak=drop to drop the copies on the training side"
        + (", or data.patient_scope=split if patient numbers restart in each split" if scope else "")
    )


def _notes(candidates: Sequence[Candidate], dropped: dict[int, Dropped]) -> list[str]:
    notes = []
    pairs: tuple[tuple[Split, str], ...] = (("train", "validation or test"), ("validation", "test"))
    for split, others in pairs:
        for what, clause in (("image", "also in"), ("patient", "whose patient is also in")):
            found = [i for i, d in dropped.items() if d.split == split and d.reason.startswith(f"same {what}")]
            distinct = len({candidates[i].content for i in found})
            copies = "" if distinct == len(found) else f" ({distinct} distinct)"
            if found:
                images, were = ("image", "was") if len(found) == 1 else ("images", "were")
                notes.append(f"{len(found)} {NAMES[split]} {images}{copies} {clause} {others} {were} dropped")
    return notes
