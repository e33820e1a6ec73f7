"""Models: what each was trained on and looks like, images made at once, and the way from one image to another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Literal
from urllib.parse import urlencode

import numpy as np
from fastapi import Request
from fastapi.responses import Response
from pydantic import Field, ValidationError
from starlette.concurrency import run_in_threadpool

from gan_aug.data.pictures import png
from gan_aug.run import layout
from gan_aug.run.files import json_sha256
from gan_aug_service.http.clients import while_there
from gan_aug_service.http.problems import Problem
from gan_aug_service.parts import Parts
from gan_aug_service.products import summaries as products
from gan_aug_service.routes.common import After, Id, Service
from gan_aug_service.routes.models import found as found_for
from gan_aug_service.routes.models import list_models
from gan_aug_service.routes.samples import label_row, sample
from gan_aug_service.schemas import In, ModelOut, SampleIn
from gan_aug_service.web.kit.etag import held, picture
from gan_aug_service.web.kit.page_route import router as new_router
from gan_aug_service.web.kit.progress import newest_grid
from gan_aug_service.web.kit.rendering import render
from gan_aug_service.web.kit.run_rows import LISTED, data_of, found, rows
from gan_aug_service.web.kit.visitor import Reader, Visitor

router = new_router()


class WayIn(In):
    """Which two images of a label to go between, in how many frames."""

    label: str | list[str]
    seed: int = Field(0, ge=0, lt=2**32)
    to: int = Field(1, ge=0, lt=2**32)
    frames: int = Field(17, ge=2, le=64)


FORMS: dict[str, type[SampleIn] | type[WayIn]] = {"sample": SampleIn, "way": WayIn}
TYPED = {"seed": "0", "count": "16", "truncation": "1", "to": "1", "frames": "17"}
"""What stands in the forms at first."""


@dataclass(frozen=True)
class Wish:
    """What one of the page's forms asks for: which form, what was typed, and the query of its picture or a fault."""

    form: str
    typed: dict[str, Any]
    query: str = ""
    fault: str = ""


@router.get("/models")
def models(visitor: Reader, parts: Service, after: After = None) -> Response:
    """The trained generators of the visitor's project."""
    listed = list_models(visitor.caller, parts, limit=LISTED, after=after)
    shown = rows(parts, listed.items, lambda run: (products.model(run), data_of(run)))
    return render("models.html", visitor, rows=shown, next=listed.next)


@router.get("/models/{id}")
def model(id: Id, request: Request, visitor: Reader, parts: Service) -> Response:  # noqa: A002 - the path's word
    """One model: its facts, its training in pictures, and the forms that make images."""
    run = found(visitor, parts, id, "model")
    folder = parts.settings.runs / run.id
    facts, data = products.model(folder), data_of(folder)
    return render(
        "model.html",
        visitor,
        run=run,
        model=facts,
        data=data if data and data.fingerprint == facts.dataset else None,
        wish=wish_of(request, facts),
        limit=min(64, parts.settings.limits.sample),
        loss=(folder / layout.TRAIN / layout.LOSS_CURVES).exists(),
        grid=newest_grid(folder) is not None,
    )


@router.get("/models/{id}/{name}.png")
async def made(
    id: Id,  # noqa: A002
    name: Literal["loss", "grid", "sample", "way"],
    request: Request,
    visitor: Reader,
    parts: Service,
) -> Response:
    """A picture of a model: kept from its training, or made now as the query says."""
    run = await run_in_threadpool(found, visitor, parts, id, "model")
    folder = parts.settings.runs / run.id
    if name in FORMS:
        facts = await run_in_threadpool(products.model, folder)
        asked = _asked(name, request)
        tag = json_sha256([name, facts.checkpoint, asked.model_dump()])[:32]
        return held(request, tag) or picture(await _make(asked, request, visitor, parts, run.id), tag)
    drawn = layout.LOSS_CURVES if name == "loss" else newest_grid(folder)
    path = folder / layout.TRAIN / (drawn or "")
    if not path.is_file():
        raise Problem(HTTPStatus.NOT_FOUND, f"this training has drawn no {name} yet: look again later")
    tag = f"{name}-{path.stat().st_mtime_ns}"
    return held(request, tag) or picture(path.read_bytes(), tag)


@router.get("/models/{id}/sample.npz")
async def arrays(id: Id, request: Request, visitor: Reader, parts: Service) -> Response:  # noqa: A002
    """The images of the query as arrays, to download."""
    asked = _asked("sample", request)
    if not isinstance(asked, SampleIn):
        raise TypeError(asked)
    return await sample(id, asked.model_copy(update={"format": "npz"}), request, visitor.caller, parts)


def wish_of(request: Request, model: ModelOut) -> Wish:
    """What the page's query asks for, checked, so that a fault stands beside its form."""
    form = request.query_params.get("form", "")
    typed: dict[str, Any] = TYPED | {"label": model.labels[:1] if model.task == "multi-class" else []}
    if form not in FORMS:
        return Wish("", typed)
    sent = _sent(request, FORMS[form])
    try:
        asked = _asked(form, request)
        label_row(asked.label, model.labels, model.task)
    except Problem as problem:
        return Wish(form, typed | sent, fault=problem.detail)
    return Wish(form, typed | sent, query=urlencode(sent, doseq=True))


async def _make(asked: SampleIn | WayIn, request: Request, visitor: Visitor, parts: Parts, run_id: str) -> bytes:
    """The PNG of what was asked for: a grid of images, or the frames of a way in one line."""
    if isinstance(asked, SampleIn):
        return bytes((await sample(run_id, asked, request, visitor.caller, parts)).body)
    run = await run_in_threadpool(found_for, parts, visitor.caller, run_id, "model.sample")
    batcher = await parts.samplers.of(parts.settings.runs / run)
    row = label_row(asked.label, batcher.checkpoint.labels, batcher.checkpoint.task)
    making = batcher.between(row, (asked.seed, asked.to), asked.frames, caller=visitor.caller.key_id)
    images = await while_there(request, making)
    return await run_in_threadpool(png, np.concatenate(list(images), axis=2))


def _asked(form: str, request: Request) -> SampleIn | WayIn:
    """What the query asks for; raises Problem with its faults."""
    try:
        return FORMS[form].model_validate(_sent(request, FORMS[form]))
    except ValidationError as error:
        faults = [f"{'.'.join(str(part) for part in fault['loc'])}: {fault['msg']}" for fault in error.errors()]
        raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, "; ".join(faults)) from None


def _sent(request: Request, form: type[SampleIn] | type[WayIn]) -> dict[str, Any]:
    """The values of a form's fields in the query; those left empty are as if not sent."""
    query = request.query_params
    names: Sequence[str] = [name for name in form.model_fields if name not in ("label", "format") and query.get(name)]
    return {name: query[name].strip() for name in names} | {"label": query.getlist("label")}
