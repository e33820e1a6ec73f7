"""Wherever a set or a comparison is made, and whoever dies on the way, it is the same."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from gan_aug.compute.cluster.executor import RayExecutor
from gan_aug.run.events import Event
from tests.support.ray_samples import RayCluster, Same, compute

pytestmark = pytest.mark.ray

KILLED_AT_THE_SIXTH = """
import os, signal
from gan_aug.cli import main
from gan_aug.compute.cluster.executor import RayExecutor

def some(*asked, **how):
    for number, result in enumerate(whole(*asked, **how), start=1):
        if number == 6:
            os.kill(os.getpid(), signal.SIGKILL)
        yield result

whole, RayExecutor.map = RayExecutor.map, some
main()
"""
"""The command line, killed as the sixth shard is told to be whole."""


class Murder:
    """Listens to a run's events, and at the first progress of `stage` does `deed` with the notes so far."""

    def __init__(self, stage: str, deed: Callable[[list[str]], None]) -> None:
        self.stage, self.deed, self.notes, self.done = stage, deed, [], False

    def __call__(self, event: Event) -> None:
        if event.stage == self.stage and event.kind == "progress" and not self.done:
            self.done = True
            self.deed(self.notes)


def kill_a_worker(notes: list[str]) -> None:
    process = re.search(r"process (\d+)", notes[-1])
    assert process is not None
    os.kill(int(process[1]), signal.SIGKILL)


def make(same: Same, folder: Path, verbs: tuple[str, ...], murder: Murder | None = None, **how: object) -> list[str]:
    """Do the verbs on Ray; gives what was noted."""
    run = same.begin(folder)
    notes = murder.notes if murder else []
    if murder:
        run._events._listeners = (murder,)
    executor = RayExecutor(compute(**how), run.path, notes.append)
    for verb in verbs:
        same.make(verb, run, executor)
    assert murder is None or murder.done
    return notes


@pytest.mark.parametrize("workers", [1, 2, 4])
def test_sets_are_equal_byte_for_byte_on_any_number_of_workers(
    cluster: RayCluster, same: Same, tmp_path: Path, workers: int
) -> None:
    notes = make(same, tmp_path / "run", ("generate",), workers=workers, cpus_per_worker=0.5)
    same.check_set(tmp_path / "run")
    assert 1 <= sum("runs on" in note for note in notes) <= workers
    assert not any("lost" in note for note in notes)


def test_the_comparison_says_the_same(cluster: RayCluster, same: Same, tmp_path: Path) -> None:
    make(same, tmp_path / "run", ("generate", "compare"))
    same.check_report(tmp_path / "run")
    assert len(list((tmp_path / "run" / "compare" / "cells").iterdir())) == 6


@pytest.mark.parametrize(("stage", "verbs"), [("synthetic", ("generate",)), ("compare", ("generate", "compare"))])
def test_a_worker_killed_in_the_middle_is_replaced(
    cluster: RayCluster, same: Same, tmp_path: Path, stage: str, verbs: tuple[str, ...]
) -> None:
    notes = make(same, tmp_path / "run", verbs, Murder(stage, kill_a_worker))
    same.check_set(tmp_path / "run")
    assert any("was lost" in note and "is done again, retry 1 of 3" in note for note in notes)
    if stage == "compare":
        same.check_report(tmp_path / "run")


def test_a_node_lost_in_the_middle_loses_nothing(cluster: RayCluster, same: Same, tmp_path: Path) -> None:
    node = cluster.add_node(2)

    def kill_the_node(notes: list[str]) -> None:
        del notes
        cluster.nodes.remove_node(node, allow_graceful=False)

    # One core each: two of the four workers are on the second node. Whether they have an item at that moment is chance.
    make(same, tmp_path / "run", ("generate", "compare"), Murder("compare", kill_the_node), workers=4)
    same.check_set(tmp_path / "run")
    same.check_report(tmp_path / "run")
    cluster.settle()


def test_a_killed_driver_is_resumed(cluster: RayCluster, same: Same, config: Path, tmp_path: Path) -> None:
    run = same.begin(tmp_path / "run").path
    on = ("--on", "ray", "--set", f"compute.address={cluster.address}", "--set", "compute.workers=1")
    command = [sys.executable, "-c", KILLED_AT_THE_SIXTH, "generate", str(config), "--run", str(run), *on]
    first = subprocess.run(command, capture_output=True, text=True, check=False)
    assert first.returncode == -signal.SIGKILL, first.stderr
    whole = {path: path.stat().st_mtime_ns for path in run.glob("synthetic/shard-*.json")}
    assert 6 <= len(whole) < 63
    assert not (run / "synthetic" / "manifest.json").exists()
    resume = [sys.executable, "-m", "gan_aug", "resume", str(run), "--on", "ray"]
    subprocess.run(resume, check=True, capture_output=True)
    same.check_set(run)
    assert {path: path.stat().st_mtime_ns for path in whole} == whole, "what was whole was made again"
