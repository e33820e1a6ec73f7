from __future__ import annotations

import math

import pytest
import torch

from gan_aug.errors import TrainingDiverged
from gan_aug.gan.average import calibrated
from gan_aug.gan.losses import LossName
from gan_aug.gan.trainer import to_bytes, to_signed
from tests.support.gan_samples import batches, small_trainer


@pytest.mark.parametrize(
    ("loss", "spectral", "penalty"),
    [("bce", True, 0.0), ("hinge", True, 0.0), ("relativistic", False, 1.0), ("hinge", False, 0.5)],
)
def test_every_loss_trains_and_counts_images(loss: LossName, spectral: bool, penalty: float) -> None:
    trainer = small_trainer(spectral, loss=loss, penalty=penalty, penalty_every=2, images=72)
    seen = []
    while not trainer.finished:
        report = trainer.step()
        seen.append(report.images)
        assert all(math.isfinite(v) for v in (report.loss_d, report.loss_g, report.real, report.fake))
    assert seen == [16, 32, 48, 64, 72]  # the last batch is what is left


def test_a_class_learns_its_band() -> None:
    trainer = small_trainer(images=2400, lr=2e-3, augment=(), average=200)
    while not trainer.finished:
        trainer.step()
    generator = calibrated(trainer.average, torch.eye(3), seed=0)
    images = generator(torch.randn(30, 8, generator=torch.Generator().manual_seed(0)), torch.eye(3).repeat(10, 1))
    bands = torch.stack([images[:, 0, 4 * k : 4 * k + 4].mean(dim=(1, 2)) for k in range(3)], dim=1)
    assert (bands.argmax(dim=1) == torch.arange(30) % 3).float().mean() > 0.9


def test_not_finite_stops_before_the_update() -> None:
    trainer = small_trainer()
    trainer.step()
    with torch.no_grad():
        trainer.discriminator.features.bias.fill_(math.nan)
    before = {k: v.clone() for k, v in trainer.discriminator.state_dict().items() if "parametrizations" not in k}
    with pytest.raises(TrainingDiverged, match="after 16 images: lower train.lr"):
        trainer.step()
    after = trainer.discriminator.state_dict()
    assert all(torch.equal(v.nan_to_num(), after[k].nan_to_num()) for k, v in before.items())


def test_training_leaves_the_global_random_state_alone() -> None:
    before = torch.random.get_rng_state()
    small_trainer().step()
    assert torch.equal(torch.random.get_rng_state(), before)


def test_calibration_gives_the_statistics_of_the_generators_own_images() -> None:
    trainer = small_trainer()
    generator = calibrated(trainer.average, batches(0, 30)[1], seed=1)
    assert not generator.training
    first = generator.norms[0].norm  # type: ignore[union-attr]
    assert int(first.num_batches_tracked) == 16  # type: ignore[arg-type]
    assert not torch.equal(first.running_mean, trainer.average.norms[0].norm.running_mean)  # type: ignore[union-attr,arg-type]


def test_bytes_survive_the_way_to_floats_and_back() -> None:
    values = torch.arange(256, dtype=torch.uint8)
    assert torch.equal(to_bytes(to_signed(values)), values)


def test_micro_batches_train_as_the_whole_batch_does() -> None:
    whole, parts = (
        small_trainer(
            False, dtype=torch.float64, loss="relativistic", penalty=1.0, penalty_every=2, micro_batch=at_once
        )
        for at_once in (None, 5)
    )
    for _ in range(3):
        expected, found = whole.step(), parts.step()
        assert (found.loss_d, found.loss_g) == pytest.approx((expected.loss_d, expected.loss_g), rel=1e-9)
