"""What can be known of a job before it is queued: the checks of a submission, and a look at its data."""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from gan_aug.config import dump, parse
from gan_aug_service.access.authentication import Principal
from gan_aug_service.components import Components
from gan_aug_service.http.problems import Problem
from gan_aug_service.queue.checker import SECONDS, CheckerBusy
from gan_aug_service.records.jobs import accepted_request, find_run, fingerprint_of


@dataclass(frozen=True)
class Checked:
    """What was found: the dry run's values, or none if only the request was looked at, or the look took too long."""

    found: dict[str, Any] | None
    ended_early: bool = False


def check(
    components: Components, principal: Principal, verb: str, values: dict[str, Any], run_id: str | None, *, quick: bool
) -> Checked:
    """Check a request as a submission would, and look at its data as the job would before it trains.

    Args:
        components: The service's components.
        principal: Who asks.
        verb: The verb.
        values: The config, as it was sent.
        run_id: The run to go on in, or None.
        quick: Look at the request alone; what an earlier check of the same request found is given.

    Returns:
        What was found.

    Raises:
        GanAugError: What the job would be refused with, or would end with before it trains.
        Problem: What a submission would be refused with; or other requests are being checked.
    """
    config = parse(values, "the request")
    if run_id:
        with components.database.reading() as session:
            find_run(session, principal, run_id, "job")
    request = accepted_request(components, principal, verb, config, run_id)
    fingerprint = fingerprint_of(verb, run_id, config)
    if quick:
        return Checked(components.checker.remembered(fingerprint))
    folder = components.settings.runs.resolve() / run_id if run_id else None
    try:
        found = components.checker.check(fingerprint, verb, folder, dump(request))
    except CheckerBusy:
        detail = "other requests are being checked: try again in a moment, or start the job, which checks the same"
        raise Problem(HTTPStatus.TOO_MANY_REQUESTS, detail, {"Retry-After": "10"}) from None
    return Checked(found, ended_early=found is None)


TOO_LONG = (
    f"the look at the data was ended after {SECONDS:.0f} s: nothing wrong was found until then, "
    "and there is no estimate"
)
