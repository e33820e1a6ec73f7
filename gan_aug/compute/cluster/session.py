"""A connection to Ray: to the cluster at an address, or to one that is started here and ends with the block."""

from __future__ import annotations

import fcntl
import importlib
import logging
import os
import secrets
import shutil
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext, suppress
from functools import cache
from math import ceil
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import urlsplit

from gan_aug.compute.cluster.resources import LOOPBACK, node_addresses
from gan_aug.compute.cores import cores
from gan_aug.config.compute import ComputeConfig
from gan_aug.errors import ComputeError

Note = Callable[[str], None]
"""Takes a sentence for the run's record."""

PROBE_SECONDS = 5.0
"""A head that takes no connection for this long counts as absent; Ray itself would try for two minutes."""

SYMBOLIC_ADDRESSES = ("auto", "local")
"""Addresses that Ray resolves itself, so that there is no host to ask whether a head is there."""

FOLDER_PREFIX, LOCK_FILE = "gan-aug-ray-", "lock"
"""How the names of our own Ray folders begin, and the file in each that is locked while its Ray runs."""

STARTUP_SECONDS = 10.0
"""A folder younger than this may not be locked yet."""

RETRY_SECONDS = 2.0
"""The pause between two attempts to join a cluster."""

JOIN_SECONDS = 60.0
"""How long joining is tried again if a head takes connections but is too busy to accept us."""

OBJECT_STORE_BYTES = 128 * 1024**2
"""Size of the object store of a Ray that we start; it can be small because no image passes through it."""


@contextmanager
def ray_session(compute: ComputeConfig, note: Note) -> Iterator[None]:
    """Connect to Ray for the length of the block: to `compute.address`, else RAY_ADDRESS, else a new Ray of its own.

    A process that is connected already keeps its connection. Raises ComputeError if Ray is not installed, if no cluster
    takes a connection within `compute.wait`, if the cluster accepts nobody for another minute, or if its version
    differs.
    """
    address = compute.address or os.environ.get("RAY_ADDRESS")
    deadline = time.monotonic() + compute.wait
    if address:
        retry_connection(lambda: probe(address), deadline)
    with _environment(_environment_to_join() if address else _environment_to_start()):
        ray = load_ray()
        if ray.is_initialized():
            yield
            return
        with nullcontext("") if address else _ray_folder() as folder:
            try:
                if address:
                    purpose = f"join the Ray cluster at {address}"
                    if address not in SYMBOLIC_ADDRESSES:
                        deadline = max(deadline, time.monotonic() + JOIN_SECONDS)
                    retry_connection(lambda: _connect({"address": address}, purpose), deadline)
                    note(f"joined the Ray cluster at {address}")
                else:
                    _start(compute, folder, note)
                yield
            finally:
                ray.shutdown()  # before the folder is removed: a Ray that still runs would create it again


def retry_connection(attempt: Callable[[], object], deadline: float) -> None:
    """Repeat `attempt` while it fails for lack of a connection: a starting or busy head takes one only later.

    Raises the attempt's ComputeError after `deadline`, a time of `time.monotonic`, and at once if it has another cause.
    """
    while True:
        try:
            attempt()
        except ComputeError as error:
            if not isinstance(error.__cause__, OSError) or time.monotonic() >= deadline:
                raise
            time.sleep(RETRY_SECONDS)
        else:
            return


def load_ray() -> Any:
    """The package ray; raises ComputeError if it is not installed."""
    try:
        return importlib.import_module("ray")
    except ImportError as error:
        raise ComputeError(
            f"Ray cannot be loaded ({error}): pip install 'gan-aug[ray]', or leave out --on ray"
        ) from error


def probe(address: str) -> None:
    """Raise ComputeError unless something takes connections at `address`, which is written as for ray.init."""
    if address in SYMBOLIC_ADDRESSES:
        return
    if address.startswith(("http://", "https://")):
        raise ComputeError(f"{address} is the address of Ray's job API: give it to `gan-aug submit`, or name HOST:PORT")
    parts = urlsplit(address if "://" in address else f"//{address}")
    try:
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port = None, None
    if host is None or port is None:
        raise ComputeError(f"{address!r} is not an address of Ray: write HOST:PORT, ray://HOST:PORT or auto")
    out = "check compute.address and RAY_ADDRESS, or leave both out to start Ray on this machine"
    require_connection(host, port, f"no Ray cluster answers at {address}", out)


def require_connection(host: str, port: int, fault: str, way_out: str) -> None:
    """Raise ComputeError unless something takes connections at an address.

    Args:
        host: Where to connect.
        port: Where to connect.
        fault: The error message's first part: what is wrong.
        way_out: Its last part: what to do.

    Raises:
        ComputeError: Nothing takes connections there.
    """
    try:
        socket.create_connection((host, port), timeout=PROBE_SECONDS).close()
    except OSError as error:
        raise ComputeError(f"{fault} ({error}): {way_out}") from error


