"""Images that a trained generator makes on demand."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import replace
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from fastapi import Request, Response
from starlette.concurrency import run_in_threadpool

from gan_aug.data.pictures.marks import SOURCE_TYPE
from gan_aug.data.pictures.png import png, png_grid
from gan_aug.export.streams import zip_of
from gan_aug.synthesis import latents
from gan_aug.synthesis.cases import CaseSearch
from gan_aug.synthesis.latent_images import LatentImages, Scores
from gan_aug_service.access.authentication import Principal, Viewer
from gan_aug_service.components import Components
from gan_aug_service.http.disconnect import cancel_on_disconnect
from gan_aug_service.http.problems import Problem
from gan_aug_service.openapi.descriptions import file_responses, problem_responses
from gan_aug_service.openapi.sampling import CasesIn, SampleIn, WalkIn
from gan_aug_service.routes.common import ComponentsDep, Id, versioned_router
from gan_aug_service.routes.models import find_model_run
from gan_aug_service.sampling.batcher import Batcher

if TYPE_CHECKING:
    from gan_aug.evaluation.cells.kept import KeptClassifier

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
    _check_limit("count", body.count, components)
    batcher, vector = await open_model(components, principal, id, body.label)
    labels = np.tile(vector, (body.count, 1))
    sampling = batcher.sample(labels, body.seed, body.first, body.truncation, client=principal.key_id)
    images = await cancel_on_disconnect(request, sampling)
    headers = {"X-Checkpoint": batcher.checkpoint.id, "X-Synthetic": "true"}
    if body.format == "npz":
        content = await run_in_threadpool(_npz, images, body, batcher.checkpoint.id)
        headers["Content-Disposition"] = f'attachment; filename="sample-{id}.npz"'
        return Response(content, headers=headers, media_type="application/x-npz")
    names = body.label if isinstance(body.label, list) else [body.label]
    made_from = {"checkpoint": batcher.checkpoint.id, "labels": names} | body.model_dump(exclude={"format", "label"})
    return Response(await run_in_threadpool(_grid_png, images, made_from), headers=headers, media_type="image/png")


@router.post(
    "/models/{id}/walk",
    response_class=Response,
    responses=problem_responses(400, 404, 409, 413)
    | file_responses("image/png", "application/x-npz", "application/zip"),
)
async def walk(id: Id, body: WalkIn, request: Request, principal: Viewer, components: ComponentsDep) -> Response:
    """Make the images from one to another: a patient who becomes ill, one who becomes another, or a truncation."""
    _check_limit("steps", body.steps, components)
    batcher, vector = await open_model(components, principal, id, body.label)
    classifier = await _classifier(components, batcher, id, body.arm) if body.arm else None
    start = _latent(vector, body)
    last = vector if body.to_label is None else _vector_of(batcher, body.to_label)
    end = replace(
        _latent(last, body),
        seed=body.seed if body.to_seed is None else body.to_seed,
        truncation=float(body.truncation if body.to_truncation is None else body.to_truncation),
    )
    points = latents.walk(start, end, np.linspace(0, 1, body.steps))
    making = _make(components, batcher, points, classifier, principal)
    return await _answer(await cancel_on_disconnect(request, making), body.format, f"walk-{id}")


@router.post(
    "/models/{id}/cases",
    response_class=Response,
    responses=problem_responses(400, 404, 409, 413)
    | file_responses("image/png", "application/x-npz", "application/zip"),
)
async def cases(id: Id, body: CasesIn, request: Request, principal: Viewer, components: ComponentsDep) -> Response:
    """Look for images that a classifier of the comparison calls as wished.

    X-Found says how many there are, which may be fewer than asked for.
    """
    _check_limit("images", body.images, components)
    batcher, vector = await open_model(components, principal, id, body.label)
    classifier = await _classifier(components, batcher, id, body.arm)
    begin = None if body.from_label is None else tuple(_vector_of(batcher, body.from_label).tolist())
    if body.of is not None:
        _vector_of(batcher, body.of)
    searching = _search(components, batcher, classifier, _latent(vector, body), begin, body, principal)
    made = await cancel_on_disconnect(request, searching)
    return await _answer(made, body.format, f"cases-{id}", {"X-Found": f"{len(made)}"})


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
        The Batcher of the checkpoint that is the GAN, and the label as `(K,) float32`.

    Raises:
        Problem: The principal cannot see a model of that run, or the model has no such label.
        CheckpointError: The run has no complete checkpoint.
    """
    run = await run_in_threadpool(find_model_run, components, principal, run_id, "model.sample")
    batcher = await components.samplers.get(components.settings.runs / run)
    return batcher, _vector_of(batcher, label)


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


