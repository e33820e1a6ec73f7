"""Finds new image files, which are no part of a data set: files that were named, and all that a folder holds."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from gan_aug.data.labels import natural_key
from gan_aug.data.locate import is_hidden
from gan_aug.data.sources.open import is_readable
from gan_aug.errors import DataError


def find_new_images(paths: Sequence[Path], source: str) -> tuple[list[Path], int]:
    """The image files at some paths.

    A path that is no folder is taken as it is: reading it says what is wrong with it. In folders files are taken by
    their kind, at any depth, in natural order; hidden ones are left out.

    Args:
        paths: Files and folders.
        source: `data.source` of the data set, whose own kind of files is also taken.

    Returns:
        The files, each once, and how many files in folders are no images.

    Raises:
        DataError: A folder holds no image, or cannot be read.
    """
    found: dict[Path, None] = {}
    passed_over = 0
    for path in paths:
        if not path.is_dir():
            found[path] = None
            continue
        inside = sorted(_walk(path), key=lambda file: natural_key(file.as_posix()))
        images = [file for file in inside if file.name.lower() != "dicomdir" and is_readable(file, source)]
        if not images:
            raise DataError(f"no image file in {path}: check the path")
        found |= dict.fromkeys(images)
        passed_over += len(inside) - len(images)
    return list(found), passed_over


def _walk(folder: Path) -> Iterator[Path]:
    """All files below a folder, hidden ones left out; a link to a folder is followed once, as links may form a loop."""
    seen: set[str] = set()
    for place, folders, files in os.walk(folder, onerror=_fail, followlinks=True):
        real = os.path.realpath(place)
        if real in seen:
            folders.clear()
            continue
        seen.add(real)
        folders[:] = [name for name in folders if not is_hidden(name)]
        yield from (path for name in files if not is_hidden(name) and (path := Path(place, name)).is_file())


def _fail(error: OSError) -> None:
    raise DataError(f"{error.filename} cannot be read ({error.strerror}): check its rights") from error
