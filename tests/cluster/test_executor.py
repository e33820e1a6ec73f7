"""What RayExecutor promises beside sameness: errors as themselves, bounded retries, sentences."""

from __future__ import annotations

import os
import threading
import time
import urllib.request
from contextlib import suppress
from functools import partial
from pathlib import Path

import pytest

from gan_aug.compute.cluster import executor as door
from gan_aug.compute.cluster import worker as cluster_worker
from gan_aug.compute.cluster.executor import RayExecutor, ray_executor
from gan_aug.compute.cluster.worker import Worker, WorkerRequirements, versions
from gan_aug.compute.counters import count
from gan_aug.errors import Cancelled, ComputeError, DataError, LeakageError
from tests.support.ray_samples import RayCluster, alive, compute
from tests.support.work_samples import add, die, die_once_at_six, fail, gathered, leak, stumble, ten, wait, wait_once

pytestmark = pytest.mark.ray


def make_five(_: object, item: int) -> None:
    count("images", 5)


def look(_: object, item: int, *, marks: Path) -> tuple[int, str | None]:
    """Who works and with what devices, once two do."""
    (marks / str(os.getpid())).touch()
    gathered(marks, 2)
    return os.getpid(), os.environ.get("CUDA_VISIBLE_DEVICES")


def executor(notes: list[str] | None = None, **changes: object) -> RayExecutor:
    return RayExecutor(compute(**changes), None, (notes if notes is not None else []).append)


def test_items_come_back_with_their_index(cluster: RayCluster) -> None:
    assert sorted(executor().map(add, [3, 1, 2], setup=ten)) == [(0, 13), (1, 11), (2, 12)]
    assert list(executor().map(add, [])) == []


def test_workers_are_set_up_once_and_see_no_gpu_that_was_not_asked_for(cluster: RayCluster, tmp_path: Path) -> None:
    seen = dict(executor().map(partial(look, marks=tmp_path), list(range(20)))).values()
    assert len({process for process, _ in seen}) == 2
    assert {devices for _, devices in seen} == {""}


def test_what_workers_make_is_counted_on_the_page_that_prometheus_reads(cluster: RayCluster) -> None:
    import ray  # noqa: TID251

    running = executor(workers=1).map(make_five, list(range(200)), setup=ten)
    list(running)
    (port,) = {node["MetricsExportPort"] for node in ray.nodes() if node["Alive"]}
    deadline, page = time.monotonic() + 120, ""
    while "gan_aug_images" not in page and time.monotonic() < deadline:
        time.sleep(0.5)
        with suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=30) as answer:
            page = answer.read().decode()
    assert "gan_aug_images" in page


def test_an_error_comes_back_as_itself(cluster: RayCluster) -> None:
    with pytest.raises(DataError, match="^item 1 is bad: take another$"):
        list(executor(workers=1).map(fail, [1, 2]))
    with pytest.raises(KeyError):
        list(executor(workers=1).map(stumble, [1]))
    with pytest.raises(LeakageError, match="train again"):
        list(executor(workers=1).map(add, [1], setup=leak))


def test_an_item_that_kills_its_worker_is_given_up_after_the_retries(cluster: RayCluster) -> None:
    notes: list[str] = []
    with pytest.raises(ComputeError, match=r"item 1 of 1 lost its worker 2 times and compute.retries is 1"):
        list(executor(notes, workers=1, retries=1).map(die, [1]))
    assert sum("was lost" in note for note in notes) == 1


def test_of_items_that_wait_behind_each_other_the_one_at_work_is_done_again(
    cluster: RayCluster, tmp_path: Path
) -> None:
    notes: list[str] = []
    work = partial(die_once_at_six, mark=tmp_path / "died")
    results = list(executor(notes, workers=1, retries=1).map(work, list(range(12))))
    assert sorted(results) == [(k, k) for k in range(12)]
    assert [note.partition("; ")[2] for note in notes if "was lost" in note] == ["item 7 is done again, retry 1 of 1"]


def test_what_a_lost_node_was_at_is_done_again(cluster: RayCluster, tmp_path: Path) -> None:
    node = cluster.add_node(2)
    notes: list[str] = []

    def kill_the_node_when_all_are_at_work() -> None:
        gathered(tmp_path, 4)
        workers = [int(mark.name.partition("-")[2]) for mark in tmp_path.iterdir()]
        cluster.nodes.remove_node(node, allow_graceful=False)
        deadline = time.monotonic() + 240
        while sum(map(alive, workers)) > 2 and time.monotonic() < deadline:
            time.sleep(0.05)
        (tmp_path / "go").touch()

    # One core each: two of the four workers are on the second node.
    deed = threading.Thread(target=kill_the_node_when_all_are_at_work)
    deed.start()
    results = list(executor(notes, workers=4).map(partial(wait_once, marks=tmp_path), list(range(4))))
    deed.join()
    assert sorted(results) == [(k, k) for k in range(4)]
    assert sum("was lost" in note for note in notes) == 2
    cluster.settle()


def test_cancelling_ends_it_within_seconds(cluster: RayCluster) -> None:
    begun = time.monotonic()
    with pytest.raises(Cancelled):
        list(executor().map(wait, [1, 2, 3], cancelled=lambda: time.monotonic() - begun > 3))
    assert time.monotonic() - begun < 45


def test_what_no_node_can_hold_is_a_sentence_at_once_or_after_the_wait(cluster: RayCluster) -> None:
    with (
        pytest.raises(ComputeError, match=r"needs 1 CPU and 2 GPU and no node .* \(they have 2 CPU and 0 GPU\)"),
        ray_executor(compute(gpus_per_worker=2), None, print),
    ):
        pass
    with ray_executor(compute(gpus_per_worker=2, wait=2), None, print) as patient:
        begun = time.monotonic()
        with pytest.raises(ComputeError, match="no node of the cluster has that"):
            list(patient.map(add, [1]))
    assert 2 <= time.monotonic() - begun < 60


def test_another_version_on_a_node_is_a_sentence(cluster: RayCluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(door, "versions", lambda: {**versions(), "gan_aug": "0.0.1"})
    with pytest.raises(ComputeError, match=r"has gan_aug \S+ and this process 0.0.1: install the same version"):
        list(executor(workers=1).map(add, [1]))


def test_a_run_folder_that_a_node_cannot_see_is_a_sentence(
    cluster: RayCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster_worker, "VISIBLE_SECONDS", 0.0)
    with pytest.raises(ComputeError, match="cannot see the run folder .*storage that all nodes share"):
        Worker().start(None, WorkerRequirements(versions(), tmp_path / "elsewhere" / "mark"))


def test_the_mark_in_the_run_folder_is_gone_afterwards(cluster: RayCluster, tmp_path: Path) -> None:
    assert list(RayExecutor(compute(), tmp_path, print).map(add, [1])) == [(0, 1)]
    assert list(tmp_path.iterdir()) == []
