"""Divide groups of images among splits or folds by chance, so that a group's chance does not depend on its size.

Groups with the same labels are ordered by their number of images, groups of equal number by chance. Each run of
consecutive groups, a stratum, is dealt out at random. How many groups of it each part gets is the share rounded at
random, up or down, so that the mean over seeds is the share itself (systematic sampling: Madow, Ann Math Stat
1949;20:333-354). From the first stratum of a label set up to any other, each part has its share of the groups to within
one.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from gan_aug.data.manifest import Split

RARE = 10
"""Combinations of several labels that fewer than this have count as one stratum."""

Labels = tuple[int, ...]
Part = TypeVar("Part", Split, int)
"""What groups are divided among: splits, or folds by number."""


def divide(
    groups: Sequence[Sequence[int]], labels: Sequence[Labels], shares: Mapping[Split, float], rng: np.random.Generator
) -> dict[int, Split]:
    """Divide studies among splits, each group as a whole.

    The chance that a group is in a split is the split's share, whatever the size and the labels of the group. Labels
    that have at least one group for each split, but too few for its share, get one in each.

    Args:
        groups: The studies of each group, as positions in `labels`.
        labels: The labels of each study.
        shares: The share of the groups that each split gets. They sum to 1, and none is 0.
        rng: Draws the groups.

    Returns:
        The split of every study in `groups`.
    """
    splits = _draw(groups, labels, shares, rng)
    return {study: splits[number] for number, group in enumerate(groups) for study in group}


def divide_into_folds(
    groups: Sequence[Sequence[int]], labels: Sequence[Labels], count: int, rng: np.random.Generator
) -> list[int]:
    """Divide groups among folds, drawn like splits of equal shares.

    Args:
        groups: The studies of each group, as positions in `labels`.
        labels: The labels of each study.
        count: The number of folds.
        rng: Draws the groups.

    Returns:
        The fold of each group, from 0.
    """
    return _draw(groups, labels, dict.fromkeys(range(count), 1 / count), rng)


def labels_of_few(
    groups: Sequence[Sequence[int]], labels: Sequence[Labels], shares: Mapping[Split, float]
) -> list[int]:
    """The labels whose groups are enough for one in each split, but fewer than a split's share needs for one.

    Args:
        groups: The studies of each group, as positions in `labels`.
        labels: The labels of each study.
        shares: The share of the groups that each split gets.

    Returns:
        The labels, in order.
    """
    counts = Counter(label for found in _labels_of(groups, labels) for label in found)
    return sorted(label for label, count in counts.items() if len(shares) <= count < 1 / min(shares.values()))


def strata_of(labels: Sequence[Labels], studies: Sequence[int]) -> dict[int, Labels]:
    """The stratum of each study: its combination of labels, or `(-1,)` for rare combinations of none or several."""
    counts = Counter(labels[study] for study in studies)
    pooled = {combination for combination, count in counts.items() if len(combination) != 1 and count < RARE}
    return {study: (-1,) if labels[study] in pooled else labels[study] for study in studies}


def _draw(
    groups: Sequence[Sequence[int]], labels: Sequence[Labels], shares: Mapping[Part, float], rng: np.random.Generator
) -> list[Part]:
    """The part of each group."""
    found = _labels_of(groups, labels)
    counts = Counter(label for of_group in found for label in of_group)
    members: dict[Labels, list[int]] = {}
    for number, stratum in strata_of(found, range(len(groups))).items():
        members.setdefault(stratum, []).append(number)
    assigned: dict[int, Part] = {}
    # Spread over the line, so that not many strata are rounded to the same side.
    starts = (rng.random() + rng.permutation(len(members)) / max(1, len(members))) % 1
    for stratum, start in zip(sorted(members), starts.tolist(), strict=True):
        order = [members[stratum][i] for i in rng.permutation(len(members[stratum]))]
        # Rare labels first, so that those of the pooled combinations stand together; then those of many images.
        order.sort(key=lambda g: (sorted((counts[label], label) for label in found[g]), -len(groups[g])))
        whole = len(stratum) == 1 and counts[stratum[0]] == len(order) >= len(shares)
        own = _with_one_each(shares, len(order)) if whole else shares
        for block, parts in _dealt(len(order), own, start, rng):
            assigned.update(zip(order[block], parts, strict=True))
    splits = [assigned[number] for number in range(len(groups))]
    _fill_gaps(found, splits, list(shares), rng)
    return splits


def _labels_of(groups: Sequence[Sequence[int]], labels: Sequence[Labels]) -> list[Labels]:
    """The labels of each group: those that any study of it has."""
    return [tuple(sorted({label for study in group for label in labels[study]})) for group in groups]


def _with_one_each(shares: Mapping[Part, float], count: int) -> dict[Part, float]:
    """The shares, those below one of `count` groups raised to one group at the cost of the largest."""
    least = 1 / count
    raised = {part: max(share, least) for part, share in shares.items()}
    excess = sum(raised.values()) - 1
    for part in sorted(raised, key=raised.__getitem__, reverse=True):
        taken = min(excess, raised[part] - least)
        raised[part] -= taken
        excess -= taken
    return raised


def _dealt(
    count: int, shares: Mapping[Part, float], start: float, rng: np.random.Generator
) -> Iterator[tuple[slice, list[Part]]]:
    """Deal out `count` groups in blocks.

    A block is as short as it can be if each part is to have a group in it. The parts lie side by side on a line as long
    as the number of groups so far; each gets as many groups as whole numbers, moved by `start`, lie on its stretch. So
    the expected number is the length of the stretch, and the actual one is that rounded up or down. It never falls from
    one block to the next, since a stretch grows by at least 1.

    Args:
        count: The number of groups.
        shares: The share of each part.
        start: A random number, uniform from 0 to 1.
        rng: Draws the order within a block.

    Yields:
        The groups of each block, and the part of each of them.
    """
    # The largest last, so that what it holds follows from the others.
    parts: list[Part] = sorted(shares, key=shares.__getitem__)
    edges = np.cumsum([0.0, *(shares[part] for part in parts)])
    edges[-1] = 1
    length: int = math.ceil(1 / min(shares.values()) - 1e-9)
    ends = [*range(length, count - length + 1, length), count]  # the last block is the longest, and of small groups
    begin, before = 0, np.zeros(len(parts))
    for end in dict.fromkeys(ends):
        # Rounded, as 5 * 0.2 must be 1 and not a bit below.
        sums = np.diff(np.floor(np.round(end * edges, 9) + start))
        yield slice(begin, end), [parts[i] for i in _spread(sums - before, rng)]
        begin, before = end, sums


def _spread(numbers: npt.NDArray[np.float64], rng: np.random.Generator) -> list[int]:
    """A random order of the positions in `numbers`, each as often as its number says and at about equal distances.

    The order is turned by a random amount, so that each place in it gets each position with the same chance.
    """
    places = [
        ((i + phase) / number, part)
        for part, (number, phase) in enumerate(zip(numbers, rng.random(len(numbers)), strict=True))
        for i in range(int(number))
    ]
    turn = int(rng.integers(len(places)))
    order = [part for _, part in sorted(places)]
    return order[turn:] + order[:turn]


def _fill_gaps(labels: Sequence[Labels], assigned: list[Part], parts: Sequence[Part], rng: np.random.Generator) -> None:
    """Give each part that lacks a label one of the label's groups, if there are enough for all; changes `assigned`.

    Chance takes it from those whose part has another group of each of their labels.
    """
    groups = Counter((assigned[number], label) for number, found in enumerate(labels) for label in found)
    counts = Counter(label for found in labels for label in found)
    for label in sorted(label for label, count in counts.items() if count >= len(parts)):
        for part in parts:
            if groups[part, label]:
                continue
            having = [number for number, found in enumerate(labels) if label in found]
            for number in (having[i] for i in rng.permutation(len(having))):
                if all(groups[assigned[number], other] >= 2 for other in labels[number]):
                    groups.subtract({(assigned[number], other): 1 for other in labels[number]})
                    groups.update({(part, other): 1 for other in labels[number]})
                    assigned[number] = part
                    break
