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
from gan_aug.compute.local.parent import cores
from gan_aug.config.compute import ComputeConfig
from gan_aug.errors import ComputeError

Note = Callable[[str], None]
"""Takes a sentence for the run's record."""

PROBE_SECONDS = 5.0
"""A head that does not take a connection for so long is not there; Ray itself would try for two minutes."""

NAMELESS = ("auto", "local")
"""Addresses that Ray looks up itself, so that nobody can be asked whether a head is there."""

FOLDERS, LOCK = "gan-aug-ray-", "lock"
"""What the folder of a Ray that we start begins with, and the file in it that is locked while it runs."""

YOUNG_SECONDS = 10.0
AGAIN_SECONDS = 2.0
"""Between two attempts to join a cluster."""

JOIN_SECONDS = 60.0
"""A head that takes connections is there: if it is too busy to let us in, we try again for so long."""

STORE_BYTES = 128 * 1024**2
"""The object store of a Ray that we start: images never pass through it."""


@contextmanager
def ray_session(compute: ComputeConfig, note: Note) -> Iterator[None]:
    """Be connected to Ray for the length of a block: to `compute.address`, RAY_ADDRESS, or a Ray of its own.

    A process that is connected already stays so. Raises ComputeError where Ray is not installed, no cluster takes a
    connection within `compute.wait`, it lets nobody in for a minute more, or it is of another version.
    """
    address = compute.address or os.environ.get("RAY_ADDRESS")
    deadline = time.monotonic() + compute.wait
    if address:
        patiently(lambda: probe(address), deadline)
    with _variables(_joining() if address else _starting()):
        ray = load_ray()
        if ray.is_initialized():
            yield
            return
        with nullcontext("") if address else _own_folder() as folder:
            try:
                if address:
                    purpose = f"join the Ray cluster at {address}"
                    if address not in NAMELESS:
                        deadline = max(deadline, time.monotonic() + JOIN_SECONDS)
                    patiently(lambda: _connect({"address": address}, purpose), deadline)
                    note(f"joined the Ray cluster at {address}")
                else:
                    _start(compute, folder, note)
                yield
            finally:
                ray.shutdown()  # before the folder is removed: what runs on would make it again


def patiently(attempt: Callable[[], object], deadline: float) -> None:
    """Try until no connection fails any more: a head that starts or is busy takes one only later.

    Raises the attempt's ComputeError after `deadline`, a time of `time.monotonic`, and at once where no connection was
    at fault.
    """
    while True:
        try:
            attempt()
        except ComputeError as error:
            if not isinstance(error.__cause__, OSError) or time.monotonic() >= deadline:
                raise
            time.sleep(AGAIN_SECONDS)
        else:
            return


def load_ray() -> Any:
    """The package ray; raises ComputeError where it is not installed."""
    try:
        return importlib.import_module("ray")
    except ImportError as error:
        raise ComputeError(
            f"Ray cannot be loaded ({error}): pip install 'gan-aug[ray]', or leave out --on ray"
        ) from error


def probe(address: str) -> None:
    """Raise ComputeError unless something takes connections at `address`, as ray.init spells it."""
    if address in NAMELESS:
        return
    if address.startswith(("http://", "https://")):
        raise ComputeError(f"{address} is the address of Ray's job API: give it to `gan-aug submit`, or name HOST:PORT")
    parts = urlsplit(address if "://" in address else f"//{address}")
    try:
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port = None, None
    if host is None or port is None:
        raise ComputeError(f"the Ray address {address!r} is none: write HOST:PORT, ray://HOST:PORT or auto")
    out = "check compute.address and RAY_ADDRESS, or leave both out to start Ray here"
    knock(host, port, f"no Ray cluster answers at {address}", out)


def knock(host: str, port: int, fault: str, way_out: str) -> None:
    """Raise ComputeError with these words unless something takes connections there."""
    try:
        socket.create_connection((host, port), timeout=PROBE_SECONDS).close()
    except OSError as error:
        raise ComputeError(f"{fault} ({error}): {way_out}") from error


