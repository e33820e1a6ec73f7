"""Images that a trained generator makes on demand."""

from __future__ import annotations

import io
from collections.abc import Sequence
from http import HTTPStatus

import numpy as np
import numpy.typing as npt
from fastapi import Request, Response
from starlette.concurrency import run_in_threadpool

from gan_aug.data.png import png, png_grid
from gan_aug_service.access.authentication import Principal, Viewer
from gan_aug_service.components import Components
from gan_aug_service.http.disconnect import cancel_on_disconnect
from gan_aug_service.http.problems import Problem
from gan_aug_service.openapi.descriptions import file_responses, problem_responses
from gan_aug_service.openapi.schemas import SampleIn
from gan_aug_service.routes.common import ComponentsDep, Id, versioned_router
from gan_aug_service.routes.models import find_model_run
from gan_aug_service.sampling.batcher import Batcher

router = versioned_router("models")
GRID_COLUMNS = 8
"""Images in a row of the PNG."""


@router.post(
    "/models/{id}/sample",
    response_class=Response,
    responses=problem_responses(400, 404, 409, 413) | file_responses("image/png", "application/x-npz"),
)
async def sample(
    id: Id,
    body: SampleIn,
    request: Request,
    principal: Viewer,
    components: ComponentsDep,
) -> Response:
    """Sample a few images now. Image k of a seed and label is always the same, whoever else asks at the same time."""
    if body.count > components.settings.limits.sample:
        detail = (
            f"count: {body.count} is more than {components.settings.limits.sample}: queue the verb generate instead"
        )
        raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, detail)
    batcher, vector = await open_model(components, principal, id, body.label)
    labels = np.tile(vector, (body.count, 1))
    sampling = batcher.sample(labels, body.seed, body.first, body.truncation, client=principal.key_id)
    images = await cancel_on_disconnect(request, sampling)
    headers = {"X-Checkpoint": batcher.checkpoint.id, "X-Synthetic": "true"}
    if body.format == "npz":
        content = await run_in_threadpool(_npz, images, body, batcher.checkpoint.id)
        headers["Content-Disposition"] = f'attachment; filename="sample-{id}.npz"'
        return Response(content, headers=headers, media_type="application/x-npz")
    return Response(await run_in_threadpool(_grid_png, images), headers=headers, media_type="image/png")


async def open_model(
    components: Components, principal: Principal, run_id: str, label: str | list[str]
) -> tuple[Batcher, npt.NDArray[np.float32]]:
    """The loaded generator of a run, for images of one label; the audit records it.

    Args:
        components: The service's components.
        principal: Who asks.
        run_id: The run.
        label: The label, or the labels, of the images.

    Returns:
        The Batcher of the newest checkpoint, and the label as `(K,) float32`.

    Raises:
        Problem: The principal cannot see a model of that run, or the model has no such label.
        CheckpointError: The run has no complete checkpoint.
    """
    run = await run_in_threadpool(find_model_run, components, principal, run_id, "model.sample")
    batcher = await components.samplers.get(components.settings.runs / run)
    return batcher, label_vector(label, batcher.checkpoint.labels, batcher.checkpoint.task)


def label_vector(label: str | list[str], known: Sequence[str], task: str) -> npt.NDArray[np.float32]:
    """A label as the generator takes it.

    Args:
        label: The label, or the labels, of an image.
        known: The model's labels.
        task: The model's task; a multi-class model makes images of one label each.

    Returns:
        `(K,) float32` of zeros and ones, one for each known label.

    Raises:
        Problem: The model cannot make such an image.
    """
    names = label if isinstance(label, list) else [label]
    if task == "multi-class" and len(names) != 1:
        detail = f"label: this model makes images of one label each, and {len(names)} were named: name one"
        raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, detail)
    if unknown := [name for name in names if name not in known]:
        detail = f"label: the model has no label {unknown[0][:80]!r}: use one of {', '.join(known)}"
        raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, detail)
    return np.array([label in names for label in known], dtype=np.float32)


def _grid_png(images: npt.NDArray[np.uint8]) -> bytes:
    if len(images) == 1:
        return png(images[0])
    return png_grid([images[start : start + GRID_COLUMNS] for start in range(0, len(images), GRID_COLUMNS)])


def _npz(images: npt.NDArray[np.uint8], body: SampleIn, checkpoint: str) -> bytes:
    buffer = io.BytesIO()
    names = np.array(body.label if isinstance(body.label, list) else [body.label])
    np.savez_compressed(
        buffer,
        images=images,
        label=names,
        seed=body.seed,
        first=body.first,
        truncation=body.truncation,
        checkpoint=np.array(checkpoint),
    )
    return buffer.getvalue()
