"""Steps are repeated from recordings only if these do what the steps do. The recorder is a stand-in for CUDA graphs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from gan_aug.gan.device.graphs import WARM, Recorded


class Sum:
    """Adds its input, times a factor, to what it has; the factor is a number that a recording would not see change."""

    def __init__(self) -> None:
        self.total, self.factor, self.calls = torch.zeros(2), 1.0, 0

    def __call__(self, inputs: tuple[Tensor, ...], kind: Any) -> Tensor:
        self.calls += 1
        self.total += inputs[0] * self.factor * (2 if kind == "twice" else 1)
        return self.total.clone()

    def state(self) -> list[list[Tensor]]:
        return [[self.total]]


def replaying(compute: Callable[[], Tensor]) -> tuple[Callable[[], None], Tensor]:
    """Does nothing when it records, and repeats the computation at each replay: what a right CUDA graph does."""
    shown = torch.zeros(2)
    return lambda: shown.copy_(compute()), shown


def run(recorded: Recorded, one: Sum, steps: int) -> Tensor:
    for step in range(steps):
        shown = recorded((torch.tensor([1.0, step]),), "twice" if step % 2 else "once")
        assert torch.equal(shown, one.total)
    return one.total


def test_recorded_steps_give_what_usual_steps_give() -> None:
    plain, other = Sum(), Sum()
    recorded = Recorded(other, other.state, replaying)
    assert torch.equal(run(recorded, other, 20), run(Recorded(plain, plain.state, None), plain, 20))
    assert recorded.refused is None


def test_each_shape_is_a_recording_of_its_own() -> None:
    made = []

    def record(compute: Callable[[], Tensor]) -> tuple[Callable[[], None], Tensor]:
        made.append(compute)
        return replaying(compute)

    one = Sum()
    recorded = Recorded(one, one.state, record)
    for _ in range(WARM + 2):
        recorded((torch.ones(2),), None)
        recorded((torch.ones(1),), None)
    assert len(made) == 2
    recorded.forget()
    recorded((torch.ones(2),), None)
    assert len(made) == 2


def test_a_step_that_cannot_be_recorded_is_done_as_usual() -> None:
    def failing(compute: Callable[[], Tensor]) -> Any:
        raise RuntimeError("operation not permitted when stream is capturing\nand more")

    one, plain = Sum(), Sum()
    recorded = Recorded(one, one.state, failing)
    assert torch.equal(run(recorded, one, 9), run(Recorded(plain, plain.state, None), plain, 9))
    assert recorded.refused == "a step could not be recorded (operation not permitted when stream is capturing)"


@pytest.mark.parametrize("fault", ["frozen", "nothing", "nan"])
def test_a_recording_that_does_something_else_is_not_believed(fault: str) -> None:
    """It kept a number as it was, it does nothing, it spoils the state: the state is as by usual steps."""
    one, plain = Sum(), Sum()

    def wrong(compute: Callable[[], Tensor]) -> tuple[Callable[[], None], Tensor]:
        shown, factor = torch.zeros(2), one.factor

        def replay() -> None:
            now, one.factor = one.factor, factor
            if fault != "nothing":
                shown.copy_(compute())
            if fault == "nan":
                one.total.fill_(torch.nan)
            one.factor = now

        return replay, shown

    recorded, usual = Recorded(one, one.state, wrong), Recorded(plain, plain.state, None)
    for step in range(8):
        one.factor = plain.factor = 1.0 + step / 4
        given = [each((torch.tensor([1.0, step]),), None) for each in (recorded, usual)]
        assert torch.equal(*given)
    assert torch.equal(one.total, plain.total)
    assert recorded.refused == "a recorded step gave something else than the same step as usual"
