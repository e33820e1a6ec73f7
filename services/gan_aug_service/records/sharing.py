"""Which synthetic sets a principal sees: those of its project, and the released ones of projects that share with it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, exists, func, or_, select
from sqlalchemy.orm import Session

from gan_aug.errors import GanAugError
from gan_aug_service.access.authentication import Principal
from gan_aug_service.components import Components
from gan_aug_service.database.described import folded
from gan_aug_service.database.sharing_tables import Release, Share
from gan_aug_service.database.tables import Run
from gan_aug_service.http.problems import Problem, not_found
from gan_aug_service.openapi.described import RunOut
from gan_aug_service.products.release import audited_set, releasable
from gan_aug_service.products.synthetic_images import set_folder
from gan_aug_service.records.catalogue.lists import Wanted, filtered
from gan_aug_service.records.releases import stands


@dataclass(frozen=True)
class SeenSet:
    """A synthetic set that a principal sees: the whole one of its own project, or what another one released and shares.

    Attributes:
        run: Its run.
        shown: What the principal is told of the run.
        place: The folder of the set: of a shared one that of the set which left, with images like copies replaced.
        own: Whether the principal is a member of its project.
    """

    run: Run
    shown: RunOut
    place: Path
    own: bool


def visible_sets(principal: Principal, wanted: Wanted) -> Select[Any]:
    """A query for the runs with a synthetic set that a principal may see and wants.

    What other projects share is found by its title alone: a search in their notes would tell what they say.
    """
    own = filtered(principal.visible(select(Run.id), Run), wanted, Run)
    seen: ColumnElement[bool] = Run.id.in_(own)
    if not (wanted.owner or wanted.tag or wanted.label):
        words = [func.lower(Run.title).contains(word, autoescape=True) for word in folded(wanted.q).split()]
        of_project = [Run.project == wanted.project] if wanted.project else []
        seen = or_(seen, and_(_is_shared(principal), *words, *of_project))
    return select(Run).where(Run.synthetic, seen)


def find_set(components: Components, principal: Principal, run_id: str) -> SeenSet:
    """The synthetic set of a run.

    Args:
        components: The service's components.
        principal: Who asks.
        run_id: The run.

    Returns:
        The set.

    Raises:
        Problem: There is none, or the principal cannot see it; the sentence is the same.
    """
    with components.database.reading() as session:
        run = session.get(Run, run_id)
        if run is not None and run.synthetic and (seen := _seen(components, session, principal, run)):
            return seen
    raise not_found("synthetic", run_id)


def seen_sets(components: Components, principal: Principal, runs: list[RunOut]) -> list[RunOut]:
    """The runs of a list as a principal sees them, without those whose release stands no longer."""
    with components.database.reading() as session:
        rows = {run.id: run for run in session.scalars(select(Run).where(Run.id.in_([run.id for run in runs])))}
        return [
            seen.shown if not seen.own else run
            for run in runs
            if run.id in rows and (seen := _seen(components, session, principal, rows[run.id]))
        ]


def _seen(components: Components, session: Session, principal: Principal, run: Run) -> SeenSet | None:
    folder = components.settings.runs / run.id
    if principal.can_see(run.project):
        return SeenSet(run, RunOut.of(run), set_folder(folder), own=True)
    if session.get(Share, (run.project, principal.project)) is None:
        return None
    query = select(Release).where(Release.run_id == run.id, Release.subject == "set", Release.withdrawn.is_(None))
    try:
        what = releasable(folder, "set")
        if any(stands(release, what) for release in session.scalars(query)):
            return SeenSet(run, shared_view(run), audited_set(what), own=False)
    except (GanAugError, OSError, Problem):  # what is damaged or removed is not shared
        return None
    return None


def shared_view(run: Run) -> RunOut:
    """What another project is told of a run whose set is shared with it."""
    hidden = {"owner": "", "source": "", "tags": [], "notes": "", "data_name": "", "verdict": ""}
    return RunOut.of(run).model_copy(update=hidden | {"dataset": False, "model": False, "report": False})


def _is_shared(principal: Principal) -> ColumnElement[bool]:
    shared = exists().where(Share.project == Run.project, Share.reader == principal.project)
    released = exists().where(Release.run_id == Run.id, Release.subject == "set", Release.withdrawn.is_(None))
    return shared & released
