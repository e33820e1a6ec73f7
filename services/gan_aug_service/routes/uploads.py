"""Uploads: zips of images that requests may then name as `data.root`."""

from __future__ import annotations

import shutil
import threading
from http import HTTPStatus
from pathlib import Path

from fastapi import Request, Response
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session
from starlette.concurrency import run_in_threadpool

from gan_aug.errors import RunConflict
from gan_aug_service.access.caller import Caller, Editor, Viewer
from gan_aug_service.database.tables import ENDED, Job, Upload, new_id
from gan_aug_service.http.bodies import limited
from gan_aug_service.http.problems import Problem, not_found, repeated_otherwise
from gan_aug_service.parts import Parts
from gan_aug_service.routes.common import After, Id, IdempotencyKey, Limit, Service, faults, page
from gan_aug_service.routes.common import router as new_router
from gan_aug_service.schemas import Page, UploadOut
from gan_aug_service.uploads.leftovers import removal
from gan_aug_service.uploads.quota import FILE_BYTES, check_disk, check_share
from gan_aug_service.uploads.unpack import receive, unpack

router = new_router("uploads")
_KEEPING = threading.Lock()
"""Held while an upload is recorded: two at once could both see room for the last one."""

ZIP = {"application/zip": {"schema": {"type": "string", "format": "binary"}}}


@router.post(
    "/uploads",
    status_code=HTTPStatus.CREATED,
    responses=faults(409, 413, 415, 507),
    openapi_extra={"requestBody": {"required": True, "content": ZIP}},
)
async def upload(
    request: Request, caller: Editor, parts: Service, response: Response, idempotency_key: IdempotencyKey = None
) -> UploadOut:
    """Send a zip (curl --data-binary @images.zip); it is unpacked, and `root` of the answer can be imported.

    The same zip sent again with the same Idempotency-Key is the same upload.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind not in ZIP:
        raise Problem(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, f"the body is {kind!r}: send application/zip")
    limits = parts.settings.limits
    await run_in_threadpool(_check_room, parts, caller, request.headers.get("content-length", ""))
    record = Upload(id=new_id(), project=caller.project, key_id=caller.key_id, idempotency_key=idempotency_key)
    archive = parts.settings.uploads / f".{record.id}.zip.tmp"
    try:
        record.sha256 = await receive(limited(request, limits.upload), archive, limits)
        kept = await run_in_threadpool(_kept, parts, caller, record, archive)
    finally:
        archive.unlink(missing_ok=True)
    if kept.id != record.id:
        response.headers["Idempotent-Replayed"] = "true"
    return UploadOut.of(kept)


@router.get("/uploads")
def list_uploads(caller: Viewer, parts: Service, limit: Limit = 50, after: After = None) -> Page[UploadOut]:
    """Uploads of the key's project, newest first."""
    with parts.database.reading() as session:
        return page(session, caller.seen(select(Upload), Upload), Upload, limit, after, UploadOut.of)


@router.delete("/uploads/{id}", status_code=HTTPStatus.NO_CONTENT, responses=faults(404, 409))
def delete_upload(id: Id, caller: Editor, parts: Service) -> None:  # noqa: A002 - the path's word
    """Remove an upload that no job is waiting for or working with; data sets imported from it stay."""
    with removal(parts.settings.uploads / id) as set_aside, parts.database.writing() as session:
        found = session.get(Upload, id)
        if found is None or not caller.sees(found.project):
            raise not_found("upload", id)
        if _in_use(session, id):
            raise RunConflict(f"a job still needs the upload {id}: wait for it, or cancel it")
        session.delete(found)
        caller.audit(session, "upload.delete", id)
        session.flush()
        set_aside()


def _check_room(parts: Parts, caller: Caller, declared: str) -> None:
    """Raise Problem, before any of it is received, where a body of that declared length has no room."""
    limits = parts.settings.limits
    coming = min(int(declared), limits.upload) if declared.isdecimal() else 0
    check_disk(parts.settings.uploads, limits, coming)
    with parts.database.reading() as session:
        check_share(session, caller.project, limits, coming)


def _in_use(session: Session, upload_id: str) -> bool:
    query = select(Job.id).where(Job.state.not_in(ENDED), Job.request.contains(f"/{upload_id}"))
    return session.scalar(query.limit(1)) is not None


def _kept(parts: Parts, caller: Caller, record: Upload, archive: Path) -> Upload:
    """Unpack and record an upload; gives the one that the same idempotency key made before, where there is one."""
    if repeated := _repeated(parts, record):
        return repeated
    folder = parts.settings.uploads / record.id
    record.files, record.size = unpack(archive, folder, parts.settings.limits)
    try:
        with _KEEPING, parts.database.writing() as session:
            check_share(session, record.project, parts.settings.limits, record.size + FILE_BYTES * record.files)
            session.add(record)
            session.flush()
            caller.audit(session, "upload.create", record.id, f"{record.files} files, sha256 {record.sha256}")
    except Exception as error:
        shutil.rmtree(folder, ignore_errors=True)
        if isinstance(error, IntegrityError) and (repeated := _repeated(parts, record)):
            return repeated  # sent twice at the same moment
        raise
    return record


def _repeated(parts: Parts, record: Upload) -> Upload | None:
    """The upload that this key made with the same idempotency key; raises Problem where it held other bytes."""
    if record.idempotency_key is None:
        return None
    query = select(Upload).where(Upload.key_id == record.key_id, Upload.idempotency_key == record.idempotency_key)
    with parts.database.reading() as session:
        found = session.scalar(query)
    if found and found.sha256 != record.sha256:
        raise repeated_otherwise(record.idempotency_key)
    return found
