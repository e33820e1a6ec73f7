"""Removes a folder together with its record: both, or neither."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from gan_aug.errors import StorageError
from gan_aug.run.files import remove_folder

REMOVED = ".gone"
"""The suffix of a folder that is being removed; its name begins with a dot."""

UNFINISHED = re.compile(r"\.([0-9a-f]{24})\.(?:zip\.tmp|tmp|gone)")
"""The names of what is not complete yet, or is being removed; the group is the id."""


@contextmanager
def removing(folder: Path) -> Iterator[Callable[[], None]]:
    """A block that removes a folder and its record, so that nothing is ever served from half a folder.

    The block gets a function that renames the folder, and calls it last before its commit. If the block fails, the
    folder is renamed back; otherwise it is deleted. If the service is killed in between, the next one puts an upload
    back if its record is still there, and completes every other removal. So it does if a part of the folder cannot be
    deleted, which `check_removed` tells.
    """
    aside = folder.with_name(f".{folder.name}{REMOVED}")

    def move_aside() -> None:
        if folder.exists():
            shutil.rmtree(aside, ignore_errors=True)
            folder.rename(aside)

    try:
        yield move_aside
    except BaseException:
        if aside.exists() and not folder.exists():
            aside.rename(folder)
        raise
    with suppress(StorageError):  # `check_removed` tells
        remove_folder(aside)


def check_removed(folder: Path) -> None:
    """Raise StorageError if a part of a removed folder could not be deleted: it may hold images of patients."""
    aside = folder.with_name(f".{folder.name}{REMOVED}")
    if aside.exists():
        raise StorageError(
            f"{folder.name} is removed from the service, but the disk did not delete all of its files, which still lie "
            "in the service's folder: have them made deletable and start the service again, which completes it"
        )
