"""Several processes of this machine that train together: started as one, watched, and started again as one."""

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

from gan_aug.compute.executor import Attend, RankGroup
from gan_aug.compute.local.parent import POLL_SECONDS, attend_parent
from gan_aug.errors import ComputeError, RankLost

GRACE_SECONDS = 10.0
"""How long the process whose loss others report has to end, or to say what befell it."""


@dataclass
class _Rank:
    process: BaseProcess
    connection: Connection
    lost: bool = False


def train_in_processes(work: Callable[[], None], group: RankGroup, attend: Attend) -> None:
    """See Executor.train. If `group.ranks` processes are lost time and again, one fewer is tried, down to `least`."""
    sizes = [size for size in range(group.ranks, group.least - 1, -1) for _ in range(group.retries + 1)]
    for attempt, size in enumerate(sizes):
        if attempt:
            attend(f"a process of the training was lost: {size} start again from the last whole checkpoint")
        if _finished(work, size, attend):
            return
    raise ComputeError(
        f"{len(sizes)} times a process of the training was lost, often for lack of memory: set compute.min_ranks to go "
        "on with fewer, or resume: it goes on from the last whole checkpoint"
    )


def _finished(work: Callable[[], None], size: int, attend: Attend) -> bool:
    """Whether all ranks did `work`, rather than one being lost; raises what one of them raised."""
    with tempfile.TemporaryDirectory() as folder:
        ranks = [_start(work, rank, size, Path(folder) / "meeting") for rank in range(size)]
        try:
            return _watch(ranks, attend)
        finally:
            for rank in ranks:
                rank.process.kill()
                rank.process.join()
                rank.connection.close()
            attend("")


def _start(work: Callable[[], None], rank: int, size: int, meeting: Path) -> _Rank:
    context = multiprocessing.get_context("spawn")  # a forked child would inherit thread pools that can deadlock
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_run, args=(work, rank, size, meeting, theirs), daemon=True)
    process.start()
    theirs.close()  # so that its death is an end of file here
    return _Rank(process, ours)


def _watch(ranks: list[_Rank], attend: Attend) -> bool:
    working, deadline = {rank.connection: rank for rank in ranks}, float("inf")
    while working and time.monotonic() < deadline:
        for connection in wait(list(working), POLL_SECONDS):
            rank = working.pop(connection)  # type: ignore[call-overload]
            try:
                error = rank.connection.recv()
            except (EOFError, OSError):
                return False
            if isinstance(error, RankLost):
                # It only saw that another one is gone: that one's own word counts for more.
                rank.lost, deadline = True, min(deadline, time.monotonic() + GRACE_SECONDS)
            elif error is not None:
                raise error
        attend("")
    return not working and not any(rank.lost for rank in ranks)


def _run(work: Callable[[], None], rank: int, size: int, meeting: Path, connection: Connection) -> None:
    """A rank's life: meet the others, do the work, say how it ended."""
    import torch.distributed as dist

    attend_parent()
    # The machine's own name may lead out of it, or nowhere: all ranks are here.
    os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo0" if sys.platform == "darwin" else "lo")
    try:
        dist.init_process_group(backend(size, rank), init_method=f"file://{meeting}", rank=rank, world_size=size)
        work()
        connection.send(None)
    except Exception as error:  # noqa: BLE001 - it is raised again by the parent
        error.add_note(f"in rank {rank}:\n{traceback.format_exc()}")
        connection.send(error)
    finally:
        if dist.is_initialized():
            dist.destroy_process_group()


def backend(ranks_here: int, local_rank: int) -> str:
    """How the ranks of one machine exchange tensors: NCCL where each has a GPU (which it takes), else gloo."""
    import torch

    if not torch.cuda.is_available():
        return "gloo"
    if torch.cuda.device_count() < ranks_here:
        torch.cuda.set_device(local_rank % torch.cuda.device_count())
        return "gloo"
    torch.cuda.set_device(local_rank)
    return "cpu:gloo,cuda:nccl"
