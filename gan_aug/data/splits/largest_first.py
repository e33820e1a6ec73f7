"""The rule of version 0.2 and before: the largest groups first, each to the split that lacks its labels most.

It puts patients with many images into training more often than by chance. It is here for requests of those versions,
which must give the splits that they gave; `stratify.py` has the rule of today.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from gan_aug.data.manifest import Split
from gan_aug.data.splits.stratify import Labels, Part, strata_of


def divide(
    groups: Sequence[Sequence[int]], labels: Sequence[Labels], shares: dict[Split, float], rng: np.random.Generator
) -> dict[int, Split]:
    """Divide studies among splits, each group as a whole.

    Greedy: groups of rare labels come first, and large groups before small ones. Each group goes to the split that
    lacks its labels most. Then every label that has enough groups gets one in each split.

    Args:
        groups: The studies of each group, as positions in `labels`.
        labels: The labels of each study.
        shares: The share of the studies that each split gets. They sum to 1, and `train` is among them.
        rng: Decides the order of equal groups.

    Returns:
        The split of every study in `groups`.
    """
    strata = strata_of(labels, [study for group in groups for study in group])
    contents = [Counter(strata[study] for study in group) for group in groups]
    splits = _divide(contents, shares, rng)
    _fill_gaps([{label for study in group for label in labels[study]} for group in groups], splits, list(shares))
    return {study: splits[number] for number, group in enumerate(groups) for study in group}


def divide_into_folds(
    groups: Sequence[Sequence[int]], labels: Sequence[Labels], count: int, rng: np.random.Generator
) -> list[int]:
    """Divide groups among folds of about equal size, in total and for each label.

    Greedy like `divide`: each group goes to the fold that lacks its labels most, and to the smallest of those.

    Args:
        groups: The studies of each group, as positions in `labels`.
        labels: The labels of each study.
        count: The number of folds.
        rng: Decides the order of equal groups.

    Returns:
        The fold of each group, from 0.
    """
    strata = strata_of(labels, [study for group in groups for study in group])
    contents = [Counter(strata[study] for study in group) for group in groups]
    totals: Counter[Labels] = Counter()
    for content in contents:
        totals.update(content)
    filled: list[Counter[Labels]] = [Counter() for _ in range(count)]
    folds = [0] * len(groups)
    for number in _order(contents, totals, rng):
        content = contents[number]
        folds[number] = min(
            range(count),
            key=lambda fold: (sum(n * filled[fold][s] / totals[s] for s, n in content.items()), filled[fold].total()),
        )
        filled[folds[number]].update(content)
    _fill_gaps([{label for study in group for label in labels[study]} for group in groups], folds, list(range(count)))
    return folds


def _divide(contents: list[Counter[Labels]], shares: dict[Split, float], rng: np.random.Generator) -> list[Split]:
    totals: Counter[Labels] = Counter()
    for content in contents:
        totals.update(content)
    wanted = _quotas(totals, Counter(stratum for content in contents for stratum in content), shares)
    splits: dict[int, Split] = {}
    for number in _order(contents, totals, rng):
        content = contents[number]
        lack = {
            split: sum(count * wanted[split, stratum] / totals[stratum] for stratum, count in content.items())
            for split in shares
        }
        splits[number] = max(shares, key=lack.__getitem__)
        for stratum, count in content.items():
            wanted[splits[number], stratum] -= count
    return [splits[number] for number in range(len(contents))]


def _order(contents: list[Counter[Labels]], totals: Counter[Labels], rng: np.random.Generator) -> list[int]:
    """The order in which groups are assigned: those of rare labels first, large ones before small ones, then random."""
    shuffled = [int(number) for number in rng.permutation(len(contents))]
    return sorted(shuffled, key=lambda g: (min(totals[stratum] for stratum in contents[g]), -sum(contents[g].values())))


def _quotas(
    totals: Counter[Labels], group_counts: Counter[Labels], shares: dict[Split, float]
) -> dict[tuple[Split, Labels], float]:
    """How many studies of each stratum each split should get: at least one, if the stratum has a group for each."""
    wanted: dict[tuple[Split, Labels], float] = {}
    for stratum, total in totals.items():
        floor = 1 if group_counts[stratum] >= len(shares) else 0
        for split, share in shares.items():
            wanted[split, stratum] = max(floor, round(share * total))
        held_out = sum(wanted[split, stratum] for split in shares if split != "train")
        wanted["train", stratum] = total - held_out
    return wanted


def _fill_gaps(labels: list[set[int]], assigned: list[Part], parts: list[Part]) -> None:
    """Give each part that lacks a label a group of a part that has another one; changes `assigned`."""
    groups = Counter((assigned[number], label) for number, found in enumerate(labels) for label in found)
    for label in sorted(set().union(*labels)):
        for part in parts:
            if groups[part, label]:
                continue
            for number, found in enumerate(labels):
                if label in found and all(groups[assigned[number], other] >= 2 for other in found):
                    groups.subtract({(assigned[number], other): 1 for other in found})
                    groups.update({(part, other): 1 for other in found})
                    assigned[number] = part
                    break
