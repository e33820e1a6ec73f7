"""An executor that computes nothing, for a run whose results are all on disk."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from gan_aug.compute.executor import Item, OnPoll, RankGroup, Result
from gan_aug.errors import CheckpointError


class FinishedOnly:
    """An Executor that refuses all work."""

    def map(
        self,
        work: Callable[[Any, Item], Result],  # noqa: ARG002 - the signature is Executor's
        items: Sequence[Item],
        *,
        setup: Callable[[], Any] | None = None,  # noqa: ARG002
        cancelled: Callable[[], bool] | None = None,  # noqa: ARG002
    ) -> Iterator[tuple[int, Result]]:
        """See Executor.map; yields nothing if there is no item, else raises CheckpointError."""
        if items:
            raise CheckpointError(
                f"{len(items)} parts of the comparison are missing or incomplete: `gan-aug resume` on the run computes "
                "them"
            )
        return iter(())

    def train(self, work: Callable[[], None], group: RankGroup, on_poll: OnPoll) -> None:  # noqa: ARG002
        """See Executor.train; always raises CheckpointError."""
        raise CheckpointError("the GAN is not trained to the end: `gan-aug resume` on the run continues its training")

    def threads(self, ranks: int) -> int:  # noqa: ARG002
        """See Executor.threads; 1, since nothing is computed."""
        return 1
