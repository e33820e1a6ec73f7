"""Two reports side by side: their tables beside each other, and a plain list of how their requests differ."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated

from fastapi import Query
from fastapi.responses import Response

from gan_aug_service.http.problems import Problem
from gan_aug_service.products.side_by_side import side_by_side
from gan_aug_service.routes.common import ComponentsDep, Id
from gan_aug_service.web.kit.page_route import page_router
from gan_aug_service.web.kit.page_user import CurrentViewer
from gan_aug_service.web.kit.rendering import render
from gan_aug_service.web.kit.run_rows import find_run

router = page_router()
Two = Annotated[list[Id], Query(max_length=200, description="two runs with reports")]


@router.get("/reports/side-by-side")
def two_reports(user: CurrentViewer, components: ComponentsDep, run: Two) -> Response:
    """Two reports; the audit records that both were read."""
    chosen = list(dict.fromkeys(run))
    if len(chosen) != 2:
        raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, f"{len(chosen)} reports are chosen: go back and choose two")
    runs = [find_run(user, components, each, "report") for each in chosen]
    found = side_by_side(*(components.settings.runs / each.id for each in runs))
    with components.database.writing() as session:
        for each in runs:
            user.principal.audit(session, "report.read", each.id, "side by side")
    return render("products/side-by-side.html", user, runs=runs, found=found)
