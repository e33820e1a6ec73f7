"""Import: from a named source to `images.npy`, `import-report.json` and, last, `manifest.json`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path

from gan_aug.compute.local.crash_safe_pool import CrashSafePool
from gan_aug.config.data import DataConfig
from gan_aug.data.image_store import ImageWriter
from gan_aug.data.importing.readings import Readings, check_rejected, read_images, without_contradictions
from gan_aug.data.importing.report import duplicates, import_notes, import_report, refusal_report
from gan_aug.data.importing.splitting import needed_splits, split_images, splits_from
from gan_aug.data.items import Source
from gan_aug.data.manifest import SPLITS, Manifest, Split, Study
from gan_aug.data.patients import PatientHasher
from gan_aug.data.reading.image_cache import CacheFolder
from gan_aug.data.reading.raster import Raster
from gan_aug.data.reading.reader import Reader
from gan_aug.data.sources.open import opened_source
from gan_aug.data.splits.assign import Assignment, Candidate, Dropped, check_classes
from gan_aug.data.splits.near_duplicate_policy import NearDuplicateSearch, near_duplicates_record
from gan_aug.errors import ConfigError, DataError
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
            ("files", headers read or files retrieved, files in all), and if the search for near copies takes seconds
            after that with ("images compared", images searched for, images in all).
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
    with (
        opened_reader(config, cancelled, workers, cache) as reader,
        opened_source(config, folder, reader, _counted(progress, "files")) as source,
    ):
        read_with = reader if source.cacheable else replace(reader, cache=None)
        return import_source(config, source, seed, folder, read_with, progress)


def _counted(progress: UnitProgress | None, unit: str) -> Progress | None:
    """What is told the progress in one unit."""
    return partial(progress, unit) if progress else None


@contextmanager
def opened_reader(
    config: DataConfig, cancelled: Callable[[], bool] | None, workers: int | None, cache: CacheFolder | None
) -> Iterator[Reader]:
    """What reads the files of a data set, for the length of a block; see `import_dataset` for the arguments.

    Args:
        config: The section `data`.
        cancelled: Says whether to stop, or None.
        workers: How many processes decode files, or None.
        cache: Holds what earlier imports read, or None.

    Yields:
        The reader.
    """
    with CrashSafePool(workers or 1, config.seconds_per_file) as pool:
        yield Reader(pool if workers else None, cache, cancelled)


def import_source(
    config: DataConfig, source: Source, seed: int, folder: Path, reader: Reader, progress: UnitProgress | None
) -> Manifest:
    """Import an opened source; see `import_dataset`.

    If it is refused, `import-report.json` is written before that, with every file that was set aside or leaks.

    Args:
        config: The section `data`.
        source: The source.
        seed: The seed of the splits.
        folder: The dataset folder to write.
        reader: Reads the items.
        progress: Is told as in `import_dataset`.

    Returns:
        The manifest.
    """
    check_source(config, source, folder)
    positive = check_positive(config, source)
    raster = raster_for(config, source, reader)
    with storage_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    patients = hasher_for(config, source, folder)
    with ImageWriter(folder, raster.shape) as writer:
        every = read_images(source, source.items, raster, writer, patients, reader, _counted(progress, "images"))
        read, rows = without_contradictions(every, source.labels)
        with lists_written_first(folder, source, read) as leaks:
            check_rejected(config, source.name, total_of(source), read.rejected)
            writer.keep(rows)
            images = writer.images(len(read.candidates))
            search = NearDuplicateSearch(images, read.candidates, reader, _counted(progress, "images compared"))
            split = split_images(config, source, seed, search, leaks)
            assigned = split.assigned
            labels = [candidate.labels for candidate in read.candidates]
            given: set[Split | None] = {item.split for item in source.items}
            check_classes(source.labels, labels, assigned.splits, needed_splits(config, assigned), given)
        writer.commit([row for row, kept in enumerate(assigned.splits) if kept])
    studies = studies_of(read.candidates, assigned)
    repeated = sum(duplicates(studies).values())
    manifest = Manifest(
        name=source.name,
        labels=source.labels,
        task=source.task,
        shape=raster.shape,
        studies=studies,
        positive=positive,
        flips=source.flips if config.flips is None else config.flips,
        notes=(*source.notes, *assigned.notes, *import_notes(config, source, raster, read, patients, repeated)),
        patient_key=patients.key_name if patients else None,
        splits_from=splits_from(source, assigned),
        near_copies=asdict(split.copies),
        no_internal_test=split.no_internal_test,
    )
    report = import_report(source, raster, read, assigned, manifest)
    write_json(folder / layout.IMPORT_REPORT, report | {"near_duplicates": near_duplicates_record(split.near)})
    manifest.save(folder / layout.MANIFEST)
    return manifest


@contextmanager
def lists_written_first(folder: Path, source: Source, read: Readings) -> Iterator[list[Dropped]]:
    """Write `import-report.json` with every file that is meant, before a refusal leaves the block and names it.

    Args:
        folder: The dataset folder.
        source: What was read.
        read: What reading gave so far.

    Yields:
        A list, to be filled with what leaks between splits.

    Raises:
        DataError: As raised within the block; if there is anything to list, its message ends with what is listed, and
            the file's path.
    """
    leaks: list[Dropped] = []
    try:
        yield leaks
    except DataError as error:
        if not read.rejected and not leaks:
            raise
        path = folder / layout.IMPORT_REPORT
        write_json(path, refusal_report(source, read, leaks, error))
        kinds = (("the files or rows set aside", read.rejected), ("the images that leak", leaks))
        what = " and ".join(kind for kind, found in kinds if found)
        raise type(error)(f"{error}; {what} are listed in {path}") from error


def check_positive(config: DataConfig, source: Source) -> str | None:
    """The label of the disease; raises ConfigError if the config names one that there is not."""
    if config.positive is not None and config.positive not in source.labels:
        names = ", ".join(repr(label) for label in source.labels)
        raise ConfigError(f"data.positive: {config.positive!r} is not a label of {source.name}: use one of {names}")
    return config.positive or source.positive


def check_source(config: DataConfig, source: Source, folder: Path) -> None:
    """Check all that can be checked before anything is decoded.

    Args:
        config: The section `data`.
        source: The source.
        folder: The dataset folder, in which lists are written before a refusal.

    Raises:
        DataError: There are no images, or a class has none in a split.
        ConfigError: A setting does not fit the data set.
    """
    given: set[Split | None] = {item.split for item in source.items}
    positions = {name: position for position, name in enumerate(source.labels)}
    with lists_written_first(folder, source, Readings([], list(source.rejected))):
        if not source.items:
            check_rejected(config, source.name, total_of(source), source.rejected)
            raise DataError(f"{source.name} has no images: check data.root and data.source")
        _check_settings(config, source.name, given)
        labels = [tuple(positions[label] for label in item.labels) for item in source.items]
        present: list[Split] = [split for split in SPLITS if split in given]
        check_classes(source.labels, labels, [item.split or "train" for item in source.items], present, given)


def _check_settings(config: DataConfig, name: str, given: set[Split | None]) -> None:
    """Raise ConfigError if a setting does not fit a set that gives these splits, None for images without one."""
    if config.patient_scope == "split" and None in given:
        raise ConfigError(
            "data.patient_scope: 'split' needs a set that gives its splits: name their column in data.columns.split, "
            "or use 'dataset'"
        )
    if config.folds and given != {None}:
        raise ConfigError(f"data.folds needs a set without splits, and {name} gives its own: leave one of them out")
    if config.near_duplicates == "move" and given != {None}:
        raise ConfigError(
            f"data.near_duplicates: 'move' needs splits made here, and {name} gives its own: use report or drop"
        )


def raster_for(config: DataConfig, source: Source, reader: Reader) -> Raster:
    """The form of the stored images."""
    size = config.size or source.size or SIZE
    height, width = (size, size) if isinstance(size, int) else size
    channels = config.channels or source.channels or reader.channels(source.items)
    return Raster(channels, height, width, config.fit, config.filter, source.window or config.window)


def hasher_for(config: DataConfig, source: Source, folder: Path) -> PatientHasher | None:
    """What hashes the patients with the key in `folder`, or None if the source names none."""
    return PatientHasher(folder, config.patient_scope) if any(item.patient for item in source.items) else None


def studies_of(candidates: Sequence[Candidate], assigned: Assignment) -> tuple[Study, ...]:
    """The candidates with their splits, without those that were dropped."""
    return tuple(
        Study(candidate.content, candidate.labels, split, candidate.patient, candidate.origin)
        for candidate, split in zip(candidates, assigned.splits, strict=True)
        if split
    )


def total_of(source: Source) -> int:
    """How many files or rows a source has of which those set aside may be a share; see `check_rejected`."""
    return len(source.items) + sum(item.counts for item in source.rejected)
