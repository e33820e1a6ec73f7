"""The process of a check: what a job would do, whether it would be refused, and how long it would take; nothing stays.

Run as `python -m gan_aug_service.queue.check_process VERB FOLDER REQUEST ANSWER NICE`: a run folder that may be absent,
the config as JSON, the file for the answer, and the niceness of jobs, so that their speed is measured.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import Any

from gan_aug import api
from gan_aug.compute.cores import wait_passively
from gan_aug.config.stages import Verb
from gan_aug.errors import GanAugError
from gan_aug.run.files import read_json, write_json
from gan_aug_service.queue.job_limits import JobLimits, LimitsWatch
from gan_aug_service.queue.job_process import lacks_memory, over_limit, raise_oom_score

LOADS, AUDIT_LOADS, REPORT_LOADS = 2.5, 2.0, 1.5
"""What starting takes, the audit of a small set, and fidelity with the report: so many times what loading the program
takes. They are nearly the same for all small requests, and slower by the same when the machine is busy."""


def answer(verb: Verb, folder: Path, request: Path) -> dict[str, Any]:
    """What the check found, or the error that the job would end with.

    Args:
        verb: The verb.
        folder: The run folder, which may be absent.
        request: The file with the config.

    Returns:
        JSON values: `found`, or `error` and `message`.
    """
    began = time.monotonic()
    try:
        from gan_aug.stages.dry_run.plan import AT_THIS_SPEED  # PyTorch is loaded here, as a job does

        loading = time.monotonic() - began
        return {"found": _with_the_rest(api.plan(read_json(request), folder, verb=verb), loading, AT_THIS_SPEED)}
    except GanAugError as error:
        return {"error": type(error).__name__, "message": str(error)}
    except Exception as error:
        if lacks_memory(error):
            return over_limit("there was not enough memory for the check: try again when less is at work")
        raise


def _with_the_rest(found: dict[str, Any], loading: float, said: str) -> dict[str, Any]:
    """What was found, with the time of what hardly depends on the request, and without the sentence on the time.

    Args:
        found: What the dry run says.
        loading: The seconds that loading the program took.
        said: What the sentence on the time has, which the service says in its own words.
    """
    found["findings"] = [sentence for sentence in found["findings"] if said not in sentence]
    if seconds := found.get("seconds"):
        counted = seconds.pop("counted", {})
        stages = {name: value for name, value in seconds.items() if name != "all"}
        stages["start"] = max(stages["start"], LOADS * loading)
        compare = stages.pop("compare", None)
        if compare is not None:
            if "generate" in stages and found["config"]["audit"]["enabled"] is not False:
                stages["audit"] = AUDIT_LOADS * loading
            stages["compare"] = compare + REPORT_LOADS * loading
        stages = {name: float(f"{value:.2g}") for name, value in stages.items()}
        found["seconds"] = stages | {"all": float(f"{sum(stages.values()):.2g}"), "counted": counted}
    return found


def main() -> None:
    """Check, and write the answer."""
    verb, folder, request, out, nice = sys.argv[1:]
    os.nice(int(nice))
    raise_oom_score()
    wait_passively()
    limits = JobLimits.from_environment()
    watch = LimitsWatch(limits, Path(folder), time.time(), lambda said: write_json(Path(out), over_limit(said)))
    found = answer(verb, Path(folder), Path(request))  # type: ignore[arg-type]
    watch.close()
    write_json(Path(out), found)


if __name__ == "__main__":
    main()
