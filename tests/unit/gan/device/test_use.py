"""A training that uses its device as a GPU is used gives what it gives on a CPU, to the bit."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from gan_aug.data.training_batches import TrainingBatches
from gan_aug.errors import TrainingDiverged
from gan_aug.gan.adaptive import AdaptiveSettings
from gan_aug.gan.device.arithmetic import arithmetic
from gan_aug.gan.device.use import DeviceUse, use_of
from gan_aug.gan.tensors import load_tensors, training_tensors
from gan_aug.gan.trainer import GanTrainer
from tests.support.gan_samples import NETWORKS, SETTINGS, batches, held_out


def replaying(compute: Callable[[], Tensor]) -> tuple[Callable[[], None], Tensor]:
    """Stands in for a CUDA graph: it repeats the computation on the tensors that it was recorded with."""
    shown = torch.zeros(0, dtype=torch.float64)

    def replay() -> None:
        made = compute()
        shown.resize_(made.shape).copy_(made)

    return replay, shown


AS_GPU = DeviceUse(read_every=4, ahead=True, room=10**6, record=replaying)
STEPS = 14


def trainer(use: DeviceUse | None = None, **changes: Any) -> GanTrainer:
    images, labels = batches(0, 50)
    stored = TrainingBatches(images.numpy(), labels.numpy(), torch.arange(3, 50).numpy(), seed=1)
    settings = replace(
        SETTINGS,
        **{"images": 4 * STEPS - 1, "batch": 4, "loss": "relativistic", "penalty": 1.0, "penalty_every": 2} | changes,
    )
    networks = replace(NETWORKS, spectral=False, network="resize", width=4)
    return GanTrainer(networks, settings, stored, held_out=held_out, use=use)


def state(one: GanTrainer) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in training_tensors(one).items()}


def test_it_gives_the_same_bits_and_the_same_reports() -> None:
    """With everything at once: reading late, drawing ahead, resident images, recordings, and an adapted p."""
    changes = {"augment": ("translation", "affine", "contrast"), "adaptive": AdaptiveSettings(target=-0.5, rise=300)}
    plain, other = trainer(**changes), trainer(AS_GPU, **changes)
    expected, found, largest = [], [], 0
    while not plain.finished:
        expected += plain.advance()
        some = other.advance()
        found, largest = found + some, max(largest, len(some))
    found += other.read()
    assert found == expected
    assert len(found) == STEPS
    assert largest == 4
    assert expected[-1].augment, "p has to rise, or nothing was tried"
    assert "CUDA graphs" in other.how
    assert plain.how == ""
    ours, theirs = state(other), state(plain)
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)


def test_a_resumed_training_draws_and_records_anew() -> None:
    whole, first, second = trainer(AS_GPU), trainer(AS_GPU), trainer(AS_GPU)
    for _ in range(8):
        whole.advance()
        first.advance()
    load_tensors(second, state(first), first.images)
    load_tensors(first, state(first), first.images)  # the same one, whose recordings are of other tensors now
    for _ in range(5):
        whole.advance()
        first.advance()
        second.advance()
    expected = state(whole)
    for one in (first, second):
        found = state(one)
        assert all(torch.equal(found[name], expected[name]) for name in expected)


@pytest.mark.parametrize("network", ["discriminator", "generator"])
def test_what_is_not_finite_is_named_late_and_nothing_was_updated_from_there_on(network: str) -> None:
    plain, other = trainer(), trainer(AS_GPU)
    for _ in range(5):
        plain.step()
        other.advance()
    for one in (plain, other):
        with torch.no_grad():
            # D is finite with G's images, but its gradient for them is not: or D itself is not finite.
            part = one.discriminator.features.bias if network == "discriminator" else one.generator.to_image.bias
            part[0] = math.nan  # type: ignore[index,operator]
    before = state(other)
    with pytest.raises(TrainingDiverged) as expected:
        plain.step()
    with pytest.raises(TrainingDiverged) as found:
        for _ in range(4):
            other.advance()
    assert str(found.value) == str(expected.value)
    assert "after 20 images" in str(found.value)
    after = state(other)
    kept = [name for name in before if name.startswith("optimizer.") or name.endswith(("weight", "bias"))]
    kept = [name for name in kept if not name.startswith("average.")]
    assert len(kept) > 50
    assert all(torch.equal(before[name].nan_to_num(), after[name].nan_to_num()) for name in kept)


def test_only_a_gpu_is_used_as_a_gpu() -> None:
    assert use_of(torch.device("cpu"), ranks=1, micro_batch=None, graphs=True) == DeviceUse()
    assert DeviceUse().read_every == 1


@pytest.mark.parametrize("precision", ["fp32", "tf32"])
def test_the_precision_holds_within_the_block_alone(precision: Any) -> None:
    def flags() -> tuple[bool, ...]:
        cudnn = torch.backends.cudnn
        return cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32, cudnn.deterministic, cudnn.benchmark

    before = flags()
    with pytest.raises(ValueError, match="stop"), arithmetic(torch.device("cuda"), precision):
        assert flags() == (precision == "tf32", precision == "tf32", True, False)
        raise ValueError("stop")
    assert flags() == before
    with arithmetic(torch.device("cpu"), precision):
        assert flags() == before
