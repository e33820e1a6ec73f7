"""The decoded images that jobs cached, in the state folder: they go with the last run, or the upload, they are of."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

from sqlalchemy import select

from gan_aug.data.reading.caches import cache_name, list_caches
from gan_aug.run.files import remove_folder
from gan_aug_service.database.engine import Database
from gan_aug_service.database.tables import ENDED, Job
from gan_aug_service.settings import Settings

log = logging.getLogger(__name__)


def purge_caches(settings: Settings, database: Database) -> None:
    """Remove what is cached of data sets of which no run is left, or whose upload is gone.

    It is called after every removal of a run or an upload, and when the service starts, so that a purge that was
    interrupted is completed. Raises StorageError if something cannot be removed.
    """
    cached = list_caches(settings.cache)
    if not cached:
        return
    needed = _needed(settings, database)
    for one in cached:
        if one.folder.name not in needed:
            remove_folder(one.folder)
            log.info("cached images removed", extra={"cache": one.folder.name})


def _needed(settings: Settings, database: Database) -> set[str]:
    """The names of the caches of data sets that a run was imported from, or that a job is going to import."""
    with database.reading() as session:
        rows = session.execute(select(Job.run_id, Job.state, Job.request)).all()
    names = set[str]()
    for run, state, request in rows:
        if state not in ENDED or (settings.runs / run).exists():
            name = _cache_of(settings, json.loads(request).get("data", {}))
            names |= {name} if name else set()
    return names


def _cache_of(settings: Settings, data: dict[str, Any]) -> str | None:
    """The name of the cache of a job's data set; None if that was an upload which is gone."""
    root = data.get("root")
    if root is not None:
        uploads = settings.uploads.resolve()
        if Path(root).is_relative_to(uploads) and not (uploads / Path(root).parts[len(uploads.parts)]).exists():
            return None
    return cache_name({"source": data["source"], "root": root or (data.get("dicomweb") or {}).get("url") or ""})
