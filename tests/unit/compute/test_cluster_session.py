"""What of the door to Ray needs no Ray."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from gan_aug.compute.cluster import session as cluster_session
from gan_aug.compute.cluster.resources import fitting_workers
from gan_aug.config import parse
from gan_aug.errors import ConfigError

NODE = {"CPU": 8.0, "GPU": 2.0, "memory": 1e10}


@pytest.mark.parametrize(
    ("needs", "count"),
    [
        ({"CPU": 1.0}, 8),
        ({"CPU": 3.0}, 2),
        ({"CPU": 1.0, "GPU": 0.25}, 8),
        ({"CPU": 1.0, "GPU": 1.0}, 2),
        ({"GPU": 4.0}, 0),
        ({"TPU": 1.0}, 0),
        ({}, 8),
    ],
)
def test_a_node_holds_as_many_workers_as_its_scarcest_resource(needs: dict[str, float], count: int) -> None:
    assert fitting_workers(NODE, needs) == count


def test_shares_above_one_are_whole() -> None:
    with pytest.raises(ConfigError, match=r"compute.gpus_per_worker: .* a whole number, or one below 1 \(got 1.5\)"):
        parse({"data": {"source": "digits"}, "compute": {"gpus_per_worker": 1.5}}, "a test")
    config = parse({"data": {"source": "digits"}, "compute": {"gpus_per_worker": 0.25, "cpus_per_worker": 2}}, "a test")
    assert config.compute.gpus_per_worker == 0.25


def test_each_ray_that_a_process_starts_asks_for_the_token_of_the_first(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH", "RAY_AUTH_MODE"):
        monkeypatch.delenv(name, raising=False)
    first, second = cluster_session._environment_to_start(), cluster_session._environment_to_start()
    assert first["RAY_AUTH_TOKEN"] == second["RAY_AUTH_TOKEN"]
    assert len(first["RAY_AUTH_TOKEN"]) == 64


def test_the_folder_of_a_killed_process_is_removed_by_the_next_one_and_that_of_a_living_one_is_not() -> None:
    code = (
        "import sys; from gan_aug.compute.cluster.session import _ray_folder\n"
        "with _ray_folder() as folder: print(folder, flush=True); sys.stdin.read()"
    )
    command = [sys.executable, "-c", code]
    first, second = (
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(2)
    )
    with first, second:
        folders = [Path(process.stdout.readline().strip()) for process in (first, second) if process.stdout]
        first.kill()
        first.wait()
        for folder in folders:
            os.utime(folder, (0, 0))  # begun long ago
        with cluster_session._ray_folder() as own:
            deadline = time.monotonic() + 60
            while folders[0].exists() and time.monotonic() < deadline:
                time.sleep(0.05)  # a Ray of another test may be removing it
            assert [folder.exists() for folder in folders] == [False, True]
        second.communicate()
        assert not folders[1].exists()
        assert not Path(own).exists()
