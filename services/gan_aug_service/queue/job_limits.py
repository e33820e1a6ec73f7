"""Holds a job to its memory and its time, from within: over one of them it ends, and its record says so.

It works in a thread of the job's own process, so it goes on while the service is stopped, and on a cluster's nodes.
What a cluster places elsewhere for a job is out of its sight: Ray limits that itself.
"""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from gan_aug.errors import RunConflict
from gan_aug.run.folder import RunDir

MEMORY, SECONDS, CONTACT = "GAN_AUG_JOB_MEMORY", "GAN_AUG_JOB_SECONDS", "GAN_AUG_JOB_CONTACT"
"""The variables in which a job's process gets its limits, and whom to ask for more."""

CHECK_SECONDS = 0.5
GRACE_SECONDS = 60.0
"""How long a job that is over its time may take to reach a safe point."""

PAGE = os.sysconf("SC_PAGE_SIZE")
PROCESSES = Path("/proc")


@dataclass(frozen=True)
class JobLimits:
    """The most memory, in bytes, that a job's processes may hold together, and the seconds that it may work."""

    memory: int | None = None
    seconds: float | None = None
    contact: str = "an administrator of this service"

    @classmethod
    def from_environment(cls) -> JobLimits:
        """The limits that whoever started this process set."""
        memory, seconds = os.environ.get(MEMORY), os.environ.get(SECONDS)
        limits = cls(int(memory) if memory else None, float(seconds) if seconds else None)
        return cls(limits.memory, limits.seconds, os.environ.get(CONTACT, limits.contact))

    def environment(self) -> dict[str, str]:
        """The variables for a job's process."""
        values = {MEMORY: self.memory, SECONDS: self.seconds, CONTACT: self.contact}
        return {name: str(value) for name, value in values.items() if value is not None}

    def over_memory(self, held: int) -> str | None:
        """What to say of a job that holds so many bytes; None if it keeps to its limit."""
        if self.memory is None or held <= self.memory:
            return None
        return (
            f"the job's processes held {held / 1e9:.1f} GB of memory together, and a job may hold "
            f"{self.memory / 1e9:.1f} GB on this service: lower compute.workers, train.batch, gan.width or data.size "
            f"and start it anew, or ask {self.contact}"
        )

    def over_time(self, worked: float) -> str | None:
        """What to say of a job that has worked for so many seconds; None if it keeps to its limit."""
        if self.seconds is None or worked <= self.seconds:
            return None
        return (
            f"the job worked for {_in_words(worked)}, and a job may work for {_in_words(self.seconds)} at a stretch "
            f"on this service: what is whole stays, so resume it to go on from there, or ask {self.contact}"
        )


class LimitsWatch:
    """Watches the process that it is in, with all that this process started, until it is closed."""

    def __init__(self, limits: JobLimits, run: Path, began: float, end: Callable[[str], None]) -> None:
        """Begin to watch.

        Args:
            limits: The limits.
            run: The run folder, to ask the job to stop.
            began: When the job was submitted or resumed and started, in seconds since 1970.
            end: Records how the job ended, with what is said of it. Then its processes are killed.
        """
        self._limits, self._run, self._began, self._end = limits, run, began, end
        self._closing, self._ending = threading.Event(), threading.Lock()
        self.said: str | None = None
        """Why the job was asked to stop; None if nobody asked it here."""
        if limits.memory or limits.seconds:
            threading.Thread(target=self._loop, name="limits", daemon=True).start()

    def close(self) -> None:
        """Stop watching: from now on the job is not ended from here."""
        with self._ending:
            self._closing.set()

    def _loop(self) -> None:
        while not self._closing.wait(CHECK_SECONDS):
            if said := self._limits.over_memory(held_memory(self._limits.memory or 0)):
                self._kill(said)
            worked = time.time() - self._began
            if said := self._limits.over_time(worked):
                self.said = self.said or said
                with contextlib.suppress(RunConflict):
                    RunDir.existing(self._run).stop()
                if worked > (self._limits.seconds or 0) + GRACE_SECONDS:
                    self._kill(self.said)

    def _kill(self, said: str) -> None:
        with self._ending:
            if self._closing.is_set():
                return
            self._end(said)
            for pid in own_processes():
                if pid != os.getpid():
                    with contextlib.suppress(OSError):
                        os.kill(pid, signal.SIGKILL)
            os.kill(os.getpid(), signal.SIGKILL)


def held_memory(enough: int = 0) -> int:
    """The bytes that this process and those that it started hold in memory together.

    Args:
        enough: If they hold no more than this with shared pages counted for each, that is the answer.
    """
    pids = list(own_processes())
    resident = sum(_resident(pid) for pid in pids)
    return resident if resident <= enough else sum(_proportional(pid) for pid in pids)


def own_processes() -> Iterator[int]:
    """This process, those that it started and those that they started, also if one between them has ended."""
    parents, sessions = dict[int, int](), dict[int, int]()
    for folder in PROCESSES.iterdir():
        if folder.name.isdecimal():
            with contextlib.suppress(OSError):
                fields = (folder / "stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
                parents[int(folder.name)], sessions[int(folder.name)] = int(fields[1]), int(fields[3])
    me = os.getpid()
    leads = os.getsid(0) == me  # the session is its own
    for pid in parents:
        above = pid
        while above not in (me, 0) and above in parents:
            above = parents[above]
        if above == me or (leads and sessions[pid] == me):
            yield pid


def _resident(pid: int) -> int:
    with contextlib.suppress(OSError, ValueError, IndexError):
        return int((PROCESSES / str(pid) / "statm").read_text().split()[1]) * PAGE
    return 0


def _proportional(pid: int) -> int:
    """What a process holds, of pages that it shares with others its part alone."""
    with contextlib.suppress(OSError, ValueError):
        for line in (PROCESSES / str(pid) / "smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    return _resident(pid)


def _in_words(seconds: float) -> str:
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} minutes" if seconds < 6000 else f"{seconds / 3600:.1f} hours"
