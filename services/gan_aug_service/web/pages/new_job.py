"""A new job from a form that is the config: checked as POST /v1/jobs/{verb} does, with faults beside the fields."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import Query
from fastapi.responses import JSONResponse, Response

from gan_aug.config import yaml_text
from gan_aug.data.sources.open import source_names
from gan_aug.errors import GanAugError
from gan_aug_service.components import Components
from gan_aug_service.database.tables import ID_PATTERN, new_id
from gan_aug_service.http.bodies import JSON, YAML, body_too_large, parse_object
from gan_aug_service.http.problems import Problem, error_document, not_found
from gan_aug_service.openapi.checks import CheckOut
from gan_aug_service.openapi.described import AboutIn
from gan_aug_service.openapi.examples import CONFIG_EXAMPLES
from gan_aug_service.records import checks, jobs
from gan_aug_service.records.catalogue.lists import EVERYTHING
from gan_aug_service.routes.checks import check_out
from gan_aug_service.routes.common import ComponentsDep
from gan_aug_service.routes.jobs import RunQuery, Verb
from gan_aug_service.routes.uploads import list_uploads
from gan_aug_service.web.kit import config_form
from gan_aug_service.web.kit.about_form import read_about
from gan_aug_service.web.kit.page_route import page_router, redirect
from gan_aug_service.web.kit.page_user import CurrentEditor, EditorForm, Form, PageUser
from gan_aug_service.web.kit.presets import PRESETS, with_preset
from gan_aug_service.web.kit.rendering import render

router = page_router()
ID = re.compile(ID_PATTERN)
PRESET = "preset:"
"""How the action begins that fills in a preset; its name follows."""

EarlierJob = Annotated[
    str | None, Query(alias="from", pattern=ID_PATTERN, description="a job whose config fills in the form")
]
VERB_HELP = {
    "run": "all stages: import, train, generate, audit, compare",
    "import": "read the images, split them by patient, check them",
    "train": "train the GAN on the training split",
    "generate": "make a synthetic set with the trained generator",
    "audit": "compare the synthetic set with the training images, before it is released",
    "compare": "compare classifiers trained on real, synthetic and mixed images",
}


@dataclass(frozen=True)
class Draft:
    """What the form holds: a verb, the run to go on in, and the config as fields or as YAML."""

    verb: str = "run"
    run: str = ""
    title: str = ""
    tags: str = ""
    texts: dict[str, list[str]] = field(default_factory=dict)
    yaml: str | None = None
    faults: Sequence[tuple[str, str]] = ()
    """What is wrong: each fault with the dotted path of its field, or an empty path."""
    checked: CheckOut | None = None
    """What a check found; None if none was asked for."""

    def values(self, components: Components) -> dict[str, Any]:
        """The config in the form; raises Problem if POST /v1/jobs/{verb} would not read it."""
        limits = components.settings.limits
        kind, text = YAML, self.yaml
        if text is None:
            kind, text = JSON, json.dumps(config_form.parse_fields(self.texts))
        content = text.encode(errors="replace")
        if len(content) > limits.config:
            raise body_too_large(limits.config)
        return parse_object(content, kind, limits.depth)


@router.get("/new")
def new_job(
    user: CurrentEditor,
    components: ComponentsDep,
    example: str = "",
    earlier: EarlierJob = None,
    verb: str = "run",
    run: RunQuery = None,
    source: str = "",
    root: str = "",
) -> Response:
    """The form: empty, with an example, with images to import, or with the config of an earlier job (`?from=`)."""
    values: dict[str, Any] = {}
    if example in CONFIG_EXAMPLES:
        values = CONFIG_EXAMPLES[example]["value"]  # type: ignore[assignment]
    elif earlier:
        with components.database.reading() as session:
            values = json.loads(jobs.find_job(session, user.principal, earlier).config)
    elif source or root:
        values = {"data": {"source": source[:40], "root": root[:1000]}}
    return _page(components, user, Draft(verb, run or "", texts=config_form.form_texts(values)))


@router.post("/new")
def start(form: EditorForm, components: ComponentsDep) -> Response:
    """Queue the job and go to its page; if there is a fault, show the form as it was sent, and what is wrong."""
    draft = _read_draft(form)
    try:
        values = draft.values(components)
        if draft.run and not ID.fullmatch(draft.run):
            raise not_found("job", repr(draft.run[:80]))
        action = form.text("action")
        if action == "yaml":
            return _page(components, form.user, replace(draft, yaml=yaml_text(values) if values else ""))
        if action == "form":
            return _page(components, form.user, replace(draft, yaml=None, texts=config_form.form_texts(values)))
        if action.startswith(PRESET):
            texts = with_preset(draft.texts, action.removeprefix(PRESET))
            return _page(components, form.user, replace(draft, yaml=None, texts=texts))
        if action == "check":
            found = checks.check(components, form.user.principal, draft.verb, values, draft.run or None, quick=False)
            return _page(components, form.user, replace(draft, checked=check_out(components, found)))
        idempotency_key = form.text("once") if ID.fullmatch(form.text("once")) else None
        about = _read_names(form, draft)
        job, _ = jobs.submit(
            components, form.user.principal, draft.verb, values, draft.run or None, idempotency_key, about
        )
    except GanAugError as error:
        faults = [_split_fault(fault) for fault in _faults(components, error)]
        return _page(components, form.user, replace(draft, faults=faults), error.http_status)
    except Problem as problem:
        return _page(components, form.user, replace(draft, faults=[_split_fault(problem.detail)]), problem.status_code)
    return redirect(f"/jobs/{job.id}")


@router.post("/new/quick")
def quick(form: EditorForm, components: ComponentsDep) -> JSONResponse:
    """What is wrong with the form as it is, and what an earlier check of the same estimated; for the page's script."""
    draft = _read_draft(form)
    try:
        values, run = draft.values(components), draft.run if ID.fullmatch(draft.run) else None
        found = checks.check(components, form.user.principal, draft.verb, values, run, quick=True)
    except GanAugError as error:
        return JSONResponse({"faults": _faults(components, error), "estimate": None})
    except Problem as problem:
        return JSONResponse({"faults": [problem.detail], "estimate": None})
    estimate = check_out(components, found).estimate
    return JSONResponse({"faults": [], "estimate": estimate.words if estimate else None})


