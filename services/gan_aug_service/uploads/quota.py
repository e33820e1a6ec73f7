"""Whether there is room for an upload: on the disk, and in the share of its project."""

from __future__ import annotations

import shutil
from http import HTTPStatus
from pathlib import Path

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from gan_aug_service.database.tables import Upload
from gan_aug_service.http.problems import Problem
from gan_aug_service.settings import Limits

FILE_BYTES = 4096
"""What a file takes on a disk beside its bytes, about: many empty files are no small upload."""

LOOK_BYTES = 64 << 20
"""So many bytes are written between two looks at the disk."""


def check_disk(folder: Path, limits: Limits, coming: int = 0) -> None:
    """Raise Problem where `coming` bytes more would leave the disk of `folder` with less than the limits' reserve."""
    free = shutil.disk_usage(folder).free
    if free < coming + limits.reserve:
        detail = (
            f"the service's disk has {free:,} bytes free, and {limits.reserve:,} beside the {coming:,} of the upload "
            "must stay free: remove uploads and runs that nobody needs"
        )
        raise Problem(HTTPStatus.INSUFFICIENT_STORAGE, detail)


def check_share(session: Session, project: str, limits: Limits, coming: int = 0) -> None:
    """Raise Problem where `coming` bytes more are above what a project's uploads may take together."""
    taken = func.coalesce(func.sum(Upload.size + FILE_BYTES * Upload.files), 0)
    used = int(session.scalar(select(taken).where(Upload.project == project)) or 0)
    if used + coming > limits.uploads:
        detail = (
            f"the uploads of {project} take {used:,} of {limits.uploads:,} bytes, and this one {coming:,}: remove some "
            "with DELETE /v1/uploads/ID"
        )
        raise Problem(HTTPStatus.INSUFFICIENT_STORAGE, detail)
