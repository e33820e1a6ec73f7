"""What can be known of a job before it is queued, and how long it still takes while it is at work."""

from __future__ import annotations

import json
import time
from typing import Annotated

from fastapi import Query

from gan_aug.run import layout
from gan_aug_service.access.authentication import Viewer
from gan_aug_service.components import Components
from gan_aug_service.database.tables import Job, JobState
from gan_aug_service.openapi.checks import CheckOut, EstimateOut, RemainingOut
from gan_aug_service.openapi.descriptions import config_request_body, problem_responses
from gan_aug_service.records import checks
from gan_aug_service.records.jobs import find_job
from gan_aug_service.records.remaining import read_events, remaining
from gan_aug_service.routes.common import ComponentsDep, ConfigBody, Id, versioned_router
from gan_aug_service.routes.jobs import RunQuery, Verb
from gan_aug_service.routes.projects.acting import EditorIn

router = versioned_router("jobs")
VerbQuery = Annotated[Verb, Query(description="the verb that the job would have")]
Quick = Annotated[bool, Query(description="look at the request alone, not at its data")]


@router.post(
    "/jobs/check", responses=problem_responses(400, 404, 409, 413, 415, 507), openapi_extra=config_request_body()
)
def check(
    config: ConfigBody,
    principal: EditorIn,
    components: ComponentsDep,
    verb: VerbQuery = Verb.RUN,
    run: RunQuery = None,
    quick: Quick = False,
) -> CheckOut:
    """Say what a job would do, and about how long it would take, without queueing it."""
    return check_out(components, checks.check(components, principal, verb.value, config, run, quick=quick))


def check_out(components: Components, checked: checks.Checked) -> CheckOut:
    """What a check found as an answer.

    Args:
        components: The service's components.
        checked: What was found.

    Returns:
        The answer, without the service's own paths.
    """
    found = checked.found
    if found is None:
        return CheckOut(
            complete=False,
            findings=[checks.TOO_LONG] if checked.ended_early else [],
            labels={},
            splits={},
            set_aside=None,
            memory=None,
            estimate=None,
        )
    said = [components.settings.hide_paths(sentence) for sentence in found["findings"]]
    positive = [f"positive: {found['positive']}"] if "positive" in found else []
    return CheckOut(
        complete=True,
        findings=positive + said,
        labels=found["source"]["labels"],
        splits={name: split["images"] for name, split in found["splits"].items()},
        set_aside=found["set aside"]["files"],
        memory=found.get("memory"),
        estimate=EstimateOut.of(found.get("seconds")),
    )


@router.get("/jobs/{id}/remaining", responses=problem_responses(404))
def get_remaining(id: Id, principal: Viewer, components: ComponentsDep) -> RemainingOut:
    """About how long a job still takes: by its progress, and by what its check expected of the stages to come."""
    with components.database.reading() as session:
        job = find_job(session, principal, id)
    return remaining_of(components, job)


def remaining_of(components: Components, job: Job) -> RemainingOut:
    """How long a job still takes.

    Args:
        components: The service's components.
        job: The job.

    Returns:
        The answer.
    """
    estimate = EstimateOut.of(json.loads(job.estimate)) if job.estimate else None
    if JobState(job.state).ended:
        return RemainingOut(seconds=None, words="it has ended", estimate=estimate)
    events = []
    if job.state == JobState.RUNNING:
        path = components.settings.runs.resolve() / job.run_id / layout.EVENTS
        events = read_events(path, job.events_from, job.events_to)
    taken = job.taken or job.started
    left = remaining(estimate.stages if estimate else {}, events, taken.timestamp() if taken else 0.0, time.time())
    seconds = sum(left.stages.values()) if left.stages and left.whole else None
    return RemainingOut(seconds=seconds, words=left.words, estimate=estimate)
