"""Orphans: what a killed service left of uploads. The next service removes them or puts them back."""

from __future__ import annotations

import logging
import re
import shutil
from pathlib import Path

from sqlalchemy import func, select

from gan_aug_service.database.engine import Database
from gan_aug_service.database.tables import ID_PATTERN, Key, Upload
from gan_aug_service.records.folder_removal import REMOVED, UNFINISHED
from gan_aug_service.settings import Settings

log = logging.getLogger(__name__)


def remove_orphans(settings: Settings, database: Database) -> None:
    """Remove uploads that no record names; to be called before requests are taken, by the one service of the folder.

    A folder that is older than every key in the database stays: the service may have been started with the database
    of another service.
    """
    with database.reading() as session:
        known = set(session.scalars(select(Upload.id)))
        oldest_key = session.scalar(select(func.min(Key.id)))
    for path in sorted(settings.uploads.iterdir()):
        unfinished = UNFINISHED.fullmatch(path.name)
        if unfinished and path.name.endswith(REMOVED) and unfinished[1] in known:
            path.rename(path.with_name(unfinished[1]))  # its record is still there, so its removal was not confirmed
        elif unfinished:
            _remove(path)
        elif re.fullmatch(ID_PATTERN, path.name) and path.name not in known:
            if oldest_key is not None and oldest_key < path.name:
                _remove(path)
            else:
                log.warning("an upload without a record, older than all keys", extra={"upload": path.name})


def _remove(path: Path) -> None:
    log.info("orphan removed", extra={"orphan": path.name})
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
