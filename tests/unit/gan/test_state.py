from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from gan_aug.compute.threads import torch_threads
from gan_aug.data.manifest import multi_hot
from gan_aug.data.synthetic.shards import SyntheticManifest
from gan_aug.errors import CheckpointError
from gan_aug.gan.state import (
    Checkpoint,
    TrainingData,
    load_generator,
    newest_checkpoint,
    read_checkpoint,
    restore,
    save_checkpoint,
)
from gan_aug.gan.trainer import GanTrainer, TrainSettings
from gan_aug.synthesis.sampler import sample
from tests.sameness.test_run_of_0_1 import MACHINE, machine
from tests.support.gan_samples import small_trainer
from tests.support.places import GOLDEN

DATA = TrainingData(labels=("a", "b", "c"), task="multi-class", dataset="f" * 64, trained_images=2)


@pytest.fixture
def saved(tmp_path: Path) -> Checkpoint:
    trainer = small_trainer()
    trainer.step()
    return save_checkpoint(tmp_path, trainer, DATA)


def test_written_and_read_are_equal(saved: Checkpoint, tmp_path: Path) -> None:
    assert read_checkpoint(saved.path) == saved
    assert newest_checkpoint(tmp_path) == saved
    assert saved.images == 16
    assert saved.trained_images == DATA.trained_images == 2
    assert not list(tmp_path.glob(".*")), "no temporary folder may stay"


def test_the_id_depends_on_the_content_and_not_on_the_place(saved: Checkpoint, tmp_path: Path) -> None:
    moved = saved.path.rename(tmp_path / "elsewhere")
    assert read_checkpoint(moved).id == saved.id


def test_the_shared_file_holds_the_averaged_generator_alone(saved: Checkpoint) -> None:
    generator = load_generator(saved)
    assert set(generator.state_dict()) == set(small_trainer().average.state_dict())
    assert not generator.training


@pytest.mark.parametrize("name", ["generator.safetensors", "training.safetensors"])
def test_an_altered_file_is_not_believed(saved: Checkpoint, name: str, tmp_path: Path) -> None:
    content = bytearray((saved.path / name).read_bytes())
    content[-1] ^= 1
    (saved.path / name).write_bytes(content)
    with pytest.raises(CheckpointError, match=f"{name} was altered or cut short"):
        read_checkpoint(saved.path)
    assert newest_checkpoint(tmp_path) is None


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"schema": 99}'])
def test_a_torn_record_is_one_sentence(saved: Checkpoint, text: str) -> None:
    (saved.path / "checkpoint.json").write_text(text)
    with pytest.raises(CheckpointError):
        read_checkpoint(saved.path)


def test_the_newest_whole_one_counts(saved: Checkpoint, tmp_path: Path) -> None:
    trainer = small_trainer()
    restore(trainer, saved)
    trainer.step()
    later = save_checkpoint(tmp_path, trainer, DATA)
    (later.path / "training.safetensors").unlink()
    assert newest_checkpoint(tmp_path) == saved


def test_other_networks_are_refused(saved: Checkpoint) -> None:
    with pytest.raises(CheckpointError, match="other networks"):
        restore(small_trainer(spectral=False), saved)


def test_the_record_is_plain_json_with_sums(saved: Checkpoint) -> None:
    record = json.loads((saved.path / "checkpoint.json").read_text())
    assert record["schema"] == 3
    assert set(record["files"]) == {"generator.safetensors", "training.safetensors"}


def test_a_record_names_the_network_unless_it_is_the_first_one(saved: Checkpoint, tmp_path: Path) -> None:
    record = json.loads((saved.path / "checkpoint.json").read_text())
    assert "network" not in record["networks"], "else the id of every checkpoint would change"
    other = save_checkpoint(tmp_path / "other", small_trainer(network="residual"), DATA)
    path = other.path / "checkpoint.json"
    record = json.loads(path.read_text())
    assert record["networks"]["network"] == "residual"
    assert read_checkpoint(other.path) == other
    assert load_generator(other).settings.network == "residual"
    with pytest.raises(CheckpointError, match="other networks"):
        restore(small_trainer(), other)
    record["networks"]["network"] = "next"
    path.write_text(json.dumps(record))
    with pytest.raises(CheckpointError, match="holds the network next, which this version does not know"):
        read_checkpoint(other.path)


def test_a_checkpoint_of_version_0_1_keeps_its_id_and_its_images() -> None:
    (path,) = (GOLDEN / "run_0_1/train/checkpoints").iterdir()
    old = read_checkpoint(path)
    shards = SyntheticManifest.load(GOLDEN / "run_0_1/synthetic/manifest.json")
    assert old.id == shards.checkpoint
    generator = load_generator(old)
    labels = multi_hot(list(shards.image_labels), len(shards.labels))
    with torch_threads(1):
        made = sample(generator, labels, seed=shards.seed).astype(int)
    kept = [np.load(GOLDEN / "run_0_1/synthetic" / shard.file, allow_pickle=False) for shard in shards.shards]
    differ = np.abs(made - np.concatenate(kept).astype(int))
    # To the bit on the machine that made them. Another processor rounds sums in another order.
    assert differ.max() <= (0 if machine() == json.loads(MACHINE.read_text()) else 1)


def test_a_training_of_version_0_1_goes_on(tmp_path: Path) -> None:
    (path,) = (GOLDEN / "run_0_1/train/checkpoints").iterdir()
    old = read_checkpoint(path)
    labels = torch.eye(10)[torch.arange(32) % 10]
    trainer = GanTrainer(
        old.networks, TrainSettings(images=352, batch=32), lambda _, n: (torch.zeros(n, 1, 16, 16).byte(), labels[:n])
    )
    restore(trainer, old)
    assert trainer.step().images == 352
    saved = save_checkpoint(tmp_path, trainer, DATA)
    assert (old.schema, saved.schema, read_checkpoint(saved.path).schema) == (1, 3, 3)
