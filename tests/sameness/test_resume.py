"""A run that was killed in each stage ends in the report of the one that was not."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.slow

CONFIG = """
data: {source: digits, size: 16, limit: 40}
train: {images: 4800, batch: 32, checkpoint_every: 640, sample_every: 4800, restarts: 0}
gan: {width: 4}
synthesis: {counts: 100, shard: 64}
classifier: {name: small-cnn, steps: 60, epochs: 3}
compare: {seeds: 2, gans: 1, arms: [real, synthetic, mixed], canaries: false}
compute: {workers: 2, threads: 1}
"""


def start(*arguments: object, killed_in: str = "") -> subprocess.Popen[bytes]:
    """The command line as a process; `killed_in`: it kills itself where it would call this, as module:Class.method."""
    module, _, call = killed_in.partition(":")
    first = f"import os, {module}; {module}.{call} = lambda *_: os.kill(os.getpid(), 9); " if killed_in else ""
    command = [sys.executable, "-c", f"{first}from gan_aug.cli.app import main; main()", *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, start_new_session=True)


def finish(process: subprocess.Popen[bytes]) -> None:
    _, said = process.communicate(timeout=900)
    assert process.returncode == 0, said.decode()


def died(process: subprocess.Popen[bytes]) -> None:
    _, said = process.communicate(timeout=900)
    assert process.returncode == -signal.SIGKILL, said.decode()


def report(run: Path) -> dict[str, Any]:
    values: dict[str, Any] = json.loads((run / "report.json").read_text())
    return {key: value for key, value in values.items() if key not in ("environment", "timing")}


def interrupt_when(process: subprocess.Popen[bytes], condition: Any) -> bool:
    """Press Ctrl-C as soon as `condition()` holds; whether it came before the end."""
    deadline = time.monotonic() + 900
    while process.poll() is None and time.monotonic() < deadline:
        if condition():
            os.kill(process.pid, signal.SIGINT)
            process.communicate(timeout=600)
            return True
        time.sleep(0.005)
    process.kill()
    process.communicate()
    return False


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("config") / "job.yaml"
    path.write_text(CONFIG)
    return path


@pytest.fixture(scope="module")
def uninterrupted(config: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    run = tmp_path_factory.mktemp("whole")
    finish(start("run", config, "--run", run, "--set", "compute.workers=1"))
    return report(run)


def test_killed_in_every_stage_and_resumed_is_the_same_report(
    config: Path, tmp_path: Path, uninterrupted: dict[str, Any]
) -> None:
    run = tmp_path / "run"
    died(start("run", config, "--run", run, killed_in="gan_aug.data.manifest:Manifest.save"))
    assert any((run / "dataset").glob("*images*"))
    assert not (run / "dataset/manifest.json").exists()
    died(start("resume", run, killed_in="gan_aug.stages.training.kept:forget_others"))
    assert any((run / "train/checkpoints").glob("[0-9]*"))
    assert not (run / "synthetic").exists()
    died(start("resume", run, killed_in="gan_aug.data.synthetic.shards:SyntheticManifest.save"))
    assert any((run / "synthetic").glob("*.npy"))
    assert not (run / "synthetic/manifest.json").exists()
    died(start("resume", run, killed_in="gan_aug.stages.compare:_named"))
    assert any((run / "compare/cells").glob("[0-9a-f]*"))
    assert not (run / "report.json").exists()
    finish(start("resume", run))
    assert report(run) == uninterrupted


def test_ctrl_c_in_training_ends_with_its_code_and_resumes(
    config: Path, tmp_path: Path, uninterrupted: dict[str, Any]
) -> None:
    run = tmp_path / "run"
    process = start("run", config, "--run", run, "--set", "compute.workers=1")
    assert interrupt_when(process, lambda: any((run / "train/checkpoints").glob("[0-9]*")))
    assert process.returncode == 130
    finish(start("resume", run))
    assert report(run) == uninterrupted
