"""Where jobs run: as processes of this machine, which outlive the service and are found again by their locks."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal, Protocol

from gan_aug.errors import RunConflict
from gan_aug.run.files import read_json, storage_errors
from gan_aug.run.folder import RunDir
from gan_aug.run.places import CACHE, DATA_ROOT
from gan_aug_service.queue.job_limits import JobLimits
from gan_aug_service.queue.job_process import LOCK, LOG, PROCESS, TEMPORARY, end_file, process_started
from gan_aug_service.settings import Settings

HIDDEN_VARIABLES = ("GAN_AUG_DATABASE_URL", "PGPASSWORD", "PGPASSFILE")
"""Variables of the service's environment that jobs do not get."""


@dataclass(frozen=True)
class JobRef:
    """A job as a runner knows it: its id, its run, and how often it was submitted or resumed."""

    job_id: str
    run_id: str
    start: int


@dataclass(frozen=True)
class ProcessStatus:
    """The state of a job's process: not begun, alive, ended with a record, or lost without one."""

    kind: Literal["starting", "alive", "ended", "lost"]
    attempt: int = 0
    """How many processes were started since the job was last submitted or resumed."""
    pid: int | None = None
    started: int | None = None
    end: dict[str, Any] | None = None


class Runner(Protocol):
    """What the supervisor needs of the place where jobs run: this machine, or a Ray cluster (ray_runner.py)."""

    def start(self, ref: JobRef) -> None:
        """Start a process for the job; a second process beside a living one ends at once."""

    def locked(self, ref: JobRef) -> AbstractContextManager[bool]:
        """A block in which no process works on the job; it gets whether that was possible, since none did."""

    def status(self, ref: JobRef) -> ProcessStatus:
        """The state of the job's process."""

    def stop(self, ref: JobRef) -> None:
        """Ask the job to end at its next safe point."""

    def kill(self, ref: JobRef) -> None:
        """End the job at once; what is complete on disk stays."""

    def last_log_line(self, ref: JobRef) -> str:
        """The last line of the job's log, to explain a process that could not begin."""

    def clear_temporary(self, ref: JobRef) -> None:
        """Remove the temporary files of the job, whose process has ended; they may be images."""


class RunnerBase:
    """What all runners do with the folders of a job: the record of its process, and its run."""

    module = "gan_aug_service.queue.job_process"
    """The module that a job's process runs."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    @contextlib.contextmanager
    def locked(self, ref: JobRef) -> Iterator[bool]:
        """See Runner; a process that starts meanwhile waits for the lock."""
        record = self._record(ref)
        with storage_errors(record):
            record.mkdir(parents=True, exist_ok=True)
            file = (record / LOCK).open("a")
        with file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                yield False
            else:
                yield True

    def stop(self, ref: JobRef) -> None:
        """See Runner; called repeatedly, since a process that starts takes an earlier stop mark for an old one."""
        with contextlib.suppress(RunConflict):
            RunDir.existing(self._run(ref)).stop()

    def last_log_line(self, ref: JobRef) -> str:
        """See Runner."""
        with contextlib.suppress(OSError):
            lines = (self._record(ref) / LOG).read_text(encoding="utf-8", errors="replace").split("\n")
            return next((line.strip() for line in reversed(lines) if line.strip()), "")[:300]
        return ""

    def clear_temporary(self, ref: JobRef) -> None:
        """See Runner."""
        shutil.rmtree(self._record(ref) / TEMPORARY, ignore_errors=True)

    def _places(self, ref: JobRef) -> dict[str, str]:
        """The variables by which a job keeps its cache and temporary files in the service's folder, and its limits.

        The folder of temporary files is made here: Python would take another one if it were absent.
        """
        temporary = self._record(ref) / TEMPORARY
        with storage_errors(temporary):
            temporary.mkdir(parents=True, exist_ok=True, mode=0o700)
        rules = self._settings.rules
        limits = JobLimits(self._settings.job_memory, rules.job.hours and 3600 * rules.job.hours, rules.contact)
        return {CACHE: str(self._settings.cache.resolve()), "TMPDIR": str(temporary)} | limits.environment()

    def _record(self, ref: JobRef) -> Path:
        return self._settings.processes.resolve() / ref.job_id

    def _run(self, ref: JobRef) -> Path:
        return self._settings.runs.resolve() / ref.run_id


class LocalRunner(RunnerBase):
    """Runs each job as a process on this machine, in a session of its own."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self._children: list[tuple[str, subprocess.Popen[bytes]]] = []

    def start(self, ref: JobRef) -> None:
        """See Runner."""
        record = self._record(ref)
        arguments = [str(record), str(ref.start), str(self._run(ref)), str(self._settings.nice), "local"]
        with storage_errors(record), (record / LOG).open("ab") as log:
            child = subprocess.Popen(  # noqa: S603 - ids and the service's own paths
                [sys.executable, "-m", self.module, *arguments],
                cwd=record,
                env=self._environment() | self._places(ref),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self._children.append((ref.job_id, child))

    def status(self, ref: JobRef) -> ProcessStatus:
        """See Runner."""
        record = self._record(ref)
        # Before the lock is checked: a child that ends in between is noticed the next time.
        self._children = [(job, child) for job, child in self._children if child.poll() is None]
        locked = _held(record / LOCK)
        # After the lock was checked: a process writes its end before it releases the lock.
        process = process_record(record, ref.start)
        known = (process.get("attempt", 0), process.get("pid"), process.get("started"))
        if locked:
            return ProcessStatus("alive", *known)
        end = end_file(record, ref.start)
        if end.exists():
            return ProcessStatus("ended", *known, read_json(end))
        if any(job == ref.job_id for job, _ in self._children):
            return ProcessStatus("starting", *known)
        return ProcessStatus("lost", *known)

    def kill(self, ref: JobRef) -> None:
        """See Runner; the process group is killed, if its number still belongs to the process that was started."""
        process = process_record(self._record(ref), ref.start)
        pid, started = process.get("pid"), process.get("started")
        if pid and started and process_started(pid) == started:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(pid, signal.SIGKILL)

    def _environment(self) -> dict[str, str]:
        return job_environment(self._settings)


def job_environment(settings: Settings) -> dict[str, str]:
    """The variables of a process that the service starts on this machine for a request: none of its own secrets."""
    environment = {key: value for key, value in os.environ.items() if key not in HIDDEN_VARIABLES}
    if settings.data:
        environment[DATA_ROOT] = str(settings.data.resolve())
    packages = [str(Path(str(files(name))).parent) for name in ("gan_aug", "gan_aug_service")]
    others = [path for path in environment.get("PYTHONPATH", "").split(os.pathsep) if path]
    return environment | {"PYTHONPATH": os.pathsep.join(dict.fromkeys([*packages, *others]))}


def _held(path: Path) -> bool:
    """Whether a process holds the lock; to check it, this function holds it for an instant."""
    try:
        with path.open("r") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False


def process_record(record: Path, start: int) -> dict[str, Any]:
    """What the process of a job recorded since the job was last submitted or resumed; empty without one."""
    path = record / PROCESS
    recorded: dict[str, Any] = read_json(path) if path.exists() else {}
    return recorded if recorded.get("start") == start else {}
