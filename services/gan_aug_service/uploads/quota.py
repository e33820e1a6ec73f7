"""Quotas of uploads: free space on the disk, and the quota of a project."""

from __future__ import annotations

import shutil
from http import HTTPStatus
from pathlib import Path

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from gan_aug_service.database.tables import Upload
from gan_aug_service.http.problems import Problem
from gan_aug_service.settings import Limits

FILE_OVERHEAD = 4096
"""About how many bytes a file takes on disk besides its content: many empty files are no small upload."""

CHECK_BYTES = 64 << 20
"""Bytes that are written between two checks of the free space."""


def check_free_space(folder: Path, limits: Limits, incoming: int = 0) -> None:
    """Refuse an upload that leaves too little free space.

    Args:
        folder: A folder on the disk.
        limits: The service's limits; their `reserve` must stay free.
        incoming: Bytes that are still to come.

    Raises:
        Problem: They would leave less than the reserve.
    """
    free = shutil.disk_usage(folder).free
    if free < incoming + limits.reserve:
        detail = (
            f"the service's disk has {free:,} bytes free, and {limits.reserve:,} beside the {incoming:,} of the upload "
            "must stay free: remove uploads and runs that nobody needs"
        )
        raise Problem(HTTPStatus.INSUFFICIENT_STORAGE, detail)


def check_project_quota(session: Session, project: str, limits: Limits, incoming: int = 0) -> None:
    """Refuse an upload above its project's quota.

    Args:
        session: A session.
        project: The project.
        limits: The service's limits; `uploads` is the quota.
        incoming: Bytes that the upload adds.

    Raises:
        Problem: All uploads of the project would take more than the quota.
    """
    taken = func.coalesce(func.sum(Upload.size + FILE_OVERHEAD * Upload.files), 0)
    used = int(session.scalar(select(taken).where(Upload.project == project)) or 0)
    if used + incoming > limits.uploads:
        detail = (
            f"the uploads of {project} take {used:,} of {limits.uploads:,} bytes, and this one {incoming:,}: remove "
            "some with DELETE /v1/uploads/ID"
        )
        raise Problem(HTTPStatus.INSUFFICIENT_STORAGE, detail)
