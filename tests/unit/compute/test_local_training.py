"""What a launcher of ranks on this machine does when all goes well, and when one is lost."""

from __future__ import annotations

import os
import signal
import time
from functools import partial
from pathlib import Path

import pytest
import torch.distributed as dist

from gan_aug.compute.executor import RankGroup
from gan_aug.compute.local.executor import LocalExecutor
from gan_aug.errors import ComputeError, DataError, RankLost


def launch(work: partial[None], folder: Path, ranks: int = 2, least: int = 2, retries: int = 0) -> list[str]:
    said: list[str] = []
    group = RankGroup(ranks=ranks, min_ranks=least, retries=retries, threads=1, gpus=0, shared_folder=folder)
    LocalExecutor(1).train(work, group, said.append)
    return [sentence for sentence in said if sentence]


def meet() -> int:
    """How many ranks there are; ends when all have come."""
    if dist.is_initialized():
        dist.barrier()
        return dist.get_world_size()
    return 1


def die_at_first(folder: Path) -> None:
    meet()
    rank = dist.get_rank()
    if rank == 1 and not (folder / "died").exists():
        (folder / "died").touch()
        os.kill(os.getpid(), signal.SIGKILL)
    try:
        dist.barrier()
    except RuntimeError as error:
        raise RankLost("gone") from error
    (folder / f"{rank} of {dist.get_world_size()}").touch()


def die_of_company(folder: Path) -> None:
    if meet() > 1 and dist.get_rank() == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    try:
        left = meet()
    except RuntimeError as error:
        raise RankLost("gone") from error
    (folder / f"{left} left").touch()


def fail_on_one(_: Path) -> None:
    """Rank 1 has a fault of its own while rank 0 waits for it."""
    if dist.get_rank() == 1:
        time.sleep(0.5)
        raise DataError("an image is gone: import again")
    try:
        dist.barrier()
    except RuntimeError as error:
        raise RankLost("gone") from error


def note(folder: Path) -> None:
    (folder / str(os.getpid())).touch()


def test_one_rank_is_this_process(tmp_path: Path) -> None:
    launch(partial(note, tmp_path), tmp_path, ranks=1, least=1)
    assert (tmp_path / str(os.getpid())).exists()


def test_after_a_loss_all_start_again(tmp_path: Path) -> None:
    (said,) = launch(partial(die_at_first, tmp_path), tmp_path, retries=1)
    assert "2 start again from the last complete checkpoint" in said
    assert {path.name for path in tmp_path.iterdir()} == {"died", "0 of 2", "1 of 2"}


def test_without_retries_a_loss_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(ComputeError, match="1 times a process of the training was lost"):
        launch(partial(die_at_first, tmp_path), tmp_path)


def test_fewer_go_on_where_that_is_allowed(tmp_path: Path) -> None:
    said = launch(partial(die_of_company, tmp_path), tmp_path, least=1)
    assert len(said) == 1
    assert "1 start again" in said[0]
    assert [path.name for path in tmp_path.iterdir()] == ["1 left"]


def test_the_fault_of_one_rank_comes_back_as_itself(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="an image is gone"):
        launch(partial(fail_on_one, tmp_path), tmp_path, retries=3)