def _check_limit(name: str, count: int, components: Components) -> None:
    """Raise Problem if a request asks for more images than this service makes at once."""
    limit = components.settings.limits.sample
    if count > limit:
        detail = f"{name}: {count} is more than {limit}: queue the verb generate instead"
        raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, detail)


def _vector_of(batcher: Batcher, label: str | list[str]) -> npt.NDArray[np.float32]:
    return label_vector(label, batcher.checkpoint.labels, batcher.checkpoint.task)


def _latent(vector: npt.NDArray[np.float32], body: WalkIn | CasesIn) -> latents.Latent:
    """The point of the latent space of the first image of a body, with these labels."""
    return latents.Latent(tuple(vector.tolist()), body.seed, body.first, truncation=float(body.truncation))


async def _classifier(components: Components, batcher: Batcher, run_id: str, arm: str) -> KeptClassifier:
    """The classifier of an arm of a model's run; raises DataError if there is none, or it is for other images."""
    from gan_aug.stages.trained.latents import check_fit

    classifier = await components.samplers.classifiers.get(components.settings.runs / run_id, arm)
    check_fit(batcher.checkpoint, classifier)
    return classifier


async def _make(
    components: Components,
    batcher: Batcher,
    points: Sequence[latents.Latent],
    classifier: KeptClassifier | None,
    principal: Principal,
) -> LatentImages:
    """The images of some points, scored if there is a classifier."""
    images = await batcher.make(points, client=principal.key_id)
    made = LatentImages(images, tuple(points), batcher.checkpoint.labels, batcher.checkpoint.id)
    if classifier is None:
        return made
    probabilities = await components.samplers.classifiers.score(classifier, images)
    return replace(made, scores=Scores(classifier.to_json(), probabilities))


async def _search(
    components: Components,
    batcher: Batcher,
    classifier: KeptClassifier,
    first: latents.Latent,
    start: tuple[float, ...] | None,
    body: CasesIn,
    principal: Principal,
) -> LatentImages:
    """The cases that a body asks for; raises DataError if there are none."""
    from gan_aug.stages.trained.latents import wanted_case

    search = CaseSearch(
        wanted_case(batcher.checkpoint, first, body.of, start, body.confidence, body.tolerance, body.count, body.images)
    )
    while search.points:
        images = await batcher.make(search.points, client=principal.key_id)
        search.tell(await components.samplers.classifiers.score(classifier, images))
    search.check_found()
    made = await _make(components, batcher, search.cases, classifier, principal)
    return replace(made, search=search.to_json())


async def _answer(made: LatentImages, kind: str, name: str, headers: Mapping[str, str] | None = None) -> Response:
    """Images as the file that was asked for."""
    more = {"X-Checkpoint": made.checkpoint, "X-Synthetic": "true"} | dict(headers or {})
    if kind == "png":
        return Response(await run_in_threadpool(made.sheet), headers=more, media_type="image/png")
    more["Content-Disposition"] = f'attachment; filename="{name}.{kind}"'
    if kind == "npz":
        return Response(await run_in_threadpool(made.npz), headers=more, media_type="application/x-npz")
    content = await run_in_threadpool(lambda: b"".join(zip_of((file, [part]) for file, part in made.files())))
    return Response(content, headers=more, media_type="application/zip")


def _grid_png(images: npt.NDArray[np.uint8], made_from: Mapping[str, Any]) -> bytes:
    if len(images) == 1:
        return png(images[0], made_from=made_from)
    return png_grid([images[start : start + GRID_COLUMNS] for start in range(0, len(images), GRID_COLUMNS)], made_from)


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
        digital_source_type=np.array(SOURCE_TYPE),
        synthetic=np.array(True),
    )
    return buffer.getvalue()
