"""Releases of synthetic sets and models: listed, made and withdrawn."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated

from fastapi import Query
from sqlalchemy import select

from gan_aug.privacy.record import Subject
from gan_aug_service.access.authentication import Principal, Viewer
from gan_aug_service.components import Components
from gan_aug_service.database.sharing_tables import Release
from gan_aug_service.database.tables import Run
from gan_aug_service.openapi.descriptions import problem_responses
from gan_aug_service.openapi.releases import ReleaseIn, ReleaseOut
from gan_aug_service.openapi.schemas import Page
from gan_aug_service.records import jobs, releases
from gan_aug_service.routes.common import After, ComponentsDep, Id, Limit, versioned_router

router = versioned_router("releases")
OfRun = Annotated[str | None, Query(pattern="^[0-9a-f]{24}$", description="releases of this run alone")]


@router.get("/releases")
def list_releases(
    principal: Viewer, components: ComponentsDep, run: OfRun = None, limit: Limit = 50, after: After = None
) -> Page[ReleaseOut]:
    """What was released of the key's project: to whom, by whom, after which audit; newest first."""
    query = principal.visible(select(Release), Release)
    if run:
        query = query.where(Release.run_id == run)
    if after:
        query = query.where(Release.id < after)
    with components.database.reading() as session:
        found = session.scalars(query.order_by(Release.id.desc()).limit(limit + 1)).all()
    shown = releases.outs(components, found[:limit])
    return Page(items=shown, next=shown[-1].id if len(found) > limit else None)


@router.delete("/releases/{id}", responses=problem_responses(404))
def withdraw(id: Id, principal: Viewer, components: ComponentsDep) -> ReleaseOut:
    """Withdraw a release; for releasers and admins. No download rests on it any more; the record stays."""
    return ReleaseOut.of(releases.withdraw(components, principal, id), stands=False)


@router.get("/synthetic/{id}/releases", responses=problem_responses(404))
def list_of_set(id: Id, principal: Viewer, components: ComponentsDep) -> Page[ReleaseOut]:
    """To whom a synthetic set was released, newest first."""
    return Page(items=releases.of_run(components, find(components, principal, id, "set").id, "set"), next=None)


@router.post(
    "/synthetic/{id}/releases", status_code=HTTPStatus.CREATED, responses=problem_responses(400, 404, 409, 413)
)
def release_set(id: Id, body: ReleaseIn, principal: Viewer, components: ComponentsDep) -> ReleaseOut:
    """Release a synthetic set to somebody; for releasers, if the privacy audit allows it.

    From then on those who see the set may download it. An admin may release it whatever the audit says, with a reason.
    """
    return _release(id, "set", body, principal, components)


@router.get("/models/{id}/releases", responses=problem_responses(404))
def list_of_model(id: Id, principal: Viewer, components: ComponentsDep) -> Page[ReleaseOut]:
    """To whom a model was released, newest first."""
    return Page(items=releases.of_run(components, find(components, principal, id, "model").id, "model"), next=None)


@router.post("/models/{id}/releases", status_code=HTTPStatus.CREATED, responses=problem_responses(400, 404, 409, 413))
def release_model(id: Id, body: ReleaseIn, principal: Viewer, components: ComponentsDep) -> ReleaseOut:
    """Release a model to somebody; for releasers, if the privacy audit allows it.

    From then on those who see the model may download its generator. An admin may release it whatever the audit says,
    with a reason.
    """
    return _release(id, "model", body, principal, components)


def find(components: Components, principal: Principal, run_id: str, subject: Subject) -> Run:
    """The run of a set or a model; raises Problem if the principal sees none."""
    resource = releases.RESOURCES[subject]
    with components.database.reading() as session:
        return jobs.find_run(session, principal, run_id, resource, resource)


def _release(
    run_id: str, subject: Subject, body: ReleaseIn, principal: Principal, components: Components
) -> ReleaseOut:
    run = find(components, principal, run_id, subject)
    made, _ = releases.release(components, principal, run, subject, body.recipient, body.reason)
    return ReleaseOut.of(made, stands=True)