@contextmanager
def _ray_folder() -> Iterator[str]:
    """A folder for the Ray of this process; folders that killed processes left behind are removed.

    Ray's default folder is not used, because clusters that share it are mistaken for each other. The folder is in /tmp,
    because the paths of sockets must be short.
    """
    with (
        TemporaryDirectory(prefix=FOLDER_PREFIX, dir="/tmp", ignore_cleanup_errors=True) as folder,
        (Path(folder) / LOCK_FILE).open("w") as lock,
    ):
        fcntl.flock(lock, fcntl.LOCK_EX)  # released when this process ends, in whatever way
        for other in Path(folder).parent.glob(f"{FOLDER_PREFIX}*"):
            with suppress(OSError), (other / LOCK_FILE).open() as held:
                if time.time() - other.stat().st_mtime > STARTUP_SECONDS:
                    fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    shutil.rmtree(other, ignore_errors=True)
        yield folder


def _start(compute: ComputeConfig, folder: str, note: Note) -> None:
    """Start Ray on this machine, reachable from this machine only."""
    workers = ceil((compute.workers or 1) * compute.cpus_per_worker)
    options = {
        "address": "local",
        "num_cpus": max(cores(), workers, compute.ranks * (compute.threads or 1)),
        "object_store_memory": OBJECT_STORE_BYTES,
        "include_dashboard": compute.dashboard,
        "dashboard_host": LOOPBACK,
        "_temp_dir": folder,
    }
    context = _connect(options, "start Ray here")
    if node_addresses() != {LOOPBACK}:
        raise ComputeError(
            "Ray would listen beyond this machine, since something loaded it before gan_aug could set it up: start Ray "
            "yourself with `ray start --head` and set RAY_ADDRESS to its address"
        )
    shown = f", dashboard at http://{context.dashboard_url}" if compute.dashboard else ""
    note(f"started Ray on this machine, for this run alone{shown}")


def _connect(options: dict[str, Any], purpose: str) -> Any:
    """Call ray.init; raises ComputeError with a sentence if it fails."""
    import ray  # noqa: TID251 - the door

    handler = signal.getsignal(signal.SIGTERM)
    try:
        return ray.init(**options, log_to_driver=False, logging_level=logging.ERROR)
    except (Exception, SystemExit) as error:  # if a node does not start in time, Ray raises a plain Exception
        reason = " ".join(f"{error}{f' ({error.__cause__})' if error.__cause__ else ''}".split())
        if "ersion mismatch" in reason or "ersions differ" in reason or "incompatible" in reason.lower():
            reason += ": install the same versions on both sides, or send the job there with `gan-aug submit`"
        elif os.environ.get("RAY_AUTH_MODE") != "token" and "onnect" in reason:
            reason += ": if the cluster asks for a token, set RAY_AUTH_MODE=token and RAY_AUTH_TOKEN"
        raise ComputeError(f"cannot {purpose}: {reason or type(error).__name__}") from error
    finally:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, handler)  # ray.init sets its own


def _environment_to_start() -> dict[str, str]:
    """The environment variables that must be set before Ray is loaded, if we start it."""
    variables = {
        "RAY_USAGE_STATS_ENABLED": "0",
        # In spite of its name this works on every system: Ray then listens on the loopback address only.
        "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
    }
    # By default Ray's workers have a low priority (nice 15); the processes of --on local have not.
    variables["RAY_worker_niceness"] = os.environ.get("RAY_worker_niceness", "0")  # noqa: SIM112
    mode = os.environ.get("RAY_AUTH_MODE", "token")
    if "ray" not in sys.modules:  # a loaded Ray would not notice; if it is unset, Ray turns tokens on by itself
        variables["RAY_AUTH_MODE"] = mode
    if mode == "token" and "RAY_AUTH_TOKEN_PATH" not in os.environ:
        # Otherwise ray.init would write a token to the home folder. This one lives as long as this process.
        variables["RAY_AUTH_TOKEN"] = os.environ.get("RAY_AUTH_TOKEN") or _session_token()
    return variables


@cache
def _session_token() -> str:
    """The token of every Ray that this process starts: Ray keeps the first one that it reads."""
    return secrets.token_hex(32)


def _environment_to_join() -> dict[str, str]:
    """The environment variables for joining an existing cluster; its operator decides about authentication."""
    return {"RAY_USAGE_STATS_ENABLED": os.environ.get("RAY_USAGE_STATS_ENABLED", "0")}


@contextmanager
def _environment(values: Mapping[str, str]) -> Iterator[None]:
    """Set environment variables for the length of the block."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
