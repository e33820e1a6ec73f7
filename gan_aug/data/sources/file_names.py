"""Names of files: shown so that every program can write them down, and found though a table spells them otherwise."""

from __future__ import annotations

import os
import unicodedata
from collections import defaultdict
from collections.abc import Iterator
from functools import cached_property
from itertools import chain
from pathlib import Path, PurePosixPath

from gan_aug.data.locate import is_hidden
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

    def exact(self, name: str) -> Path | None:
        """The file of this name; None if there is none."""
        path = self.folder / name
        return path if path.is_file() else None

    def alike(self, name: str) -> Path | None:
        """The only file that is spelled alike; None if there is none or several.

        Spelled alike are names with other capitals, other forms of the same accents, or the bytes of another encoding;
        names without an ending, if one image file has this stem; and names without their folder, if one file has this
        name. `name` has forward slashes and does not leave the folder.
        """
        key, bare = _key(name), not PurePosixPath(name).suffix
        places = [self._alike, *([self._stems] if bare else [])]
        if "/" not in name:
            places += [self._names, *([self._bare_names] if bare else [])]
        found = next((files for place in places if (files := place.get(key))), [])
        return found[0] if len(found) == 1 else None

    def zeros_lost(self, name: str) -> str | None:
        """A file whose name is `name` with more zeros before its number, as a spreadsheet removes them; or None."""
        numbered = _without_zeros(name)
        return next((readable(path.name) for path in self._numbers.get(numbered, [])), None) if numbered else None

    @cached_property
    def _files(self) -> list[str]:
        found = []
        for place, folders, files in os.walk(self.folder):
            folders[:] = sorted(one for one in folders if not is_hidden(one))
            found += [os.path.relpath(os.path.join(place, one), self.folder) for one in sorted(files)]  # noqa: PTH118
        return found

    @cached_property
    def _alike(self) -> dict[str, list[Path]]:
        return self._grouped(self._keyed())

    @cached_property
    def _stems(self) -> dict[str, list[Path]]:
        images = (name for name in self._files if is_image_file(Path(name)))
        return self._grouped((_key(readable(name)).rsplit(".", 1)[0].removesuffix(".nii"), name) for name in images)

    @cached_property
    def _names(self) -> dict[str, list[Path]]:
        return self._grouped((key.rsplit("/", 1)[-1], name) for key, name in self._keyed())

    @cached_property
    def _bare_names(self) -> dict[str, list[Path]]:
        pairs = ((key.rsplit("/", 1)[-1], name) for key, name in self._keyed() if is_image_file(Path(name)))
        return self._grouped((key.rsplit(".", 1)[0].removesuffix(".nii"), name) for key, name in pairs)

    def _keyed(self) -> Iterator[tuple[str, str]]:
        return ((_key(readable(name)), name) for name in self._files)

    @cached_property
    def _numbers(self) -> dict[str, list[Path]]:
        names = [(readable(name), name) for name in self._files]
        whole = ((_without_zeros(shown), name) for shown, name in names)
        bare = ((_without_zeros(shown.rsplit("/", 1)[-1]), name) for shown, name in names)
        return self._grouped(chain(whole, bare))

    def _grouped(self, pairs: Iterator[tuple[str, str]]) -> dict[str, list[Path]]:
        groups: dict[str, list[Path]] = defaultdict(list)
        for key, name in pairs:
            groups[key].append(self.folder / name)
        return dict(groups)


def _key(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()


def _without_zeros(name: str) -> str:
    path = PurePosixPath(_key(name))
    stem = path.name.split(".")[0]
    return path.with_name(stem.lstrip("0") or "0").as_posix() if stem.isdecimal() else ""
