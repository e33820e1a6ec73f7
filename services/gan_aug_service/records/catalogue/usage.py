"""How much of the disk the runs and uploads of each project take."""

from __future__ import annotations

import os
import time
from collections import defaultdict
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from sqlalchemy import func, select

from gan_aug_service.access.authentication import Principal
from gan_aug_service.components import Components
from gan_aug_service.database.tables import Run, Upload

UPLOADED: tuple[Any, ...] = (Upload.project, func.count(), func.sum(Upload.size))
STORED: tuple[Any, ...] = (Run.id, Run.project)

FRESH_SECONDS = 60
"""How long a run's size is taken for what it was."""


@dataclass
class Usage:
    """What a project takes on disk: runs and uploads, and their bytes."""

    runs: int = 0
    run_bytes: int = 0
    uploads: int = 0
    upload_bytes: int = 0


def disk_usage(components: Components, principal: Principal) -> dict[str, Usage]:
    """What each project that a principal can see takes on disk, by its name.

    Args:
        components: The service's components.
        principal: Who asks.

    Returns:
        The projects that have a run or an upload.
    """
    found: defaultdict[str, Usage] = defaultdict(Usage)
    sizes = select(*UPLOADED).group_by(Upload.project)
    with components.database.reading() as session:
        for project, count, size in session.execute(principal.visible(sizes, Upload)):
            found[project].uploads, found[project].upload_bytes = count, int(size or 0)
        runs = session.execute(principal.visible(select(*STORED), Run)).all()
    for run, project in runs:
        if size := _folder_size(components.settings.runs / run, int(time.time() / FRESH_SECONDS)):
            found[project].runs += 1
            found[project].run_bytes += size
    return dict(sorted(found.items()))


@lru_cache(maxsize=4096)
def _folder_size(folder: Path, minute: int) -> int:
    """The bytes of the files in a folder; 0 if it is not there. Links are not followed."""
    del minute  # it makes a later look another entry of the cache
    size = 0
    for above, _, files in os.walk(folder):
        for name in files:
            with suppress(OSError):  # it went meanwhile
                size += (Path(above) / name).lstat().st_size
    return size
