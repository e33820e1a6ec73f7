"""Where jobs run: processes of this machine that outlive the service, found again by their locks."""

from __future__ import annotations

import contextlib
import fcntl
import os
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
from gan_aug.run.places import DATA_ROOT
from gan_aug_service.queue.job_process import LOCK, LOG, PROCESS, end_file, process_started
from gan_aug_service.settings import Settings

HIDDEN = ("GAN_AUG_DATABASE_URL", "PGPASSWORD", "PGPASSFILE")
"""What of the service's environment no job needs to know."""


@dataclass(frozen=True)
class Work:
    """A job as whoever runs it knows it: its name, its run folder, and how often it was submitted or resumed."""

    job: str
    run: str
    start: int


@dataclass(frozen=True)
class Standing:
    """How a job's process stands: not begun, alive, ended with a record, or gone without one."""

    kind: Literal["starting", "alive", "ended", "lost"]
    attempt: int = 0
    """How many processes have worked on this start of the job."""
    pid: int | None = None
    started: int | None = None
    end: dict[str, Any] | None = None


class Runner(Protocol):
    """What the supervisor asks of the place where jobs run: this machine, or a Ray cluster (ray_jobs.py)."""

    def start(self, work: Work) -> None:
        """Start a process for the job; a second one beside a living one does nothing."""

    def held(self, work: Work) -> AbstractContextManager[bool]:
        """Keep the job from working within the block; gives whether that was possible, since it was not at work."""

    def standing(self, work: Work) -> Standing:
        """How the job stands."""

    def stop(self, work: Work) -> None:
        """Ask the job to end at its next safe point."""

    def kill(self, work: Work) -> None:
        """End the job at once; what is whole on disk stays."""

    def said_last(self, work: Work) -> str:
        """What the job's log ends with, for a process that could not even begin."""


class Folders:
    """What every Runner does with the folders of a job: its record and its run."""

    module = "gan_aug_service.queue.job_process"
    """What each job's Python runs."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    @contextlib.contextmanager
    def held(self, work: Work) -> Iterator[bool]:
        """See Runner; a process that starts meanwhile waits for the lock."""
        record = self._record(work)
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

    def stop(self, work: Work) -> None:
        """See Runner; the mark is set again and again, since a process that starts takes it for an old one."""
        with contextlib.suppress(RunConflict):
            RunDir.existing(self._run(work)).stop()

    def said_last(self, work: Work) -> str:
        """See Runner."""
        with contextlib.suppress(OSError):
            lines = (self._record(work) / LOG).read_text(encoding="utf-8", errors="replace").split("\n")
            return next((line.strip() for line in reversed(lines) if line.strip()), "")[:300]
        return ""

    def _record(self, work: Work) -> Path:
        return self._settings.processes.resolve() / work.job

    def _run(self, work: Work) -> Path:
        return self._settings.runs.resolve() / work.run


class LocalRunner(Folders):
    """Runs each job in a session of its own on this machine."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self._children: list[tuple[str, subprocess.Popen[bytes]]] = []

    def start(self, work: Work) -> None:
        """See Runner."""
        record = self._record(work)
        arguments = [str(record), str(work.start), str(self._run(work)), str(self._settings.nice), "local"]
        with storage_errors(record), (record / LOG).open("ab") as log:
            child = subprocess.Popen(  # noqa: S603 - ids and our own paths
                [sys.executable, "-m", self.module, *arguments],
                cwd=record,
                env=self._environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self._children.append((work.job, child))

    def standing(self, work: Work) -> Standing:
        """See Runner."""
        record = self._record(work)
        # Before the lock is looked at: a child that ends in between is seen the next time.
        self._children = [(job, child) for job, child in self._children if child.poll() is None]
        held = _held(record / LOCK)
        # Read after the lock was looked at: whoever let go of it has written its end before.
        process = process_record(record, work.start)
        known = (process.get("attempt", 0), process.get("pid"), process.get("started"))
        if held:
            return Standing("alive", *known)
        end = end_file(record, work.start)
        if end.exists():
            return Standing("ended", *known, read_json(end))
        if any(job == work.job for job, _ in self._children):
            return Standing("starting", *known)
        return Standing("lost", *known)

    def kill(self, work: Work) -> None:
        """See Runner; whole groups are killed, and only where the number still names the process that was started."""
        process = process_record(self._record(work), work.start)
        pid, started = process.get("pid"), process.get("started")
        if pid and started and process_started(pid) == started:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(pid, signal.SIGKILL)

    def _environment(self) -> dict[str, str]:
        environment = {key: value for key, value in os.environ.items() if key not in HIDDEN}
        if self._settings.data:
            environment[DATA_ROOT] = str(self._settings.data.resolve())
        packages = [str(Path(str(files(name))).parent) for name in ("gan_aug", "gan_aug_service")]
        others = [path for path in environment.get("PYTHONPATH", "").split(os.pathsep) if path]
        return environment | {"PYTHONPATH": os.pathsep.join(dict.fromkeys([*packages, *others]))}


def _held(path: Path) -> bool:
    """Whether a process holds the lock; looking at it holds it for an instant."""
    try:
        with path.open("r") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False


def process_record(record: Path, start: int) -> dict[str, Any]:
    """What the process of this start of the job said of itself."""
    path = record / PROCESS
    said: dict[str, Any] = read_json(path) if path.exists() else {}
    return said if said.get("start") == start else {}
