"""The splits of an import: as the data set gives them or made here, with an internal test, and without near copies."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from gan_aug.config.data import DataConfig
from gan_aug.data.items import Source
from gan_aug.data.manifest import INTERNAL, SPLITS, Split
from gan_aug.data.splits.assign import Assignment, Dropped, Fold, assign_splits
from gan_aug.data.splits.internal_test import HeldOut, hold_out, spoiled
from gan_aug.data.splits.near_duplicate_policy import (
    NearCopies,
    NearDuplicate,
    NearDuplicateSearch,
    Policy,
    apply_policy,
)
from gan_aug.errors import LeakageError


@dataclass(frozen=True)
class Splitting:
    """The splits of all images that were read.

    Attributes:
        assigned: The splits, after near copies were dropped.
        near: The near copies that were found.
        copies: How many of them are left.
        no_internal_test: Why there is no internal test, as the rest of a sentence; None if there is one.
    """

    assigned: Assignment
    near: list[NearDuplicate]
    copies: NearCopies
    no_internal_test: str | None


def split_images(
    config: DataConfig, source: Source, seed: int, search: NearDuplicateSearch, leaks: list[Dropped]
) -> Splitting:
    """Split the images of a source.

    Args:
        config: The section `data`.
        source: The source.
        seed: The seed of the splits.
        search: The images, and the search for near copies among them.
        leaks: Is filled with what leaks between given splits, if that is refused.

    Returns:
        The splits.

    Raises:
        DataError: They cannot be made, or given splits share a patient or an image.
    """
    assigned, policy = assign(config, source, seed, search, leaks), policy_for(config, source)
    held = held_out(config, source, seed, search, assigned)
    found = Splitting(*apply_policy(policy, search, held.assigned), held.none_since)
    if config.internal_test != "auto" or held.none_since or policy == "report":
        return found
    why = spoiled(held.assigned, found.assigned, found.near, search.candidates)
    return Splitting(*apply_policy(policy, search, assigned), why) if why else found


def assign(
    config: DataConfig, source: Source, seed: int, search: NearDuplicateSearch, leaks: list[Dropped]
) -> Assignment:
    """The splits without an internal test, before anything is done about near copies; see `split_images`."""

    def assigned(on_leak: Literal["error", "drop"]) -> Assignment:
        return assign_splits(
            search.candidates,
            validation=config.validation,
            test=config.test,
            on_leak=on_leak,
            seed=seed,
            ties=_ties(config, search),
            fold=Fold(config.fold, config.folds) if config.folds else None,
            rule=config.assignment or "strata",
        )

    try:
        return assigned(config.on_leak or source.on_leak)
    except LeakageError:
        leaks += assigned("drop").dropped
        raise


def held_out(
    config: DataConfig, source: Source, seed: int, search: NearDuplicateSearch, assigned: Assignment
) -> HeldOut:
    """The splits with an internal test if `data.internal_test` wants one; see `split_images`.

    Args:
        config: The section `data`.
        source: The source.
        seed: The seed of the splits.
        search: The images.
        assigned: The splits without it.
    """
    return hold_out(
        assigned,
        search.candidates,
        source.labels,
        config.internal_test,
        test_alike=source.test_alike,
        seed=seed,
        ties=_ties(config, search) if isinstance(config.internal_test, float) else (),
    )


def _ties(config: DataConfig, search: NearDuplicateSearch) -> Sequence[tuple[int, int]]:
    return search.all_pairs() if config.near_duplicates == "move" else ()


def policy_for(config: DataConfig, source: Source) -> Policy:
    """What is done about near copies: by default they are dropped if exact ones are, or if the splits are made here."""
    return config.near_duplicates or ("drop" if (config.on_leak or source.on_leak) == "drop" else "drop made")


def splits_from(source: Source, assigned: Assignment) -> str:
    """How the splits were made, with the column that gives them, if there is one."""
    own, column = "the set's own", source.split_column
    return assigned.origin.replace(own, f"{own}, by its column {column!r}", 1) if column else assigned.origin


def needed_splits(config: DataConfig, assigned: Assignment) -> list[Split]:
    """The splits that need every class: those with a share above 0, and the internal test if there is one."""
    shares: dict[Split, float] = {
        "train": 1,
        "validation": config.validation,
        "test": 1 if config.folds else config.test,
    }
    internal: list[Split] = [INTERNAL] if INTERNAL in assigned.splits else []
    return [split for split in SPLITS if shares[split] > 0] + internal
