"""Models: their facts and training, images sampled on demand, and walks through the latent space."""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Literal
from urllib.parse import urlencode

import numpy as np
from fastapi import Request
from fastapi.responses import Response
from pydantic import Field, ValidationError
from starlette.concurrency import run_in_threadpool

from gan_aug.data.pictures.png import png
from gan_aug.run import layout
from gan_aug.run.files import json_sha256
from gan_aug.synthesis.latents import Latent, walk
from gan_aug_service.components import Components
from gan_aug_service.http.disconnect import cancel_on_disconnect
from gan_aug_service.http.problems import Problem
from gan_aug_service.openapi.sampling import SampleIn
from gan_aug_service.openapi.schemas import In, ModelOut
from gan_aug_service.products import summaries
from gan_aug_service.products.release import releasable
from gan_aug_service.routes.common import After, ComponentsDep, Id, WantedDep
from gan_aug_service.routes.models import list_models
from gan_aug_service.routes.samples import label_vector, open_model, sample
from gan_aug_service.web.kit.etag import not_modified, png_response
from gan_aug_service.web.kit.filters import filters_of
from gan_aug_service.web.kit.page_route import page_router
from gan_aug_service.web.kit.page_user import CurrentViewer, PageUser
from gan_aug_service.web.kit.progress import newest_grid
from gan_aug_service.web.kit.progress import picture as picture_of
from gan_aug_service.web.kit.rendering import render
from gan_aug_service.web.kit.run_rows import PAGE_SIZE, find_run, read_dataset, run_rows
from gan_aug_service.web.pages.release.releases import privacy

router = page_router()


class LatentWalkIn(In):
    """A walk through the latent space: from the first image of one label and seed to that of others, in so many frames.

    Without `to_label` the label stays.
    """

    label: str | list[str]
    to_label: list[str] = Field(default_factory=list)
    seed: int = Field(0, ge=0, lt=2**32)
    to: int = Field(1, ge=0, lt=2**32)
    frames: int = Field(17, ge=2, le=64)


FORMS: dict[str, type[SampleIn] | type[LatentWalkIn]] = {"sample": SampleIn, "way": LatentWalkIn}
DEFAULTS = {"seed": "0", "count": "16", "truncation": "1", "to": "1", "frames": "17"}
"""What the forms show at first."""


@dataclass(frozen=True)
class SubmittedForm:
    """One of the page's forms as it was sent: its name, its values, and the query of its picture or a fault."""

    form: str
    values: dict[str, Any]
    query: str = ""
    fault: str = ""


@router.get("/models")
def models(user: CurrentViewer, components: ComponentsDep, wanted: WantedDep, after: After = None) -> Response:
    """The trained generators of the user's project."""
    listed = list_models(user.principal, components, wanted, limit=PAGE_SIZE, after=after)
    filters = filters_of(components, user, "/models", wanted)
    shown = run_rows(
        components, listed.items, lambda run: (summaries.model(run), read_dataset(run), releasable(run, "model"))
    )
    return render("products/models.html", user, rows=shown, next=listed.next, filters=filters)


@router.get("/models/{id}")
def model(id: Id, request: Request, user: CurrentViewer, components: ComponentsDep) -> Response:
    """One model: its facts, the pictures of its training, and the forms that sample images."""
    run = find_run(user, components, id, "model")
    folder = components.settings.runs / run.id
    facts, data = summaries.model(folder), read_dataset(folder)
    return render(
        "products/model.html",
        user,
        run=run,
        model=facts,
        data=data if data and data.fingerprint == facts.dataset else None,
        submitted=read_query(request, facts),
        limit=min(64, components.settings.limits.sample),
        loss=(folder / layout.TRAIN / layout.LOSS_CURVES).exists(),
        grid=newest_grid(folder) is not None,
        privacy=privacy(components, user, run, "model", request),
    )


