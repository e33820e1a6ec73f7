"""A training starts from another run's GAN, on the same or other data, and never from one that saw held-out images."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from gan_aug import config as configs
from gan_aug.compute.local.executor import LocalExecutor
from gan_aug.config import Config
from gan_aug.data.manifest import Manifest
from gan_aug.errors import CheckpointError, ConfigError, LeakageError
from gan_aug.gan.state import RECORD, Checkpoint, _record, newest_checkpoint
from gan_aug.run.files import write_json
from gan_aug.run.folder import RunDir
from gan_aug.stages.context import saved_request, saved_storage
from gan_aug.stages.dry_run.plan import dry_run
from gan_aug.stages.gans.parts import gan_training
from gan_aug.stages.storage import RunStorage
from gan_aug.stages.trained.parent import bring_parent, find_parent, parent_in, record_of
from gan_aug.stages.verbs import start
from gan_aug.verification.gans import training_differences
from gan_aug.verification.run import verify_run
from tests.support.places import GOLDEN

OLD = GOLDEN / "run_0_1"


def asked(parent: Path, **data: Any) -> Config:
    """The golden run's config with a short training that starts from `parent`, and changes of its data."""
    values = configs.dump(saved_request(OLD)[1])
    values["data"] |= data
    values["train"] |= {"images": 64, "checkpoint_every": 32, "sample_every": 64, "start_from": str(parent)}
    return configs.parse(values, "the test")


def trained(folder: Path, request: Config) -> Checkpoint:
    checkpoints: list[Checkpoint] = start("train", request, RunDir(folder), LocalExecutor(1))
    return checkpoints[0]


def test_it_trains_on_with_the_same_data_and_needs_the_other_run_no_more(tmp_path: Path) -> None:
    parent = Path(shutil.copytree(OLD, tmp_path / "parent"))
    first = newest_checkpoint(OLD / "train/checkpoints")
    assert first
    made = trained(tmp_path / "run", asked(parent))
    assert made.parent
    assert (made.parent.checkpoint, made.parent.images) == (first.id, 320)
    assert (made.parent.trained_images, made.trained_images, made.parent.elsewhere) == (140, 140, 0)
    told = [path.read_text() for path in (tmp_path / "run/train").rglob("*.json")]
    assert sum(any(content in text for content in first.trained_on) for text in told) == 1, "in the copy of the old one"
    shutil.rmtree(parent)
    shutil.rmtree(made.path)
    assert trained(tmp_path / "run", asked(parent)).id == made.id
    chain = verify_run(saved_storage(tmp_path / "run"), lambda what, done, total: None)
    assert chain.broken is None
    assert f"it started from {first.id}, which saw 140 images, none of them in validation or test" in chain.to_text()
    assert "train/parent/seen.json" in chain.to_text()
    folder = tmp_path / "run/train/parent"
    (folder / "generator.safetensors").write_bytes(b"")
    assert "train/parent" in verify_run(saved_storage(tmp_path / "run"), lambda what, done, total: None).verdict
    shutil.rmtree(folder)
    chain = verify_run(saved_storage(tmp_path / "run"), lambda what, done, total: None)
    assert chain.broken is None, "only an interrupted training needs the copy"
    assert "train/parent/seen.json was not compared" in chain.verdict


def test_over_generations_it_is_known_what_was_seen_and_no_list_says_it(tmp_path: Path) -> None:
    first = newest_checkpoint(OLD / "train/checkpoints")
    assert first
    second = trained(tmp_path / "second", asked(OLD, filter="nearest", limit=12))  # other pixels, so other images
    manifest, request = Manifest.load(OLD / "dataset/manifest.json"), asked(tmp_path / "second").train_request
    third = RunDir(tmp_path / "third")
    bring_parent(third, request, second.networks, manifest)
    copy = parent_in(third)
    assert copy
    record = record_of(third, copy, manifest)
    assert (record.checkpoint, record.images) == (second.id, second.images + 320)
    assert record.trained_images == second.trained_images + len(first.trained_on)
    assert record.elsewhere == second.trained_images, "what the first one saw is in this training split again"
    own = [study.content for study in Manifest.load(tmp_path / "second/dataset/manifest.json").studies]
    for path in third.train.rglob("*.json"):
        assert not any(content in path.read_text() for content in (*own, *first.trained_on)), path
    seen = set(first.trained_on)
    held_out = [dataclasses.replace(s, split="test") if s.content in seen else s for s in manifest.studies]
    other = dataclasses.replace(manifest, studies=tuple(held_out))
    with pytest.raises(LeakageError, match="140 of the .* images that the GAN to start from was trained on are valid"):
        find_parent(request, second.networks, other)
    (tmp_path / "second/train/parent/seen.json").write_text('{"schema": 1, "hashes": []}')
    with pytest.raises(CheckpointError, match="is not what the GAN was trained with"):
        find_parent(request, second.networks, manifest)
    (tmp_path / "second/dataset/manifest.json").unlink()
    with pytest.raises(CheckpointError, match="needed to compare the images that the GAN saw"):
        find_parent(request, second.networks, manifest)


