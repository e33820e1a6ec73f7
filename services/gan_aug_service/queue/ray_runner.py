"""Where jobs run if the service has a Ray cluster: as Ray jobs, whose names are recorded before they are submitted.

The service's folder is on storage that all nodes see under the same path. A job's process is the same as on this
machine (job_process.py), and records there how it ended. Ray places the process, and says whether it lives.
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
from gan_aug_service.queue.runner import HIDDEN_VARIABLES, JobRef, ProcessStatus, RunnerBase, process_record
from gan_aug_service.settings import Settings

RAY_RECORD = "ray.json"
"""The file in a job's record with the number of its Ray job, written before the job is submitted."""

log = logging.getLogger(__name__)


class RayRunner(RunnerBase):
    """Runs each job as a job of the Ray cluster whose job API is at `settings.ray`."""

    python: tuple[str, ...] = ("python",)
    """The command that starts Python on the nodes."""

    def __init__(self, settings: Settings, address: str) -> None:
        """Raises ConfigError if `address` is no address."""
        super().__init__(settings)
        self._jobs = NamedJobs(address)

    def start(self, ref: JobRef) -> None:
        """See Runner; while the cluster does not answer nothing is submitted, and `status` tries again."""
        number = self._submitted(ref)
        if not self._jobs.answers():
            write_json(self._record(ref) / RAY_RECORD, {"start": ref.start, "number": number or 1})
            log.warning("ray does not answer", extra={"job": ref.job_id, "address": self._jobs.address})
            return
        if not number or self._jobs.state(_name(ref, number)).phase == "ended":
            number += 1
        write_json(self._record(ref) / RAY_RECORD, {"start": ref.start, "number": number})
        packages = [Path(str(files(name))) for name in ("gan_aug", "gan_aug_service")]
        self._jobs.submit(_name(ref, number), self._command(ref), packages, self._environment() | self._places(ref))

    def status(self, ref: JobRef) -> ProcessStatus:
        """See Runner; while the cluster does not answer, the job is not lost."""
        record, number = self._record(ref), self._submitted(ref)
        phase = self._phase(ref, number)
        # After Ray was asked: a process writes its end before Ray knows that it has ended.
        process = process_record(record, ref.start)
        # All Ray jobs but the newest one have ended, also those that could not begin.
        attempt = max(process["attempt"], number - 1) if process else 0
        known = (attempt, process.get("pid"), process.get("started"))
        end = end_file(record, ref.start)
        if phase != "working" and end.exists():
            return ProcessStatus("ended", *known, read_json(end))
        if process and phase in ("working", None):
            return ProcessStatus("alive", *known)
        if phase in ("waiting", "working", None) or (
            phase == "unknown" and number and not process and self._submit_again(ref)
        ):
            return ProcessStatus("starting", *known)
        return ProcessStatus("lost", *known)

    def kill(self, ref: JobRef) -> None:
        """See Runner."""
        number = self._submitted(ref)
        if number and self._phase(ref, number) in ("waiting", "working"):
            with contextlib.suppress(ComputeError):  # the supervisor tries again while the job lives
                self._jobs.stop(_name(ref, number))

    def last_log_line(self, ref: JobRef) -> str:
        """See Runner: from its log, or from Ray's message."""
        with contextlib.suppress(ComputeError):
            return super().last_log_line(ref) or self._jobs.state(_name(ref, self._submitted(ref))).message
        return ""

    def _submit_again(self, ref: JobRef) -> bool:
        """Submit a job that was recorded before the service was killed; returns whether the cluster accepted it."""
        try:
            self.start(ref)
        except ComputeError:
            log.exception("ray refuses", extra={"job": ref.job_id})
            return False
        return True

    def _phase(self, ref: JobRef, number: int) -> str | None:
        """The job's phase according to Ray; None while Ray does not answer."""
        try:
            return self._jobs.state(_name(ref, number)).phase if number else "unknown"
        except ComputeError as error:
            log.warning("ray does not answer", extra={"job": ref.job_id, "reason": str(error)})
            return None

    def _submitted(self, ref: JobRef) -> int:
        """How many Ray jobs were submitted since the job was last submitted or resumed here."""
        path = self._record(ref) / RAY_RECORD
        recorded = read_json(path) if path.exists() else {}
        return int(recorded["number"]) if recorded.get("start") == ref.start else 0

    def _command(self, ref: JobRef) -> str:
        record = self._record(ref)
        arguments = [str(record), str(ref.start), str(self._run(ref)), "0", "ray"]
        command = shlex.join([*self.python, "-m", self.module, *arguments])
        return f"{command} >> {shlex.quote(str(record / LOG))} 2>&1"

    def _environment(self) -> dict[str, str]:
        # Nodes with replicas of the sampler know the database's address; jobs must not.
        own = dict.fromkeys(HIDDEN_VARIABLES, "")
        if self._settings.data:
            own[DATA_ROOT] = str(self._settings.data.resolve())
        address = os.environ.get("RAY_ADDRESS")
        return own | ({"RAY_ADDRESS": address} if address else {})


def _name(ref: JobRef, number: int) -> str:
    return f"gan-aug-{ref.job_id}-{ref.start}-{number}"
