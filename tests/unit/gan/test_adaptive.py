from __future__ import annotations

import numpy as np
import pytest
import torch

from gan_aug.data.training_batches import HeldOutBatches
from gan_aug.gan.adaptive import MEMORY, MOST, AdaptiveSettings, AdaptiveStrength, sum_logits
from tests.support.gan_samples import batches, small_trainer


def strength(target: float = 0.5, rise: int = 1000) -> AdaptiveStrength:
    return AdaptiveStrength(AdaptiveSettings(target, rise))


def sums(count: int, real: float, held_out: float, fake: float) -> torch.Tensor:
    return torch.tensor([count, real, held_out, fake], dtype=torch.float64)


def test_it_rises_if_d_tells_training_from_held_out_images_and_falls_if_not() -> None:
    one = strength()
    for _ in range(20):
        one.update(sums(10, 20, 2, 0), images=20)
    assert one.p == pytest.approx(0.4)
    assert one.overfitting == pytest.approx(0.9)
    for _ in range(100):
        one.update(sums(10, 20, 19, 0), images=20)
    assert one.p == 0
    assert one.overfitting == pytest.approx(0.05, abs=0.02)


def test_it_goes_from_0_to_the_most_in_the_number_of_images_asked_for() -> None:
    one = strength(rise=5000)
    seen = 0
    while one.p < MOST:
        one.update(sums(64, 1, -1, -1), images=64)
        seen += 64
    assert seen == pytest.approx(5000 * MOST, abs=64)
    one.update(sums(64, 1, -1, -1), images=64)
    assert one.p == MOST


@pytest.mark.parametrize(("real", "held_out", "fake"), [(0, 0, 0), (1, 5, 2), (1, -5, 1)])
def test_a_d_that_does_not_tell_images_apart_does_not_overfit(real: float, held_out: float, fake: float) -> None:
    one = strength()
    one.update(sums(1, real, held_out, fake), images=10)
    assert one.overfitting == 0
    assert one.p == 0


def test_a_shift_of_all_logits_alters_nothing_and_no_image_neither() -> None:
    first, second = strength(), strength()
    for count in (4, 0, 8):
        first.update(sums(count, 2.0 * count, 0.5 * count, -1.0 * count), images=10)
        second.update(sums(count, 9.0 * count, 7.5 * count, 6.0 * count), images=10)
    assert first.p == second.p == pytest.approx(0.0)
    assert first.overfitting == pytest.approx(second.overfitting) == 0.5


def test_its_state_is_all_of_it() -> None:
    first, second = strength(), strength()
    for _ in range(7):
        first.update(sums(3, 2.0, 0.1, -0.3), images=10)
    second.load(first.state())
    for one in (first, second):
        one.update(sums(3, 2.0, 1.9, -0.3), images=10)
    assert torch.equal(first.state(), second.state())


def test_p_is_adapted_by_the_same_numbers_as_by_pythons() -> None:
    """Its state is in the memory of a device, in float64: so nobody waits for it, and no bit differs."""
    one, p, gap, lead = strength(target=0.3, rise=900), 0.0, 0.0, 0.0
    for drawn in torch.randn(40, 3, generator=torch.Generator().manual_seed(2), dtype=torch.float64).tolist():
        one.update(sums(7, *drawn), images=64)
        gap = MEMORY * gap + (1 - MEMORY) * (drawn[0] - drawn[1]) / 7
        lead = MEMORY * lead + (1 - MEMORY) * (drawn[0] - drawn[2]) / 7
        overfitting = gap / lead if lead > 0 else 0.0
        p = min(MOST, max(0.0, p + (64 / 900 if overfitting > 0.3 else -64 / 900)))
        assert one.state().tolist() == [p, gap, lead]
        assert one.shown().tolist() == [p, one.overfitting] == [p, overfitting]


def test_held_out_images_have_the_labels_of_the_training_images() -> None:
    labels = np.array([[1, 0], [1, 0], [0, 1], [0, 1], [0, 1], [1, 1]], dtype=np.float32)
    images = np.arange(6, dtype=np.uint8).reshape(6, 1, 1, 1)
    batches = HeldOutBatches(images, labels, np.array([1, 3, 4], dtype=np.int64))
    wanted = torch.tensor([[1, 0], [0, 1], [1, 1], [0, 1]], dtype=torch.float32)
    seen = set()
    for first in range(40):
        drawn, found = batches(first, wanted)
        assert found.tolist() == [True, True, False, True]
        assert drawn[0].item() == 1
        seen |= {drawn[1].item(), drawn[3].item()}
        later, _ = batches(first + 1, wanted[1:])
        assert torch.equal(drawn[1:], later), "an image depends on its own index alone"
    assert seen == {3, 4}
    ten = HeldOutBatches(
        np.zeros((10, 1, 1, 1), np.uint8) + np.arange(10, dtype=np.uint8).reshape(-1, 1, 1, 1),
        np.tile(labels[:1], (10, 1)),
        np.arange(10),
    )
    for first in range(0, 400, 10):
        drawn, _ = ten(first, wanted[:1].repeat(10, 1))
        assert sorted(drawn.flatten().tolist()) == list(range(10)), "consecutive images differ"
    starts = {ten(first, wanted[:1])[0].item() for first in range(0, 4000, 20)}
    assert starts == set(range(10)), "every image has its turn, whatever the batch"
    assert batches(5, wanted[:0])[0].shape == (0, 1, 1, 1)
    nothing, found = HeldOutBatches(images, labels, np.array([], dtype=np.int64))(0, wanted)
    assert not found.any()
    assert nothing.shape == (4, 1, 1, 1)


@pytest.mark.parametrize("at_once", [1, 5, 8, 100])
def test_logits_are_summed_the_same_a_few_images_at_a_time(at_once: int) -> None:
    """D of the network `resize` compares four consecutive images, which are never divided."""
    discriminator = small_trainer(spectral=True, network="resize").discriminator
    images, labels = batches(0, 10)
    groups = [images.float() / 127.5 - 1, images.flip(3).float() / 127.5 - 1]
    found, before = labels[:, 2] == 0, {key: value.clone() for key, value in discriminator.state_dict().items()}
    whole = sum_logits(discriminator, groups, labels, found)
    assert whole[0] == 7
    assert torch.allclose(sum_logits(discriminator, groups, labels, found, at_once), whole, atol=1e-5)
    assert all(torch.equal(before[key], value) for key, value in discriminator.state_dict().items())
    assert discriminator.training
    assert sum_logits(discriminator, [group[:0] for group in groups], labels[:0], found[:0]).tolist() == [0, 0, 0]
