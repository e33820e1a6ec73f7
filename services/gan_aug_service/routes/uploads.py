"""Uploads: zips of images, which configs then name as `data.root`."""

from __future__ import annotations

import shutil
import threading
from http import HTTPStatus
from pathlib import Path
from typing import Annotated

from fastapi import Query, Request, Response
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session
from starlette.concurrency import run_in_threadpool

from gan_aug.config.titles import fitted_title
from gan_aug.errors import RunConflict
from gan_aug_service.access.authentication import Editor, Principal, Viewer
from gan_aug_service.components import Components
from gan_aug_service.database.tables import ENDED, Job, Upload, new_id, now
from gan_aug_service.http.bodies import limited_stream
from gan_aug_service.http.problems import Problem, idempotency_conflict, not_found
from gan_aug_service.openapi.described import AboutIn, UploadOut
from gan_aug_service.openapi.descriptions import problem_responses
from gan_aug_service.openapi.schemas import Page
from gan_aug_service.records.caches import purge_caches
from gan_aug_service.records.catalogue import about as names
from gan_aug_service.records.catalogue.lists import filtered, order_of
from gan_aug_service.records.folder_removal import check_removed, removing
from gan_aug_service.records.ownership import check_owner, tell_owner
from gan_aug_service.records.projects import named
from gan_aug_service.routes.common import (
    After,
    ComponentsDep,
    Id,
    IdempotencyKey,
    Limit,
    WantedDep,
    paginate,
    versioned_router,
)  # fmt: skip
from gan_aug_service.routes.projects.acting import EditorIn
from gan_aug_service.uploads.quota import FILE_OVERHEAD, check_free_space, check_project_quota
from gan_aug_service.uploads.unpack import receive, unpack

router = versioned_router("uploads")

_RECORDING = threading.Lock()
"""Held while an upload is recorded: otherwise two at once could both fit into a quota that has room for one."""

FileName = Annotated[str, Query(max_length=500, description="the name of the zip, which becomes the title")]
ZIP = {"application/zip": {"schema": {"type": "string", "format": "binary"}}}


@router.post(
    "/uploads",
    status_code=HTTPStatus.CREATED,
    responses=problem_responses(409, 413, 415, 507),
    openapi_extra={"requestBody": {"required": True, "content": ZIP}},
)
async def upload(
    request: Request,
    principal: EditorIn,
    components: ComponentsDep,
    response: Response,
    name: FileName = "",
    idempotency_key: IdempotencyKey = None,
) -> UploadOut:
    """Upload a zip (curl --data-binary @images.zip). It is unpacked, and `root` of the answer can be imported.

    `name` is the file's name, which becomes the upload's title.

    The same zip with the same Idempotency-Key is the same upload.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind not in ZIP:
        raise Problem(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, f"the body is {kind!r}: send application/zip")
    limits = components.settings.limits
    await run_in_threadpool(_check_quota, components, principal, request.headers.get("content-length", ""))
    called = fitted_title(name, "")
    record = Upload(
        id=new_id(),
        project=principal.project,
        key_id=principal.key_id,
        owner=principal.name,
        title=called or f"Upload of {now():%Y-%m-%d %H:%M}",
        source=called,
        idempotency_key=idempotency_key,
    )
    archive = components.settings.uploads / f".{record.id}.zip.tmp"
    try:
        record.sha256 = await receive(limited_stream(request, limits.upload), archive, limits)
        stored = await run_in_threadpool(_store, components, principal, record, archive)
    finally:
        archive.unlink(missing_ok=True)
    if stored.id != record.id:
        response.headers["Idempotent-Replayed"] = "true"
    return UploadOut.of(stored)


@router.get("/uploads")
def list_uploads(
    principal: Viewer, components: ComponentsDep, wanted: WantedDep, limit: Limit = 50, after: After = None
) -> Page[UploadOut]:
    """Uploads of the key's project, newest first unless `sort` says otherwise."""
    query = filtered(principal.visible(select(Upload), Upload), wanted, Upload)
    with components.database.reading() as session:
        return paginate(session, query, Upload, limit, after, UploadOut.of, order_of(wanted, Upload))


