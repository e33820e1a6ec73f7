"""Find DICOM files: below a folder, by a DICOMDIR, or in a zip archive, which is never unpacked to disk."""

from __future__ import annotations

import contextlib
import os
import zipfile
from dataclasses import dataclass, field, replace
from io import BytesIO
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO

from gan_aug.data.dicom.grey_scale import PixelPlan
from gan_aug.data.dicom.pydicom_messages import suppress_messages
from gan_aug.data.items import Rejected
from gan_aug.data.locate import data_folder
from gan_aug.errors import ConfigError, DataError
from gan_aug.run.places import DATA_ROOT

MAX_MEMBERS = 1_000_000
"""Files that a zip archive may list: one with more is taken for an attack on the program that opens it."""


ENCRYPTED = 1
"""The flag of an encrypted file in a zip archive."""

Entries = dict[Path, dict[str, str]]
"""The names in folders, by the folder and by what is left of a name without its case and version."""


class UnreadError(DataError):
    """A file cannot be read now, but perhaps later: its reason is not cached."""


@dataclass(frozen=True)
class DicomFile:
    """One file on disk or in a zip archive.

    Attributes:
        number: Its position, from 1, among all files in the order of their names. Reports call the file by it, as
            file names often hold patients' names.
        path: The file, or the archive that holds it.
        name: Its path below the root or in the archive, with forward slashes.
        member: Whether it is in an archive.
        plan: How its pixels become grey, if that is known from its header.
    """

    number: int = field(compare=False)
    path: Path = field(repr=False)
    name: str = field(repr=False)
    member: bool = False
    plan: PixelPlan | None = field(default=None, compare=False, repr=False)

    @property
    def origin(self) -> str:
        """The name in reports, which identifies nobody."""
        return f"file {self.number}"

    def stamp(self) -> tuple[int, ...]:
        """Time of modification (ns), size and inode, which change with the file; empty if it does not exist."""
        try:
            found = self.path.stat()
        except OSError:
            return ()
        return found.st_mtime_ns, found.st_size, found.st_ino

    def open(self, limit: int) -> tuple[BinaryIO, int]:
        """The file opened for reading, and its size in bytes; raises DataError if that is more than `limit`."""
        if self.member:
            return _open_member(self.path, self.name, limit)
        try:
            size = self.path.stat().st_size
            _check_size(size, limit)
            return self.path.open("rb"), size
        except FileNotFoundError as error:
            raise UnreadError("there is no such file, although it is listed") from error
        except PermissionError as error:
            raise UnreadError("the file cannot be opened: permission is denied") from error
        except OSError as error:
            raise UnreadError(f"the file cannot be opened ({error.strerror})") from error


def find_files(root: Path | None) -> tuple[list[DicomFile], list[Rejected]]:
    """The files in `data.root` in the order of their names, and those that cannot be used.

    Raises ConfigError without a root, and DataError if it does not exist or is neither folder, DICOMDIR nor zip.
    """
    if root is None:
        raise ConfigError("data.root is needed for the dicom source: name a folder, a DICOMDIR or a zip archive")
    path = _found(root)
    if path.is_dir():
        return _numbered(path, sorted(_walk(path))), []
    if zipfile.is_zipfile(path):
        return _in_archive(path)
    return _in_dicomdir(path)


def _found(root: Path) -> Path:
    below = Path(os.environ[DATA_ROOT]) / root if os.environ.get(DATA_ROOT) else root
    return next((path for path in (root, below) if path.is_file()), None) or data_folder(root)


def _numbered(root: Path, names: list[str]) -> list[DicomFile]:
    return [DicomFile(number, root / name, name) for number, name in enumerate(names, 1)]


