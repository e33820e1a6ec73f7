"""What runs and uploads are called: given when they are made, changed later, and recorded in the audit."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from gan_aug_service.access.authentication import Principal
from gan_aug_service.components import Components
from gan_aug_service.database.naming import data_title, first_title, numbered, source_in_words, upload_of
from gan_aug_service.database.tables import Job, Run, Upload
from gan_aug_service.http.problems import not_found
from gan_aug_service.openapi.described import AboutIn


@dataclass(frozen=True)
class Naming:
    """What the config of a new run says of its names: its first title, its source, and its data set's title."""

    title: str
    source: str
    data_title: str | None


def naming_of(session: Session, principal: Principal, data: Mapping[str, Any]) -> Naming:
    """The names that follow from a config.

    Args:
        session: A session.
        principal: Who asks; the titles of uploads that it cannot see are not used.
        data: The section `data` of the config, as it was sent.

    Returns:
        The names.
    """
    upload = session.get(Upload, upload_of(data.get("root")) or "")
    titles = {upload.id: upload.title} if upload and principal.can_see(upload.project) else {}
    return Naming(first_title(data, titles), source_in_words(data, titles), data_title(data, titles))


def earlier_data_title(session: Session, run_id: str) -> str | None:
    """The title of a run's data set that the run's first job asked for: what goes on in the run asks for the same."""
    first = session.get(Job, run_id)
    title = json.loads(first.request).get("data", {}).get("title") if first else None
    return None if title is None else str(title)


def free_title(session: Session, project: str, title: str) -> str:
    """A title with a number behind it if runs of the project are called so already."""
    alike = select(Run.title).where(Run.project == project, Run.title.startswith(title, autoescape=True))
    taken = set(session.scalars(alike))
    return next(name for number in range(len(taken) + 1) if (name := numbered(title, number)) not in taken)


def describe_run(components: Components, principal: Principal, run_id: str, about: AboutIn) -> Run:
    """Change the title, the tags or the notes of a run.

    Args:
        components: The service's components.
        principal: Who asks.
        run_id: The run.
        about: What changes.

    Returns:
        The run.

    Raises:
        Problem: There is none, or the principal cannot see it.
    """
    with components.database.writing() as session:
        run = session.get(Run, run_id, with_for_update=True)
        if run is None or not principal.can_see(run.project):
            raise not_found("run", run_id)
        _change(session, principal, run, about, "run.describe")
    return run


def describe_upload(components: Components, principal: Principal, upload_id: str, about: AboutIn) -> Upload:
    """Change the title, the tags or the notes of an upload.

    Args:
        components: The service's components.
        principal: Who asks.
        upload_id: The upload.
        about: What changes.

    Returns:
        The upload.

    Raises:
        Problem: There is none, or the principal cannot see it.
    """
    with components.database.writing() as session:
        upload = session.get(Upload, upload_id, with_for_update=True)
        if upload is None or not principal.can_see(upload.project):
            raise not_found("upload", upload_id)
        _change(session, principal, upload, about, "upload.describe")
    return upload


def _change(session: Session, principal: Principal, record: Run | Upload, about: AboutIn, action: str) -> None:
    """Change what is given; the audit records which of it, and not its words."""
    given = {name: value for name, value in about.model_dump().items() if value is not None}
    for name, value in given.items():
        setattr(record, name, tuple(value) if name == "tags" else value)
    if given:
        principal.audit(session, action, record.id, ", ".join(given))


def owner_names(session: Session, principal: Principal, table: type[Run | Upload] = Run) -> list[str]:
    """The names of those who made the records of a table that a principal can see, in the order of the alphabet."""
    query = principal.visible(select(table.owner).distinct().where(table.owner != ""), table)
    return sorted(session.scalars(query), key=str.casefold)


def tag_names(session: Session, principal: Principal, table: type[Run | Upload] = Run) -> list[str]:
    """The tags of the records of a table that a principal can see, in the order of the alphabet."""
    query = principal.visible(select(table.tags).distinct(), table)
    return sorted({tag for tags in session.scalars(query) for tag in tags})


def project_names(session: Session, principal: Principal, table: type[Run | Upload] = Run) -> list[str]:
    """The projects of the records of a table that a principal can see, in the order of the alphabet."""
    return sorted(session.scalars(principal.visible(select(table.project).distinct(), table)), key=str.casefold)
