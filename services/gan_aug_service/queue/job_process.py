"""One job's own process: `gan-aug resume` on its run folder, with a lock that says it lives and a record of its end.

It is started by the service, or by Ray on a node of its cluster, and outlives the service. The lock is the kernel's:
whoever finds it free knows that the process is gone, and of two that are started by mistake only one works.
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
from gan_aug.errors import Cancelled, GanAugError
from gan_aug.run.files import read_json, write_json
from gan_aug.run.progress import ProgressLines

LOCK, PROCESS, LOG = "lock", "process.json", "log"
OCCUPIED = 75
"""The exit code of a process that found its job at work in another one."""

OOM_SCORE = 800
"""Of 1000: above all that is not marked so itself, such as Ray's workers."""

LOCK_SECONDS = 5.0
"""Seconds to wait for the lock: the service holds it for an instant when it looks."""


def end_file(record: Path, start: int) -> Path:
    """Where the job's process writes how it ended, for each time it was submitted or resumed."""
    return record / f"end-{start}.json"


def process_started(pid: int) -> int | None:
    """The kernel's start time of a process, in ticks since the machine's; None where there is no such process."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] == "Z" else int(fields[19])


def work(record: Path, start: int, run: Path, on: str = "local") -> int:
    """Do the job once, `on` local or ray, unless another process does or it has ended; gives the exit code."""
    with (record / LOCK).open("w") as lock:
        if not _taken(lock):
            return OCCUPIED
        end = end_file(record, start)
        if end.exists():
            return int(read_json(end)["exit"])
        write_json(record / PROCESS, _myself(record, start))
        outcome = _outcome(run, on)
        write_json(end, outcome)
        return int(outcome["exit"])


def _taken(lock: IO[str]) -> bool:
    deadline = time.monotonic() + LOCK_SECONDS
    while True:
        with contextlib.suppress(BlockingIOError):
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)


def _myself(record: Path, start: int) -> dict[str, Any]:
    before = read_json(record / PROCESS) if (record / PROCESS).exists() else {}
    attempt = before["attempt"] + 1 if before.get("start") == start else 1
    return {"pid": os.getpid(), "started": process_started(os.getpid()), "start": start, "attempt": attempt}


def _outcome(run: Path, on: str) -> dict[str, Any]:
    try:
        api.resume(run, on="ray" if on == "ray" else "local", progress=ProgressLines(), stop_on_signals=True)
    except GanAugError as error:
        print(f"gan-aug: {error}", file=sys.stderr)  # noqa: T201 - this is the job's log
        return {"exit": error.exit_code, "error": type(error).__name__, "message": str(error)}
    except KeyboardInterrupt:
        return {"exit": Cancelled.exit_code, "error": "Cancelled", "message": "the job was stopped at once"}
    except Exception as error:  # noqa: BLE001 - the last door of this process
        traceback.print_exc()
        said = "this is a fault of ours: please report it with the job's log"
        return {"exit": 1, "error": type(error).__name__, "message": said}
    return {"exit": 0}


def yield_memory() -> None:
    """Have the kernel take this process, and those it starts, before the service where memory runs out."""
    with contextlib.suppress(OSError):  # another system than Linux, or one that forbids it
        Path("/proc/self/oom_score_adj").write_text(f"{OOM_SCORE}", encoding="utf-8")


def main() -> None:
    """Run as `python -m gan_aug_service.queue.job_process RECORD START RUN NICE ON`."""
    record, start, run, nice, on = sys.argv[1:]
    os.nice(int(nice))
    yield_memory()
    sys.exit(work(Path(record), int(start), Path(run), on))


if __name__ == "__main__":
    main()
