"""Where jobs run when the service is given a Ray cluster: Ray jobs, each known by a name that is written down first.

The service's folder lies on storage that all nodes see under the same path. A job's process is the same as on this
machine (job_process.py) and says there how it ended; Ray places it, and says whether it lives.
"""

from __future__ import annotations

import contextlib
import logging
import os
import shlex
from importlib.resources import files
from pathlib import Path

from gan_aug.compute.cluster.named_jobs import NamedJobs
from gan_aug.errors import ComputeError
from gan_aug.run.files import read_json, write_json
from gan_aug.run.places import DATA_ROOT
from gan_aug_service.queue.job_process import LOG, end_file
from gan_aug_service.queue.runner import HIDDEN, Folders, Standing, Work, process_record
from gan_aug_service.settings import Settings

SENT = "ray.json"
"""In a job's record: under which name it was sent, written before it is."""

log = logging.getLogger(__name__)


class RayRunner(Folders):
    """Runs each job as a job of the Ray cluster whose job API is at `settings.ray`."""

    python: tuple[str, ...] = ("python",)
    """The command of Python on the nodes."""

    def __init__(self, settings: Settings, address: str) -> None:
        """Raises ConfigError where `address` is none."""
        super().__init__(settings)
        self._jobs = NamedJobs(address)

    def start(self, work: Work) -> None:
        """See Runner; while the cluster does not answer nothing is sent, and `standing` tries again."""
        sent = self._sent(work)
        if not self._jobs.answers():
            write_json(self._record(work) / SENT, {"start": work.start, "number": sent or 1})
            log.warning("ray does not answer", extra={"job": work.job, "address": self._jobs.address})
            return
        if not sent or self._jobs.standing(_name(work, sent)).phase == "ended":
            sent += 1
        write_json(self._record(work) / SENT, {"start": work.start, "number": sent})
        packages = [Path(str(files(name))) for name in ("gan_aug", "gan_aug_service")]
        self._jobs.submit(_name(work, sent), self._command(work), packages, self._environment())

    def standing(self, work: Work) -> Standing:
        """See Runner; a cluster that does not answer is waited for."""
        record, sent = self._record(work), self._sent(work)
        phase = self._phase(work, sent)
        # Read after Ray was asked: a process that Ray knows to be gone has written its end before.
        process = process_record(record, work.start)
        # Of those that were sent, all but the newest have ended: also the ones that could not begin.
        attempt = max(process["attempt"], sent - 1) if process else 0
        known = (attempt, process.get("pid"), process.get("started"))
        end = end_file(record, work.start)
        if phase != "working" and end.exists():
            return Standing("ended", *known, read_json(end))
        if process and phase in ("working", None):
            return Standing("alive", *known)
        if phase in ("waiting", "working", None) or (
            phase == "unknown" and sent and not process and self._started(work)
        ):
            return Standing("starting", *known)
        return Standing("lost", *known)

    def kill(self, work: Work) -> None:
        """See Runner."""
        sent = self._sent(work)
        if sent and self._phase(work, sent) in ("waiting", "working"):
            with contextlib.suppress(ComputeError):  # it is tried again while the job lives
                self._jobs.stop(_name(work, sent))

    def said_last(self, work: Work) -> str:
        """See Runner: its log, or what Ray says of it."""
        with contextlib.suppress(ComputeError):
            return super().said_last(work) or self._jobs.standing(_name(work, self._sent(work))).message
        return ""

    def _started(self, work: Work) -> bool:
        """Send what was written down before the service was killed; gives whether the cluster took it."""
        try:
            self.start(work)
        except ComputeError:
            log.exception("ray refuses", extra={"job": work.job})
            return False
        return True

    def _phase(self, work: Work, sent: int) -> str | None:
        """How Ray says that the job stands; None while Ray does not answer."""
        try:
            return self._jobs.standing(_name(work, sent)).phase if sent else "unknown"
        except ComputeError as error:
            log.warning("ray does not answer", extra={"job": work.job, "reason": str(error)})
            return None

    def _sent(self, work: Work) -> int:
        """How many Ray jobs this start of the job has been, 0 for none."""
        path = self._record(work) / SENT
        said = read_json(path) if path.exists() else {}
        return int(said["number"]) if said.get("start") == work.start else 0

    def _command(self, work: Work) -> str:
        record = self._record(work)
        arguments = [str(record), str(work.start), str(self._run(work)), "0", "ray"]
        command = shlex.join([*self.python, "-m", self.module, *arguments])
        return f"{command} >> {shlex.quote(str(record / LOG))} 2>&1"

    def _environment(self) -> dict[str, str]:
        # Nodes that serve samples know the records' address: no job is to.
        own = dict.fromkeys(HIDDEN, "")
        if self._settings.data:
            own[DATA_ROOT] = str(self._settings.data.resolve())
        address = os.environ.get("RAY_ADDRESS")
        return own | ({"RAY_ADDRESS": address} if address else {})


def _name(work: Work, number: int) -> str:
    return f"gan-aug-{work.job}-{work.start}-{number}"
