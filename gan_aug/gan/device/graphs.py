"""Steps that a GPU repeats from a recording (a CUDA graph), so that Python need not start each of their operations.

A recording holds addresses and numbers as they were. So all that changes from step to step has to be in tensors that
keep their place. That it is so is tried before a recording is believed: the first time, the step is also done without
it, on inputs that came after those of the recording, and both have to give the same.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import Any

import torch
from torch import Tensor

Inputs = tuple[Tensor, ...]
Compute = Callable[[Inputs, Any], Tensor]
"""From a step's inputs and its kind to what is shown of it; it alters its state in place."""

Record = Callable[[Callable[[], Tensor]], tuple[Callable[[], None], Tensor]]
"""Records a computation without doing it; gives a function that repeats it, and the tensor with its result."""

WARM = 2
"""How often a step is done as usual before it is recorded: libraries prepare themselves, and moments are made."""

SHARE = 0.02
"""How far the changes by a recorded step may differ, as a share of the changes. Some operations add up in any order."""


class Recorded:
    """Does steps as usual at first, then by recordings; one for each kind of step and shape of its inputs.

    Attributes:
        refused: Why no recording is used any more; None as long as none failed.
    """

    def __init__(
        self, compute: Compute, state: Callable[[], Sequence[Sequence[Tensor]]], record: Record | None
    ) -> None:
        """Record nothing yet.

        Args:
            compute: The step.
            state: All tensors that it alters, in groups whose changes are compared with each other. They stay the same
                tensors once a step was done.
            record: How a step is recorded; None if every step is done as usual.
        """
        self._compute, self._state = compute, state
        self._record = record
        self._done: dict[Hashable, int] = {}
        self._recordings: dict[Hashable, _Recording] = {}
        self.refused: str | None = None

    def __call__(self, inputs: Inputs, kind: Hashable) -> Tensor:
        """Do a step of a kind; returns what is shown of it, which later steps leave alone."""
        key = kind, *(tuple(part.shape) for part in inputs)
        done = self._done[key] = self._done.get(key, 0) + 1
        if self._record is None or self.refused is not None or done <= WARM:
            return self._compute(inputs, kind)
        recording = self._recordings.get(key)
        if recording is None:
            self._add_recording(self._record, key, inputs, kind)
            return self._compute(inputs, kind)
        if not recording.believed:
            return self._tried(recording, inputs, kind)
        return recording.repeat(inputs)

    def _add_recording(self, record: Record, key: Hashable, inputs: Inputs, kind: Hashable) -> None:
        places = tuple(part.clone() for part in inputs)
        try:
            repeat, shown = record(lambda: self._compute(places, kind))
        except RuntimeError as error:  # of PyTorch, of CUDA, and if the memory is not enough
            self._refuse(f"a step could not be recorded ({str(error).splitlines()[0]})")
        else:
            self._recordings[key] = _Recording(places, repeat, shown)

    def _tried(self, recording: _Recording, inputs: Inputs, kind: Hashable) -> Tensor:
        """Do the step by the recording and as usual; what was done as usual stays if they differ."""
        groups = [list(group) for group in self._state()]
        before = [[part.clone() for part in group] for group in groups]
        shown = recording.repeat(inputs)
        repeated = [[part.clone() for part in group] for group in groups]
        for group, old in zip(groups, before, strict=True):
            for part, value in zip(group, old, strict=True):
                part.copy_(value)
        expected = self._compute(inputs, kind)
        recording.believed = bool(torch.allclose(shown, expected, rtol=SHARE, atol=1e-4)) and all(
            _alike(*three) for three in zip(before, repeated, groups, strict=True)
        )
        if not recording.believed:
            self._refuse("a recorded step gave something else than the same step as usual")
        return expected

    def forget(self) -> None:
        """Begin anew: the tensors of the state are others now."""
        self._done.clear()
        self._recordings.clear()

    def _refuse(self, why: str) -> None:
        self.refused = why
        self._recordings.clear()


class _Recording:
    def __init__(self, places: Inputs, repeat: Callable[[], None], shown: Tensor) -> None:
        self._places, self._repeat, self._shown = places, repeat, shown
        self.believed = False

    def repeat(self, inputs: Inputs) -> Tensor:
        for place, part in zip(self._places, inputs, strict=True):
            place.copy_(part, non_blocking=True)
        self._repeat()
        return self._shown.clone()


def _alike(before: Sequence[Tensor], one: Sequence[Tensor], other: Sequence[Tensor]) -> bool:
    """Whether two states went the same way from the one before: their difference is small beside the change."""
    changed = sum(float((b.double() - a.double()).square().sum()) for a, b in zip(before, other, strict=True))
    differs = sum(float((b.double() - a.double()).square().sum()) for a, b in zip(one, other, strict=True))
    return differs <= SHARE**2 * changed


class CudaRecorder:
    """Records as CUDA graphs, which share their memory: one is repeated after the other."""

    def __init__(self) -> None:
        self._pool = torch.cuda.graph_pool_handle()

    def __call__(self, compute: Callable[[], Tensor]) -> tuple[Callable[[], None], Tensor]:
        """See Record; raises RuntimeError if the memory that is left is not enough for a step that is done as usual."""
        usual = torch.cuda.max_memory_allocated() - torch.cuda.memory_allocated()
        graph = torch.cuda.CUDAGraph()
        # thread_local: the thread that draws for the next steps may go on meanwhile.
        with torch.cuda.graph(graph, pool=self._pool, capture_error_mode="thread_local"):
            shown = compute()
        if torch.cuda.mem_get_info()[0] < usual:
            raise RuntimeError("the GPU's memory does not hold a recording beside a step that is done as usual")
        return graph.replay, shown