@router.get("/models/{id}/{name}.png")
async def picture(
    id: Id,
    name: Literal["loss", "grid", "sample", "way"],
    request: Request,
    user: CurrentViewer,
    components: ComponentsDep,
) -> Response:
    """A picture of a model: from its training, or made now as the query says."""
    run = await run_in_threadpool(find_run, user, components, id, "model")
    folder = components.settings.runs / run.id
    if name in FORMS:
        facts = await run_in_threadpool(summaries.model, folder)
        form_input = _parse_query(name, request)
        tag = json_sha256([name, facts.checkpoint, form_input.model_dump()])[:32]
        return not_modified(request, tag) or png_response(
            await _draw(form_input, request, user, components, run.id), tag
        )
    drawn = layout.LOSS_CURVES if name == "loss" else newest_grid(folder)
    path = folder / layout.TRAIN / (drawn or "")
    if not path.is_file():
        raise Problem(HTTPStatus.NOT_FOUND, f"this training has drawn no {name} yet: look again later")
    tag = f"{name}-{path.stat().st_mtime_ns}"
    return not_modified(request, tag) or png_response(picture_of(path), tag)


@router.get("/models/{id}/sample.npz")
async def arrays(id: Id, request: Request, user: CurrentViewer, components: ComponentsDep) -> Response:
    """The images of the query as arrays, to download."""
    form_input = _parse_query("sample", request)
    if not isinstance(form_input, SampleIn):
        raise TypeError(form_input)
    return await sample(id, form_input.model_copy(update={"format": "npz"}), request, user.principal, components)


def read_query(request: Request, model: ModelOut) -> SubmittedForm:
    """The form in the page's query, checked, so that a fault is shown beside it."""
    form = request.query_params.get("form", "")
    label = model.labels[:1] if model.task == "multi-class" else []
    values: dict[str, Any] = DEFAULTS | {"label": label, "to_label": label}
    if form not in FORMS:
        return SubmittedForm("", values)
    sent = _query_values(request, FORMS[form])
    try:
        form_input = _parse_query(form, request)
        label_vector(form_input.label, model.labels, model.task)
        if isinstance(form_input, LatentWalkIn) and form_input.to_label:
            label_vector(form_input.to_label, model.labels, model.task)
    except Problem as problem:
        return SubmittedForm(form, values | sent, fault=problem.detail)
    return SubmittedForm(form, values | sent, query=urlencode(sent, doseq=True))


async def _draw(
    form_input: SampleIn | LatentWalkIn, request: Request, user: PageUser, components: Components, run_id: str
) -> bytes:
    """The PNG of a form: a grid of images, or the frames of a walk in one row."""
    if isinstance(form_input, SampleIn):
        return bytes((await sample(run_id, form_input, request, user.principal, components)).body)
    batcher, label = await open_model(components, user.principal, run_id, form_input.label)
    checkpoint = batcher.checkpoint
    to_label = label_vector(form_input.to_label or form_input.label, checkpoint.labels, checkpoint.task)
    start, end = Latent(tuple(label.tolist()), form_input.seed), Latent(tuple(to_label.tolist()), form_input.to)
    points = walk(start, end, np.linspace(0, 1, form_input.frames))
    images = await cancel_on_disconnect(request, batcher.make(points, client=user.principal.key_id))
    made_from = {"checkpoint": checkpoint.id} | form_input.model_dump()
    return await run_in_threadpool(png, np.concatenate(list(images), axis=2), made_from=made_from)


def _parse_query(form: str, request: Request) -> SampleIn | LatentWalkIn:
    """The query of a form; raises Problem with its faults."""
    try:
        return FORMS[form].model_validate(_query_values(request, FORMS[form]))
    except ValidationError as error:
        faults = [f"{'.'.join(str(part) for part in fault['loc'])}: {fault['msg']}" for fault in error.errors()]
        raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, "; ".join(faults)) from None


def _query_values(request: Request, form: type[SampleIn] | type[LatentWalkIn]) -> dict[str, Any]:
    """The values of a form's fields in the query, without those that are empty."""
    query = request.query_params
    several = [name for name in ("label", "to_label") if name in form.model_fields]
    names = [name for name in form.model_fields if name not in (*several, "format") and query.get(name)]
    return {name: query[name].strip() for name in names} | {name: query.getlist(name) for name in several}
