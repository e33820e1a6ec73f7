"""Synthetic sets: browsed by label, each image with a page of its own."""

from __future__ import annotations

from http import HTTPStatus
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
from fastapi import Query, Request
from fastapi.responses import Response

from gan_aug.data.pictures.png import png
from gan_aug.data.synthetic.shards import SyntheticManifest
from gan_aug_service.components import Components
from gan_aug_service.http.problems import Problem
from gan_aug_service.products import summaries
from gan_aug_service.products.release import releasable
from gan_aug_service.products.synthetic_images import image_indices, load_manifest, locate_image, pixels
from gan_aug_service.records import projects
from gan_aug_service.records.sharing import find_set
from gan_aug_service.routes.common import After, ComponentsDep, Id, WantedDep
from gan_aug_service.routes.synthetic import list_synthetic
from gan_aug_service.web.kit.etag import IMMUTABLE, REVALIDATE, not_modified, png_response
from gan_aug_service.web.kit.filters import filters_of
from gan_aug_service.web.kit.page_route import page_router
from gan_aug_service.web.kit.page_user import CurrentViewer
from gan_aug_service.web.kit.rendering import render
from gan_aug_service.web.kit.run_rows import PAGE_SIZE, read_dataset, run_rows
from gan_aug_service.web.pages.release.releases import privacy

router = page_router()
SHOWN = 100
"""Images on a page."""

Label = Annotated[str | None, Query(description="images of this label alone")]
PageNumber = Annotated[int, Query(ge=1, description="pages of 100 images, from 1 on")]


@router.get("/synthetic")
def synthetic_sets(user: CurrentViewer, components: ComponentsDep, wanted: WantedDep, after: After = None) -> Response:
    """The synthetic sets of the user's project."""
    listed = list_synthetic(user.principal, components, wanted, limit=PAGE_SIZE, after=after)
    filters = filters_of(components, user, "/synthetic", wanted)
    own = {run.id for run in listed.items if user.principal.can_see(run.project)}
    shown = run_rows(
        components,
        listed.items,
        lambda run: (summaries.synthetic(run), read_dataset(run) if run.name in own else None, releasable(run, "set")),
    )
    return render("products/synthetic-sets.html", user, rows=shown, next=listed.next, filters=filters)


@router.get("/synthetic/{id}")
def synthetic_set(
    id: Id,
    request: Request,
    user: CurrentViewer,
    components: ComponentsDep,
    label: Label = None,
    page: PageNumber = 1,
) -> Response:
    """One synthetic set: its facts, and a page of its images."""
    seen = find_set(components, user.principal, id)
    run, folder = seen.shown, seen.place
    manifest = load_manifest(folder)
    indices = _indices(folder, manifest, label)
    pages = max(1, -(-len(indices) // SHOWN))
    if page > pages:
        raise Problem(HTTPStatus.NOT_FOUND, f"page: {page} is past the last one: there are {pages}")
    shown = indices[(page - 1) * SHOWN : page * SHOWN]
    return render(
        "products/synthetic-set.html",
        user,
        run=run,
        made=summaries.synthetic(folder.parent, folder),
        data=read_dataset(folder.parent) if seen.own else None,
        label=label,
        page=page,
        pages=pages,
        total=len(indices),
        first=(page - 1) * SHOWN,
        images=[locate_image(manifest, int(index)) for index in shown],
        privacy=privacy(components, user, run, "set", request) if seen.own else None,
        shared_by=None if seen.own else _title(components, run.project),
    )


@router.get("/synthetic/{id}/images/{index}.png")
def image_file(
    id: Id, index: int, request: Request, user: CurrentViewer, components: ComponentsDep, v: str = ""
) -> Response:
    """One image as it is stored. If `v` is the set's fingerprint, as in the pages, browsers may cache it for long."""
    folder = find_set(components, user.principal, id).place
    manifest = load_manifest(folder)
    image = locate_image(manifest, _existing(manifest, index))
    tag, cache_control = f"{manifest.fingerprint[:32]}-{index}", IMMUTABLE if v == manifest.fingerprint else REVALIDATE
    unchanged = not_modified(request, tag, cache_control)
    return unchanged or png_response(
        png(pixels(folder, image), made_from=manifest.made_from(index)), tag, cache_control
    )


@router.get("/synthetic/{id}/images/{index}")
def image_page(id: Id, index: int, user: CurrentViewer, components: ComponentsDep, label: Label = None) -> Response:
    """One image, enlarged, with its origin; with `label`, the links go to images of that label."""
    seen = find_set(components, user.principal, id)
    run, folder = seen.shown, seen.place
    manifest = load_manifest(folder)
    image = locate_image(manifest, _existing(manifest, index))
    indices = _indices(folder, manifest, label)
    return render(
        "products/synthetic-image.html",
        user,
        run=run,
        made=summaries.synthetic(folder.parent, folder),
        image=image,
        label=label,
        page=int(np.searchsorted(indices, index)) // SHOWN + 1,
        **_neighbours(indices, index),
    )


def _title(components: Components, project: str) -> str:
    with components.database.reading() as session:
        return projects.title_of(session, project)


def _existing(manifest: SyntheticManifest, index: int) -> int:
    count = len(manifest.image_labels)
    if not 0 <= index < count:
        raise Problem(HTTPStatus.NOT_FOUND, f"index: there is no image {index}: the set has {count}, from 0 on")
    return index


def _indices(folder: Path, manifest: SyntheticManifest, label: str | None) -> npt.NDArray[np.int64]:
    if label is not None and label not in manifest.labels:
        known = ", ".join(manifest.labels)
        raise Problem(HTTPStatus.NOT_FOUND, f"label: the set has no label {label[:80]!r}: use one of {known}")
    return image_indices(folder, None if label is None else manifest.labels.index(label))


def _neighbours(indices: npt.NDArray[np.int64], index: int) -> dict[str, Any]:
    """The images before and after, among those that are browsed; None at the ends."""
    before, after = indices[indices < index], indices[indices > index]
    return {"before": int(before[-1]) if len(before) else None, "after": int(after[0]) if len(after) else None}
