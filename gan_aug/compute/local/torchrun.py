"""Under `torchrun`, which starts this very command once per rank: rank 0 does all, the others join it in training.

    torchrun --nproc-per-node 2 --max-restarts 3 -m -- gan_aug train CONFIG --run DIR

(without the `--`, torchrun takes `--run` for an option of its own).

torchrun watches the processes and starts all of them again when one is lost. It does so too when one ends by an error,
so a request to stop ends with exit code 0 here.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING

from gan_aug.compute.executor import Attend, RankGroup
from gan_aug.compute.local.executor import LocalExecutor
from gan_aug.compute.local.parent import POLL_SECONDS
from gan_aug.compute.local.training import backend

if TYPE_CHECKING:
    from torch.distributed.distributed_c10d import Store

CALL = "training"
"""What rank 0 says to the others: `join`, or `over` when its verb ended without them."""


def launched() -> bool:
    """Whether this process is one of several that torchrun started, or who sets the same variables."""
    names = ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")
    return all(name in os.environ for name in names) and int(os.environ["WORLD_SIZE"]) > 1


class TorchrunExecutor(LocalExecutor):
    """Runs work as LocalExecutor does, and trains with the processes that torchrun started."""

    def __init__(self, workers: int | None = None) -> None:
        super().__init__(workers)
        self.rank, self.size = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
        self._store: Store | None = None

    def train(self, work: Callable[[], None], group: RankGroup, attend: Attend) -> None:
        """Call the other ranks and train with them; torchrun minds the retries and the number of ranks, not `group`."""
        del group, attend
        self._meeting().set(CALL, "join")
        self._together(work)

    def dismiss(self) -> None:
        """Let the other ranks go: rank 0 will not call them any more."""
        if not self._meeting().check([CALL]):
            self._meeting().set(CALL, "over")

    def follow(self, work: Callable[[], None]) -> None:
        """As a rank other than 0: wait to be called, however long its import takes, and do `work` with the others."""
        store = self._meeting()
        while not store.check([CALL]):
            time.sleep(POLL_SECONDS)
        if store.get(CALL) == b"join":
            self._together(work)

    def _together(self, work: Callable[[], None]) -> None:
        import torch.distributed as dist

        here = int(os.environ.get("LOCAL_WORLD_SIZE", self.size))
        name = backend(here, int(os.environ.get("LOCAL_RANK", self.rank)))
        dist.init_process_group(name, store=self._meeting(), rank=self.rank, world_size=self.size)
        try:
            work()
        finally:
            dist.destroy_process_group()

    def _meeting(self) -> Store:
        """The key-value store in which all ranks meet; what an earlier start left in torchrun's is not looked at."""
        from torch.distributed.distributed_c10d import PrefixStore
        from torch.distributed.rendezvous import rendezvous

        if self._store is None:
            store, _, _ = next(rendezvous("env://", timeout=timedelta(minutes=10)))
            self._store = PrefixStore(f"gan-aug/{os.environ.get('TORCHELASTIC_RESTART_COUNT', '0')}", store)
        return self._store
