"""A training that starts from a trained GAN has its weights, of labels by name, and says what that one saw."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from gan_aug.errors import CheckpointError
from gan_aug.gan.networks.settings import NetworkSettings
from gan_aug.gan.state import RECORD, Checkpoint, Parent, TrainingData, read_checkpoint, restore, save_checkpoint
from gan_aug.gan.trainer import GanTrainer
from gan_aug.gan.transfer import NETWORKS, images_before, start_from
from tests.support.gan_samples import NETWORKS as SETTINGS
from tests.support.gan_samples import batches, small_trainer

LABELS = ("a", "b", "c")
DATA = TrainingData(LABELS, "multi-class", "f" * 64, 2)


def trained(folder: Path, spectral: bool = True) -> Checkpoint:
    trainer = small_trainer(spectral)
    for _ in range(2):
        trainer.step()
    return save_checkpoint(folder, trainer, DATA)


def weights(trainer: GanTrainer) -> dict[str, torch.Tensor]:
    return {
        f"{name}.{key}": value.clone()
        for name in NETWORKS
        for key, value in getattr(trainer, name).state_dict().items()
    }


@pytest.mark.parametrize("spectral", [True, False])
def test_with_the_same_labels_every_weight_is_taken(tmp_path: Path, spectral: bool) -> None:
    checkpoint, before = trained(tmp_path, spectral), small_trainer(spectral)
    restore(before, checkpoint)
    started = small_trainer(spectral, seed=9)
    start_from(started, checkpoint, LABELS)
    for key, value in weights(before).items():
        assert torch.equal(weights(started)[key], value), key
    assert (started.images, started.before) == (0, 32)
    assert not started.optimizers["generator"].state_dict()["state"]


@pytest.mark.parametrize("spectral", [True, False])
def test_labels_are_matched_by_name_and_new_ones_start_anew(tmp_path: Path, spectral: bool) -> None:
    checkpoint, before = trained(tmp_path, spectral), small_trainer(spectral)
    restore(before, checkpoint)

    def four(first: int, count: int) -> tuple[torch.Tensor, torch.Tensor]:
        images, labels = batches(first, count)
        return images, torch.nn.functional.pad(labels, (1, 0))

    networks = NetworkSettings(SETTINGS.shape, 4, SETTINGS.width, SETTINGS.latent, spectral)
    started = GanTrainer(networks, replace(before.settings, seed=9), four)
    fresh, old = weights(started), weights(before)
    start_from(started, checkpoint, ("new", "c", "a", "other"))
    new = weights(started)
    head = "discriminator.projection." + ("parametrizations.weight.original" if spectral else "weight")
    columns = {"generator.project.weight": SETTINGS.latent, "average.norms.0.modulation.weight": 0, head: 0}
    for key, labels_at in columns.items():
        assert torch.equal(new[key][:, :labels_at], old[key][:, :labels_at]), key
        assert torch.equal(new[key][:, labels_at + 1], old[key][:, labels_at + 2]), key  # c
        assert torch.equal(new[key][:, labels_at + 2], old[key][:, labels_at]), key  # a
        for label in (0, 3):
            assert torch.equal(new[key][:, labels_at + label], fresh[key][:, labels_at + label]), key
    of_labels = ("project.", "modulation.", "projection.")
    for key in new.keys() - columns.keys():
        assert any(layer in key for layer in of_labels) or torch.equal(new[key], old[key]), key
    assert started.step().images == 16


@pytest.mark.parametrize(
    ("other", "said"),
    [
        ({"shape": (3, 16, 16)}, "the shape 1x16x16, and those asked for 3x16x16: set data.size and data.channels"),
        ({"shape": (1, 32, 32)}, "the shape 1x16x16, and those asked for 1x32x32"),
        ({"network": "resize"}, "the network dcgan, and those asked for resize: set gan.network"),
        ({"width": 4}, "the width 8, and those asked for 4: set gan.width"),
        ({"latent": 16}, "gan.latent"),
        ({"spectral": False}, "gan.regularizer"),
    ],
)
def test_other_networks_are_refused_in_a_sentence(tmp_path: Path, other: dict[str, object], said: str) -> None:
    started = GanTrainer(replace(SETTINGS, **other), small_trainer().settings, batches)  # type: ignore[arg-type]
    with pytest.raises(CheckpointError, match=said):
        start_from(started, trained(tmp_path), LABELS)


def test_how_much_all_its_parents_saw_is_in_the_checkpoint(tmp_path: Path) -> None:
    first = trained(tmp_path / "first")
    assert "parent" not in json.loads((first.path / RECORD).read_text()), "else the id of every checkpoint would change"
    parent = Parent(first.id, images_before(first), trained_images=2, elsewhere=1, seen="5" * 64)
    data = replace(DATA, dataset="e" * 64, trained_images=1, parent=parent)
    second = small_trainer(images=32)
    start_from(second, first, LABELS)
    second.step()
    saved = save_checkpoint(tmp_path / "second", second, data)
    assert read_checkpoint(saved.path) == saved
    assert saved.id != replace(saved, parent=None).id
    assert images_before(saved) == 32 + 16


def test_resumed_it_is_as_uninterrupted(tmp_path: Path) -> None:
    parent = trained(tmp_path / "parent")
    whole, half = small_trainer(seed=3), small_trainer(seed=3)
    for trainer in (whole, half):
        start_from(trainer, parent, LABELS)
        trainer.step()
    saved = save_checkpoint(tmp_path / "half", half, replace(DATA, parent=Parent(parent.id, images_before(parent))))
    resumed = small_trainer(seed=3)
    restore(resumed, saved)
    whole.step()
    resumed.step()
    for key, value in weights(whole).items():
        assert torch.equal(weights(resumed)[key], value), key
