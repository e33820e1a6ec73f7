"""Train, validation and test: the set's own where it has them, made here otherwise, never with a leak."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from gan_aug.data.manifest import SPLITS, Split
from gan_aug.data.splits.stratify import divide, divide_evenly
from gan_aug.errors import DataError, LeakageError

NAMES: dict[Split, str] = {"train": "training", "validation": "validation", "test": "test"}


@dataclass(frozen=True)
class Candidate:
    """An image that was read and has no final split yet; `split` is the set's own, or None."""

    content: str
    labels: tuple[int, ...]
    patient: str | None
    split: Split | None
    origin: str


@dataclass(frozen=True)
class Dropped:
    """An image dropped because its like is on the other side; `reason` names that one by origin."""

    origin: str
    split: Split
    reason: str


@dataclass(frozen=True)
class Assignment:
    """The split of each candidate (None: dropped), what was dropped, and how it came about, in sentences."""

    splits: tuple[Split | None, ...]
    dropped: tuple[Dropped, ...]
    origin: str
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Fold:
    """Which part of a cross-validation is the test: `number`, from 0, of `count`."""

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
) -> Assignment:
    """The splits of `candidates`, so that no patient and no identical image is on two sides.

    Given splits are kept; a leak between them is a LeakageError, or with `drop` the training side loses its copy (and
    validation loses to test). What the set lacks is made from its training studies, or from all of them: `test` is a
    share of all, `validation` of what is left to train on. `ties` are further pairs of
    positions that must stay together. With `fold`, for sets without splits, that part of all is the test, whatever
    `test` says. Deterministic in `seed`.
    """
    groups = _groups(candidates, ties)
    given = [candidate.split for candidate in candidates]
    dropped = _leaks(candidates, groups)
    if dropped and on_leak == "error":
        raise LeakageError(_leak_sentence(list(dropped.values())))
    splits: list[Split | None] = [None if i in dropped else split or "train" for i, split in enumerate(given)]
    if fold:
        splits = _test_fold(candidates, groups, fold, seed)
        shares, _ = _shares({"train", "test"}, validation, test)
        which = f"fold {fold.number} of 0 to {fold.count - 1}"
        origin = f"made here: {which} for test, {validation:g} of the rest for validation"
    else:
        shares, origin = _shares({split for split in given if split}, validation, test)
    if len(shares) > 1:
        pool = [[i for i in group if splits[i] == "train"] for group in groups]
        rng = np.random.default_rng([seed, *b"split"])
        made = divide([group for group in pool if group], [c.labels for c in candidates], shares, rng)
        splits = [made.get(i, split) for i, split in enumerate(splits)]
    return Assignment(tuple(splits), tuple(dropped.values()), origin, tuple(_notes(candidates, dropped)))


def _test_fold(candidates: Sequence[Candidate], groups: list[list[int]], fold: Fold, seed: int) -> list[Split | None]:
    """Test for what lies in the fold, train for the rest; the folds of one seed are disjoint and hold everything."""
    rng = np.random.default_rng([seed, fold.count, *b"folds"])
    places = divide_evenly(groups, [candidate.labels for candidate in candidates], fold.count, rng)
    splits: list[Split | None] = ["train"] * len(candidates)
    for group, place in zip(groups, places, strict=True):
        for position in group if place == fold.number else ():
            splits[position] = "test"
    return splits


def check_classes(
    names: Sequence[str],
    labels: Sequence[tuple[int, ...]],
    splits: Sequence[Split | None],
    needed: Sequence[Split],
    given: set[Split | None],
) -> None:
    """See that every label has a study in every split of `needed`; raises DataError naming the first gap.

    `given` are the splits the set itself has: a gap there is the set's, elsewhere the class is too small.
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
                f"class {name!r} is too small to be split, no image is left for {split} ({others}): it needs at least "
                f"{len(needed)} that share neither patient nor content; add some, leave the class out, or raise "
                "data.limit where it is set"
            )


def _shares(given: set[Split], validation: float, test: float) -> tuple[dict[Split, float], str]:
    """The share of the training pool that goes to each split, and where the splits come from."""
    if not given:
        held: dict[Split, float] = {"test": test, "validation": (1 - test) * validation}
        origin = f"made here: {test:g} of all for test, {validation:g} of the rest for validation"
    elif "train" not in given:
        raise DataError(
            f"the set names {' and '.join(s for s in SPLITS if s in given)} images but none for training: "
            "add training images, or leave the splits out so that they are made here"
        )
    else:
        own = {"test": test, "validation": validation}
        held = {split: share for split, share in own.items() if split not in given}  # type: ignore[misc]
        origin = "the set's own" + "".join(f"; {split}: {held[split]:g} of its training images" for split in held)
    held = {split: share for split, share in held.items() if share > 0}
    return {"train": 1 - sum(held.values()), **held}, origin


def _groups(candidates: Sequence[Candidate], ties: Sequence[tuple[int, int]] = ()) -> list[list[int]]:
    """Positions that must stay together: those joined by patient, identical content or a tie, also through others."""
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
    """Which positions must go where given splits share a group: all but those of the group's last split."""
    dropped: dict[int, Dropped] = {}
    for group in groups:
        last = max((SPLITS.index(split) for i in group if (split := candidates[i].split)), default=0)
        keepers = [i for i in group if (candidates[i].split or "train") == SPLITS[last]]
        contents = {candidates[i].content: i for i in keepers}
        for i in group:
            split = candidates[i].split or "train"
            if split == SPLITS[last]:
                continue
            twin = contents.get(candidates[i].content)
            what, other = ("patient", keepers[0]) if twin is None else ("image", twin)
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
    places: tuple[tuple[Split, str], ...] = (("train", "validation or test"), ("validation", "test"))
    for split, others in places:
        for what, clause in (("image", "also in"), ("patient", "whose patient is also in")):
            found = [i for i, d in dropped.items() if d.split == split and d.reason.startswith(f"same {what}")]
            distinct = len({candidates[i].content for i in found})
            copies = "" if distinct == len(found) else f" ({distinct} distinct)"
            if found:
                images, were = ("image", "was") if len(found) == 1 else ("images", "were")
                notes.append(f"{len(found)} {NAMES[split]} {images}{copies} {clause} {others} {were} dropped")
    return notes
