"""Uploads: zips of images that requests may then name as `data.root`."""

from __future__ import annotations

import shutil
from http import HTTPStatus

from fastapi import Request
from sqlalchemy import select
from sqlalchemy.orm import Session
from starlette.concurrency import run_in_threadpool

from gan_aug.errors import RunConflict
from services.bodies import limited
from services.caller import Caller, Editor, Viewer
from services.database.tables import ENDED, Job, Upload, new_id
from services.parts import Parts
from services.problems import Problem, not_found
from services.routes.common import After, Id, Limit, Service, faults, page
from services.routes.common import router as new_router
from services.schemas import Page, UploadOut
from services.uploads import receive, unpack

router = new_router("uploads")
ZIP = {"application/zip": {"schema": {"type": "string", "format": "binary"}}}


@router.post(
    "/uploads",
    status_code=HTTPStatus.CREATED,
    responses=faults(409, 413, 415, 507),
    openapi_extra={"requestBody": {"required": True, "content": ZIP}},
)
async def upload(request: Request, caller: Editor, parts: Service) -> UploadOut:
    """Send a zip (curl --data-binary @images.zip); it is unpacked, and `root` of the answer can be imported."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind not in ZIP:
        raise Problem(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, f"the body is {kind!r}: send application/zip")
    record = Upload(id=new_id(), project=caller.project, key_id=caller.key_id)
    archive = parts.settings.uploads / f".{record.id}.zip.tmp"
    try:
        record.sha256 = await receive(limited(request, parts.settings.limits.upload), archive)
        folder = parts.settings.uploads / record.id
        record.files, record.size = await run_in_threadpool(unpack, archive, folder, parts.settings.limits)
    finally:
        archive.unlink(missing_ok=True)
    await run_in_threadpool(_record, parts, caller, record)
    return UploadOut.of(record)


@router.get("/uploads")
def list_uploads(caller: Viewer, parts: Service, limit: Limit = 50, after: After = None) -> Page[UploadOut]:
    """Uploads of the key's project, newest first."""
    with parts.database.reading() as session:
        return page(session, caller.seen(select(Upload), Upload), Upload, limit, after, UploadOut.of)


@router.delete("/uploads/{id}", status_code=HTTPStatus.NO_CONTENT, responses=faults(404, 409))
def delete_upload(id: Id, caller: Editor, parts: Service) -> None:  # noqa: A002 - the path's word
    """Remove an upload that no job is waiting for or working with; data sets imported from it stay."""
    with parts.database.writing() as session:
        found = session.get(Upload, id)
        if found is None or not caller.sees(found.project):
            raise not_found("upload", id)
        if _in_use(session, id):
            raise RunConflict(f"a job still needs the upload {id}: wait for it, or cancel it")
        session.delete(found)
        caller.audit(session, "upload.delete", id)
    shutil.rmtree(parts.settings.uploads / id, ignore_errors=True)


def _in_use(session: Session, upload_id: str) -> bool:
    query = select(Job.id).where(Job.state.not_in(ENDED), Job.request.contains(f"/{upload_id}"))
    return session.scalar(query.limit(1)) is not None


def _record(parts: Parts, caller: Caller, record: Upload) -> None:
    with parts.database.writing() as session:
        session.add(record)
        caller.audit(session, "upload.create", record.id, f"{record.files} files, sha256 {record.sha256}")
