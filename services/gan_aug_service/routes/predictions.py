"""Predictions: what a classifier of a comparison says of an image that is sent."""

from __future__ import annotations

import re
import shutil
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import Query, Request
from starlette.concurrency import run_in_threadpool

from gan_aug_service.access.authentication import Principal, Viewer
from gan_aug_service.components import Components
from gan_aug_service.database.tables import Role, new_id
from gan_aug_service.http.bodies import limited_stream
from gan_aug_service.http.problems import Problem
from gan_aug_service.openapi.descriptions import problem_responses
from gan_aug_service.openapi.predictions import PredictionOut, PredictionsOut
from gan_aug_service.openapi.sampling import Arm
from gan_aug_service.records import jobs
from gan_aug_service.routes.common import ComponentsDep, Id, versioned_router

router = versioned_router("predictions")

LARGEST = 256 << 20
"""Bytes of an image that may be sent; a limit of uploads that is lower counts."""

ENDING = re.compile(r"(\.nii)?\.[A-Za-z0-9]{1,15}$")

IMAGE = {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}


@router.post(
    "/reports/{id}/predict",
    responses=problem_responses(400, 404, 409, 413, 422, 507),
    openapi_extra={"requestBody": {"required": True, "content": IMAGE}},
)
async def predict(
    id: Id,
    request: Request,
    principal: Viewer,
    components: ComponentsDep,
    arm: Annotated[Arm, Query(description="whose classifier: real, synthetic, mixed, ...")] = "real",
    name: Annotated[str, Query(max_length=255, description="the file's name: its ending may say what it is")] = "",
) -> PredictionsOut:
    """Ask a classifier of a comparison about an image (curl --data-binary @film.png). The image is not kept."""
    run = await run_in_threadpool(_find, components, principal, id, arm)
    folder = components.settings.uploads / f".{new_id()}.tmp"
    try:
        await run_in_threadpool(folder.mkdir)
        # No part of the name but its ending is used: the rest may name a patient.
        ending = ENDING.search(name)
        file = folder / f"image{ending[0] if ending else ''}"
        with file.open("wb") as out:
            async for part in limited_stream(request, min(LARGEST, components.settings.limits.upload)):
                await run_in_threadpool(out.write, part)
        if not file.stat().st_size:
            raise Problem(HTTPStatus.BAD_REQUEST, "the body is empty: send the bytes of an image")
        rows = await components.predictor.ask(components.settings.runs / run, file, arm)
    finally:
        await run_in_threadpool(shutil.rmtree, folder, ignore_errors=True)
    for row in rows:
        if "error" in row:
            reason = row["error"].replace(str(file), "the image")
            raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, reason)
    return PredictionsOut(arm=arm, predictions=[_shown(row, principal) for row in rows])


def _find(components: Components, principal: Principal, id: str, arm: str) -> str:
    """The run with that report; the audit records who asks it."""
    with components.database.writing() as session:
        run = jobs.find_run(session, principal, id, "report", "report")
        principal.audit(session, "report.predict", run.id, arm)
        return run.id


def _shown(row: dict[str, Any], principal: Principal) -> PredictionOut:
    """A row without the file's name. How near an image is to a training image tells who was among them."""
    hidden = {} if principal.has_role(Role.EDITOR) else {"distance": None, "detail": None}
    rounded = {label: round(value, 4) for label, value in row["probabilities"].items()}
    return PredictionOut.model_validate(row | {"probabilities": rounded} | hidden)
