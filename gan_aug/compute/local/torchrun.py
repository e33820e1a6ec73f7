"""Training under `torchrun`, which starts the same command once per rank.

    torchrun --nproc-per-node 2 --max-restarts 3 -m -- gan_aug train CONFIG --run DIR

(Without the `--`, torchrun takes `--run` for an option of its own.)

Rank 0 does all the work outside the training; the other ranks wait and join it in the training. torchrun watches the
processes and starts all of them again if one is lost or ends with an error. A request to stop therefore ends with exit
code 0 here.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING

from gan_aug.compute.cores import cores
from gan_aug.compute.executor import OnPoll, RankGroup
from gan_aug.compute.local.executor import LocalExecutor
from gan_aug.compute.local.parent import POLL_SECONDS
from gan_aug.compute.local.training import backend

if TYPE_CHECKING:
    from torch.distributed.distributed_c10d import Store

CALL_KEY = "training"
"""The start of the keys under which rank 0 calls the others: the number of the GAN to train next, or OVER."""

OVER = "over"
"""Rank 0's last call: its verb has ended."""


def launched() -> bool:
    """Whether this process is one of several started by torchrun, or by a launcher that sets the same variables."""
    names = ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")
    return all(name in os.environ for name in names) and int(os.environ["WORLD_SIZE"]) > 1


class TorchrunExecutor(LocalExecutor):
    """Runs work as LocalExecutor does, and trains with the processes that torchrun started."""

    def __init__(self, workers: int | None = None, device: str = "cpu") -> None:
        super().__init__(workers, device)
        self.rank, self.size = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
        self._store: Store | None = None
        self._trainings = 0

    def train(self, work: Callable[[], None], group: RankGroup, on_poll: OnPoll) -> None:
        """See Executor.train: call the other ranks and train with them.

        Args:
            work: What every rank does.
            group: Its `gan` is passed to the other ranks; torchrun sets the number of ranks and the retries.
            on_poll: Not used.
        """
        del on_poll
        self._rendezvous().set(self._call, str(group.gan))
        self._work_in_group(work)

    def threads(self, ranks: int) -> int:
        """See Executor.threads: of this host's cores, since torchrun sets OMP_NUM_THREADS to 1 if nobody else did."""
        return max(1, cores() // int(os.environ.get("LOCAL_WORLD_SIZE", ranks)))

    def release_ranks(self) -> None:
        """As rank 0: tell the other ranks that they will not be called again, so that they end."""
        self._rendezvous().set(self._call, OVER)

    def join_trainings(self, work: Callable[[int], None]) -> None:
        """As another rank: wait for each of rank 0's calls, without a time limit, and train with the others.

        `work` is called with the number of the GAN, until rank 0's verb has ended.
        """
        store = self._rendezvous()
        while True:
            while not store.check([self._call]):
                time.sleep(POLL_SECONDS)
            call = store.get(self._call).decode()
            if call == OVER:
                return
            self._work_in_group(partial(work, int(call)))

    def _work_in_group(self, work: Callable[[], None]) -> None:
        import torch.distributed as dist
        from torch.distributed.distributed_c10d import PrefixStore

        here = int(os.environ.get("LOCAL_WORLD_SIZE", self.size))
        name = backend(here, int(os.environ.get("LOCAL_RANK", self.rank)))
        store = PrefixStore(f"group/{self._trainings}", self._rendezvous())  # two groups must not share keys
        self._trainings += 1
        dist.init_process_group(name, store=store, rank=self.rank, world_size=self.size)
        try:
            work()
        finally:
            dist.destroy_process_group()

    @property
    def _call(self) -> str:
        """The key of rank 0's next call."""
        return f"{CALL_KEY}/{self._trainings}"

    def _rendezvous(self) -> Store:
        """The key-value store that all ranks share.

        Its keys carry the number of the restart, so that nothing an earlier start left in torchrun's store is read.
        """
        from torch.distributed.distributed_c10d import PrefixStore
        from torch.distributed.rendezvous import rendezvous

        if self._store is None:
            store, _, _ = next(rendezvous("env://", timeout=timedelta(minutes=10)))
            self._store = PrefixStore(f"gan-aug/{os.environ.get('TORCHELASTIC_RESTART_COUNT', '0')}", store)
        return self._store
