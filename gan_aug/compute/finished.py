"""An executor for what is all there already: it computes nothing, and says so where something is left to do."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from gan_aug.compute.executor import Attend, Item, RankGroup, Result
from gan_aug.errors import CheckpointError


class FinishedOnly:
    """No machine at all (see Executor)."""

    def map(
        self,
        work: Callable[[Any, Item], Result],  # noqa: ARG002 - an executor's shape
        items: Sequence[Item],
        *,
        setup: Callable[[], Any] | None = None,  # noqa: ARG002
        cancelled: Callable[[], bool] | None = None,  # noqa: ARG002
    ) -> Iterator[tuple[int, Result]]:
        """Nothing where there is no item; else raises CheckpointError."""
        if items:
            raise CheckpointError(
                f"{len(items)} parts of the comparison are not there whole: `gan-aug resume` on the run computes them"
            )
        return iter(())

    def train(self, work: Callable[[], None], group: RankGroup, attend: Attend) -> None:  # noqa: ARG002
        """Raises CheckpointError: training is never finished work."""
        raise CheckpointError("the GAN is not trained to the end: `gan-aug resume` on the run does that")

    def threads(self, ranks: int) -> int:  # noqa: ARG002
        """One: nothing is computed."""
        return 1
