"""Releases: the list of all, and the forms beside each set and model that make and withdraw one."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlencode

from fastapi import Request
from fastapi.responses import Response
from pydantic import ValidationError

from gan_aug.export.formats import FORMATS
from gan_aug.export.models import MODEL_FORMATS
from gan_aug.privacy.record import UNSEEN, Subject, said_of_copies, said_of_membership
from gan_aug_service.components import Components
from gan_aug_service.database.tables import Role
from gan_aug_service.openapi.described import RunOut
from gan_aug_service.openapi.releases import ReleaseIn, ReleaseOut
from gan_aug_service.products.release import Releasable, releasable
from gan_aug_service.records import releases
from gan_aug_service.routes.common import After, ComponentsDep, Id
from gan_aug_service.routes.release.releases import find, list_releases, withdraw
from gan_aug_service.web.kit.page_route import page_router, redirect
from gan_aug_service.web.kit.page_user import CurrentViewer, PageUser, ViewerForm
from gan_aug_service.web.kit.rendering import render

router = page_router()
FIELDS = ("recipient", "reason")
PATHS: dict[Subject, str] = {"set": "/synthetic", "model": "/models"}


@dataclass(frozen=True)
class Privacy:
    """What a page says of the audit and the releases of a set or a model, and what it offers the user."""

    what: Releasable
    path: str
    said: list[str]
    releases: list[ReleaseOut]
    may_release: bool
    ask: str
    """Whom to ask, for one who may not release; empty for others."""
    formats: list[tuple[str, str]]
    sent: dict[str, str]
    """The form, if it is shown again since it had a fault."""

    @property
    def released(self) -> bool:
        """Whether it may be downloaded now."""
        return any(one.stands for one in self.releases)


def privacy(components: Components, user: PageUser, run: RunOut, subject: Subject, request: Request) -> Privacy:
    """What a page says of the audit and the releases of a set or a model.

    Args:
        components: The service's components.
        user: Who looks at the page.
        run: The run.
        subject: The set or the model.
        request: The request; a form with a fault comes back in its query.

    Returns:
        It, with what the user may do.
    """
    what = releasable(components.settings.runs / run.id, subject)
    said = [said_of_copies(what.audit), said_of_membership(what.audit), UNSEEN] if what.audit else []
    may = user.has_role(Role.RELEASER) and (what.objection is None or user.has_role(Role.ADMIN))
    again = request.query_params if request.query_params.get("fault") == "release" else {}
    return Privacy(
        what,
        f"{PATHS[subject]}/{run.id}",
        said,
        releases.of_run(components, run.id, subject),
        may,
        "" if user.has_role(Role.RELEASER) else releases.whom_to_ask(components, run.project),
        _files(subject),
        {name: again.get(name, "")[:400] for name in FIELDS if again},
    )


def _files(subject: Subject) -> list[tuple[str, str]]:
    """The query and the name of each form in which a set or a model is downloaded."""
    rows = FORMATS.values() if subject == "set" else MODEL_FORMATS.values()
    files = [(f"?format={row.name}", f"{row.title}{' (zip)' * (row.suffix == '.zip')}") for row in rows]
    return files if subject == "set" else [("", "generator (zip)"), *files]


@router.get("/releases")
def release_list(user: CurrentViewer, components: ComponentsDep, after: After = None) -> Response:
    """What was released, to whom and by whom, newest first."""
    listed = list_releases(user.principal, components, after=after)
    return render("release/releases.html", user, page=listed, first=after is None)


@router.post("/synthetic/{id}/release")
def release_set(id: Id, form: ViewerForm, components: ComponentsDep) -> Response:
    """Release a synthetic set as the form says, and go back to its page."""
    return _release(id, "set", form, components)


@router.post("/models/{id}/release")
def release_model(id: Id, form: ViewerForm, components: ComponentsDep) -> Response:
    """Release a model as the form says, and go back to its page."""
    return _release(id, "model", form, components)


@router.post("/releases/{id}/withdraw")
def withdraw_release(id: Id, form: ViewerForm, components: ComponentsDep) -> Response:
    """Withdraw a release, and go to the page of what it was of."""
    done = withdraw(id, form.user.principal, components)
    return redirect(f"{PATHS[done.subject]}/{done.run}#release")


def _release(run_id: str, subject: Subject, form: ViewerForm, components: Components) -> Response:
    principal = form.user.principal
    run = find(components, principal, run_id, subject)
    releases.check_releaser(components, principal, run.project)
    sent = {name: form.text(name) for name in FIELDS}
    path = f"{PATHS[subject]}/{run_id}"
    try:
        body = ReleaseIn.model_validate({name: text for name, text in sent.items() if text})
    except ValidationError:
        return redirect(f"{path}?{urlencode({'fault': 'release', **sent})}#release")
    releases.release(components, principal, run, subject, body.recipient, body.reason)
    return redirect(f"{path}#release")
