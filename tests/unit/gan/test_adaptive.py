from __future__ import annotations

import numpy as np
import pytest
import torch

from gan_aug.data.training_batches import HeldOutBatches
from gan_aug.gan.adaptive import MOST, AdaptiveSettings, AdaptiveStrength, sum_logits
from tests.support.gan_samples import batches, small_trainer


def strength(target: float = 0.5, rise: int = 1000) -> AdaptiveStrength:
    return AdaptiveStrength(AdaptiveSettings(target, rise))


def test_it_rises_if_d_tells_training_from_held_out_images_and_falls_if_not() -> None:
    one = strength()
    for _ in range(20):
        one.update(10, real=20, held_out=2, fake=0, images=20)
    assert one.p == pytest.approx(0.4)
    assert one.overfitting == pytest.approx(0.9)
    for _ in range(100):
        one.update(10, real=20, held_out=19, fake=0, images=20)
    assert one.p == 0
    assert one.overfitting == pytest.approx(0.05, abs=0.02)


def test_it_goes_from_0_to_the_most_in_the_number_of_images_asked_for() -> None:
    one = strength(rise=5000)
    seen = 0
    while one.p < MOST:
        one.update(64, real=1, held_out=-1, fake=-1, images=64)
        seen += 64
    assert seen == pytest.approx(5000 * MOST, abs=64)
    one.update(64, real=1, held_out=-1, fake=-1, images=64)
    assert one.p == MOST


@pytest.mark.parametrize(("real", "held_out", "fake"), [(0, 0, 0), (1, 5, 2), (1, -5, 1)])
def test_a_d_that_does_not_tell_images_apart_does_not_overfit(real: float, held_out: float, fake: float) -> None:
    one = strength()
    one.update(1, real, held_out, fake, images=10)
    assert one.overfitting == 0
    assert one.p == 0


def test_a_shift_of_all_logits_alters_nothing_and_no_image_neither() -> None:
    first, second = strength(), strength()
    for count in (4, 0, 8):
        first.update(count, real=2.0 * count, held_out=0.5 * count, fake=-1.0 * count, images=10)
        second.update(count, real=9.0 * count, held_out=7.5 * count, fake=6.0 * count, images=10)
    assert first.p == second.p == pytest.approx(0.0)
    assert first.overfitting == pytest.approx(second.overfitting) == 0.5


def test_its_state_is_all_of_it() -> None:
    first, second = strength(), strength()
    for _ in range(7):
        first.update(3, 2.0, 0.1, -0.3, images=10)
    second.load(first.state())
    for one in (first, second):
        one.update(3, 2.0, 1.9, -0.3, images=10)
    assert torch.equal(first.state(), second.state())


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
