"""The page that asks a comparison's classifier about an image."""

from __future__ import annotations

from fastapi.responses import Response

from gan_aug.errors import DataError
from gan_aug.run import layout
from gan_aug.run.files import read_json
from gan_aug_service.routes.common import ComponentsDep, Id
from gan_aug_service.web.kit.page_route import page_router
from gan_aug_service.web.kit.page_user import CurrentViewer
from gan_aug_service.web.kit.rendering import render
from gan_aug_service.web.kit.run_rows import find_run
from gan_aug_service.web.pages.reports import answer_of

router = page_router()


@router.get("/reports/{id}/predict")
def ask(id: Id, user: CurrentViewer, components: ComponentsDep) -> Response:
    """A form for an image, and what the chosen classifier says of it; a script sends the image."""
    run = find_run(user, components, id, "report")
    folder = components.settings.runs / run.id
    index = folder / layout.COMPARE / layout.CELL_INDEX
    if not index.is_file():
        raise DataError("this comparison kept no classifiers: resume its job, and they are trained again")
    arms = [*read_json(index)["arms"]]
    return render("products/predict.html", user, run=run, report=answer_of(folder), arms=arms)
