"""Images made on demand by a trained generator."""

from __future__ import annotations

import io
from collections.abc import Sequence
from http import HTTPStatus

import numpy as np
import numpy.typing as npt
from fastapi import Request, Response
from starlette.concurrency import run_in_threadpool

from gan_aug.data.pictures import png, png_grid
from gan_aug_service.access.caller import Viewer
from gan_aug_service.http.clients import while_there
from gan_aug_service.http.problems import Problem
from gan_aug_service.routes.common import Id, Service, faults, gives
from gan_aug_service.routes.common import router as new_router
from gan_aug_service.routes.models import found
from gan_aug_service.schemas import SampleIn

router = new_router("models")
GRID_COLUMNS = 8


@router.post(
    "/models/{id}/sample",
    response_class=Response,
    responses=faults(400, 404, 409, 413) | gives("image/png", "application/x-npz"),
)
async def sample(
    id: Id,  # noqa: A002
    asked: SampleIn,
    request: Request,
    caller: Viewer,
    parts: Service,
) -> Response:
    """Make a few images now: image k of a seed and label is always the same, whoever else asks at the moment."""
    if asked.count > parts.settings.limits.sample:
        detail = f"count: {asked.count} is more than {parts.settings.limits.sample}: queue the verb generate instead"
        raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, detail)
    run = await run_in_threadpool(found, parts, caller, id, "model.sample")
    batcher = await parts.samplers.of(parts.settings.runs / run)
    row = label_row(asked.label, batcher.checkpoint.labels, batcher.checkpoint.task)
    rows = np.tile(row, (asked.count, 1))
    making = batcher.sample(rows, asked.seed, asked.first, asked.truncation, caller=caller.key_id)
    images = await while_there(request, making)
    headers = {"X-Checkpoint": batcher.checkpoint.id, "X-Synthetic": "true"}
    if asked.format == "npz":
        content = await run_in_threadpool(_npz, images, asked, batcher.checkpoint.id)
        headers["Content-Disposition"] = f'attachment; filename="sample-{id}.npz"'
        return Response(content, headers=headers, media_type="application/x-npz")
    return Response(await run_in_threadpool(_picture, images), headers=headers, media_type="image/png")


def label_row(label: str | list[str], known: Sequence[str], task: str) -> npt.NDArray[np.float32]:
    """What to make, `(K,) float32` of zeros and ones; raises Problem where a model of `known` labels cannot."""
    names = label if isinstance(label, list) else [label]
    if task == "multi-class" and len(names) != 1:
        detail = f"label: this model makes images of one label each, and {len(names)} were named: name one"
        raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, detail)
    if unknown := [name for name in names if name not in known]:
        detail = f"label: the model has no label {unknown[0][:80]!r}: use one of {', '.join(known)}"
        raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, detail)
    return np.array([label in names for label in known], dtype=np.float32)


def _picture(images: npt.NDArray[np.uint8]) -> bytes:
    if len(images) == 1:
        return png(images[0])
    return png_grid([images[start : start + GRID_COLUMNS] for start in range(0, len(images), GRID_COLUMNS)])


def _npz(images: npt.NDArray[np.uint8], asked: SampleIn, checkpoint: str) -> bytes:
    buffer = io.BytesIO()
    names = np.array(asked.label if isinstance(asked.label, list) else [asked.label])
    np.savez_compressed(
        buffer,
        images=images,
        label=names,
        seed=asked.seed,
        first=asked.first,
        truncation=asked.truncation,
        checkpoint=np.array(checkpoint),
    )
    return buffer.getvalue()
