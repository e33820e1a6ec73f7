"""Ray jobs under names that their sender chooses: submitted once however often it is tried, found again, stopped."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from gan_aug.compute.cluster.jobs import PORTS, job_address, job_api_errors, job_client, last_line, submit_job
from gan_aug.compute.cluster.session import require_connection
from gan_aug.errors import ComputeError

Phase = Literal["waiting", "working", "ended", "unknown"]
PHASES: dict[str, Phase] = {"PENDING": "waiting", "RUNNING": "working"}


@dataclass(frozen=True)
class JobState:
    """The state of a job in the cluster, and the cluster's message about it."""

    phase: Phase
    message: str = ""


class NamedJobs:
    """The job API of one cluster."""

    def __init__(self, address: str) -> None:
        """Set the address of the job API, `http://HEAD:8265`, without connecting; raises ConfigError if it is none."""
        self.address = job_address(address)
        self._api: Any = None

    def answers(self) -> bool:
        """Whether something takes connections at the address."""
        parts = urlsplit(self.address)
        try:
            require_connection(str(parts.hostname), parts.port or PORTS[parts.scheme], "", "")
        except ComputeError:
            return False
        return True

    def submit(self, name: str, command: str, modules: Sequence[Path], environment: dict[str, str]) -> None:
        """Submit a job unless the cluster knows one of that name.

        Args:
            name: The job's id.
            command: The shell command that it runs.
            modules: Folders of Python packages that are sent along.
            environment: Environment variables of the job.

        Raises:
            ComputeError: The cluster refuses or does not answer.
        """
        runtime = {"py_modules": [str(module) for module in modules], "env_vars": environment}
        if self.state(name).phase == "unknown":
            with job_api_errors(self.address):
                try:
                    submit_job(self._client(), command, runtime, {"name": name}, name)
                except RuntimeError as error:
                    if "already exists" not in str(error):
                        raise

    def state(self, name: str) -> JobState:
        """The state of a job by its name; raises ComputeError if the cluster does not answer."""
        with job_api_errors(self.address):
            try:
                info = self._client().get_job_info(name)
            except RuntimeError as error:
                if "does not exist" in str(error):
                    return JobState("unknown")
                raise
        return JobState(PHASES.get(str(info.status), "ended"), last_line(str(info.message or "")))

    def stop(self, name: str) -> None:
        """End a job: SIGTERM, then SIGKILL a few seconds later; raises ComputeError if the cluster does not answer."""
        with job_api_errors(self.address):
            self._client().stop_job(name)

    def _client(self) -> Any:
        self._api = self._api or job_client(self.address)
        return self._api
