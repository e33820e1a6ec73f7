"""Ray jobs under names of their sender's: sent once however often it is tried, found again, stopped."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from gan_aug.compute.cluster.jobs import PORTS, job_address, job_client, last_line, refusals, sent
from gan_aug.compute.cluster.session import knock
from gan_aug.errors import ComputeError

Phase = Literal["waiting", "working", "ended", "unknown"]
PHASES: dict[str, Phase] = {"PENDING": "waiting", "RUNNING": "working"}


@dataclass(frozen=True)
class JobStanding:
    """How a job stands in the cluster, with what the cluster says of it."""

    phase: Phase
    message: str = ""


class NamedJobs:
    """The job API of one cluster."""

    def __init__(self, address: str) -> None:
        """Name the job API, `http://HEAD:8265`; raises ConfigError where that is no address. Nothing is asked yet."""
        self.address = job_address(address)
        self._api: Any = None

    def answers(self) -> bool:
        """Whether something takes connections there."""
        parts = urlsplit(self.address)
        try:
            knock(str(parts.hostname), parts.port or PORTS[parts.scheme], "", "")
        except ComputeError:
            return False
        return True

    def submit(self, name: str, command: str, modules: Sequence[Path], environment: dict[str, str]) -> None:
        """Send `command` with the packages in the folders `modules`; one known by that name already is left alone.

        Raises ComputeError where the cluster refuses or does not answer.
        """
        runtime = {"py_modules": [str(module) for module in modules], "env_vars": environment}
        if self.standing(name).phase == "unknown":
            with refusals(self.address):
                try:
                    sent(self._client(), command, runtime, {"name": name}, name)
                except RuntimeError as error:
                    if "already exists" not in str(error):
                        raise

    def standing(self, name: str) -> JobStanding:
        """How the job of a name stands; raises ComputeError where the cluster does not answer."""
        with refusals(self.address):
            try:
                info = self._client().get_job_info(name)
            except RuntimeError as error:
                if "does not exist" in str(error):
                    return JobStanding("unknown")
                raise
        return JobStanding(PHASES.get(str(info.status), "ended"), last_line(str(info.message or "")))

    def stop(self, name: str) -> None:
        """End a job: SIGTERM, SIGKILL a few seconds later; raises ComputeError where the cluster does not answer."""
        with refusals(self.address):
            self._client().stop_job(name)

    def _client(self) -> Any:
        self._api = self._api or job_client(self.address)
        return self._api
