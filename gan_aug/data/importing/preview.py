"""A look at what an import would give, and whether it would be refused, without leaving anything behind."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from gan_aug.config.data import DataConfig
from gan_aug.data.image_store import ImageWriter
from gan_aug.data.importing.dataset import (
    SIZE,
    check_positive,
    check_source,
    hasher_for,
    import_source,
    lists_written_first,
    opened_reader,
    raster_for,
    studies_of,
    total_of,
)
from gan_aug.data.importing.readings import candidate_of, check_rejected, read_images, without_contradictions
from gan_aug.data.importing.report import import_report
from gan_aug.data.importing.splitting import assign, held_out, needed_splits, policy_for, splits_from
from gan_aug.data.items import Source
from gan_aug.data.manifest import Manifest, Split
from gan_aug.data.reading.image_cache import CacheFolder
from gan_aug.data.reading.raster import Raster
from gan_aug.data.reading.reader import Reader
from gan_aug.data.sources.open import opened_source, source_kind
from gan_aug.data.splits.assign import check_classes
from gan_aug.data.splits.near_duplicate_policy import NearDuplicateSearch, apply_policy, near_duplicates_record
from gan_aug.run import layout
from gan_aug.run.files import read_json

MOST_IMAGES, MOST_ROWS = 6000, 20_000
"""Up to this many images in files, or in one array, a look decodes all; of more about this many, spread evenly."""

MOST_READ, MOST_STORED = 2 * 10**9, 10**9
"""It decodes fewer if their files would have more bytes than this, or the stored images more than this."""

SIZED = 64
"""How many files are asked for their size."""


@dataclass(frozen=True)
class Preview:
    """What an import would give.

    Attributes:
        manifest: The data set as it would be; if not all images were decoded, their content hashes are not true.
        report: The import report as it would be, of the images that were decoded.
        images: How many images there are.
        decoded: How many of them were decoded.
        seconds: How long it took to decode them.
    """

    manifest: Manifest
    report: dict[str, Any]
    images: int
    decoded: int
    seconds: float


def preview_dataset(
    config: DataConfig,
    seed: int,
    *,
    workers: int | None = None,
    cache: CacheFolder | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> Preview:
    """Import in a temporary folder, or plan an import from a sample of the images.

    What is decoded goes to the cache, where the import itself finds it. Files of an archive are not decoded.

    Args:
        config: The source, and how its images are read and split.
        seed: The seed of the splits.
        workers: How many processes decode files.
        cache: The user's cache, or None.
        cancelled: Says whether to stop, or None.

    Returns:
        The preview.

    Raises:
        GanAugError: What the import would raise. If files are listed in an import report, that stays, and the message
            says where.
    """
    folder = Path(tempfile.mkdtemp(prefix="gan-aug-dry-run-"))
    # Without a folder an archive's files are let go one by one, as soon as their headers are read.
    within = None if source_kind(config.source).spool else folder
    try:
        with (
            opened_reader(config, cancelled, workers, cache) as reader,
            opened_source(config, within, reader) as source,
        ):
            count, began = len(source.items), time.monotonic()
            most = _most(config, source) if within else 0
            if within and count <= most:
                manifest = import_source(config, source, seed, folder, reader, None)
                report = read_json(folder / layout.IMPORT_REPORT)
                return Preview(manifest, report, count, count, time.monotonic() - began)
            return _planned(config, source, seed, folder, reader, -(-count // most) if most else 0)
    finally:
        _clear(folder)


def _most(config: DataConfig, source: Source) -> int:
    """How many images a look decodes at most."""
    size = config.size or source.size or SIZE
    height, width = (size, size) if isinstance(size, int) else size
    files = [item.file for item in source.items[:: max(1, len(source.items) // SIZED)] if item.file]
    sizes = [file.stat().st_size for file in files if file.is_file()]
    mean = sum(sizes) / len(sizes) if sizes else 1
    most = MOST_IMAGES if files else MOST_ROWS
    return int(max(1, min(most, MOST_READ / max(1, mean), MOST_STORED / (3 * height * width))))


def _clear(folder: Path) -> None:
    """Remove the folder, except an import report of a refusal, which its message names."""
    report = folder / layout.IMPORT_REPORT
    if not report.exists() or "refused" not in read_json(report):
        shutil.rmtree(folder, ignore_errors=True)
        return
    for path in folder.iterdir():
        if path != report:
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def _planned(config: DataConfig, source: Source, seed: int, folder: Path, reader: Reader, step: int) -> Preview:
    """The splits of all images by what is known without decoding them, and what every `step`-th image shows."""
    check_source(config, source, folder)
    positive, began = check_positive(config, source), time.monotonic()
    sample = list(range(0, len(source.items), step)) if step else []
    raster = raster_for(config, source, reader) if step else Raster(config.channels or 1, 1, 1)
    patients = hasher_for(config, source, folder)
    places = {name: position for position, name in enumerate(source.labels)}
    # Nobody knows what the images hold, so each counts as another.
    everything = [candidate_of(item, f"image {row}", places, patients) for row, item in enumerate(source.items)]
    with ImageWriter(folder, raster.shape) as writer:
        items = [source.items[row] for row in sample]
        read = read_images(source, items, raster, writer, patients, reader, None)
        seconds, decoded = time.monotonic() - began, len(items)
        kept, rows = without_contradictions(read, source.labels)
        with lists_written_first(folder, source, kept) as leaks:
            check_rejected(config, source.name, len(items), kept.rejected[len(source.rejected) :])
            check_rejected(config, source.name, total_of(source), source.rejected)
            nothing = NearDuplicateSearch(writer.images(0), everything)
            # Planned without a look at the images, near copies cannot be moved together.
            apart = config.model_copy(update={"near_duplicates": "report"})
            held = held_out(apart, source, seed, nothing, assign(apart, source, seed, nothing, leaks))
            assigned = held.assigned
            given: set[Split | None] = {item.split for item in source.items}
            labels = [candidate.labels for candidate in everything]
            check_classes(source.labels, labels, assigned.splits, needed_splits(config, assigned), given)
        writer.keep(rows)
        split_of = {candidate.origin: split for candidate, split in zip(everything, assigned.splits, strict=True)}
        search = NearDuplicateSearch(writer.images(len(rows)), kept.candidates, reader)
        seen = replace(assigned, splits=tuple(split_of[one.origin] for one in kept.candidates), dropped=(), notes=())
        found, near, copies = apply_policy(policy_for(config, source), search, seen)
    manifest = Manifest(
        name=source.name,
        labels=source.labels,
        task=source.task,
        shape=raster.shape,
        studies=studies_of(everything, assigned),
        positive=positive,
        flips=source.flips if config.flips is None else config.flips,
        notes=(*source.notes, *assigned.notes, *found.notes),
        splits_from=splits_from(source, assigned),
        near_copies=asdict(copies),
        no_internal_test=held.none_since,
    )
    report = import_report(source, raster, kept, assigned, manifest)
    report |= {"near_duplicates": near_duplicates_record(near), "decoded": decoded}
    return Preview(manifest, report, len(source.items), decoded, seconds)
