"""Finding DICOM files: below a folder, named by a DICOMDIR, or in a zip archive, which is never unpacked to disk."""

from __future__ import annotations

import os
import zipfile
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO

from gan_aug.data.dicom.quiet import quiet
from gan_aug.data.items import Rejected
from gan_aug.data.locate import data_folder
from gan_aug.errors import ConfigError, DataError
from gan_aug.run.places import DATA_ROOT

MAX_MEMBERS = 1_000_000
"""Files an archive may list: more is no study but an attack on whoever opens it."""


class UnreadError(DataError):
    """A file could not be read now; another time it may be."""


@dataclass(frozen=True)
class DicomFile:
    """One file: `path`, or the member `member` of the archive at `path`.

    `number` is its place, from 1, among all files in the order of their names: the neutral name it goes by in reports,
    since file names hold patients' names often enough.
    """

    number: int = field(compare=False)
    path: Path = field(repr=False)
    name: str = field(repr=False)
    """Its path below the root, with forward slashes."""
    member: bool = False

    @property
    def origin(self) -> str:
        """The neutral name."""
        return f"file {self.number}"

    def stamp(self) -> tuple[int, ...]:
        """What tells this version of the file from the one that may replace it; empty where it is gone."""
        try:
            found = self.path.stat()
        except OSError:
            return ()
        return found.st_mtime_ns, found.st_size, found.st_ino

    def open(self, limit: int) -> tuple[BinaryIO, int]:
        """The file open for reading, and its bytes; raises DataError where there are more than `limit`."""
        if self.member:
            return _open_member(self.path, self.name, limit)
        try:
            size = self.path.stat().st_size
            _check_size(size, limit)
            return self.path.open("rb"), size
        except FileNotFoundError as error:
            raise UnreadError("there is no such file, though an index names it") from error
        except OSError as error:
            raise UnreadError("the file cannot be opened: check its rights") from error


def find_files(root: Path | None) -> tuple[list[DicomFile], list[Rejected]]:
    """The files that `data.root` means, in the order of their names, and what of it cannot be used.

    Raises ConfigError without a root and DataError for one that is not there or is neither folder, DICOMDIR nor zip.
    """
    if root is None:
        raise ConfigError("data.root is needed for the dicom source: name a folder, a DICOMDIR or a zip archive")
    place = _place(root)
    if place.is_dir():
        return _numbered(place, sorted(_walk(place))), []
    if zipfile.is_zipfile(place):
        return _in_archive(place)
    return _in_dicomdir(place)


def _place(root: Path) -> Path:
    below = Path(os.environ[DATA_ROOT]) / root if os.environ.get(DATA_ROOT) else root
    return next((path for path in (root, below) if path.is_file()), None) or data_folder(root)


def _numbered(root: Path, names: list[str]) -> list[DicomFile]:
    return [DicomFile(number, root / name, name) for number, name in enumerate(names, 1)]


def _walk(root: Path) -> list[str]:
    """All files at any depth but the hidden; links to folders are not followed, so that no loop is walked."""
    found: list[str] = []
    for place, folders, files in os.walk(root, onerror=_fail):
        folders[:] = [name for name in folders if not name.startswith(".")]
        paths = [Path(place, name) for name in files if not name.startswith(".")]
        # A pipe or a device would be waited for without end.
        found += [path.relative_to(root).as_posix() for path in paths if path.is_file() or path.is_symlink()]
    return found


def _fail(error: OSError) -> None:
    raise error


def _in_archive(archive: Path) -> tuple[list[DicomFile], list[Rejected]]:
    try:
        with zipfile.ZipFile(archive) as file:
            names = sorted(info.filename for info in file.infolist() if not info.is_dir())
    except (zipfile.BadZipFile, ValueError, NotImplementedError) as error:
        raise DataError(f"{archive} is a broken zip archive: pack it again") from error
    if len(names) > MAX_MEMBERS:
        raise DataError(f"{archive} lists {len(names)} files, more than {MAX_MEMBERS}: split the archive")
    files, rejected = [], []
    for number, name in enumerate(names, 1):
        if _leaves(name):
            rejected.append(Rejected(f"file {number}", "its path leads out of the archive"))
        elif not PurePosixPath(name).name.startswith("."):
            files.append(DicomFile(number, archive, name, member=True))
    return files, rejected


def _leaves(name: str) -> bool:
    path = PurePosixPath(name.replace("\\", "/"))
    return path.is_absolute() or ".." in path.parts or path.as_posix()[1:2] == ":"


def _open_member(archive: Path, name: str, limit: int) -> tuple[BinaryIO, int]:
    try:
        with zipfile.ZipFile(archive) as file:
            # The size in the directory may lie: no more than the limit is ever unpacked.
            _check_size(file.getinfo(name).file_size, limit)
            with file.open(name) as member:
                content = member.read(limit + 1)
    except DataError:
        raise
    except RuntimeError as error:
        raise DataError("the archive is encrypted: unpack it first") from error
    except Exception as error:  # zipfile and its decompressors raise what they stumble on
        raise DataError("the archive is damaged at this file") from error
    _check_size(len(content), limit)
    return BytesIO(content), len(content)


def _check_size(size: int, limit: int) -> None:
    if size == 0:
        raise DataError("the file is empty")
    if size > limit:
        raise DataError("the file is larger than data.dicom.max_pixels allows")


def _in_dicomdir(path: Path) -> tuple[list[DicomFile], list[Rejected]]:
    from pydicom import dcmread  # noqa: TID251

    try:
        with quiet():
            records: Any = dcmread(path).DirectoryRecordSequence
            ids = [record.ReferencedFileID for record in records if "ReferencedFileID" in record]
            parts = [[one] if isinstance(one, str) else [str(part) for part in one] for one in ids]
    except Exception as error:  # whatever pydicom stumbles on
        raise DataError(f"data.root: {path} is neither a folder, a DICOMDIR nor a zip archive: name one") from error
    names = sorted({"/".join(one) for one in parts})
    files = _numbered(path.parent, names)
    outside = [
        Rejected(file.origin, "the DICOMDIR names it outside its folder") for file in files if _leaves(file.name)
    ]
    return [file for file in files if not _leaves(file.name)], outside
