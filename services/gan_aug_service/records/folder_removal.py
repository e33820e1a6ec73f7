"""Removes a folder together with its record: both, or neither."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

REMOVED = ".gone"
"""The suffix of a folder that is being removed; its name begins with a dot."""

UNFINISHED = re.compile(r"\.([0-9a-f]{24})\.(?:zip\.tmp|tmp|gone)")
"""The names of what is not complete yet, or is being removed; the group is the id."""


@contextmanager
def removing(folder: Path) -> Iterator[Callable[[], None]]:
    """A block that removes a folder and its record, so that nothing is ever served from half a folder.

    The block gets a function that renames the folder, and calls it last before its commit. If the block fails, the
    folder is renamed back; otherwise it is deleted. If the service is killed in between, the next one puts an upload
    back, and completes the removal of a run.
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
    shutil.rmtree(aside, ignore_errors=True)
