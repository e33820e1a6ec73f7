"""Data sets: what was imported, label by label and split by split, and contact sheets for those who may see them."""

from __future__ import annotations

from http import HTTPStatus

from fastapi.responses import Response

from gan_aug_service.http.problems import Problem
from gan_aug_service.products import summaries as products
from gan_aug_service.routes.common import After, Id, Service
from gan_aug_service.routes.datasets import list_datasets
from gan_aug_service.web.kit.etag import PNG
from gan_aug_service.web.kit.page_route import router as new_router
from gan_aug_service.web.kit.rendering import render
from gan_aug_service.web.kit.run_rows import LISTED, found, rows
from gan_aug_service.web.kit.visitor import EditorReader, Reader

router = new_router()


@router.get("/datasets")
def datasets(visitor: Reader, parts: Service, after: After = None) -> Response:
    """The data sets of the visitor's project."""
    listed = list_datasets(visitor.caller, parts, limit=LISTED, after=after)
    shown = rows(parts, listed.items, products.dataset_facts)
    return render("datasets.html", visitor, rows=shown, next=listed.next)


@router.get("/datasets/{id}")
def dataset(id: Id, visitor: Reader, parts: Service) -> Response:  # noqa: A002 - the path's word
    """One data set: counts, provenance, what was set aside, and its contact sheets where the role allows."""
    run = found(visitor, parts, id, "dataset")
    folder = parts.settings.runs / run.id
    data, facts = products.dataset(folder), products.dataset_facts(folder)
    table = [(label, [counts[label] for counts in data.counts.values()]) for label in data.labels]
    return render("dataset.html", visitor, run=run, data=data, facts=facts, table=table)


@router.get("/datasets/{id}/contact/{label}.png")
def contact(id: Id, label: int, visitor: EditorReader, parts: Service) -> Response:  # noqa: A002
    """Real images of the label at a position, as one picture; who looked is written down, and nothing is kept."""
    run = found(visitor, parts, id, "dataset")
    sheet = products.label_sheet(parts.settings.runs / run.id, label) if label >= 0 else None
    if sheet is None:
        raise Problem(HTTPStatus.NOT_FOUND, f"label: the data set has no images of label {label}: look at its page")
    with parts.database.writing() as session:
        visitor.caller.audit(session, "dataset.contact", run.id, str(label))
    return Response(sheet.read_bytes(), media_type=PNG)