def test_on_other_data_labels_of_the_same_name_go_on(tmp_path: Path) -> None:
    other = asked(OLD, filter="nearest", names={"3": "three"}, limit=12)
    made = trained(tmp_path / "run", other)
    first = newest_checkpoint(OLD / "train/checkpoints")
    assert made.parent
    assert first
    assert set(made.labels) - set(first.labels) == {"three"}
    assert made.parent.trained_images == made.parent.elsewhere == len(first.trained_on)
    told = [json.loads(line) for line in (tmp_path / "run/events.jsonl").read_text().splitlines()]
    assert any("which saw 320 images, with its labels 0, 1, 2, 4" in event.get("message", "") for event in told)


def test_a_gan_that_saw_test_images_of_these_data_is_refused_before_training(tmp_path: Path) -> None:
    shuffled = asked(OLD).model_copy(update={"seed": 1})
    with pytest.raises(LeakageError, match="images that the GAN to start from was trained on are validation or test"):
        trained(tmp_path / "run", shuffled)
    assert parent_in(RunDir(tmp_path / "run")) is None


def test_each_gan_of_a_run_starts_from_the_other_runs_gan_of_its_number_modulo_theirs(tmp_path: Path) -> None:
    parent = Path(shutil.copytree(OLD, tmp_path / "parent"))
    first = newest_checkpoint(parent / "train/checkpoints")
    assert first
    shutil.copytree(parent / "train", parent / "gans/1/train")
    second = dataclasses.replace(first, settings=first.settings | {"seed": 77})
    write_json(parent / "gans/1/train/checkpoints/0000000320" / RECORD, _record(second))
    manifest, request = Manifest.load(OLD / "dataset/manifest.json"), asked(parent).train_request
    found = [find_parent(request, first.networks, manifest, gan) for gan in range(4)]
    assert [one and one.id for one in found] == [first.id, second.id, first.id, second.id]


def test_where_the_other_run_lies_is_no_difference_between_report_and_request(tmp_path: Path) -> None:
    request = asked(OLD)
    path = tmp_path / "gans/1/train/request.json"
    write_json(path, gan_training(request.train_request, 1).to_json())
    told = configs.parse(configs.reported(request), "a report")
    assert told.train.start_from is None
    assert training_differences(told, RunStorage(tmp_path, None), 2) == []
    other = told.model_copy(update={"train": told.train.model_copy(update={"lr": 0.5})})
    assert training_differences(other, RunStorage(tmp_path, None), 2) == [
        "config differs from the request in the train of GAN 1"
    ]


def test_what_cannot_be_started_from_is_said_at_once(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"train.start_from: .*nothing holds no trained GAN"):
        trained(tmp_path / "run", asked(tmp_path / "nothing"))
    assert not (tmp_path / "run/dataset").exists()
    with pytest.raises(CheckpointError, match="holds no trained GAN"):
        dry_run("train", asked(tmp_path / "nothing"), tmp_path / "run")
    with pytest.raises(CheckpointError, match="the shape 1x16x16, and those asked for 1x32x32"):
        trained(tmp_path / "larger", asked(OLD, size=32, limit=4))
    with pytest.raises(ConfigError, match="compare.sizes trains a GAN on each subset alone"):
        configs.read(asked(OLD), ("compare.sizes=[50]",))
