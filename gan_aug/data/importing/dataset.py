"""Import: from a named source to `images.npy`, `import-report.json` and, last, `manifest.json`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from contextlib import closing
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Literal

from gan_aug.compute.local.crash_safe_pool import CrashSafePool
from gan_aug.config.data import DataConfig
from gan_aug.data.image_store import ImageWriter
from gan_aug.data.importing.report import Readings, duplicates, import_notes, import_report
from gan_aug.data.items import Rejected, Source
from gan_aug.data.manifest import SPLITS, Manifest, Split, Study
from gan_aug.data.patients import PatientHasher
from gan_aug.data.reading.image_cache import CacheFolder
from gan_aug.data.reading.raster import Raster
from gan_aug.data.reading.reader import Reader
from gan_aug.data.sources.open import opened_source
from gan_aug.data.splits.assign import Assignment, Candidate, Fold, assign_splits, check_classes
from gan_aug.data.splits.near_duplicate_policy import NearDuplicateSearch, apply_policy, near_duplicates_record
from gan_aug.errors import Cancelled, ConfigError, DataError
from gan_aug.run import layout
from gan_aug.run.events import Progress, UnitProgress
from gan_aug.run.files import storage_errors, write_json

SIZE = 64
"""The side of a stored image in pixels, if neither the config nor the data set gives a size."""


def import_dataset(
    config: DataConfig,
    seed: int,
    folder: Path,
    *,
    progress: UnitProgress | None = None,
    cancelled: Callable[[], bool] | None = None,
    workers: int | None = None,
    cache: CacheFolder | None = None,
) -> Manifest:
    """Import a data set: write `images.npy`, `import-report.json` and, last, `manifest.json`.

    The manifest marks the import as complete; what an interrupted import left is written again. The result does not
    depend on `workers` and `cache`.

    Args:
        config: The source, and how its images are read and split.
        seed: The seed of the splits.
        folder: The dataset folder to write.
        progress: Called with ("images", images read, images in all). For DICOM it is called before that with
            ("files", headers read or files retrieved, files in all).
        cancelled: Says whether to stop, or None.
        workers: How many processes decode files. If one dies, only the file that caused it is set aside. None decodes
            in this process.
        cache: Holds images decoded by earlier imports, or None.

    Returns:
        The manifest.

    Raises:
        ConfigError: If a setting does not fit the data set.
        DataError: If images are absent or cannot be used.
        LeakageError: If given splits share a patient or an image.
        StorageError: If the disk is full or not writable.
        Cancelled: If `cancelled` says so.
    """
    with CrashSafePool(workers or 1, config.seconds_per_file) as pool:
        reader = Reader(pool if workers else None, cache, cancelled)
        with opened_source(config, folder, reader, partial(progress, "files") if progress else None) as source:
            _check_source(config, source)
            reader = reader if source.cacheable else replace(reader, cache=None)
            return _import(config, source, seed, folder, reader, partial(progress, "images") if progress else None)


def _import(
    config: DataConfig, source: Source, seed: int, folder: Path, reader: Reader, progress: Progress | None
) -> Manifest:
    positive = _positive(config, source)
    raster = _raster(config, source, reader)
    with storage_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    patients = PatientHasher(folder, config.patient_scope) if any(item.patient for item in source.items) else None
    with ImageWriter(folder, raster.shape) as writer:
        read = _read(source, raster, writer, patients, progress, reader)
        _check_rejected(config, source, read.rejected)
        images = writer.images(len(read.candidates))
        search = NearDuplicateSearch(images, read.candidates, reader.cache, reader.cancelled)
        policy = config.near_duplicates or ("drop" if _on_leak(config, source) == "drop" else "drop made")
        assigned, near, copies = apply_policy(policy, search, _assign(config, source, seed, search))
        labels = [candidate.labels for candidate in read.candidates]
        given: set[Split | None] = {item.split for item in source.items}
        check_classes(source.labels, labels, assigned.splits, _needed(config), given)
        writer.commit([row for row, split in enumerate(assigned.splits) if split])
    studies = _studies(read.candidates, assigned)
    repeated = sum(duplicates(studies).values())
    manifest = Manifest(
        name=source.name,
        labels=source.labels,
        task=source.task,
        shape=raster.shape,
        studies=studies,
        positive=positive,
        flips=source.flips if config.flips is None else config.flips,
        notes=(*assigned.notes, *import_notes(config, source, read, patients, repeated)),
        patient_key=patients.key_name if patients else None,
        splits_from=_splits_from(config, assigned),
        near_copies=asdict(copies),
    )
    report = import_report(source, raster, read, assigned, manifest)
    write_json(folder / layout.IMPORT_REPORT, report | {"near_duplicates": near_duplicates_record(near)})
    manifest.save(folder / layout.MANIFEST)
    return manifest


def _assign(config: DataConfig, source: Source, seed: int, search: NearDuplicateSearch) -> Assignment:
    return assign_splits(
        search.candidates,
        validation=config.validation,
        test=config.test,
        on_leak=_on_leak(config, source),
        seed=seed,
        ties=search.all_pairs() if config.near_duplicates == "move" else (),
        fold=Fold(config.fold, config.folds) if config.folds else None,
        rule=config.assignment or "strata",
    )


def _on_leak(config: DataConfig, source: Source) -> Literal["error", "drop"]:
    return config.on_leak or source.on_leak


def _splits_from(config: DataConfig, assigned: Assignment) -> str:
    """How the splits were made, with the column that gives them, if there is one."""
    own, column = "the set's own", config.columns.split
    return assigned.origin.replace(own, f"{own}, by its column {column!r}", 1) if column else assigned.origin


def _positive(config: DataConfig, source: Source) -> str | None:
    if config.positive is not None and config.positive not in source.labels:
        names = ", ".join(repr(label) for label in source.labels)
        raise ConfigError(f"data.positive: {config.positive!r} is not a label of {source.name}: use one of {names}")
    return config.positive or source.positive


def _needed(config: DataConfig) -> list[Split]:
    """The splits that need every class: those with a share above 0."""
    shares: dict[Split, float] = {
        "train": 1,
        "validation": config.validation,
        "test": 1 if config.folds else config.test,
    }
    return [split for split in SPLITS if shares[split] > 0]


def _check_source(config: DataConfig, source: Source) -> None:
    """Check all that can be checked before anything is decoded."""
    if not source.items:
        _check_rejected(config, source, list(source.rejected))
        raise DataError(f"{source.name} has no images: check data.root and data.source")
    given: set[Split | None] = {item.split for item in source.items}
    if config.patient_scope == "split" and None in given:
        raise ConfigError(
            "data.patient_scope: 'split' needs a set that gives its splits: name their column in data.columns.split, "
            "or use 'dataset'"
        )
    if config.folds and given != {None}:
        raise ConfigError(
            f"data.folds needs a set without splits, and {source.name} gives its own: leave one of them out"
        )
    if config.near_duplicates == "move" and given != {None}:
        raise ConfigError(
            f"data.near_duplicates: 'move' needs splits made here, and {source.name} gives its own: use report or drop"
        )
    positions = {name: position for position, name in enumerate(source.labels)}
    labels = [tuple(positions[label] for label in item.labels) for item in source.items]
    present: list[Split] = [split for split in SPLITS if split in given]
    check_classes(source.labels, labels, [item.split or "train" for item in source.items], present, given)


def _raster(config: DataConfig, source: Source, reader: Reader) -> Raster:
    size = config.size or source.size or SIZE
    height, width = (size, size) if isinstance(size, int) else size
    channels = config.channels or source.channels or reader.channels(source.items)
    return Raster(channels, height, width, config.fit, config.filter, source.window or config.window)


def _read(
    source: Source,
    raster: Raster,
    writer: ImageWriter,
    patients: PatientHasher | None,
    progress: Progress | None,
    reader: Reader,
) -> Readings:
    """Read every item and append it to the stored images, or set it aside."""
    positions = {name: position for position, name in enumerate(source.labels)}
    read = Readings([], list(source.rejected), [], Counter(), Counter())
    total = len(source.items)
    with closing(reader.readings(source.items, raster)) as readings:
        for done, item in enumerate(source.items, start=1):
            if reader.cancelled and reader.cancelled():
                raise Cancelled(f"the import was stopped after {done - 1} of {total} images: run it again")
            reading = next(readings)
            if isinstance(reading, str):
                read.rejected.append(Rejected(item.origin, reading))
            else:
                writer.append(reading.image)
                read.original_sizes[reading.original_size] += 1
                read.spacings[item.spacing] += 1
                if reading.assumed:
                    read.assumed[item.origin] = reading.assumed
                if raster.channels == 1 and reading.coloured:
                    read.coloured.append(item.origin)
                patient = patients(item.patient, item.split) if patients and item.patient else None
                labels = tuple(sorted(positions[label] for label in item.labels))
                read.candidates.append(Candidate(reading.content, labels, patient, item.split, item.origin))
            if progress and (done % max(1, total // 100) == 0 or done == total):
                progress(done, total)
    return read


def _check_rejected(config: DataConfig, source: Source, rejected: list[Rejected]) -> None:
    counted = [item for item in rejected if item.counts]
    total = len(source.items) + sum(item.counts for item in source.rejected)
    if not counted or len(counted) <= config.max_rejected * total:
        return
    reason, count = Counter(item.reason for item in counted).most_common(1)[0]
    first = next(item.origin for item in counted if item.reason == reason)
    many = "all" if count == len(counted) else str(count)
    raise DataError(
        f"{len(counted)} of {total} files of {source.name} were set aside, {many} because {reason} (the first is "
        f"{first}): repair or remove them, or raise data.max_rejected, now {config.max_rejected:g}"
    )


def _studies(candidates: list[Candidate], assigned: Assignment) -> tuple[Study, ...]:
    return tuple(
        Study(candidate.content, candidate.labels, split, candidate.patient, candidate.origin)
        for candidate, split in zip(candidates, assigned.splits, strict=True)
        if split
    )
