"""Synthetic sets: leafed through by label, each image with an address of its own."""

from __future__ import annotations

from http import HTTPStatus
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
from fastapi import Query, Request
from fastapi.responses import Response

from gan_aug.data.pictures import png
from gan_aug.data.synthetic.shards import SyntheticManifest
from gan_aug.export.formats import FORMATS
from gan_aug_service.http.problems import Problem
from gan_aug_service.products import summaries as products
from gan_aug_service.products.synthetic_images import image_at, indices_of, manifest_of, pixels
from gan_aug_service.routes.common import After, Id, Service
from gan_aug_service.routes.synthetic import list_synthetic
from gan_aug_service.web.kit.etag import ASK, FOREVER, held, picture
from gan_aug_service.web.kit.page_route import router as new_router
from gan_aug_service.web.kit.rendering import render
from gan_aug_service.web.kit.run_rows import LISTED, data_of, found, rows
from gan_aug_service.web.kit.visitor import Reader

router = new_router()
SHOWN = 100
"""Images on a page."""

Label = Annotated[str | None, Query(description="images of this label alone")]
PageNumber = Annotated[int, Query(ge=1, description="pages of 100 images, from 1 on")]


@router.get("/synthetic")
def synthetic_sets(visitor: Reader, parts: Service, after: After = None) -> Response:
    """The synthetic sets of the visitor's project."""
    listed = list_synthetic(visitor.caller, parts, limit=LISTED, after=after)
    shown = rows(parts, listed.items, lambda run: (products.synthetic(run), data_of(run)))
    return render("synthetic.html", visitor, rows=shown, next=listed.next)


@router.get("/synthetic/{id}")
def synthetic_set(
    id: Id,  # noqa: A002 - the path's word
    visitor: Reader,
    parts: Service,
    label: Label = None,
    page: PageNumber = 1,
) -> Response:
    """One synthetic set: its facts, and a page of its images."""
    run = found(visitor, parts, id, "synthetic")
    folder = parts.settings.runs / run.id
    manifest = manifest_of(folder)
    indices = _indices(folder, manifest, label)
    pages = max(1, -(-len(indices) // SHOWN))
    if page > pages:
        raise Problem(HTTPStatus.NOT_FOUND, f"page: {page} is past the last one: there are {pages}")
    shown = indices[(page - 1) * SHOWN : page * SHOWN]
    return render(
        "synthetic-set.html",
        visitor,
        run=run,
        made=products.synthetic(folder),
        data=data_of(folder),
        label=label,
        page=page,
        pages=pages,
        total=len(indices),
        first=(page - 1) * SHOWN,
        images=[image_at(manifest, int(index)) for index in shown],
        formats=FORMATS.values(),
    )


@router.get("/synthetic/{id}/images/{index}.png")
def image_file(id: Id, index: int, request: Request, visitor: Reader, parts: Service, v: str = "") -> Response:  # noqa: A002
    """One image as it is stored; `v` is the set's fingerprint, as in our pages, where the browser may keep it."""
    run = found(visitor, parts, id, "synthetic")
    folder = parts.settings.runs / run.id
    manifest = manifest_of(folder)
    image = image_at(manifest, _known(manifest, index))
    tag, kept = f"{manifest.fingerprint[:32]}-{index}", FOREVER if v == manifest.fingerprint else ASK
    return held(request, tag, kept) or picture(png(pixels(folder, image)), tag, kept)


@router.get("/synthetic/{id}/images/{index}")
def image_page(id: Id, index: int, visitor: Reader, parts: Service, label: Label = None) -> Response:  # noqa: A002
    """One image, enlarged, with where it comes from; `label` keeps the way on to images of that label."""
    run = found(visitor, parts, id, "synthetic")
    folder = parts.settings.runs / run.id
    manifest = manifest_of(folder)
    image = image_at(manifest, _known(manifest, index))
    indices = _indices(folder, manifest, label)
    return render(
        "synthetic-image.html",
        visitor,
        run=run,
        made=products.synthetic(folder),
        image=image,
        label=label,
        page=int(np.searchsorted(indices, index)) // SHOWN + 1,
        **_neighbours(indices, index),
    )


def _known(manifest: SyntheticManifest, index: int) -> int:
    count = len(manifest.image_labels)
    if not 0 <= index < count:
        raise Problem(HTTPStatus.NOT_FOUND, f"index: there is no image {index}: the set has {count}, from 0 on")
    return index


def _indices(folder: Path, manifest: SyntheticManifest, label: str | None) -> npt.NDArray[np.int64]:
    if label is not None and label not in manifest.labels:
        known = ", ".join(manifest.labels)
        raise Problem(HTTPStatus.NOT_FOUND, f"label: the set has no label {label[:80]!r}: use one of {known}")
    return indices_of(folder, None if label is None else manifest.labels.index(label))


def _neighbours(indices: npt.NDArray[np.int64], index: int) -> dict[str, Any]:
    """The images before and after, among those that are leafed through; None at the ends."""
    before, after = indices[indices < index], indices[indices > index]
    return {"before": int(before[-1]) if len(before) else None, "after": int(after[0]) if len(after) else None}
