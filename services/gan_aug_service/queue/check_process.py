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

LOADS = 2.5
"""How often a job waits for the program to be loaded: in its own process, and in those that it starts."""


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
        return {"found": _with_start(api.plan(read_json(request), folder, verb=verb), loading, AT_THIS_SPEED)}
    except GanAugError as error:
        return {"error": type(error).__name__, "message": str(error)}
    except Exception as error:
        if lacks_memory(error):
            return over_limit("there was not enough memory for the check: try again when less is at work")
        raise


def _with_start(found: dict[str, Any], loading: float, said: str) -> dict[str, Any]:
    """What was found, with the time that starting takes on this machine now, and without the sentence on the time.

    Args:
        found: What the dry run says.
        loading: The seconds that loading the program took.
        said: What the sentence on the time has, which the service says in its own words.
    """
    found["findings"] = [sentence for sentence in found["findings"] if said not in sentence]
    if seconds := found.get("seconds"):
        start = max(seconds["start"], LOADS * loading)
        seconds["all"] += start - seconds["start"]
        seconds["start"] = start
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