@contextmanager
def _own_folder() -> Iterator[str]:
    """A folder for the Ray of this process; those that killed processes left are removed.

    Not Ray's common folder: clusters that share one are taken for each other. Paths of sockets are short, hence /tmp.
    """
    with (
        TemporaryDirectory(prefix=FOLDERS, dir="/tmp", ignore_cleanup_errors=True) as folder,
        (Path(folder) / LOCK).open("w") as lock,
    ):
        fcntl.flock(lock, fcntl.LOCK_EX)  # gone with this process, however that ends
        for other in Path(folder).parent.glob(f"{FOLDERS}*"):
            with suppress(OSError), (other / LOCK).open() as held:
                if time.time() - other.stat().st_mtime > YOUNG_SECONDS:  # else it may not be locked yet
                    fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    shutil.rmtree(other, ignore_errors=True)
        yield folder


def _start(compute: ComputeConfig, folder: str, note: Note) -> None:
    """Start Ray on this machine, reachable from it alone."""
    workers = ceil((compute.workers or 1) * compute.cpus_per_worker)
    options = {
        "address": "local",
        "num_cpus": max(cores(), workers, compute.ranks * (compute.threads or 1)),
        "object_store_memory": STORE_BYTES,
        "include_dashboard": compute.dashboard,
        "dashboard_host": LOOPBACK,
        "_temp_dir": folder,
    }
    context = _connect(options, "start Ray here")
    if node_addresses() != {LOOPBACK}:
        raise ComputeError(
            "Ray would listen beyond this machine, since something loaded it before gan_aug could set it up: start it "
            "yourself with `ray start --head` and give its address in RAY_ADDRESS"
        )
    shown = f", dashboard at http://{context.dashboard_url}" if compute.dashboard else ""
    note(f"started Ray on this machine, for this run alone{shown}")


def _connect(options: dict[str, Any], purpose: str) -> Any:
    """Call ray.init, and say in a sentence what it refuses."""
    import ray  # noqa: TID251 - the door

    handler = signal.getsignal(signal.SIGTERM)
    try:
        return ray.init(**options, log_to_driver=False, logging_level=logging.ERROR)
    except (Exception, SystemExit) as error:  # of a node that does not start in time Ray raises a plain Exception
        said = " ".join(f"{error}{f' ({error.__cause__})' if error.__cause__ else ''}".split())
        if "ersion mismatch" in said or "ersions differ" in said or "incompatible" in said.lower():
            said += ": install the same versions on both sides, or send the job there with `gan-aug submit`"
        elif os.environ.get("RAY_AUTH_MODE") != "token" and "onnect" in said:
            said += ": where the cluster asks for a token, set RAY_AUTH_MODE=token and RAY_AUTH_TOKEN"
        raise ComputeError(f"cannot {purpose}: {said or type(error).__name__}") from error
    finally:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, handler)  # ray.init puts its own there


def _starting() -> dict[str, str]:
    """What must be in the environment before a Ray of ours is loaded."""
    variables = {
        "RAY_USAGE_STATS_ENABLED": "0",
        # In spite of its name, on every system: without clusters, all of Ray listens on the loopback address alone.
        "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
    }
    # By default Ray's workers give way (nice 15) to all else on the machine; processes of --on local do not.
    variables["RAY_worker_niceness"] = os.environ.get("RAY_worker_niceness", "0")  # noqa: SIM112
    mode = os.environ.get("RAY_AUTH_MODE", "token")
    if "ray" not in sys.modules:  # else it would not notice; unset, it turns tokens on by itself
        variables["RAY_AUTH_MODE"] = mode
    if mode == "token" and "RAY_AUTH_TOKEN_PATH" not in os.environ:
        # Else ray.init would write one under the home folder. It lives as long as this process.
        variables["RAY_AUTH_TOKEN"] = os.environ.get("RAY_AUTH_TOKEN") or _own_token()
    return variables


@cache
def _own_token() -> str:
    """One for all that this process starts: Ray keeps the first that it reads."""
    return secrets.token_hex(32)


def _joining() -> dict[str, str]:
    """What a cluster of somebody else's gets: its authentication is the operator's to set."""
    return {"RAY_USAGE_STATS_ENABLED": os.environ.get("RAY_USAGE_STATS_ENABLED", "0")}


@contextmanager
def _variables(values: Mapping[str, str]) -> Iterator[None]:
    """Have these environment variables for a block."""
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
