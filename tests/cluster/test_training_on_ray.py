"""Training on several Ray nodes: as without Ray, also when a rank or its node is killed."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch

from gan_aug.compute.cluster import training as cluster_training
from gan_aug.compute.cluster.training import train_on_cluster
from gan_aug.compute.executor import RankGroup
from gan_aug.compute.local.executor import LocalExecutor
from gan_aug.errors import Cancelled, ComputeError, DataError
from gan_aug.gan.ranks import current_ranks
from gan_aug.gan.state import TrainingData, broadcast_state, newest_checkpoint, restore, save_checkpoint
from tests.support.gan_samples import small_trainer
from tests.support.ray_samples import RayCluster

pytestmark = [pytest.mark.ray, pytest.mark.filterwarnings("ignore::DeprecationWarning")]  # Ray warns of its own parts

DATA = TrainingData(labels=("a", "b", "c"), task="multi-class", dataset="0" * 64, trained_images=0)
IMAGES, HALF_WAY = 960, 320


CORES = 3
"""Of a rank: more than the head has, so that ranks live on nodes that can be killed."""


@pytest.fixture(scope="module")
def nodes(cluster: RayCluster) -> Iterator[Any]:
    """What is added is removed."""
    yield cluster.nodes
    for node in list(cluster.nodes.worker_nodes):
        cluster.nodes.remove_node(node, allow_graceful=False)
    cluster.settle()


@pytest.fixture
def two(cluster: RayCluster, nodes: Any) -> list[Any]:
    """Two nodes with room for one rank each; those that a test killed are replaced."""
    while len(nodes.worker_nodes) > 2:
        nodes.remove_node(nodes.worker_nodes[0], allow_graceful=False)
    while len(nodes.worker_nodes) < 2:
        cluster.add_node(CORES)
    cluster.settle()
    return list(nodes.worker_nodes)


def train(folder: Path) -> None:
    """A rank's work: as `gan_aug.stages.train.train_rank` does it, but half-way it waits until it was disturbed."""
    torch.set_num_threads(1)
    ranks = current_ranks(torch.device("cpu"))
    (folder / f"pid-{ranks.rank}").write_text(str(os.getpid()))
    trainer = small_trainer(ranks=ranks, images=IMAGES)
    newest = newest_checkpoint(folder / "checkpoints") if ranks.rank == 0 else None
    if newest:
        restore(trainer, newest)
    broadcast_state(trainer)
    with (folder / f"sizes-{ranks.rank}").open("a") as file:
        file.write(f"{ranks.size} from {trainer.images}\n")
    while not trainer.finished:
        trainer.step()
        if ranks.rank == 0 and trainer.images % 160 == 0:
            save_checkpoint(folder / "checkpoints", trainer, DATA)
        if ranks.any((folder / "cancel").exists()):
            raise Cancelled("stopped on request")
        deadline = time.monotonic() + 300
        while trainer.images >= HALF_WAY and not (folder / "disturbed").exists() and time.monotonic() < deadline:
            time.sleep(0.05)


def group(folder: Path, **changes: Any) -> RankGroup:
    return replace(RankGroup(ranks=2, min_ranks=2, retries=2, threads=CORES, gpus=0, shared_folder=folder), **changes)


def train_and(act: Callable[[], object], folder: Path, **changes: Any) -> list[str]:
    """Train on the cluster and `act` half-way, in the main thread as Ray wants it of who adds a node."""
    said: list[str] = []

    def on_poll(sentence: str) -> None:
        said.extend([sentence] if sentence else [])
        if half_way(folder) and not (folder / "disturbed").exists():
            act()
            (folder / "disturbed").touch()

    train_on_cluster(partial(train, folder), group(folder, **changes), on_poll, 0)
    return said


