"""Training in several processes of this machine: all are started, watched, and started again together."""

from __future__ import annotations

import multiprocessing
import os
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path

from gan_aug.compute.executor import OnPoll, RankGroup
from gan_aug.compute.local.parent import POLL_SECONDS, bind_to_parent
from gan_aug.errors import ComputeError, RankLost

GRACE_SECONDS = 10.0
"""If a rank reports that another one is gone, how long that other one has to end or to send its own error."""


@dataclass
class _Rank:
    process: BaseProcess
    connection: Connection
    lost: bool = False


def train_in_processes(work: Callable[[], None], group: RankGroup, on_poll: OnPoll) -> None:
    """Train as Executor.train says; after all retries with a number of ranks it is tried with one rank fewer.

    Args:
        work: What every rank does.
        group: The ranks wanted; `min_ranks` is the smallest number that is tried.
        on_poll: Called while the ranks work.

    Raises:
        ComputeError: All attempts lost a rank.
        Exception: Any other error that `work` raised in a rank.
    """
    sizes = [size for size in range(group.ranks, group.min_ranks - 1, -1) for _ in range(group.retries + 1)]
    for attempt, size in enumerate(sizes):
        if attempt:
            on_poll(f"a process of the training was lost: {size} start again from the last complete checkpoint")
        if _attempt(work, size, on_poll):
            return
    raise ComputeError(
        f"{len(sizes)} times a process of the training was lost, often for lack of memory: set compute.min_ranks to "
        "continue with fewer, or resume the run, which continues from the last complete checkpoint"
    )


def _attempt(work: Callable[[], None], size: int, on_poll: OnPoll) -> bool:
    """Whether all `size` ranks finished `work`; False if one was lost. Raises what a rank raised."""
    with tempfile.TemporaryDirectory() as folder:
        ranks = [_start(work, rank, size, Path(folder) / "rendezvous") for rank in range(size)]
        try:
            return _watch(ranks, on_poll)
        finally:
            for rank in ranks:
                rank.process.kill()
                rank.process.join()
                rank.connection.close()
            on_poll("")


def _start(work: Callable[[], None], rank: int, size: int, rendezvous: Path) -> _Rank:
    context = multiprocessing.get_context("spawn")  # a forked child would inherit thread pools that can deadlock
    parent_end, child_end = context.Pipe(duplex=False)
    process = context.Process(target=_rank_main, args=(work, rank, size, rendezvous, child_end), daemon=True)
    process.start()
    child_end.close()  # so that the death of the process is an end of file here
    return _Rank(process, parent_end)


def _watch(ranks: list[_Rank], on_poll: OnPoll) -> bool:
    working, deadline = {rank.connection: rank for rank in ranks}, float("inf")
    while working and time.monotonic() < deadline:
        for connection in wait(list(working), POLL_SECONDS):
            rank = working.pop(connection)  # type: ignore[call-overload]
            try:
                error = rank.connection.recv()
            except (EOFError, OSError):
                return False
            if isinstance(error, RankLost):
                # This rank only saw that another one is gone; the error of that other one says more.
                rank.lost, deadline = True, min(deadline, time.monotonic() + GRACE_SECONDS)
            elif error is not None:
                raise error
        on_poll("")
    return not working and not any(rank.lost for rank in ranks)


def _rank_main(work: Callable[[], None], rank: int, size: int, rendezvous: Path, connection: Connection) -> None:
    """The main function of a rank's process: join the process group, do the work, send the error or None."""
    import torch.distributed as dist

    bind_to_parent()
    # All ranks are on this machine, and its host name may resolve to another address or to none.
    os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo0" if sys.platform == "darwin" else "lo")
    try:
        dist.init_process_group(backend(size, rank), init_method=f"file://{rendezvous}", rank=rank, world_size=size)
        work()
        connection.send(None)
    except Exception as error:  # noqa: BLE001 - the parent raises it again
        error.add_note(f"in rank {rank}:\n{traceback.format_exc()}")
        connection.send(error)
    finally:
        if dist.is_initialized():
            dist.destroy_process_group()


def backend(ranks_here: int, local_rank: int) -> str:
    """The torch backend for the ranks of one machine: NCCL if there is a GPU for each, else gloo.

    If there are GPUs, this process chooses one, by its number among the machine's ranks.
    """
    import torch

    if not torch.cuda.is_available():
        return "gloo"
    if torch.cuda.device_count() < ranks_here:
        torch.cuda.set_device(local_rank % torch.cuda.device_count())
        return "gloo"
    torch.cuda.set_device(local_rank)
    return "cpu:gloo,cuda:nccl"
