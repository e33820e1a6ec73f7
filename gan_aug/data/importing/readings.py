"""What reading the items gave, and which of the images are set aside because others contradict them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace

from gan_aug.config.data import DataConfig
from gan_aug.data.assumptions import Assumed
from gan_aug.data.image_store import ImageWriter
from gan_aug.data.items import Item, Rejected, Source
from gan_aug.data.patients import PatientHasher
from gan_aug.data.reading.raster import Raster
from gan_aug.data.reading.reader import Reader
from gan_aug.data.splits.assign import Candidate
from gan_aug.errors import Cancelled, DataError
from gan_aug.run.events import Progress


@dataclass(frozen=True)
class Readings:
    """The result of reading the items.

    Attributes:
        candidates: The images, in stored order.
        rejected: What was set aside.
        from_files: Whether each image comes from a file of its own, and not from an array with many.
        coloured: The origins of the images that have colour.
        original_sizes: How many images had each (height, width) in pixels before resizing.
        spacings: How many images have each distance between pixel centres, (down, across) in millimetres; None counts
            those without a known distance.
        assumed: What was assumed to decode an image, by its origin.
    """

    candidates: list[Candidate]
    rejected: list[Rejected]
    from_files: list[bool] = field(default_factory=list)
    coloured: list[str] = field(default_factory=list)
    original_sizes: Counter[tuple[int, int]] = field(default_factory=Counter)
    spacings: Counter[tuple[float, float] | None] = field(default_factory=Counter)
    assumed: dict[str, Assumed] = field(default_factory=dict)


def read_images(
    source: Source,
    items: Sequence[Item],
    raster: Raster,
    writer: ImageWriter,
    patients: PatientHasher | None,
    reader: Reader,
    progress: Progress | None,
) -> Readings:
    """Read items and append them to the stored images, or set them aside.

    Args:
        source: What they are of; what it has set aside already comes first.
        items: The items, all or some.
        raster: The form of the stored images.
        writer: Takes the images.
        patients: Hashes the patients, or None if there are none.
        reader: Reads.
        progress: Is told (images, images in all).

    Returns:
        The readings; their candidates are in the order of the stored images.

    Raises:
        Cancelled: If `reader.cancelled` says so.
    """
    positions = {name: position for position, name in enumerate(source.labels)}
    read, total = Readings([], list(source.rejected)), len(items)
    with closing(reader.readings(items, raster)) as readings:
        for done, item in enumerate(items, start=1):
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
                if reading.coloured:
                    read.coloured.append(item.origin)
                read.candidates.append(candidate_of(item, reading.content, positions, patients))
                read.from_files.append(item.file is not None)
            if progress and (done % max(1, total // 100) == 0 or done == total):
                progress(done, total)
    return read


def candidate_of(item: Item, content: str, positions: Mapping[str, int], patients: PatientHasher | None) -> Candidate:
    """What the splits are made from.

    Args:
        item: An image.
        content: The hash of its content.
        positions: The position of each label.
        patients: Hashes the patients, or None if there are none.

    Returns:
        The candidate.
    """
    patient = patients(item.patient, item.split) if patients and item.patient else None
    labels = tuple(sorted(positions[label] for label in item.labels))
    return Candidate(content, labels, patient, item.split, item.origin)


def without_contradictions(read: Readings, labels: Sequence[str]) -> tuple[Readings, list[int]]:
    """The readings without images that stand in the set with different labels, and the positions of those that stay.

    Nobody knows which label is right. Named sets in one array stay as they were published.
    """
    first: dict[str, Candidate] = {}
    other: dict[str, Candidate] = {}
    for candidate, from_file in zip(read.candidates, read.from_files, strict=True):
        known = first.setdefault(candidate.content, candidate) if from_file else candidate
        if known.labels != candidate.labels:
            other.setdefault(candidate.content, candidate)
    if not other:
        return read, list(range(len(read.candidates)))
    kept = [row for row, candidate in enumerate(read.candidates) if candidate.content not in other]
    rejected = []
    for candidate in read.candidates:
        if candidate.content in other:
            known = first[candidate.content]
            twin = other[candidate.content] if candidate.labels == known.labels else known
            named = " and ".join(labels[k] for k in twin.labels) or "nothing"
            rejected.append(Rejected(candidate.origin, f"the same image as {twin.origin}, which is labelled {named}"))
    return (
        replace(
            read,
            candidates=[read.candidates[row] for row in kept],
            from_files=[read.from_files[row] for row in kept],
            rejected=[*read.rejected, *rejected],
        ),
        kept,
    )


def check_rejected(config: DataConfig, name: str, total: int, rejected: Sequence[Rejected]) -> None:
    """Check that no more was set aside than `data.max_rejected` allows.

    Args:
        config: The section `data`.
        name: The data set, for the message.
        total: How many files or rows there are.
        rejected: What was set aside of them.

    Raises:
        DataError: It was more; the message has the most common reason.
    """
    counted = [item for item in rejected if item.counts]
    if not counted or len(counted) <= config.max_rejected * total:
        return
    kinds = Counter(kind_of(item.reason) for item in counted)
    kind, count = kinds.most_common(1)[0]
    first = next(item for item in counted if kind_of(item.reason) == kind)
    many = "all" if count == len(counted) else str(count)
    raise DataError(
        f"{len(counted)} of {total} files of {name} were set aside, {many} because {first.reason} (the first is "
        f"{first.origin}): repair or remove them, or raise data.max_rejected, now {config.max_rejected:g}"
    )


def kind_of(reason: str) -> str:
    """A reason without the names that differ from file to file, so that reasons can be counted."""
    if reason.startswith("the same image as "):
        return "the same image stands in the set with another label"
    if reason.startswith("lines "):
        return f"two lines of the table {reason.partition(' of the table ')[2].partition(' (')[0]}"
    if reason.startswith("there is no such file"):
        return reason.partition(", but there is")[0]
    if reason.startswith("line "):
        return "another line of the table says the same"
    return reason
