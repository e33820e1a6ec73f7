"""A new job from a form that is the config: checked as POST /v1/jobs/{verb} checks it, its faults beside its fields."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import Query
from fastapi.responses import Response

from gan_aug.config import yaml_text
from gan_aug.errors import GanAugError
from gan_aug_service.database.tables import ID_PATTERN, new_id
from gan_aug_service.http.bodies import JSON, YAML, parse_object, too_large
from gan_aug_service.http.problems import Problem, not_found, of_error
from gan_aug_service.parts import Parts
from gan_aug_service.records import jobs
from gan_aug_service.routes.common import EXAMPLES, Service
from gan_aug_service.routes.jobs import RunQuery, Verb
from gan_aug_service.routes.uploads import list_uploads
from gan_aug_service.web.kit import config_form
from gan_aug_service.web.kit.page_route import go
from gan_aug_service.web.kit.page_route import router as new_router
from gan_aug_service.web.kit.rendering import render
from gan_aug_service.web.kit.visitor import EditorForm, EditorReader, Form, Visitor

router = new_router()
ID = re.compile(ID_PATTERN)
Former = Annotated[str | None, Query(alias="from", pattern=ID_PATTERN, description="a job to begin from")]
VERB_HELP = {
    "run": "all of it: import, train, generate, compare",
    "import": "read the images, split them by patient, check them",
    "train": "the GAN, on the training split",
    "generate": "the synthetic set, from the trained generator",
    "compare": "classifiers on real, synthetic and mixed images",
}
SOURCES = ("digits", "mnist", "pneumoniamnist", "breastmnist", "folder", "csv", "dicom", "dicomweb")


@dataclass(frozen=True)
class Draft:
    """What stands in the form: a verb, the run to go on in, and the config as fields or as YAML."""

    verb: str = "run"
    run: str = ""
    texts: dict[str, list[str]] = field(default_factory=dict)
    yaml: str | None = None
    faults: Sequence[tuple[str, str]] = ()
    """What is wrong, each with its field's dotted path, or with none."""

    def values(self, parts: Parts) -> dict[str, Any]:
        """The config that stands in the form; raises Problem for what POST /v1/jobs/{verb} would not read."""
        limits = parts.settings.limits
        kind, text = YAML, self.yaml
        if text is None:
            kind, text = JSON, json.dumps(config_form.values_of(self.texts))
        content = text.encode(errors="replace")
        if len(content) > limits.config:
            raise too_large(limits.config)
        return parse_object(content, kind, limits.depth)


@router.get("/new")
def new_job(
    visitor: EditorReader,
    parts: Service,
    example: str = "",
    former: Former = None,
    verb: str = "run",
    run: RunQuery = None,
) -> Response:
    """The form: empty, with an example, or with the config of a former job (`?from=`)."""
    values: dict[str, Any] = {}
    if example in EXAMPLES:
        values = EXAMPLES[example]["value"]  # type: ignore[assignment]
    elif former:
        with parts.database.reading() as session:
            values = json.loads(jobs.find(session, visitor.caller, former).config)
    return _page(parts, visitor, Draft(verb, run or "", config_form.texts_of(values)))


@router.post("/new")
def start(form: EditorForm, parts: Service) -> Response:
    """Queue the job and go to its page; with a fault, show the form as it was sent and what is wrong."""
    draft = _sent(form)
    try:
        values = draft.values(parts)
        if draft.run and not ID.fullmatch(draft.run):
            raise not_found("job", repr(draft.run[:80]))
        wanted = form.text("action")
        if wanted == "yaml":
            return _page(parts, form.visitor, replace(draft, yaml=yaml_text(values) if values else ""))
        if wanted == "form":
            return _page(parts, form.visitor, replace(draft, yaml=None, texts=config_form.texts_of(values)))
        once = form.text("once") if ID.fullmatch(form.text("once")) else None
        job, _ = jobs.submit(parts, form.visitor.caller, draft.verb, values, draft.run or None, once)
    except GanAugError as error:
        told = of_error(type(error)(parts.settings.without_places(str(error))))
        faults = [_placed(fault) for fault in told.get("faults") or [told["detail"]]]
        return _page(parts, form.visitor, replace(draft, faults=faults), error.http_status)
    except Problem as problem:
        return _page(parts, form.visitor, replace(draft, faults=[("", problem.detail)]), problem.status_code)
    return go(f"/jobs/{job.id}")


def _sent(form: Form) -> Draft:
    """The draft that a form holds; a verb that there is not is the first."""
    verb = form.text("verb")
    texts = {path: form.fields.get(path, []) for path in config_form.fields()}
    yaml = form.fields["yaml"][0] if "yaml" in form.fields else None
    return Draft(verb if verb in VERB_HELP else "run", form.text("run"), texts, yaml)


def _placed(fault: str) -> tuple[str, str]:
    """A fault with the path of the field that it belongs beside, or with none."""
    path, colon, message = fault.partition(": ")
    return (path, message) if colon and path in config_form.fields() else ("", fault)


def _page(parts: Parts, visitor: Visitor, draft: Draft, status: int = HTTPStatus.OK) -> Response:
    uploads = list_uploads(visitor.caller, parts).items
    beside: dict[str, str] = {}
    for path, message in draft.faults:
        beside[path] = f"{beside[path]}; {message}" if path in beside else message
    return render(
        "new.html",
        visitor,
        status=status,
        draft=draft,
        groups=config_form.groups(),
        touched=_touched(draft, beside),
        beside=beside,
        verbs=[(verb.value, VERB_HELP[verb.value]) for verb in Verb],
        sources=SOURCES,
        uploads=uploads,
        once=new_id(),
    )


def _touched(draft: Draft, beside: dict[str, str]) -> set[str]:
    """The groups of keys that are shown open: where something was entered, or is wrong."""
    entered = {path for path, texts in draft.texts.items() if any(texts)} | beside.keys()
    return {group.name for group in config_form.groups() if any(field.path in entered for field in group.fields)}
