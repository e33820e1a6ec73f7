"""What a service that was killed left half done in its folder: finished or cleared away when the next one starts."""

from __future__ import annotations

import logging
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import func, select

from gan_aug_service.database.engine import Database
from gan_aug_service.database.tables import ID_PATTERN, Key, Upload
from gan_aug_service.settings import Settings

GONE = ".gone"
"""How the name of a folder ends that is being removed; it begins with a dot."""

HALF = re.compile(r"\.([0-9a-f]{24})\.(?:zip\.tmp|tmp|gone)")
"""The name of what is not whole yet, or no more, and whose it is."""

log = logging.getLogger(__name__)


@contextmanager
def removal(folder: Path) -> Iterator[Callable[[], None]]:
    """A block that removes a folder and its record, so that no part of it is served half removed.

    What it gives renames the folder, and is called last before the commit. It is put back where the block fails, and
    deleted where it does not; killed in between, the next service puts an upload back, and finishes to remove a run.
    """
    aside = folder.with_name(f".{folder.name}{GONE}")

    def set_aside() -> None:
        if folder.exists():
            shutil.rmtree(aside, ignore_errors=True)
            folder.rename(aside)

    try:
        yield set_aside
    except BaseException:
        if aside.exists() and not folder.exists():
            aside.rename(folder)
        raise
    shutil.rmtree(aside, ignore_errors=True)


def sweep_uploads(settings: Settings, database: Database) -> None:
    """Remove what no record names of the uploads; to be called while nothing is received, by the one service here.

    A folder that is older than every key in the database is left: that database is not the one that it was uploaded
    to, perhaps of a service started with the wrong address.
    """
    with database.reading() as session:
        known = set(session.scalars(select(Upload.id)))
        eldest = session.scalar(select(func.min(Key.id)))
    for path in sorted(settings.uploads.iterdir()):
        half = HALF.fullmatch(path.name)
        if half and path.name.endswith(GONE) and half[1] in known:
            path.rename(path.with_name(half[1]))  # its record was not removed: nobody was told that it was
        elif half:
            _remove(path)
        elif re.fullmatch(ID_PATTERN, path.name) and path.name not in known:
            if eldest is not None and eldest < path.name:
                _remove(path)
            else:
                log.warning("an upload without a record, older than all keys", extra={"upload": path.name})


def _remove(path: Path) -> None:
    log.info("a leftover is removed", extra={"leftover": path.name})
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
