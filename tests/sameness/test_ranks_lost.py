"""Two processes that train together, one of them killed in the middle: the checkpoint of the training left in peace."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

from gan_aug.gan.state import newest_checkpoint

pytestmark = pytest.mark.slow

CONFIG = """
data: {source: digits, size: 16, limit: 60}
train: {images: 4800, batch: 32, checkpoint_every: 640, sample_every: 4800}
gan: {width: 4}
compare: {gans: 1}
compute: {workers: 1, threads: 1, ranks: 2, device: cpu}
"""

ALONE = [sys.executable, "-m", "gan_aug"]
TORCHRUN = [
    sys.executable,
    "-m",
    "torch.distributed.run",
    "--standalone",
    "--nproc-per-node",
    "2",
    "--max-restarts",
    "2",
]


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("config") / "job.yaml"
    path.write_text(CONFIG)
    return path


def start(launcher: list[str], config: Path, run: Path, *more: str) -> subprocess.Popen[bytes]:
    command = [*launcher, "train", str(config), "--run", str(run), *more]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, start_new_session=True)


def finish(process: subprocess.Popen[bytes], code: int = 0) -> str:
    _, said = process.communicate(timeout=900)
    assert process.returncode == code, said.decode()
    return said.decode()


def identity(run: Path) -> str:
    """The id of the last checkpoint: a hash of all it holds."""
    newest = newest_checkpoint(run / "train/checkpoints")
    assert newest is not None
    assert newest.images == 4800
    return newest.id


def wait_for_checkpoint(run: Path, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 900
    while not any((run / "train/checkpoints").glob("[0-9]*")):
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.01)


def workers(process: subprocess.Popen[bytes]) -> list[int]:
    """The child processes that train, in the order of their start."""
    listed = subprocess.run(
        ["ps", "-ww", "-o", "pid=,args=", "--ppid", str(process.pid)], capture_output=True, text=True, check=True
    )
    children = [line.strip().split(maxsplit=1) for line in listed.stdout.splitlines()]
    return sorted(int(pid) for pid, arguments in children if re.search("spawn_main|gan_aug", arguments))


def killed(launcher: list[str], config: Path, folder: Path, rank: int) -> tuple[Path, str]:
    """A run one of whose processes was killed, and what it said; once more where the training was over by then."""
    for attempt in range(5):
        run = folder / f"run{attempt}"
        process = start(launcher, config, run)
        wait_for_checkpoint(run, process)
        with suppress(IndexError, ProcessLookupError, subprocess.CalledProcessError):
            os.kill(workers(process)[rank], signal.SIGKILL)
        said = finish(process)
        if (run / "events.jsonl").read_text().count('"kind": "start"') > 1:
            return run, said
    raise AssertionError("every kill came too late")


def interrupted(config: Path, folder: Path, *more: str) -> tuple[Path, str]:
    """A run that was told to stop by Ctrl-C, and what it said; once more where the training was over by then."""
    for attempt in range(5):
        run = folder / f"run{attempt}"
        process = start(ALONE, config, run, *more)
        wait_for_checkpoint(run, process)
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGINT)
        _, said = process.communicate(timeout=900)
        if process.returncode == 130:
            return run, said.decode()
        assert process.returncode == 0, said.decode()
    raise AssertionError("every interrupt came too late")


@pytest.fixture(scope="module")
def undisturbed(config: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    run = tmp_path_factory.mktemp("whole") / "run"
    finish(start(ALONE, config, run))
    return identity(run)


@pytest.mark.parametrize("rank", [0, 1])
def test_a_killed_process_changes_nothing(config: Path, tmp_path: Path, undisturbed: str, rank: int) -> None:
    run, said = killed(ALONE, config, tmp_path, rank)
    assert "2 start again from the last complete checkpoint" in said
    assert identity(run) == undisturbed


def test_ctrl_c_stops_all_with_one_checkpoint_and_resumes(config: Path, tmp_path: Path, undisturbed: str) -> None:
    run, said = interrupted(config, tmp_path)
    (stopped,) = re.findall(r"stopped at ([\d,]+) images", said)
    newest = newest_checkpoint(run / "train/checkpoints")
    assert newest is not None
    assert newest.images == int(stopped.replace(",", ""))
    finish(subprocess.Popen([*ALONE, "resume", str(run)], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE))
    assert identity(run) == undisturbed


def test_under_torchrun_a_killed_process_changes_nothing(config: Path, tmp_path: Path, undisturbed: str) -> None:
    run, _ = killed([*TORCHRUN, "-m", "--", "gan_aug"], config, tmp_path, 1)
    assert identity(run) == undisturbed


def test_another_number_of_ranks_needs_leave_and_is_noted(config: Path, tmp_path: Path) -> None:
    run, _ = interrupted(config, tmp_path, "--set", "compute.ranks=1")

    def call(*changes: str) -> subprocess.Popen[bytes]:
        sets = [part for change in changes for part in ("--set", change)]
        command = [*ALONE, "train", str(config), "--run", str(run), *sets]
        return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)

    assert "ranks was 1, now 2" in finish(call(), code=4)
    finish(call("compute.min_ranks=2"))
    assert identity(run)
    assert re.findall(r'"ranks": (\d)', (run / "events.jsonl").read_text()) == ["1", "2"]
