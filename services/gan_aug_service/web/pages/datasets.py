"""Data sets: what was imported, by label and split, and contact sheets for those who may see them."""

from __future__ import annotations

from http import HTTPStatus

from fastapi.responses import Response

from gan_aug_service.http.problems import Problem
from gan_aug_service.products import summaries
from gan_aug_service.routes.common import After, ComponentsDep, Id, WantedDep
from gan_aug_service.routes.datasets import list_datasets
from gan_aug_service.web.kit.etag import PNG
from gan_aug_service.web.kit.filters import filters_of
from gan_aug_service.web.kit.page_route import page_router
from gan_aug_service.web.kit.page_user import CurrentSeesRealImages, CurrentViewer
from gan_aug_service.web.kit.rendering import render
from gan_aug_service.web.kit.run_rows import PAGE_SIZE, find_run, run_rows

router = page_router()


@router.get("/datasets")
def datasets(user: CurrentViewer, components: ComponentsDep, wanted: WantedDep, after: After = None) -> Response:
    """The data sets of the user's project."""
    listed = list_datasets(user.principal, components, wanted, limit=PAGE_SIZE, after=after)
    filters = filters_of(components, user, "/datasets", wanted)
    shown = run_rows(components, listed.items, summaries.dataset_facts)
    return render("products/datasets.html", user, rows=shown, next=listed.next, filters=filters)


@router.get("/datasets/{id}")
def dataset(id: Id, user: CurrentViewer, components: ComponentsDep) -> Response:
    """One data set: counts, provenance, what was excluded, and contact sheets if the role allows it."""
    run = find_run(user, components, id, "dataset")
    folder = components.settings.runs / run.id
    data, facts = summaries.dataset(folder), summaries.dataset_facts(folder)
    table = [(label, [counts[label] for counts in data.counts.values()]) for label in data.labels]
    return render("products/dataset.html", user, run=run, data=data, facts=facts, table=table)


@router.get("/datasets/{id}/contact/{label}.png")
def contact(id: Id, label: int, user: CurrentSeesRealImages, components: ComponentsDep) -> Response:
    """Real images of the label with this index, as one picture. The audit records who looked; no browser caches it."""
    run = find_run(user, components, id, "dataset")
    sheet = summaries.label_sheet(components.settings.runs / run.id, label) if label >= 0 else None
    if sheet is None:
        raise Problem(HTTPStatus.NOT_FOUND, f"label: the data set has no images of label {label}: look at its page")
    with components.database.writing() as session:
        user.principal.audit(session, "dataset.contact", run.id, str(label))
    return Response(sheet.read_bytes(), media_type=PNG)
