"""In which project a request makes something: the key's own, or for administrators any that the request names."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Query

from gan_aug_service.access.authentication import Editor, Principal
from gan_aug_service.records.projects import acting_in
from gan_aug_service.routes.common import ComponentsDep

ProjectQuery = Annotated[
    str | None,
    Query(max_length=200, description="the project that it is for; without it, the key's. Only admins name another"),
]


def _acting(principal: Editor, components: ComponentsDep, project: ProjectQuery = None) -> Principal:
    if project is None or project == principal.project:
        return principal
    with components.database.reading() as session:
        return acting_in(session, principal, project)


EditorIn = Annotated[Principal, Depends(_acting)]
"""An editor, in the project that the request names."""
