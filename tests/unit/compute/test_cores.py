"""How many cores there are, by affinity, quota and load; the right values are those of the files as written here."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from gan_aug.compute import cores as module
from gan_aug.compute.cores import cores, idle_cores, threads_for, wait_passively
from tests.support.places import ROOT

FOUR = {0, 1, 2, 3}


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine of four cores without quotas, whose system files are in a folder."""
    monkeypatch.setattr(module, "_allowed", lambda: FOUR)
    monkeypatch.setattr("gan_aug.compute.control_groups.MOUNTS", tmp_path / "cgroup")
    monkeypatch.setattr("gan_aug.compute.control_groups.MEMBERSHIP", tmp_path / "membership")
    monkeypatch.setattr(module, "STATISTICS", tmp_path / "stat")
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    return tmp_path


def put(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text + "\n", encoding="ascii")


@pytest.mark.parametrize(
    ("membership", "files", "expected"),
    [
        ("0::/", {}, 4),
        ("0::/", {"cpu.max": "max 100000"}, 4),
        ("0::/", {"cpu.max": "200000 100000"}, 2),
        ("0::/", {"cpu.max": "150000 100000"}, 1),  # two threads would be stopped in every period
        ("0::/", {"cpu.max": "20000 100000"}, 1),
        ("0::/", {"cpu.max": "900000 100000"}, 4),
        ("0::/a/b", {"a/cpu.max": "300000 100000", "a/b/cpu.max": "max 100000"}, 3),  # a limit of the group around it
        ("0::/kubepods/pod1", {"cpu.max": "100000 100000"}, 1),  # a container sees its own group as the root
        ("2:cpu,cpuacct:/x\n1:memory:/x", {"cpu/x/cpu.cfs_quota_us": "250000", "cpu/x/cpu.cfs_period_us": "100000"}, 2),
        ("2:cpuacct,cpu:/x", {"cpuacct,cpu/cpu.cfs_quota_us": "50000", "cpuacct,cpu/cpu.cfs_period_us": "25000"}, 2),
        ("2:cpu:/", {"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"}, 4),
        ("3:cpuset:/\n2:memory:/y", {"cpuset/cpu.cfs_quota_us": "1", "cpuset/cpu.cfs_period_us": "1"}, 4),
    ],
)
def test_a_quota_bounds_the_cores(machine: Path, membership: str, files: dict[str, str], expected: int) -> None:
    put(machine / "membership", membership)
    for name, text in files.items():
        put(machine / "cgroup" / name, text)
    assert cores() == expected


def ticks(busy: tuple[int, ...]) -> str:
    """The lines of four cores after 100 ticks, of which so many were busy, as /proc/stat has them."""
    each = [f"cpu{k} {b} 0 0 {100 - b} 0 0 0 0 0 0" for k, b in enumerate(busy)]
    return "\n".join([f"cpu {sum(busy)} 0 0 {400 - sum(busy)} 0 0 0 0 0 0", *each, "intr 5"])


@pytest.mark.parametrize(
    ("busy", "ranks", "idle", "threads"),
    [
        ((0, 0, 0, 0), 1, 4, 4),
        ((100, 0, 0, 0), 1, 3, 3),
        ((100, 100, 100, 100), 1, 1, 1),
        ((20, 10, 5, 5), 2, 4, 2),
        ((60, 60, 60, 0), 1, 2, 2),
        ((100, 100, 0, 0), 3, 2, 1),
    ],
)
def test_the_work_of_others_leaves_the_rest(
    machine: Path, monkeypatch: pytest.MonkeyPatch, busy: tuple[int, ...], ranks: int, idle: int, threads: int
) -> None:
    def pass_time(_: float) -> None:
        put(machine / "stat", ticks(busy))

    monkeypatch.setattr("gan_aug.compute.cores.time.sleep", pass_time)
    for asked, expected in ((idle_cores, idle), (lambda: threads_for(ranks), threads)):
        put(machine / "stat", "\n".join(f"cpu{k} 0 0 0 0 0 0 0 0 0 0" for k in FOUR))
        assert asked() == expected


def test_without_the_system_s_files_all_cores_are_idle(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert machine.exists()
    monkeypatch.setattr("gan_aug.compute.cores.time.sleep", lambda _: None)
    assert cores() == idle_cores() == 4


@pytest.mark.parametrize(("asked", "expected"), [("3", 3), ("2,4", 2), ("0", 4), ("many", 4), ("", 4)])
def test_the_user_s_number_of_threads_is_heard(
    machine: Path, monkeypatch: pytest.MonkeyPatch, asked: str, expected: int
) -> None:
    assert machine.exists()
    monkeypatch.setenv("OMP_NUM_THREADS", asked)
    monkeypatch.setattr("gan_aug.compute.cores.time.sleep", lambda _: None)
    assert threads_for(1) == expected


def test_threads_wait_passively_unless_the_user_says_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    for before, after in ((None, "PASSIVE"), ("ACTIVE", "ACTIVE")):
        monkeypatch.delenv("OMP_WAIT_POLICY", raising=False)
        if before:
            monkeypatch.setenv("OMP_WAIT_POLICY", before)
        wait_passively()
        assert os.environ["OMP_WAIT_POLICY"] == after


def test_the_command_line_sets_it_before_torch_is_loaded(tmp_path: Path) -> None:
    code = (
        "import os, sys; from gan_aug.cli import app; sys.argv = ['gan-aug', '--version']\n"
        "try: app.main()\n"
        "except SystemExit: pass\n"
        "print(os.environ['OMP_WAIT_POLICY'], 'torch' in sys.modules)"
    )
    environment = {name: value for name, value in os.environ.items() if name != "OMP_WAIT_POLICY"}
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env=environment | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split()[-2:] == ["PASSIVE", "False"]