@router.get("/uploads/{id}", responses=problem_responses(404))
def get_upload(id: Id, principal: Viewer, components: ComponentsDep) -> UploadOut:
    """An upload: what it is called, who sent it, and how large it is."""
    with components.database.reading() as session:
        found = session.get(Upload, id)
        if found is None or not principal.can_see(found.project):
            raise not_found("upload", id)
        return UploadOut.of(found)


@router.patch("/uploads/{id}", responses=problem_responses(404))
def describe_upload(id: Id, about: AboutIn, principal: Editor, components: ComponentsDep) -> UploadOut:
    """Change an upload's title, tags or notes."""
    return UploadOut.of(names.describe_upload(components, principal, id, about))


@router.delete("/uploads/{id}", status_code=HTTPStatus.NO_CONTENT, responses=problem_responses(404, 409, 507))
def delete_upload(id: Id, principal: Editor, components: ComponentsDep) -> None:
    """Remove an upload that no job is waiting for, and what was cached of it; data sets imported from it stay."""
    with removing(components.settings.uploads / id) as move_aside, components.database.writing() as session:
        found = session.get(Upload, id)
        if found is None or not principal.can_see(found.project):
            raise not_found("upload", id)
        check_owner(session, principal, found.key_id, f"the upload {id}", found.project)
        if _in_use(session, id):
            raise RunConflict(f"a job still needs the upload {id}: wait for it, or cancel it")
        session.delete(found)
        tell_owner(session, principal, found.key_id, "upload.delete", id, f"removed your upload {id[-6:]}")
        principal.audit(session, "upload.delete", id)
        session.flush()
        move_aside()
    components.database.overwrite_deleted()
    purge_caches(components.settings, components.database)
    check_removed(components.settings.uploads / id)


def _check_quota(components: Components, principal: Principal, declared: str) -> None:
    """Raise Problem, before any of it is received, if a body of the declared length does not fit."""
    limits = components.settings.limits
    incoming = min(int(declared), limits.upload) if declared.isdecimal() else 0
    check_free_space(components.settings.uploads, limits, incoming)
    with components.database.reading() as session:
        named(session, principal.project)
        check_project_quota(session, principal.project, limits, incoming)


def _in_use(session: Session, upload_id: str) -> bool:
    query = select(Job.id).where(Job.state.not_in(ENDED), Job.request.contains(f"/{upload_id}"))
    return session.scalar(query.limit(1)) is not None


def _store(components: Components, principal: Principal, record: Upload, archive: Path) -> Upload:
    """Unpack and record an upload; if the same idempotency key made one before, return that one."""
    if repeated := _find_repeated(components, record):
        return repeated
    folder = components.settings.uploads / record.id
    record.files, record.size = unpack(archive, folder, components.settings.limits)
    try:
        with _RECORDING, components.database.writing() as session:
            check_project_quota(
                session, record.project, components.settings.limits, record.size + FILE_OVERHEAD * record.files
            )
            named(session, record.project)
            session.add(record)
            session.flush()
            principal.audit(session, "upload.create", record.id, f"{record.files} files, sha256 {record.sha256}")
    except Exception as error:
        shutil.rmtree(folder, ignore_errors=True)
        if isinstance(error, IntegrityError) and (repeated := _find_repeated(components, record)):
            return repeated  # it was sent twice at the same time
        raise
    return record


def _find_repeated(components: Components, record: Upload) -> Upload | None:
    """The upload that this key made with the same idempotency key; raises Problem if its bytes were others."""
    if record.idempotency_key is None:
        return None
    query = select(Upload).where(Upload.key_id == record.key_id, Upload.idempotency_key == record.idempotency_key)
    with components.database.reading() as session:
        found = session.scalar(query)
    if found and found.sha256 != record.sha256:
        raise idempotency_conflict(record.idempotency_key)
    return found
