"""Dividing groups of studies among splits, each label as evenly as the groups allow."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TypeVar

import numpy as np

from gan_aug.data.manifest import Split

RARE = 10
"""Label combinations with fewer studies than this count as one."""

Labels = tuple[int, ...]
Place = TypeVar("Place", Split, int)


def divide(
    groups: Sequence[Sequence[int]], labels: Sequence[Labels], shares: dict[Split, float], rng: np.random.Generator
) -> dict[int, Split]:
    """The split of every study in `groups` (positions in `labels`), a whole group to one split.

    `shares` sum to 1 and name `train`. Greedy: groups of rare labels first, large ones before small ones, each to the
    split that lacks its labels most; then every label that has enough groups gets one in each split.
    """
    strata = strata_of(labels, [study for group in groups for study in group])
    contents = [Counter(strata[study] for study in group) for group in groups]
    places = _place(contents, shares, rng)
    _fill_gaps([{label for study in group for label in labels[study]} for group in groups], places, list(shares))
    return {study: places[number] for number, group in enumerate(groups) for study in group}


def divide_evenly(
    groups: Sequence[Sequence[int]], labels: Sequence[Labels], count: int, rng: np.random.Generator
) -> list[int]:
    """Which of `count` folds each group goes to, so that all hold about as many studies, of each label too.

    Greedy like `divide`: each group goes to the fold that lacks its labels most, and of those to the smallest.
    """
    strata = strata_of(labels, [study for group in groups for study in group])
    contents = [Counter(strata[study] for study in group) for group in groups]
    totals: Counter[Labels] = Counter()
    for content in contents:
        totals.update(content)
    held: list[Counter[Labels]] = [Counter() for _ in range(count)]
    places = [0] * len(groups)
    for number in _order(contents, totals, rng):
        content = contents[number]
        places[number] = min(
            range(count),
            key=lambda fold: (sum(n * held[fold][s] / totals[s] for s, n in content.items()), held[fold].total()),
        )
        held[places[number]].update(content)
    _fill_gaps([{label for study in group for label in labels[study]} for group in groups], places, list(range(count)))
    return places


def strata_of(labels: Sequence[Labels], studies: list[int]) -> dict[int, Labels]:
    """What each study is stratified by: its label combination, rare combinations of several pooled as `(-1,)`."""
    counts = Counter(labels[study] for study in studies)
    pooled = {combination for combination, count in counts.items() if len(combination) != 1 and count < RARE}
    return {study: (-1,) if labels[study] in pooled else labels[study] for study in studies}


def _place(contents: list[Counter[Labels]], shares: dict[Split, float], rng: np.random.Generator) -> list[Split]:
    totals: Counter[Labels] = Counter()
    for content in contents:
        totals.update(content)
    wanted = _quotas(totals, Counter(stratum for content in contents for stratum in content), shares)
    places: dict[int, Split] = {}
    for number in _order(contents, totals, rng):
        content = contents[number]
        lack = {
            split: sum(count * wanted[split, stratum] / totals[stratum] for stratum, count in content.items())
            for split in shares
        }
        places[number] = max(shares, key=lack.__getitem__)
        for stratum, count in content.items():
            wanted[places[number], stratum] -= count
    return [places[number] for number in range(len(contents))]


def _order(contents: list[Counter[Labels]], totals: Counter[Labels], rng: np.random.Generator) -> list[int]:
    """Groups of rare labels first, large ones before small ones, else by chance."""
    shuffled = [int(number) for number in rng.permutation(len(contents))]
    return sorted(shuffled, key=lambda g: (min(totals[stratum] for stratum in contents[g]), -sum(contents[g].values())))


def _quotas(
    totals: Counter[Labels], group_counts: Counter[Labels], shares: dict[Split, float]
) -> dict[tuple[Split, Labels], float]:
    """How many studies of each stratum each split should get; held-out splits get one where there are groups enough."""
    wanted: dict[tuple[Split, Labels], float] = {}
    for stratum, total in totals.items():
        floor = 1 if group_counts[stratum] >= len(shares) else 0
        for split, share in shares.items():
            wanted[split, stratum] = max(floor, round(share * total))
        held_out = sum(wanted[split, stratum] for split in shares if split != "train")
        wanted["train", stratum] = total - held_out
    return wanted


def _fill_gaps(labels: list[set[int]], places: list[Place], splits: list[Place]) -> None:
    """Move a group into each split that lacks a label, from one that can spare it; `places` is altered."""
    held = Counter((places[number], label) for number, found in enumerate(labels) for label in found)
    for label in sorted(set().union(*labels)):
        for split in splits:
            if held[split, label]:
                continue
            for number, found in enumerate(labels):
                if label in found and all(held[places[number], other] >= 2 for other in found):
                    held.subtract({(places[number], other): 1 for other in found})
                    held.update({(split, other): 1 for other in found})
                    places[number] = split
                    break
