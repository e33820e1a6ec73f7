"""Ray's job API: send a run to a cluster, with the code and the config it needs, and follow its log."""

from __future__ import annotations

import asyncio
import os
import shlex
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from gan_aug.compute.cluster.session import load_ray, require_connection
from gan_aug.config import Config, dump, path_keys, yaml_text
from gan_aug.errors import ComputeError, ConfigError
from gan_aug.run.files import write_text

CONFIG_FILE = "job.yaml"
STARTUP_SECONDS = 30.0
"""How long a cluster that has just started may refuse jobs."""
PORTS = {"http": 80, "https": 443}
"""The default port of each scheme."""


@dataclass(frozen=True)
class ClusterJob:
    """A run submit_job to a cluster: its id there, the address of the job API, and the run folder."""

    id: str
    address: str
    run: str

    @property
    def stop(self) -> str:
        """The command that stops it."""
        return f"ray job stop {self.id} --address {self.address}"

    @property
    def log(self) -> str:
        """The command that shows its log."""
        return f"ray job logs {self.id} --address {self.address} --follow"


def submit(verb: str, config: Config, run: Path, address: str | None, requirements: Path | None = None) -> ClusterJob:
    """Send `gan-aug VERB --on ray` to a cluster; returns at once.

    The config and this version's code are sent along. Ray tells the job which cluster it is on, unless
    `compute.address` names one.

    Args:
        verb: The command to run there.
        config: What it is asked for.
        run: The run folder as the cluster sees it.
        address: The cluster's job API; RAY_API_SERVER_ADDRESS if it is None.
        requirements: A file of pinned packages, which pip installs for the job.

    Returns:
        The job.

    Raises:
        ConfigError: A path is relative, the address is none, or a package is not pinned.
        ComputeError: The cluster does not answer, or refuses the job.
    """
    _check_paths(config, run)
    place = job_address(address)
    environment: dict[str, Any] = {"py_modules": [str(files("gan_aug"))]}
    if requirements is not None:
        environment["pip"] = {"packages": _pinned_packages(requirements), "pip_check": False}
    command = shlex.join(["python", "-m", "gan_aug", verb, CONFIG_FILE, "--run", str(run), "--on", "ray"])
    client = job_client(place)
    with tempfile.TemporaryDirectory(prefix="gan-aug-job-") as folder, job_api_errors(place):
        write_text(Path(folder) / CONFIG_FILE, yaml_text(dump(config)))
        job = submit_job(client, command, {**environment, "working_dir": folder}, {"run": str(run)})
    return ClusterJob(job, place, str(run))


def submit_job(
    client: Any, command: str, environment: dict[str, Any], metadata: dict[str, str], name: str | None = None
) -> str:
    """Submit a job; a cluster that has just started takes none for some seconds, so it is asked again.

    Args:
        client: Of the job API.
        command: The shell command that the job runs.
        environment: Ray's runtime environment.
        metadata: Kept with the job.
        name: The job's id; without it Ray makes one up.

    Returns:
        The job's id.

    Raises:
        RuntimeError: The cluster refuses the job.
    """
    deadline = time.monotonic() + STARTUP_SECONDS
    while True:
        try:
            return str(
                client.submit_job(entrypoint=command, runtime_env=environment, metadata=metadata, submission_id=name)
            )
        except RuntimeError as error:
            if "No available agent" not in str(error) or time.monotonic() > deadline:
                raise
            time.sleep(1)


def follow(job: ClusterJob, say: Callable[[str], None]) -> int:
    """Pass the job's log to `say` as it grows, until the job ends; returns its exit code.

    Raises ComputeError if the job was stopped or never began.
    """
    client = job_client(job.address)

    async def tail() -> None:
        async for text in client.tail_job_logs(job.id):
            say(text)

    with job_api_errors(job.address):
        asyncio.run(tail())
        info = client.get_job_info(job.id)
    if info.driver_exit_code is None or str(info.status) == "STOPPED":
        raise ComputeError(f"job {job.id} is {str(info.status).lower()}: {last_line(str(info.message))}")
    return int(info.driver_exit_code)


def job_address(given: str | None) -> str:
    """The address of a job API, given or in RAY_API_SERVER_ADDRESS; raises ConfigError if it is not one."""
    address = given or os.environ.get("RAY_API_SERVER_ADDRESS") or ""
    parts = urlsplit(address)
    if parts.scheme not in PORTS or not parts.hostname:
        raise ConfigError(
            f"{address or 'no address'} is not where Ray takes jobs: give --address http://HEAD:8265, or set "
            "RAY_API_SERVER_ADDRESS to it"
        )
    return address.rstrip("/")


def _check_paths(config: Config, run: Path) -> None:
    """Raise ConfigError unless every path that the cluster must find on shared storage is absolute."""
    named = {f"{section}.{name}": getattr(getattr(config, section), name) for section, name in path_keys()}
    for name, path in {"--run": run, **named}.items():
        if path is not None and not Path(path).is_absolute():
            raise ConfigError(
                f"{name} is {path}, relative to a folder of this machine: give the absolute path as the cluster sees it"
            )


def _pinned_packages(requirements: Path) -> list[str]:
    """The lines of a requirements file; raises ConfigError if it is absent or a package has no exact version."""
    try:
        lines = requirements.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot read the requirements {requirements} ({error}): check --requirements") from error
    pins = [line for line in (line.split(" #")[0].strip() for line in lines) if line and not line.startswith("#")]
    for pin in pins:
        if "==" not in pin and "@" not in pin and not pin.startswith("-"):
            raise ConfigError(f"{requirements} does not pin {pin}: write NAME==VERSION, as `pip freeze` does")
    return pins


def job_client(address: str) -> Any:
    """A client of the job API; raises ComputeError if nothing answers there, or another version of Ray does."""
    load_ray()
    parts = urlsplit(address)
    way_out = "check --address, and that the cluster's dashboard, which serves it, is running"
    require_connection(
        str(parts.hostname), parts.port or PORTS[parts.scheme], f"no Ray job API answers at {address}", way_out
    )
    with job_api_errors(address):
        from ray.job_submission import JobSubmissionClient  # noqa: TID251 - the door

        return JobSubmissionClient(address)


@contextmanager
def job_api_errors(address: str) -> Iterator[None]:
    """Raise what the job API refuses as a ComputeError."""
    from ray.exceptions import RayError  # noqa: TID251 - the door

    try:
        yield
    except (RayError, RuntimeError, ValueError, ImportError, OSError) as error:
        raise ComputeError(f"the Ray job API at {address} refuses: {last_line(str(error))}") from error


def last_line(text: str) -> str:
    """The last line of a text with a traceback, or the whole text as one line; at most 300 characters."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return (lines[-1] if "Traceback" in text else " ".join(lines))[:300] if lines else "no reason was given"
