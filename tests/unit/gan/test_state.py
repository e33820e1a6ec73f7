from __future__ import annotations

import json
from pathlib import Path

import pytest

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
from tests.support.gan_samples import small_trainer

DATA = TrainingData(labels=("a", "b", "c"), task="multi-class", dataset="f" * 64, trained_on=("1" * 64, "2" * 64))


@pytest.fixture
def saved(tmp_path: Path) -> Checkpoint:
    trainer = small_trainer()
    trainer.step()
    return save_checkpoint(tmp_path, trainer, DATA)


def test_written_and_read_are_equal(saved: Checkpoint, tmp_path: Path) -> None:
    assert read_checkpoint(saved.path) == saved
    assert newest_checkpoint(tmp_path) == saved
    assert saved.images == 16
    assert saved.trained_on == DATA.trained_on
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
    assert record["schema"] == 1
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