def _walk(root: Path) -> list[str]:
    """All files at any depth except hidden ones; links to folders are not followed, as they may form a loop."""
    found: list[str] = []
    for folder, folders, files in os.walk(root, onerror=_fail):
        folders[:] = [name for name in folders if not name.startswith(".")]
        paths = [Path(folder, name) for name in files if not name.startswith(".")]
        # Pipes and devices are left out: reading one may wait for ever.
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
        if _leads_outside(name):
            rejected.append(Rejected(f"file {number}", "its path leads outside the archive"))
        elif not PurePosixPath(name).name.startswith("."):
            files.append(DicomFile(number, archive, name, member=True))
    return files, rejected


def _leads_outside(name: str) -> bool:
    path = PurePosixPath(name.replace("\\", "/"))
    return path.is_absolute() or ".." in path.parts or path.as_posix()[1:2] == ":"


def _open_member(archive: Path, name: str, limit: int) -> tuple[BinaryIO, int]:
    try:
        with zipfile.ZipFile(archive) as file:
            found = file.getinfo(name)
            _check_open(found)
            # The archive may state a false size: no more than the limit is ever unpacked.
            _check_size(found.file_size, limit)
            with file.open(name) as member:
                content = member.read(limit + 1)
    except DataError:
        raise
    except NotImplementedError as error:
        raise DataError("the archive compresses it by a method that Python cannot undo: unpack it first") from error
    except MemoryError as error:
        raise UnreadError("there is not enough memory to read it") from error
    except OSError as error:
        raise UnreadError("the disk or network failed while the archive was read") from error
    except Exception as error:  # zipfile lets through whatever its decompressors raise
        raise DataError("the archive is damaged at this file") from error
    _check_size(len(content), limit)
    return BytesIO(content), len(content)


def _check_open(member: zipfile.ZipInfo) -> None:
    if member.flag_bits & ENCRYPTED:
        raise DataError("the archive is encrypted: unpack it first")


def _check_size(size: int, limit: int) -> None:
    if size == 0:
        raise DataError("the file is empty")
    if size > limit:
        raise DataError("the file is larger than data.dicom.max_pixels allows")


def _in_dicomdir(path: Path) -> tuple[list[DicomFile], list[Rejected]]:
    from pydicom import dcmread  # noqa: TID251

    try:
        with suppress_messages():
            records: Any = dcmread(path).DirectoryRecordSequence
            ids = [record.ReferencedFileID for record in records if "ReferencedFileID" in record]
            parts = [[one] if isinstance(one, str) else [str(part) for part in one] for one in ids]
    except OSError as error:
        raise DataError(f"data.root: {path} cannot be read ({error.strerror or 'it is truncated'})") from error
    except Exception as error:  # pydicom lets through whatever its parsers raise
        reason = "is neither a folder, a DICOMDIR nor a zip archive, or is a damaged one: name another"
        raise DataError(f"data.root: {path} {reason}") from error
    names = sorted({"/".join(one) for one in parts})
    entries: Entries = {}
    files = [
        replace(file, path=path.parent / _as_on_disk(path.parent, file.name, entries)) if _is_inside(file) else file
        for file in _numbered(path.parent, names)
    ]
    reason = "the DICOMDIR gives it a path outside its folder"
    outside = [Rejected(file.origin, reason) for file in files if not _is_inside(file)]
    return [file for file in files if _is_inside(file)], outside


def _is_inside(file: DicomFile) -> bool:
    return not _leads_outside(file.name)


def _as_on_disk(root: Path, name: str, entries: Entries) -> Path:
    """The path below `root` as the disk has it: a DICOMDIR is in capitals, and a disc is often mounted in lower case.

    Some discs also keep the version that ISO 9660 adds to a file's name, as in `IM000001.;1`. `entries` remembers what
    folders hold.
    """
    found = root
    for part in PurePosixPath(name).parts:
        exact = found / part
        if found not in entries and not exact.exists():
            with contextlib.suppress(OSError):
                entries[found] = {_plain(one.name): one.name for one in sorted(found.iterdir(), reverse=True)}
        found = exact if exact.exists() else found / entries.get(found, {}).get(_plain(part), part)
    return found


def _plain(name: str) -> str:
    return name.partition(";")[0].rstrip(".").lower()
