"""Resumed equals uninterrupted, to the bit."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from gan_aug.gan.adaptive import AdaptiveSettings
from gan_aug.gan.losses import LossName
from gan_aug.gan.networks.settings import NetworkName
from gan_aug.gan.state import TrainingData, read_checkpoint, restore, save_checkpoint
from gan_aug.gan.tensors import training_tensors
from gan_aug.gan.trainer import GanTrainer
from tests.support.gan_samples import small_trainer

DATA = TrainingData(labels=("a", "b", "c"), task="multi-class", dataset="0" * 64, trained_images=0)


RISING = AdaptiveSettings(target=-1e9, rise=450)
"""p rises at each measurement, so that augmentation is at work."""


@pytest.mark.parametrize(
    ("loss", "spectral", "penalty", "network", "images", "adaptive"),
    [
        ("hinge", True, 0.0, "dcgan", 640, RISING),
        ("relativistic", False, 1.0, "dcgan", 640, None),
        ("relativistic", False, 0.01, "resize", 320, RISING),
        ("relativistic", True, 0.01, "residual", 320, None),
    ],
)
def test_resumed_is_uninterrupted(
    tmp_path: Path,
    loss: LossName,
    spectral: bool,
    penalty: float,
    network: NetworkName,
    images: int,
    adaptive: AdaptiveSettings | None,
) -> None:
    changes = {"loss": loss, "penalty": penalty, "penalty_every": 3, "images": images, "adaptive": adaptive}

    def fresh() -> GanTrainer:
        return small_trainer(spectral, network=network, **changes)

    whole = fresh()
    while not whole.finished:
        whole.step()
    first = fresh()
    for _ in range(14):
        first.step()
    saved = save_checkpoint(tmp_path, first, DATA)
    second = fresh()
    restore(second, read_checkpoint(saved.path))
    while not second.finished:
        second.step()
    if adaptive:
        assert second.adaptive is not None
        assert second.adaptive.p > 0.3
    expected, found = training_tensors(whole), training_tensors(second)
    assert expected.keys() == found.keys()
    assert all(torch.equal(expected[key], found[key]) for key in expected)
    assert save_checkpoint(tmp_path / "a", whole, DATA).id == save_checkpoint(tmp_path / "b", second, DATA).id