def half_way(folder: Path) -> bool:
    newest = newest_checkpoint(folder / "checkpoints") if (folder / "checkpoints").exists() else None
    return newest is not None and newest.images >= HALF_WAY


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The checkpoint of two ranks on this machine, without Ray."""
    folder = tmp_path_factory.mktemp("undisturbed")
    (folder / "disturbed").touch()
    LocalExecutor(1).train(partial(train, folder), group(folder), lambda said: None)
    newest = newest_checkpoint(folder / "checkpoints")
    assert newest is not None
    assert newest.images == IMAGES
    return newest.id


def result(folder: Path) -> str:
    newest = newest_checkpoint(folder / "checkpoints")
    assert newest is not None
    assert newest.images == IMAGES
    return newest.id


def sizes(folder: Path) -> list[str]:
    return (folder / "sizes-0").read_text().splitlines()


def test_a_killed_rank_changes_nothing(two: list[Any], tmp_path: Path, undisturbed: str) -> None:
    said = train_and(lambda: os.kill(int((tmp_path / "pid-1").read_text()), signal.SIGKILL), tmp_path)
    assert [line.split()[0] for line in sizes(tmp_path)] == ["2", "2"]
    assert result(tmp_path) == undisturbed
    assert not list(tmp_path.glob(".ray*"))
    assert sum("runs on" in sentence for sentence in said) == 4
    assert sum("all ranks start again from the last complete checkpoint" in sentence for sentence in said) == 1


def test_a_killed_node_changes_nothing(two: list[Any], cluster: RayCluster, tmp_path: Path, undisturbed: str) -> None:
    def kill() -> None:
        cluster.nodes.remove_node(two[1], allow_graceful=False)
        cluster.add_node(CORES)

    train_and(kill, tmp_path)
    assert [line.split()[0] for line in sizes(tmp_path)] == ["2", "2"]
    assert result(tmp_path) == undisturbed


def test_fewer_go_on_where_that_is_allowed(
    two: list[Any], nodes: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster_training, "NODE_SECONDS", 4.0)
    said = train_and(lambda: nodes.remove_node(two[1], allow_graceful=False), tmp_path, min_ranks=1)
    assert sizes(tmp_path)[0].startswith("2 ")
    assert sizes(tmp_path)[-1].startswith("1 from ")
    assert sizes(tmp_path)[-1] != "1 from 0"
    assert result(tmp_path)
    assert sum("continuing with these" in sentence for sentence in said) == 1


def test_a_request_to_stop_ends_all_and_starts_none_again(two: list[Any], tmp_path: Path) -> None:
    with pytest.raises(Cancelled, match="stopped on request"):
        train_and((tmp_path / "cancel").touch, tmp_path)
    assert len(sizes(tmp_path)) == 1


def fail_on_one(folder: Path) -> None:
    with (folder / "tries").open("a") as file:
        file.write("x")
    if current_ranks(torch.device("cpu")).rank == 1:
        raise DataError("an image is gone: import again")
    time.sleep(30)


def test_the_fault_of_one_rank_comes_back_as_itself_and_is_not_tried_again(two: list[Any], tmp_path: Path) -> None:
    with pytest.raises(DataError, match="^an image is gone: import again$"):
        train_on_cluster(partial(fail_on_one, tmp_path), group(tmp_path), lambda said: None, 0)
    assert len((tmp_path / "tries").read_text()) <= 2  # one rank each, or the fault came before the other began


def test_what_the_nodes_cannot_hold_is_a_sentence_at_once(cluster: RayCluster, tmp_path: Path) -> None:
    with pytest.raises(ComputeError, match=r"2 ranks need 9 CPU each, and the nodes of the cluster hold 0 of them"):
        train_on_cluster(partial(train, tmp_path), group(tmp_path, threads=9), lambda said: None, 0)
    assert not list(tmp_path.iterdir())


class Hold:
    """Has the cores that it is given."""

    def ready(self) -> bool:
        return True


def test_a_request_to_stop_is_heard_while_others_have_the_room(two: list[Any], tmp_path: Path) -> None:
    import ray  # noqa: TID251

    # Two cores of each node, the head too, which leaves one at most.
    holds = [ray.remote(Hold).options(num_cpus=2).remote() for _ in ("head", *two)]
    ray.get([hold.ready.remote() for hold in holds], timeout=240)
    begun = time.monotonic()
    wanted = group(tmp_path, threads=2, min_ranks=1, ranks=1, cancelled=lambda: time.monotonic() > begun + 5)
    try:
        with pytest.raises(Cancelled, match="no rank was at work"):
            train_on_cluster(partial(train, tmp_path), wanted, lambda said: None, 0)
        assert time.monotonic() - begun < 60
    finally:
        for hold in holds:
            ray.kill(hold)
    assert not (tmp_path / "sizes-0").exists()
