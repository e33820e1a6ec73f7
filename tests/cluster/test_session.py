"""A Ray that the command line starts: for the run alone, for this machine alone, gone with it."""

from __future__ import annotations

import importlib.util
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from gan_aug.compute.cluster import session as cluster_session
from gan_aug.compute.cluster.session import probe, ray_session, retry_connection
from gan_aug.errors import ComputeError
from tests.support.ray_samples import Same, alive, compute

pytestmark = pytest.mark.ray
LISTENING = "0A"


def descendants(process: int) -> set[int]:
    parents: dict[int, int] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        parents[int(stat.parent.name)] = int(fields[1])
    found = {process}
    while more := {child for child, parent in parents.items() if parent in found} - found:
        found |= more
    return found


def listening(processes: set[int]) -> set[str]:
    """The addresses, in hexadecimal, that these processes listen on."""
    sockets = set()
    for process in processes:
        for file in Path(f"/proc/{process}/fd").glob("*"):
            try:
                sockets |= set(re.findall(r"socket:\[(\d+)\]", str(file.readlink())))
            except OSError:
                continue
    rows = [line.split() for name in ("tcp", "tcp6") for line in Path(f"/proc/net/{name}").read_text().splitlines()[1:]]
    return {row[1].partition(":")[0] for row in rows if row[3] == LISTENING and row[9] in sockets}


def test_a_head_that_takes_connections_late_is_waited_for_and_nothing_else_is() -> None:
    with socket.socket() as head:
        head.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{head.getsockname()[1]}"
        with pytest.raises(ComputeError, match="no Ray cluster answers"):
            retry_connection(lambda: probe(address), time.monotonic())
        late = threading.Timer(1, head.listen)
        late.start()
        retry_connection(lambda: probe(address), time.monotonic() + 60)
        late.join()
    attempts = []
    with pytest.raises(ComputeError, match="job API"):
        retry_connection(lambda: (attempts.append(1), probe("http://head:8265")), time.monotonic() + 3600)
    assert attempts == [1]


def test_a_head_that_is_too_busy_to_let_us_in_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    ray = pytest.importorskip("ray", reason="Ray is not installed: pip install 'gan-aug[ray]'")
    refusals = [ConnectionError("Failed to connect"), ConnectionError("Failed to connect")]
    refusals[0].__cause__ = RuntimeError("no node yet")

    def init(**options: object) -> None:
        assert options["address"] == address
        if refusals:
            raise refusals.pop()

    notes: list[str] = []
    monkeypatch.setattr(ray, "init", init)
    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    monkeypatch.setattr(ray, "shutdown", lambda: None)
    monkeypatch.setattr(cluster_session, "RETRY_SECONDS", 0.01)
    refusals.append(ConnectionError("Could not find any running Ray instance"))
    address = "auto"  # nobody knows whether a head is there: it is asked once
    with pytest.raises(ComputeError, match="Could not find"), ray_session(compute(address="auto"), notes.append):
        pass
    with socket.create_server(("127.0.0.1", 0)) as head:
        address = f"127.0.0.1:{head.getsockname()[1]}"
        with ray_session(compute(address=address), notes.append):
            assert refusals == []
        assert notes == [f"joined the Ray cluster at {address}"]
        refusals += [ConnectionError("Failed to connect")] * 2
        refusals[1].__cause__ = RuntimeError("no node yet")
        monkeypatch.setattr(cluster_session, "JOIN_SECONDS", 0)
        with (
            pytest.raises(ComputeError, match=r"join .* Failed to connect \(no node yet\)"),
            ray_session(compute(address=address), notes.append),
        ):
            pass


def test_a_ray_of_our_own_listens_here_alone_writes_no_token_and_ends_with_ctrl_c(
    same: Same, config: Path, tmp_path: Path
) -> None:
    if importlib.util.find_spec("ray") is None:
        pytest.skip("Ray is not installed: pip install 'gan-aug[ray]'")
    run = same.begin(tmp_path / "run").path
    more = ("--set", "synthesis.counts=20000", "--set", "compute.workers=2")
    process = subprocess.Popen(
        [sys.executable, "-m", "gan_aug", "generate", str(config), "--run", str(run), "--on", "ray", *more],
        env={k: v for k, v in os.environ.items() if not k.startswith("RAY_")} | {"HOME": str(tmp_path)},
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        start_new_session=True,
    )
    deadline = time.monotonic() + 300
    while not list(run.glob("synthetic/*.npy")) and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.05)
    family = descendants(process.pid)
    addresses = listening(family)
    os.killpg(process.pid, signal.SIGINT)
    _, said = process.communicate(timeout=240)
    assert process.returncode == 130, said.decode()
    assert "Traceback" not in said.decode()
    assert len(family) > 4
    # 127.0.0.1 as IPv4 and as IPv4 in IPv6
    assert addresses
    assert addresses <= {"0100007F", "0000000000000000FFFF00000100007F"}
    assert not (tmp_path / ".ray").exists()
    deadline = time.monotonic() + 60
    while any(alive(pid) for pid in family) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert [pid for pid in family if alive(pid)] == []


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("127.0.0.1:1", "no Ray cluster answers at 127.0.0.1:1"),
        ("ray://127.0.0.1:1", "no Ray cluster answers at ray://127.0.0.1:1"),
        ("http://127.0.0.1:8265", "job API: give it to `gan-aug submit`"),
        ("somewhere", "write HOST:PORT, ray://HOST:PORT or auto"),
        ("host:99999", "write HOST:PORT"),
    ],
)
def test_where_there_is_no_cluster_a_sentence_says_so(address: str, said: str) -> None:
    begun = time.monotonic()
    with pytest.raises(ComputeError, match=re.escape(said)):
        probe(address)
    assert time.monotonic() - begun < 6
