"""Models: trained generators, their downloads, and images made by them on demand."""

from __future__ import annotations

import io
from collections.abc import Sequence
from http import HTTPStatus

import numpy as np
import numpy.typing as npt
from fastapi import Response
from fastapi.responses import StreamingResponse
from sqlalchemy import select
from starlette.concurrency import run_in_threadpool

from gan_aug.data.pictures import png, png_grid
from services import jobs, products
from services.archives import files_zip
from services.caller import Caller, Viewer
from services.database.tables import Run
from services.parts import Parts
from services.problems import Problem
from services.routes.common import After, Id, Limit, Service, faults, gives, page
from services.routes.common import router as new_router
from services.schemas import ModelOut, Page, RunOut, SampleIn

router = new_router("models")
GRID_COLUMNS = 8


@router.get("/models")
def list_models(caller: Viewer, parts: Service, limit: Limit = 50, after: After = None) -> Page[RunOut]:
    """Runs that hold a trained generator, newest first."""
    with parts.database.reading() as session:
        return page(session, caller.seen(select(Run).where(Run.model), Run), Run, limit, after, RunOut.of)


@router.get("/models/{id}", responses=faults(404, 409))
def get_model(id: Id, caller: Viewer, parts: Service) -> ModelOut:  # noqa: A002 - the path's word
    """The newest whole checkpoint of a run."""
    return products.model(parts.settings.runs / found(parts, caller, id, "model.read"))


@router.get(
    "/models/{id}/download", response_class=StreamingResponse, responses=faults(404, 409) | gives("application/zip")
)
def download(id: Id, caller: Viewer, parts: Service) -> StreamingResponse:  # noqa: A002
    """The averaged generator and its record as a zip; never the discriminator, which leaks who was trained on."""
    from gan_aug.gan.state import GENERATOR, RECORD, newest_checkpoint

    run = parts.settings.runs / found(parts, caller, id, "model.download")
    newest = newest_checkpoint(run / "train" / "checkpoints")
    if newest is None:
        raise products.no_checkpoint(run)
    headers = {"Content-Disposition": f'attachment; filename="model-{id}.zip"'}
    return StreamingResponse(files_zip(newest.path, [RECORD, GENERATOR]), headers=headers, media_type="application/zip")


@router.post(
    "/models/{id}/sample",
    response_class=Response,
    responses=faults(400, 404, 409, 413) | gives("image/png", "application/x-npz"),
)
async def sample(
    id: Id,  # noqa: A002
    asked: SampleIn,
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
    images = await batcher.sample(np.tile(row, (asked.count, 1)), asked.seed, asked.first, asked.truncation)
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


def found(parts: Parts, caller: Caller, run_id: str, action: str) -> str:
    """The run of a model that this caller may see; what was asked of it is written down."""
    with parts.database.reading() as session:
        jobs.find_run(session, caller, run_id, "model", "model")
    if action != "model.read":
        with parts.database.writing() as session:
            caller.audit(session, action, run_id)
    return run_id
