"""Writes a format of many files: a folder on disk in parallel, going on after an interruption, or one file at a time.

The files are divided into units. A unit whose files are whole leaves a record beside them, so an export that starts
again makes the others alone. Each file depends on the set and the options, never on which process wrote it.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from gan_aug.config.export import ExportOptions
from gan_aug.run import layout
from gan_aug.run.events import Progress
from gan_aug.run.files import file_sha256, json_sha256, resumable_folder, storage_errors, write_json
from gan_aug.run.stores import Place, below
from gan_aug.version import __version__

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from gan_aug.data.synthetic.shards import SyntheticManifest

UNIT_BYTES = 4 << 20
"""Bytes of pixels in a unit: about a second of work or less."""

POOL_UNITS = 8
"""From so many units on processes are started, which takes each about half a second."""

SUMS = "SHA256SUMS"
"""The file with the SHA-256 of every other one, which `sha256sum -c` checks."""

Numbers = tuple[int, ...]
"""The positions in the set of the images in one file."""


@dataclass(frozen=True)
class ImageFile:
    """A file with one or several images, and the rows of the table about them."""

    name: str
    content: bytes
    rows: Sequence[Sequence[Any]]


class Sums:
    """The SHA-256 of each file of a folder, as `sha256sum -c` reads them; about 100 bytes of memory for a file."""

    def __init__(self) -> None:
        self._text = bytearray()

    def add(self, name: str, sha256: str) -> None:
        """Note the sum of a file."""
        self._text += f"{sha256}  {name}\n".encode()

    def add_files(self, files: Iterable[tuple[str, bytes]]) -> None:
        """Note the sums of files with these names and contents."""
        for name, content in files:
            self.add(name, hashlib.sha256(content).hexdigest())

    def __iter__(self) -> Iterator[tuple[str, str]]:
        """Names and sums, in the order in which they were noted."""
        for line in io.BytesIO(self._text):
            sha256, _, name = line.decode().rstrip("\n").partition("  ")
            yield name, sha256

    def file(self) -> tuple[str, bytes]:
        """The name and the content of the file with all sums."""
        return SUMS, bytes(self._text)


class ImageFiles(Protocol):
    """The files of a synthetic set in one format, a table of its images, and files about the whole."""

    table: ClassVar[str]
    """The name of the table."""
    columns: ClassVar[Sequence[str]]
    """Its columns."""

    def __init__(self, manifest: SyntheticManifest, options: ExportOptions) -> None:
        """Look at what is to be written; raises ConfigError if the options do not allow it."""

    def groups(self) -> Sequence[Numbers]:
        """The images of each file, in the order of the table."""

    def file(self, numbers: Numbers, images: npt.NDArray[np.uint8]) -> ImageFile:
        """The file of the images at these positions, `(n, C, H, W)`."""

    def about(self, sums: Sums, audited: str) -> Iterable[tuple[str, bytes]]:
        """Names and contents of files about the whole, such as a card.

        `sums` has the files above and the table; `audited` is what the privacy audit found, in sentences.
        """


Kind = Callable[["SyntheticManifest", ExportOptions], ImageFiles]


def iterate_files(
    place: Place, manifest: SyntheticManifest, files: ImageFiles, groups: Sequence[Numbers] | None = None
) -> Iterator[ImageFile]:
    """The files of a set, made one at a time.

    Args:
        place: Where the set's shards are.
        manifest: The set's manifest.
        files: Its files in one format.
        groups: The images of the files to make; None is all files, in the order of the table.

    Yields:
        Each file.

    Raises:
        ManifestError: A shard is absent or altered.
    """
    read = _Reader(place, manifest)
    for numbers in files.groups() if groups is None else groups:
        yield files.file(numbers, read(numbers))


def whole_folder(
    made: Iterator[ImageFile], files: ImageFiles, manifest: SyntheticManifest, audited: str
) -> Iterator[tuple[str, bytes]]:
    """Names and contents of all files of a folder: what marks it as synthetic, `made`, the table, and what follows.

    Args:
        made: The files of `files`.
        files: The set's files in one format.
        manifest: The set's manifest.
        audited: What the privacy audit found, in sentences.

    Yields:
        Each file.
    """
    from gan_aug.data.pictures.marks import archive_marks

    sums, table = Sums(), io.BytesIO()
    marks = [*archive_marks(manifest.origin)]
    yield from marks
    sums.add_files(marks)
    table.write(_csv([files.columns]).encode())
    for file in made:
        yield file.name, file.content
        sums.add_files([(file.name, file.content)])
        table.write(_csv(file.rows).encode())
    yield files.table, table.getvalue()
    sums.add_files([(files.table, table.getvalue())])
    yield from _ending(files, sums, audited)


def _ending(files: ImageFiles, sums: Sums, audited: str) -> Iterator[tuple[str, bytes]]:
    """The files about the whole, and last of all the sums of all others."""
    about = [*files.about(sums, audited)]
    yield from about
    sums.add_files(about)
    yield sums.file()


def write_folder(
    kind: Kind,
    place: Place,
    manifest: SyntheticManifest,
    out: Path,
    options: ExportOptions,
    *,
    audited: str,
    workers: int | None = None,
    progress: Progress | None = None,
) -> None:
    """Write a set as the folder `out`, whole or not at all; what an interrupted call wrote is kept for the next.

    Args:
        kind: Makes the files.
        place: Where the set's shards are.
        manifest: The set's manifest.
        out: The folder.
        options: The export's.
        audited: What the privacy audit found, in sentences.
        workers: Processes; None is one for each core.
        progress: Called with images written and in all.

    Raises:
        ConfigError: The options do not fit the set.
        StorageError: `out` exists and is not an empty folder, or the disk refuses.
        ManifestError: A shard is absent or altered.
        ComputeError: A process died.
    """
    from gan_aug.data.pictures.marks import archive_marks

    files = kind(manifest, options)
    units = _units(files, manifest)
    request = [kind.__module__, manifest.fingerprint, options.dicom.model_dump(mode="json"), __version__]
    with resumable_folder(out, json_sha256(request)) as folder:
        missing = [unit for unit in range(len(units)) if not _is_whole(folder, unit)]
        done = sum(map(len, files.groups())) - sum(len(numbers) for unit in missing for numbers in units[unit])
        for unit in _written(kind, place, options, folder, missing, workers):
            done += sum(map(len, units[unit]))
            if progress:
                progress(done, len(manifest.image_labels))
        sums = Sums()
        marks = [*archive_marks(manifest.origin)]
        sums.add_files(marks)
        _write_table(folder, files, len(units), sums)
        for name, content in (*marks, *_ending(files, sums, audited)):
            (folder / name).write_bytes(content)


def _write_table(folder: Path, files: ImageFiles, units: int, sums: Sums) -> None:
    """Write the table from the records of all units, and note the sums of their files and of the table."""
    path = folder / files.table
    with path.open("w", encoding="utf-8", newline="") as table:
        table.write(_csv([files.columns]))
        for unit in range(units):
            record = _record(folder, unit)
            table.write(_csv(record["rows"]))
            for name, (_, sha256) in record["files"].items():
                sums.add(name, sha256)
    sums.add(files.table, file_sha256(path))


def _written(
    kind: Kind, place: Place, options: ExportOptions, folder: Path, missing: Sequence[int], workers: int | None
) -> Iterator[int]:
    """Write the units that are `missing`, and yield each when it is whole."""
    from gan_aug.compute.local.executor import LocalExecutor

    setup = partial(_Writer, kind, place, options, folder)
    with LocalExecutor(workers if len(missing) >= POOL_UNITS else 1) as executor:
        for index, _ in executor.map(_Writer.write, missing, setup=setup):
            yield missing[index]


class _Writer:
    """What a process needs to write units."""

    def __init__(self, kind: Kind, place: Place, options: ExportOptions, folder: Path) -> None:
        from gan_aug.data.synthetic.shards import SyntheticManifest

        manifest = SyntheticManifest.load(below(place, layout.MANIFEST))
        self._files, self._folder = kind(manifest, options), folder
        self._units, self._read = _units(self._files, manifest), _Reader(place, manifest)
        self._folders: set[str] = set()

    def write(self, unit: int) -> None:
        """Write the files of a unit, then its record."""
        rows: list[Sequence[Any]] = []
        files: dict[str, tuple[int, str]] = {}
        with storage_errors(self._folder):
            for numbers in self._units[unit]:
                file = self._files.file(numbers, self._read(numbers))
                self._save(file)
                rows += file.rows
                files[file.name] = (len(file.content), hashlib.sha256(file.content).hexdigest())
            write_json(_record_path(self._folder, unit), {"files": files, "rows": rows}, indent=None)

    def _save(self, file: ImageFile) -> None:
        parent = file.name.rpartition("/")[0]
        if parent not in self._folders:
            (self._folder / parent).mkdir(parents=True, exist_ok=True)
            self._folders.add(parent)
        path = f"{self._folder}/{file.name}"
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o666)
        try:
            rest = memoryview(file.content)
            while rest:
                rest = rest[os.write(descriptor, rest) :]
        finally:
            os.close(descriptor)


class _Reader:
    """The images of a set by position; a shard is checked against its sum when it is first needed."""

    def __init__(self, place: Place, manifest: SyntheticManifest) -> None:
        import numpy as np

        self._place, self._manifest = place, manifest
        self._firsts = np.array([shard.first for shard in manifest.shards])
        self._shards: dict[int, npt.NDArray[np.uint8]] = {}

    def __call__(self, numbers: Numbers) -> npt.NDArray[np.uint8]:
        """The images at these positions, `(n, C, H, W) uint8`; raises ManifestError if a shard is absent or altered."""
        import numpy as np

        if len(numbers) == 1:  # by far the most frequent, and without a copy
            return self._image(numbers[0])[np.newaxis]
        return np.stack([self._image(number) for number in numbers])

    def _image(self, number: int) -> npt.NDArray[np.uint8]:
        import numpy as np

        shard = int(np.searchsorted(self._firsts, number, side="right")) - 1
        if shard not in self._shards:
            from gan_aug.data.synthetic.shards import open_shard

            self._shards[shard] = open_shard(self._place, self._manifest.shards[shard], self._manifest.shape)
        image: npt.NDArray[np.uint8] = self._shards[shard][number - self._manifest.shards[shard].first]
        return image


def _units(files: ImageFiles, manifest: SyntheticManifest) -> list[Sequence[Numbers]]:
    """The files' images in units of about UNIT_BYTES, each of one file or more."""
    channels, height, width = manifest.shape
    most = max(1, UNIT_BYTES // (channels * height * width))
    groups, units, start, images = files.groups(), list[Sequence[Numbers]](), 0, 0
    for end, numbers in enumerate(groups, start=1):
        images += len(numbers)
        if images >= most or end == len(groups):
            units.append(groups[start:end])
            start, images = end, 0
    return units


def _record_path(folder: Path, unit: int) -> Path:
    return folder / f".unit-{unit:06d}.json"


def _record(folder: Path, unit: int) -> Any:
    return json.loads(_record_path(folder, unit).read_text(encoding="utf-8"))


def _is_whole(folder: Path, unit: int) -> bool:
    """Whether a unit has its record, and the files that it names have their sizes."""
    try:
        return all((folder / name).stat().st_size == size for name, (size, _) in _record(folder, unit)["files"].items())
    except (OSError, ValueError, KeyError):
        return False


def _csv(rows: Sequence[Sequence[Any]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()
