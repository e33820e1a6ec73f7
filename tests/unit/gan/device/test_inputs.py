"""What a step begins with is the same, however it is brought to the device."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from gan_aug.data.training_batches import TrainingBatches
from gan_aug.gan.device.inputs import Ahead, Images, StoredBatches

CPU = torch.device("cpu")


def drawn(share: range) -> tuple[Tensor, ...]:
    indices = torch.tensor(list(share), dtype=torch.int64)
    return indices, torch.stack([indices.float(), -indices.float()], dim=1)


@pytest.mark.parametrize("steps", [None, 1, 3])
@pytest.mark.parametrize("start", [0, 37])
def test_every_step_gets_its_own_numbers(steps: int | None, start: int) -> None:
    """Of a rank that has 3 of 8 images; the last batch is smaller, and then the training goes back."""
    ahead = Ahead(drawn, CPU, steps)
    shares = [range(start + 8 * step + 2, start + 8 * step + 5) for step in range(9)]
    for share in [*shares, range(start + 74, start + 75), *shares[2:5]]:
        for given in ahead(share, 8):
            for part, expected in zip(given, drawn(share), strict=True):
                assert torch.equal(part, expected)


def test_a_rank_without_images_draws_none() -> None:
    ahead = Ahead(drawn, CPU)
    for start in (4, 8, 12):
        assert [len(part) for part in ahead(range(start, start), 4)[0]] == [0, 0]


def test_its_thread_ends() -> None:
    ahead = Ahead(drawn, CPU)
    ahead(range(2), 2)
    ahead.close()
    with pytest.raises(RuntimeError, match="after shutdown"):
        ahead(range(2), 2)


def test_a_fault_of_the_thread_is_raised_here() -> None:
    def faulty(share: range) -> tuple[Tensor, ...]:
        if share.start >= 4:
            raise OSError("the disk is gone")
        return drawn(share)

    ahead = Ahead(faulty, CPU, 2)
    ahead(range(2), 2)
    ahead(range(2, 4), 2)
    with pytest.raises(OSError, match="the disk is gone"):
        ahead(range(4, 6), 2)


@pytest.mark.parametrize("balance", ["data", "classes"])
def test_resident_images_are_those_that_travel(balance: str) -> None:
    images = np.random.default_rng(0).integers(0, 256, (30, 1, 4, 5), dtype=np.uint8)
    labels = np.eye(3, dtype=np.float32)[np.arange(30) % 3]
    rows = np.array([3, 5, 8, 9, 11, 20, 29], dtype=np.int64)
    batches = TrainingBatches(images, labels, rows, seed=4, balance=balance)  # type: ignore[arg-type]
    assert isinstance(batches, StoredBatches)
    size = len(rows) * 20
    here, too_many, travelling = (Images(batches, CPU, room) for room in (size, size - 1, 0))
    assert [one.resident for one in (here, too_many, travelling)] == [True, False, False]
    for share in (range(3), range(5, 19), range(2, 2)):
        expected, expected_labels = batches(share.start, len(share))
        for one in (here, travelling):
            what, own_labels = one.draw(share)
            assert torch.equal(one.seen(what), expected)
            assert torch.equal(own_labels, expected_labels)
    here.forget()
    assert torch.equal(here.seen(here.draw(range(3))[0]), batches(0, 3)[0])
    assert not Images(lambda _, count: (torch.zeros(count, 1, 2, 2), torch.zeros(count, 1)), CPU, 10**9).resident
