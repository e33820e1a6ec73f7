"""The list of formats that a synthetic set can be exported to.

The command line, the service and its pages read this list alone. A new format is a module beside this one and a row in
`FORMATS`. The command line shows the list in its help, so this module and those of the formats load numpy, Pillow and
the like only when a set is written.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO, TYPE_CHECKING, ClassVar, Literal

from gan_aug.config.export import ExportOptions
from gan_aug.errors import StorageError
from gan_aug.export.dicom.files import DicomFiles
from gan_aug.export.folder import Kind, iterate_files, whole_folder, write_folder
from gan_aug.export.npz import write_npz
from gan_aug.export.parquet import ParquetFiles
from gan_aug.export.png import PngFiles
from gan_aug.export.streams import streamed, zip_of
from gan_aug.export.webdataset import WebdatasetFiles
from gan_aug.privacy.record import NOT_AUDITED
from gan_aug.run import layout
from gan_aug.run.events import Progress
from gan_aug.run.files import atomic_file

if TYPE_CHECKING:
    from gan_aug.data.synthetic.shards import SyntheticManifest
    from gan_aug.run.stores import Place


@dataclass(frozen=True)
class FolderFormat:
    """A format of many files: a folder on disk, a zip of it as a download.

    Attributes:
        name: What `gan-aug export --to` and `?format=` call it.
        title: What the pages call it.
        description: What it is, in a few words.
        files: Makes the files of a set; their names are paths in the folder, with forward slashes.
    """

    name: str
    title: str
    description: str
    files: Kind

    kind: ClassVar = "folder"
    suffix: ClassVar = ".zip"
    media_type: ClassVar = "application/zip"

    @property
    def download(self) -> str:
        """What a download of it is, in a few words."""
        return f"a zip of {self.description}"

    def write(
        self,
        place: Place,
        out: Path,
        options: ExportOptions = ExportOptions(),  # noqa: B008 - it is frozen
        *,
        audited: str = NOT_AUDITED,
        workers: int | None = None,
        progress: Progress | None = None,
    ) -> int:
        """Write the set at `place` as the folder `out`, whole or not at all.

        Interrupted, a later call with the same set and options goes on from the files that are whole.

        Args:
            place: Where the set is.
            out: The folder.
            options: The export's.
            audited: What the privacy audit found, in sentences.
            workers: Processes; None is one for each core.
            progress: Called with images written and in all.

        Returns:
            The number of images.

        Raises:
            ConfigError: The options do not fit the set, or a package is not installed.
            StorageError: `out` exists and is not an empty folder, or the disk refuses.
            ManifestError: The set is absent or torn.
        """
        manifest = _manifest(place)
        write_folder(self.files, place, manifest, out, options, audited=audited, workers=workers, progress=progress)
        return len(manifest.image_labels)

    def stream(
        self,
        place: Place,
        options: ExportOptions = ExportOptions(),  # noqa: B008 - it is frozen
        *,
        audited: str = NOT_AUDITED,
    ) -> Iterator[bytes]:
        """The set at `place` as the bytes of a zip, made while they are sent: nothing is written to disk.

        Args:
            place: Where the set is.
            options: The export's.
            audited: What the privacy audit found, in sentences.

        Returns:
            The bytes, in parts.

        Raises:
            ManifestError: The manifest is absent or torn (before the first byte), or a shard is (later).
            ConfigError: The options do not fit.
        """
        manifest = _manifest(place)
        files = self.files(manifest, options)
        made = whole_folder(iterate_files(place, manifest, files), files, manifest, audited)
        return zip_of((name, [content]) for name, content in made)


@dataclass(frozen=True)
class FileFormat:
    """A format of one file, on disk and as a download.

    Attributes:
        name: What `gan-aug export --to` and `?format=` call it.
        title: What the pages call it.
        description: What it is, in a few words.
        suffix: How the names of such files end, with the dot.
        media_type: Their media type.
        write_to: Writes the set at a place, with options, to a binary file, which may lack `seek`. It is a generator
            that yields after each part, so that what was written can be sent while the rest is made.
    """

    name: str
    title: str
    description: str
    suffix: str
    media_type: str
    write_to: Callable[[Place, SyntheticManifest, ExportOptions, IO[bytes]], Iterator[None]]

    kind: ClassVar = "file"

    @property
    def download(self) -> str:
        """What a download of it is, in a few words."""
        return self.description

    def write(
        self,
        place: Place,
        out: Path,
        options: ExportOptions = ExportOptions(),  # noqa: B008 - it is frozen
        *,
        audited: str = NOT_AUDITED,
        workers: int | None = None,
        progress: Progress | None = None,
    ) -> int:
        """Write the set at `place` as the file `out`, whole or not at all.

        Args:
            place: Where the set is.
            out: The file.
            options: The export's.
            audited: Such a format has no card, so it does not say it.
            workers: It is written by this process alone.
            progress: Not called.

        Returns:
            The number of images.

        Raises:
            StorageError: `out` exists, or the disk refuses.
            ManifestError: The set is absent or torn.
        """
        del audited, workers, progress
        manifest = _manifest(place)
        if out.exists():
            raise StorageError(f"{out} exists: choose another --out, or remove it")
        with atomic_file(out) as file:
            for _ in self.write_to(place, manifest, options, file):
                pass
        return len(manifest.image_labels)

    def stream(
        self,
        place: Place,
        options: ExportOptions = ExportOptions(),  # noqa: B008 - it is frozen
        *,
        audited: str = NOT_AUDITED,
    ) -> Iterator[bytes]:
        """The set at `place` as the bytes of the file, made while they are sent: nothing is written to disk.

        Args:
            place: Where the set is.
            options: The export's.
            audited: Such a format has no card, so it does not say it.

        Returns:
            The bytes, in parts.

        Raises:
            ManifestError: The manifest is absent or torn (before the first byte), or a shard is (later).
        """
        del audited
        return streamed(partial(self.write_to, place, _manifest(place), options))


def _manifest(place: Place) -> SyntheticManifest:
    from gan_aug.data.synthetic.shards import SyntheticManifest
    from gan_aug.run.stores import below

    return SyntheticManifest.load(below(place, layout.MANIFEST))


ExportFormat = FolderFormat | FileFormat

FORMATS: dict[str, ExportFormat] = {
    row.name: row
    for row in (
        FolderFormat("png", "PNG", "PNG files in class folders", PngFiles),
        FolderFormat("parquet", "Parquet", "Parquet tables of images with a data set card", ParquetFiles),
        FolderFormat("webdataset", "WebDataset", "tar files for WebDataset with a card", WebdatasetFiles),
        FolderFormat("dicom", "DICOM", "DICOM files, a study for each case", DicomFiles),
        FileFormat("npz", "npz", "one npz", ".npz", "application/x-npz", write_npz),
    )
}
"""Every format by its name, in the order in which people see them."""


if TYPE_CHECKING:
    FormatName = str
else:
    FormatName = Literal[tuple(FORMATS)]
    """The type of a parameter that takes a format's name; the command line and the service refuse every other one."""


def either(phrases: Iterable[str]) -> str:
    """`phrases`, of which one is chosen, as one text: `a, b, or c`."""
    *first, last = phrases
    return ", ".join([*first, f"or {last}"]) if first else last