def _faults(components: Components, error: GanAugError) -> list[str]:
    """Each fault of an error, without the service's own paths."""
    problem = error_document(type(error)(components.settings.hide_paths(str(error))))
    return list(problem.get("faults") or [problem["detail"]])


def _read_draft(form: Form) -> Draft:
    """The draft in a form; an unknown verb becomes the first one."""
    verb = form.text("verb")
    texts = {path: form.fields.get(path, []) for path in config_form.fields()}
    yaml = form.fields["yaml"][0] if "yaml" in form.fields else None
    verb = verb if verb in VERB_HELP else "run"
    return Draft(verb, form.text("run"), form.text("title"), form.text("tags"), texts, yaml)


def _read_names(form: Form, draft: Draft) -> AboutIn | None:
    """The title and the tags of a new run, as the form has them; raises Problem if they cannot be used."""
    if draft.run or not (draft.title or draft.tags):
        return None
    about, faults = read_about(form, title_needed=False)
    if about is None:
        raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, "; ".join(f"{name}: {fault}" for name, fault in faults.items()))
    return about


def _split_fault(fault: str) -> tuple[str, str]:
    """A fault with the path of its field, or with an empty path."""
    path, colon, message = fault.partition(": ")
    return (path, message) if colon and path in config_form.fields() else ("", fault)


def _page(components: Components, user: PageUser, draft: Draft, status: int = HTTPStatus.OK) -> Response:
    uploads = list_uploads(user.principal, components, EVERYTHING, limit=200).items
    field_faults: dict[str, str] = {}
    for path, message in draft.faults:
        field_faults[path] = f"{field_faults[path]}; {message}" if path in field_faults else message
    return render(
        "jobs/new.html",
        user,
        status=status,
        draft=draft,
        groups=config_form.groups(),
        open_groups=_open_groups(draft, field_faults),
        field_faults=field_faults,
        verbs=[(verb.value, VERB_HELP[verb.value]) for verb in Verb],
        sources=source_names(),
        presets=PRESETS,
        uploads=uploads,
        idempotency_key=new_id(),
    )


def _open_groups(draft: Draft, field_faults: dict[str, str]) -> set[str]:
    """The groups that are shown open: those with something entered or wrong."""
    entered = {path for path, texts in draft.texts.items() if any(texts)} | field_faults.keys()
    return {group.name for group in config_form.groups() if any(field.path in entered for field in group.fields)}
