"""A job's own process: it resumes the job's run, holds a lock while it lives, and records how it ended.

The service starts it, or Ray does on a node of its cluster, and it outlives the service. The kernel releases the lock
when the process ends, so the lock is free if and only if the process is gone. If two are started by mistake, only one
works.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import sys
import time
import traceback
from pathlib import Path
from typing import IO, Any

from gan_aug import api
from gan_aug.compute.cores import wait_passively
from gan_aug.errors import Cancelled, ComputeError, GanAugError
from gan_aug.run.files import read_json, write_json
from gan_aug.run.progress import ProgressLines
from gan_aug_service.products.facts import run_facts
from gan_aug_service.queue.job_limits import JobLimits, LimitsWatch

LOCK, PROCESS, LOG, TEMPORARY = "lock", "process.json", "log", "tmp"
ALREADY_RUNNING = 75
"""The exit code of a process whose job another process is working on."""

OOM_SCORE = 800
"""Of 1000: above all processes that set no score themselves; Ray's workers do."""

LOCK_SECONDS = 5.0
"""How long to wait for the lock: the service holds it for an instant when it checks it."""


def end_file(record: Path, start: int) -> Path:
    """The file for how the process ended; there is one for each time that the job was submitted or resumed."""
    return record / f"end-{start}.json"


def process_started(pid: int) -> int | None:
    """The kernel's start time of a process, in ticks since the machine started; None if there is no such process."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] == "Z" else int(fields[19])


def work(record: Path, start: int, run: Path, on: str = "local") -> int:
    """Work on the job, unless another process does or it has ended already.

    Args:
        record: The folder of the process's records.
        start: How often the job was submitted or resumed.
        run: The run folder.
        on: Where the work is done, `local` or `ray`.

    Returns:
        The exit code.
    """
    with (record / LOCK).open("w") as lock:
        if not _acquire(lock):
            return ALREADY_RUNNING
        end = end_file(record, start)
        if end.exists():
            return int(read_json(end)["exit"])
        process = _new_record(record, start)
        write_json(record / PROCESS, process)
        limits = JobLimits.from_environment()
        watch = LimitsWatch(limits, run, process["began"], lambda said: write_json(end, over_limit(said)))
        outcome = _resume_run(run, on, record.name)
        watch.close()
        if watch.said and outcome.get("error") == Cancelled.__name__:
            outcome = over_limit(watch.said)
        outcome |= {"facts": _facts(run)}
        write_json(end, outcome)
        return int(outcome["exit"])


def over_limit(said: str) -> dict[str, Any]:
    """The record of a job that was over one of its limits."""
    return {"exit": ComputeError.exit_code, "error": ComputeError.__name__, "message": said}


def _acquire(lock: IO[str]) -> bool:
    deadline = time.monotonic() + LOCK_SECONDS
    while True:
        with contextlib.suppress(BlockingIOError):
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)


def _new_record(record: Path, start: int) -> dict[str, Any]:
    before = read_json(record / PROCESS) if (record / PROCESS).exists() else {}
    again = before.get("start") == start
    return {
        "pid": os.getpid(),
        "started": process_started(os.getpid()),
        "start": start,
        "attempt": before["attempt"] + 1 if again else 1,
        "began": before.get("began", time.time()) if again else time.time(),
    }


def _resume_run(run: Path, on: str, job: str) -> dict[str, Any]:
    try:
        api.resume(run, on="ray" if on == "ray" else "local", progress=ProgressLines(), stop_on_signals=True)
    except GanAugError as error:
        print(f"gan-aug: {error}", file=sys.stderr)  # noqa: T201 - this is the job's log
        return {"exit": error.exit_code, "error": type(error).__name__, "message": str(error)}
    except KeyboardInterrupt:
        return {"exit": Cancelled.exit_code, "error": "Cancelled", "message": "the job was stopped at once"}
    except Exception as error:  # noqa: BLE001 - every error must be recorded
        traceback.print_exc()
        if lacks_memory(error):
            return over_limit(
                "there was not enough memory for the job on this machine: lower compute.workers, train.batch, "
                "gan.width or data.size and start it anew, or try again when less is at work"
            )
        message = (
            "this is a fault of gan-aug: please report it with the job's log, to which the job's page leads "
            f"(GET /v1/jobs/{job}/log)"
        )
        return {"exit": 1, "error": type(error).__name__, "message": message}
    return {"exit": 0}


def lacks_memory(error: BaseException) -> bool:
    """Whether an error says that memory could not be had; PyTorch's on a CPU is told by its words alone."""
    return isinstance(error, MemoryError) or (
        isinstance(error, RuntimeError) and ("out of memory" in str(error) or "allocate memory" in str(error))
    )


def _facts(run: Path) -> dict[str, Any]:
    """What lists say of the run. This process has the library loaded already, and the service need not load it."""
    try:
        return run_facts(run)
    except Exception:  # noqa: BLE001 - how the job ended counts more
        traceback.print_exc()
        return {}


def raise_oom_score() -> None:
    """Let the kernel kill this process, and those it starts, before the service if memory runs out."""
    with contextlib.suppress(OSError):  # the system is not Linux, or forbids it
        Path("/proc/self/oom_score_adj").write_text(f"{OOM_SCORE}", encoding="utf-8")


def main() -> None:
    """Run as `python -m gan_aug_service.queue.job_process RECORD START RUN NICE ON`."""
    record, start, run, nice, on = sys.argv[1:]
    os.nice(int(nice))
    raise_oom_score()
    wait_passively()  # `resume` does so too, but after PyTorch was loaded; threads that spin ruin other jobs
    sys.exit(work(Path(record), int(start), Path(run), on))


if __name__ == "__main__":
    main()
