"""Resumed equals uninterrupted, to the bit."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from gan_aug.gan.losses import LossName
from gan_aug.gan.networks.settings import NetworkName
from gan_aug.gan.state import TrainingData, read_checkpoint, restore, save_checkpoint, training_tensors
from tests.support.gan_samples import small_trainer

DATA = TrainingData(labels=("a", "b", "c"), task="multi-class", dataset="0" * 64, trained_on=())


@pytest.mark.parametrize(
    ("loss", "spectral", "penalty", "network", "images"),
    [
        ("hinge", True, 0.0, "dcgan", 640),
        ("relativistic", False, 1.0, "dcgan", 640),
        ("relativistic", False, 0.01, "resize", 320),
        ("relativistic", True, 0.01, "residual", 320),
    ],
)
def test_resumed_is_uninterrupted(
    tmp_path: Path, loss: LossName, spectral: bool, penalty: float, network: NetworkName, images: int
) -> None:
    def fresh():  # type: ignore[no-untyped-def]
        return small_trainer(spectral, loss=loss, penalty=penalty, penalty_every=3, images=images, network=network)

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
    expected, found = training_tensors(whole), training_tensors(second)
    assert expected.keys() == found.keys()
    assert all(torch.equal(expected[key], found[key]) for key in expected)
    assert save_checkpoint(tmp_path / "a", whole, DATA).id == save_checkpoint(tmp_path / "b", second, DATA).id
