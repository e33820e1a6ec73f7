"""Names of files: shown so that every program can write them down, and found though a table spells them otherwise."""

from __future__ import annotations

import os
import unicodedata
from collections import defaultdict
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path, PurePosixPath

from gan_aug.data.reading.decode import is_image_file


def readable(name: str) -> str:
    """A name as it can be printed and saved as UTF-8; bytes that are no UTF-8 are read as Windows-1252 or Latin-1."""
    try:
        name.encode()
    except UnicodeEncodeError:
        raw = os.fsencode(name)
        try:
            return raw.decode("cp1252")
        except UnicodeDecodeError:
            return raw.decode("latin-1")
    return name


class FolderIndex:
    """The files below a folder, found by names that are spelled otherwise than on the disk."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def find(self, name: str) -> Path | None:
        """The file that `name` means: the file of this name, or the only one that is spelled alike.

        Spelled alike are names with other capitals, other forms of the same accents, or the bytes of another encoding;
        and names without an ending, if one image file has this stem. `name` has forward slashes and does not leave
        the folder.
        """
        path = self.folder / name
        if path.is_file():
            return path
        found = self._alike.get(_key(name), [])
        if not found and not PurePosixPath(name).suffix:
            found = self._stems.get(_key(name), [])
        return found[0] if len(found) == 1 else None

    def zeros_lost(self, name: str) -> str | None:
        """A file whose name is `name` with more zeros before its number, as a spreadsheet removes them; or None."""
        return next((readable(path.name) for path in self._numbers.get(_without_zeros(name), [])), None)

    @cached_property
    def _files(self) -> list[str]:
        found = []
        for place, folders, files in os.walk(self.folder):
            folders[:] = sorted(one for one in folders if not one.startswith("."))
            found += [os.path.relpath(os.path.join(place, one), self.folder) for one in sorted(files)]  # noqa: PTH118
        return found

    @cached_property
    def _alike(self) -> dict[str, list[Path]]:
        return self._grouped((_key(readable(name)), name) for name in self._files)

    @cached_property
    def _stems(self) -> dict[str, list[Path]]:
        images = (name for name in self._files if is_image_file(Path(name)))
        return self._grouped((_key(readable(name)).rsplit(".", 1)[0].removesuffix(".nii"), name) for name in images)

    @cached_property
    def _numbers(self) -> dict[str, list[Path]]:
        return self._grouped((_without_zeros(readable(name)), name) for name in self._files)

    def _grouped(self, pairs: Iterator[tuple[str, str]]) -> dict[str, list[Path]]:
        groups: dict[str, list[Path]] = defaultdict(list)
        for key, name in pairs:
            groups[key].append(self.folder / name)
        return dict(groups)


def _key(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()


def _without_zeros(name: str) -> str:
    path = PurePosixPath(_key(name))
    return path.with_name(path.name.lstrip("0")).with_suffix("").as_posix() if path.name.strip("0.") else ""
