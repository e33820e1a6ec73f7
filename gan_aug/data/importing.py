"""Import: from a named source to `images.npy`, `import-report.json` and, last, `manifest.json`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from gan_aug.config import DataConfig
from gan_aug.data.items import Item, Rejected, Source
from gan_aug.data.manifest import SPLITS, Manifest, Split, Study, content_hash
from gan_aug.data.patients import PatientHasher
from gan_aug.data.raster import Raster, has_colour
from gan_aug.data.sources import opened_source
from gan_aug.data.splits import Assignment, Candidate, assign_splits, check_classes
from gan_aug.data.store import ImageWriter
from gan_aug.errors import Cancelled, ConfigError, DataError
from gan_aug.run import storage_errors, write_json

SIZE = 64
"""Pixels a side where neither the config nor the set says."""

PROBED = 64
"""How many images are looked at to tell grey sets from coloured ones."""

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class _Readings:
    """What reading the items gave: the candidates in stored order, and all that was set aside."""

    candidates: list[Candidate]
    rejected: list[Rejected]
    coloured: list[str]
    """Origins of the images whose colour was lost, in a set that is stored grey."""


def import_dataset(
    config: DataConfig,
    seed: int,
    folder: Path,
    *,
    progress: Progress | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> Manifest:
    """Read the source that `config` names into `folder` and return its manifest.

    Writes `images.npy`, `import-report.json` and last `manifest.json`, the mark that the import is whole; what an
    interrupted one left is made anew. `progress` is told (images read, images in all). Raises ConfigError, DataError
    or LeakageError for what the user can mend, StorageError for the disk, and Cancelled once `cancelled()` is true.
    """
    with opened_source(config, folder, cancelled) as source:
        return _import(config, seed, folder, source, progress, cancelled)


def _import(
    config: DataConfig,
    seed: int,
    folder: Path,
    source: Source,
    progress: Progress | None,
    cancelled: Callable[[], bool] | None,
) -> Manifest:
    _check_source(config, source)
    positive = _positive(config, source)
    raster = _raster(config, source)
    with storage_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    patients = PatientHasher(folder, config.patient_scope) if any(item.patient for item in source.items) else None
    with ImageWriter(folder, raster.shape) as writer:
        read = _read(source, raster, writer, patients, progress, cancelled)
        _check_rejected(config, source, read.rejected)
        on_leak = config.on_leak or source.on_leak
        assigned = assign_splits(
            read.candidates, validation=config.validation, test=config.test, on_leak=on_leak, seed=seed
        )
        labels = [candidate.labels for candidate in read.candidates]
        given: set[Split | None] = {item.split for item in source.items}
        check_classes(source.labels, labels, assigned.splits, _needed(config), given)
        writer.commit([row for row, split in enumerate(assigned.splits) if split])
    studies = _studies(read.candidates, assigned)
    repeated = sum(_duplicates(studies).values())
    manifest = Manifest(
        name=source.name,
        labels=source.labels,
        task=source.task,
        shape=raster.shape,
        studies=studies,
        positive=positive,
        flips=source.flips if config.flips is None else config.flips,
        notes=(*assigned.notes, *_notes(config, read, patients, repeated)),
        patient_key=patients.key_name if patients else None,
    )
    write_json(folder / "import-report.json", _report(source, raster, read, assigned, manifest))
    manifest.save(folder / "manifest.json")
    return manifest


def _positive(config: DataConfig, source: Source) -> str | None:
    if config.positive is not None and config.positive not in source.labels:
        names = ", ".join(repr(label) for label in source.labels)
        raise ConfigError(f"data.positive: {config.positive!r} is not a label of {source.name}: use one of {names}")
    return config.positive or source.positive


def _needed(config: DataConfig) -> list[Split]:
    """The splits every class must be in: a share of 0 asks for none."""
    shares: dict[Split, float] = {"train": 1, "validation": config.validation, "test": config.test}
    return [split for split in SPLITS if shares[split] > 0]


def _check_source(config: DataConfig, source: Source) -> None:
    """Find what no decoding is needed for."""
    if not source.items:
        _check_rejected(config, source, list(source.rejected))
        raise DataError(f"{source.name} has no images: check data.root and data.source")
    given: set[Split | None] = {item.split for item in source.items}
    if config.patient_scope == "split" and None in given:
        raise ConfigError(
            "data.patient_scope: 'split' needs a set that gives its splits: name their column in data.columns.split, "
            "or use 'dataset'"
        )
    positions = {name: position for position, name in enumerate(source.labels)}
    labels = [tuple(positions[label] for label in item.labels) for item in source.items]
    present: list[Split] = [split for split in SPLITS if split in given]
    check_classes(source.labels, labels, [item.split or "train" for item in source.items], present, given)


def _raster(config: DataConfig, source: Source) -> Raster:
    size = config.size or source.size or SIZE
    height, width = (size, size) if isinstance(size, int) else size
    channels = config.channels or source.channels or _probe_channels(source.items)
    return Raster(channels, height, width, config.fit, config.filter, source.window or config.window)


def _probe_channels(items: tuple[Item, ...]) -> int:
    """3 where one of some images spread over the set has colour, else 1: grey films are often stored as RGB."""
    for item in items[:: max(1, len(items) // PROBED)]:
        try:
            pixels = item.read()
        except DataError:
            continue  # set aside with its reason when its turn comes
        if has_colour(pixels):
            return 3
    return 1


def _read(
    source: Source,
    raster: Raster,
    writer: ImageWriter,
    patients: PatientHasher | None,
    progress: Progress | None,
    cancelled: Callable[[], bool] | None,
) -> _Readings:
    """Decode every item and append it to the store, or set it aside."""
    positions = {name: position for position, name in enumerate(source.labels)}
    read = _Readings([], list(source.rejected), [])
    total = len(source.items)
    for done, item in enumerate(source.items, start=1):
        if cancelled and cancelled():
            raise Cancelled(f"the import was stopped after {done - 1} of {total} images: run it again")
        try:
            pixels = item.read()
            image = raster(pixels)
        except DataError as error:
            read.rejected.append(Rejected(item.origin, str(error)))
        else:
            writer.append(image)
            if raster.channels == 1 and has_colour(pixels):
                read.coloured.append(item.origin)
            patient = patients(item.patient, item.split) if patients and item.patient else None
            labels = tuple(sorted(positions[label] for label in item.labels))
            read.candidates.append(Candidate(content_hash(image), labels, patient, item.split, item.origin))
        if progress and (done % max(1, total // 100) == 0 or done == total):
            progress(done, total)
    return read


def _check_rejected(config: DataConfig, source: Source, rejected: list[Rejected]) -> None:
    total = len(source.items) + len(source.rejected)
    if not rejected or len(rejected) <= config.max_rejected * total:
        return
    reason, count = Counter(item.reason for item in rejected).most_common(1)[0]
    first = next(item.origin for item in rejected if item.reason == reason)
    many = "all" if count == len(rejected) else str(count)
    raise DataError(
        f"{len(rejected)} of {total} files of {source.name} were set aside, {many} because {reason} (the first is "
        f"{first}): repair or remove them, or raise data.max_rejected, now {config.max_rejected:g}"
    )


def _studies(candidates: list[Candidate], assigned: Assignment) -> tuple[Study, ...]:
    return tuple(
        Study(candidate.content, candidate.labels, split, candidate.patient, candidate.origin)
        for candidate, split in zip(candidates, assigned.splits, strict=True)
        if split
    )


def _notes(config: DataConfig, read: _Readings, patients: PatientHasher | None, repeated: int) -> list[str]:
    notes = []
    if patients and config.patient_scope == "split":
        notes.append("patient numbers restart per split: patients could not be told apart across splits")
    if read.rejected:
        notes.append(f"files or rows set aside, listed in import-report.json: {len(read.rejected)}")
    if read.coloured:
        notes.append(f"coloured images turned grey: {len(read.coloured)}, the first {read.coloured[0]}")
    if repeated:
        notes.append(f"images that repeat another of their split, and stay: {repeated}")
    if conflicts := _conflicts(read.candidates):
        notes.append(f"images that stand in the set more than once with different labels: {conflicts}")
    return notes


def _conflicts(candidates: list[Candidate]) -> int:
    """How many distinct images carry more than one set of labels."""
    labels: dict[str, set[tuple[int, ...]]] = {}
    for candidate in candidates:
        labels.setdefault(candidate.content, set()).add(candidate.labels)
    return sum(len(found) > 1 for found in labels.values())


def _duplicates(studies: tuple[Study, ...]) -> dict[Split, int]:
    """How many images of each split repeat another one there."""
    contents = {split: [study.content for study in studies if study.split == split] for split in SPLITS}
    return {split: len(found) - len(set(found)) for split, found in contents.items()}


def _report(
    source: Source, raster: Raster, read: _Readings, assigned: Assignment, manifest: Manifest
) -> dict[str, Any]:
    return {
        "schema": 1,
        "source": source.name,
        "read": len(source.items) + len(source.rejected),
        "used": len(manifest.studies),
        "rejected": [asdict(item) for item in read.rejected],
        "reasons": dict(Counter(item.reason for item in read.rejected).most_common()),
        "dropped": [asdict(item) for item in assigned.dropped],
        "duplicates": _duplicates(manifest.studies),
        "label_conflicts": _conflicts(read.candidates),
        "assumptions": asdict(raster)
        | {"native_size": source.size, "positive": manifest.positive, "flips": manifest.flips},
        "splits": {"origin": assigned.origin, "counts": manifest.counts()},
        "notes": manifest.notes,
        "files": source.details,
    }
