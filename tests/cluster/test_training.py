"""Training on several Ray nodes: as without Ray, also when a rank or its node is killed."""

from __future__ import annotations

import os
import secrets
import signal
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from gan_samples import small_trainer

from gan_aug.compute.cluster_training import train_on_cluster
from gan_aug.compute.executor import Crew
from gan_aug.compute.local import LocalExecutor
from gan_aug.errors import Cancelled, DataError
from gan_aug.gan.ranks import current_ranks
from gan_aug.gan.state import TrainingData, follow_first, newest_checkpoint, restore, save_checkpoint

pytestmark = [pytest.mark.ray, pytest.mark.filterwarnings("ignore::DeprecationWarning")]  # Ray warns of its own parts

DATA = TrainingData(labels=("a", "b", "c"), task="multi-class", dataset="0" * 64, trained_on=())
IMAGES = 960


@pytest.fixture(scope="module")
def nodes() -> Iterator[Any]:
    """A head without room, so that ranks live on nodes that can be killed."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("RAY_ADDRESS", raising=False)
        patch.setenv("RAY_AUTH_MODE", "token")
        patch.setenv("RAY_AUTH_TOKEN", secrets.token_hex(32))
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        patch.setenv("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")  # loopback alone
        patch.setenv("TORCH_PROCESS_GROUP_SHUTDOWN_TIMEOUT_S", "3")
        patch.setenv(
            "PYTHONPATH", f"{Path(__file__).parent}{os.pathsep}{Path(__file__).parents[1]}", prepend=os.pathsep
        )
        pytest.importorskip("ray.train", reason="Ray is not installed: pip install 'gan-aug[ray]'")
        import ray  # noqa: TID251
        from ray.cluster_utils import Cluster  # noqa: TID251

        cluster = Cluster(
            initialize_head=True,
            head_node_args={"num_cpus": 0, "object_store_memory": 2**27, "include_dashboard": False},
        )
        ray.init(address=cluster.address, log_to_driver=False, logging_level="ERROR")
        try:
            yield cluster
        finally:
            ray.shutdown()
            cluster.shutdown()


@pytest.fixture
def two(nodes: Any) -> Iterator[list[Any]]:
    """Two nodes with room for one rank each."""
    added = [nodes.add_node(num_cpus=1, object_store_memory=2**27) for _ in range(2)]
    nodes.wait_for_nodes()
    yield added
    for node in nodes.list_all_nodes()[1:]:
        nodes.remove_node(node)


def train(folder: Path) -> None:
    """A rank's work: as `gan_aug.training.train_rank` does it, a little slower so that it can be disturbed."""
    torch.set_num_threads(1)
    ranks = current_ranks(torch.device("cpu"))
    (folder / f"pid-{ranks.rank}").write_text(str(os.getpid()))
    trainer = small_trainer(ranks=ranks, images=IMAGES)
    newest = newest_checkpoint(folder / "checkpoints") if ranks.rank == 0 else None
    if newest:
        restore(trainer, newest)
    follow_first(trainer)
    with (folder / f"sizes-{ranks.rank}").open("a") as file:
        file.write(f"{ranks.size} from {trainer.images}\n")
    while not trainer.finished:
        trainer.step()
        if ranks.rank == 0 and trainer.images % 160 == 0:
            save_checkpoint(folder / "checkpoints", trainer, DATA)
        if ranks.any((folder / "cancel").exists()):
            raise Cancelled("stopped on request")
        if not (folder / "disturbed").exists():
            time.sleep(0.1)


def crew(folder: Path, **changes: Any) -> Crew:
    return replace(Crew(ranks=2, least=2, retries=2, threads=1, gpus=0, folder=folder), **changes)


def when(condition: Callable[[], bool], act: Callable[[], object], folder: Path) -> threading.Thread:
    """Do `act` as soon as `condition()` holds, while the main thread trains."""

    def watch() -> None:
        deadline = time.monotonic() + 500
        while not condition() and time.monotonic() < deadline:
            time.sleep(0.05)
        act()
        (folder / "disturbed").touch()

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    return thread


def half_way(folder: Path) -> bool:
    newest = newest_checkpoint(folder / "checkpoints") if (folder / "checkpoints").exists() else None
    return newest is not None and newest.images >= 320


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The checkpoint of two ranks on this machine, without Ray."""
    folder = tmp_path_factory.mktemp("undisturbed")
    (folder / "disturbed").touch()
    LocalExecutor(1).train(partial(train, folder), crew(folder), lambda said: None)
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
    def kill() -> None:
        os.kill(int((tmp_path / "pid-1").read_text()), signal.SIGKILL)

    when(lambda: half_way(tmp_path), kill, tmp_path)
    train_on_cluster(partial(train, tmp_path), crew(tmp_path), lambda said: None)
    assert len(sizes(tmp_path)) == 2
    assert result(tmp_path) == undisturbed
    assert not list(tmp_path.glob(".ray*"))


def test_a_killed_node_changes_nothing(two: list[Any], nodes: Any, tmp_path: Path, undisturbed: str) -> None:
    def kill() -> None:
        nodes.remove_node(two[1], allow_graceful=False)
        nodes.add_node(num_cpus=1, object_store_memory=2**27)

    when(lambda: half_way(tmp_path), kill, tmp_path)
    train_on_cluster(partial(train, tmp_path), crew(tmp_path), lambda said: None)
    assert [line.split()[0] for line in sizes(tmp_path)] == ["2", "2"]
    assert result(tmp_path) == undisturbed


def test_fewer_go_on_where_that_is_allowed(two: list[Any], nodes: Any, tmp_path: Path) -> None:
    when(lambda: half_way(tmp_path), lambda: nodes.remove_node(two[1], allow_graceful=False), tmp_path)
    train_on_cluster(partial(train, tmp_path), crew(tmp_path, least=1), lambda said: None)
    assert [line.split()[0] for line in sizes(tmp_path)] == ["2", "1"]
    assert result(tmp_path)


def test_a_request_to_stop_ends_all_and_starts_none_again(two: list[Any], tmp_path: Path) -> None:
    when(lambda: half_way(tmp_path), (tmp_path / "cancel").touch, tmp_path)
    with pytest.raises(Cancelled, match="stopped on request"):
        train_on_cluster(partial(train, tmp_path), crew(tmp_path), lambda said: None)
    assert len(sizes(tmp_path)) == 1


def fail_on_one(_: Path) -> None:
    if current_ranks(torch.device("cpu")).rank == 1:
        raise DataError("an image is gone: import again")
    time.sleep(30)


def test_the_fault_of_one_rank_comes_back_as_itself(two: list[Any], tmp_path: Path) -> None:
    with pytest.raises(DataError, match="an image is gone"):
        train_on_cluster(partial(fail_on_one, tmp_path), crew(tmp_path, retries=0), lambda said: None)
