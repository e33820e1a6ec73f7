from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import numpy.typing as npt
import pytest

from gan_aug.data.synthetic.shards import SyntheticManifest
from gan_aug.errors import CheckpointError, ConfigError, ManifestError, ReleaseRefused, RunConflict, StorageError
from gan_aug.export.bundle import files as bundle_files
from gan_aug.privacy.gate import Leaving, release_model, release_set
from gan_aug.privacy.record import read_audit, to_text, write_audit
from gan_aug.run.files import write_json
from gan_aug.stages.release import export, send
from tests.support.audit_record import RECORD
from tests.support.cell_data import CellData, write_synthetic
from tests.support.places import ROOT
from tests.unit.export.bundle.checkpoints import write_checkpoint


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run folder that was asked for something, and holds no synthetic set."""
    write_json(tmp_path / "run" / "request.json", {"verb": "run", "config": {"data": {"source": "digits"}}})
    return tmp_path / "run"


@pytest.fixture
def whole(run: Path, cell_data: CellData) -> Path:
    """A run folder with a data set, and a synthetic set of its test images with noise, made by no GAN."""
    shutil.copytree(cell_data.dataset, run / "dataset")
    write_synthetic(run / "synthetic", noisy(cell_data), cell_data.manifest)
    return run


def noisy(cell_data: CellData) -> npt.NDArray[np.uint8]:
    """The test images with noise."""
    test = cell_data.images[cell_data.manifest.indices("test")].astype(np.float64)
    return (test + np.random.default_rng(1).normal(0, 20, test.shape)).clip(0, 255).astype(np.uint8)


def releases(run: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (run / "releases.jsonl").read_text().splitlines()]


def test_the_set_of_a_run_is_audited_and_exported(whole: Path, cell_data: CellData, tmp_path: Path) -> None:
    assert export(whole, "npz", tmp_path / "set.npz") == 200
    with np.load(tmp_path / "set.npz") as file:
        np.testing.assert_array_equal(file["images"], noisy(cell_data))
    record = read_audit(whole)
    assert record
    assert (record["images"], record["set"], record["discriminator"]) == (200, {"allowed": True, "reasons": []}, None)
    schema = json.loads((ROOT / "docs/reference/audit.schema.json").read_text())
    jsonschema.Draft202012Validator(schema).validate(json.loads((whole / "audit.json").read_text()))
    assert "The set may be released. The model may be released." in to_text(record)
    (entry,) = releases(whole)
    assert (entry["what"], entry["audited"], entry["refused"], entry["anyway"]) == ("set", True, None, None)
    with pytest.raises(StorageError, match="exists: choose another"):
        export(whole, "npz", tmp_path / "set.npz")


def test_copies_do_not_leave_without_a_reason(whole: Path, cell_data: CellData, tmp_path: Path) -> None:
    images = noisy(cell_data)
    images[:20] = cell_data.images[cell_data.manifest.indices("train")[:20]]
    made = write_synthetic(whole / "synthetic", images, cell_data.manifest)
    for _ in range(2):  # the second time by the audit that is there
        with pytest.raises(ReleaseRefused, match="20 images are copies of training images beyond chance") as refused:
            export(whole, "npz", tmp_path / "set.npz")
        assert refused.value.exit_code == 7
    assert not (tmp_path / "set.npz").exists()
    assert not (whole / "releases.jsonl").exists()
    record = read_audit(whole)
    assert record
    assert record["copies"]["confirmed"] == list(range(20))
    assert record["model"]["allowed"] is False
    with pytest.raises(ReleaseRefused, match="the model in .* 20 copies of training images were confirmed"):
        release_model(whole, made.checkpoint, Leaving("a test", "me"))
    with pytest.raises(ConfigError, match="needs a reason"):
        export(whole, "npz", tmp_path / "set.npz", anyway=" ")
    assert export(whole, "npz", tmp_path / "set.npz", anyway="the films are public") == 200
    (entry,) = releases(whole)
    assert entry["anyway"] == "the films are public"
    assert "20 images are copies" in entry["refused"]
    assert entry["who"]


def test_noisy_copies_of_all_training_images_do_not_leave(whole: Path, cell_data: CellData, tmp_path: Path) -> None:
    shutil.rmtree(whole / "synthetic")
    shutil.copytree(cell_data.synthetic, whole / "synthetic")
    with pytest.raises(ReleaseRefused, match="images are like copies of training images, and by chance at most"):
        export(whole, "png", tmp_path / "out")


def test_an_audit_counts_for_its_own_set_and_model_alone(whole: Path) -> None:
    made = SyntheticManifest.load(whole / "synthetic" / "manifest.json")
    record = {"synthetic": made.fingerprint, "checkpoint": "c0", "released": None}
    record |= {subject: {"allowed": True, "reasons": []} for subject in ("set", "model")}
    write_audit(whole, record)
    leaving = Leaving("a test", "me")
    assert release_set(whole, whole / "synthetic", made, leaving) == whole / "synthetic"
    release_model(whole, "c0", leaving)
    with pytest.raises(ReleaseRefused, match="no audit of it was made"):
        release_model(whole, "c1", leaving)
    with pytest.raises(ReleaseRefused, match="no audit of it was made; audit it by `gan-aug audit`"):
        release_set(whole, whole / "synthetic", dataclasses.replace(made, seed=made.seed + 1), leaving)
    altered = json.loads((whole / "audit.json").read_text()) | {"checkpoint": "c1"}
    (whole / "audit.json").write_text(json.dumps(altered))
    with pytest.raises(ManifestError, match="was altered"):
        release_model(whole, "c1", leaving)


def test_a_model_leaves_by_its_own_audit_and_the_card_says_so(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bundle_files, "program", lambda network, columns: b"no program")
    checkpoint = write_checkpoint(run / "train/checkpoints/0000000640", "dcgan", (1, 16, 16), ("a", "b"))
    write_json(run / "train/request.json", {"train": {"images": 640}})
    with pytest.raises(ManifestError, match="a model is audited by a synthetic set that it made: no "):
        export(run, "bundle", tmp_path / "no")
    with pytest.raises(ReleaseRefused, match="the model in .* may not leave: no audit of it was made"):
        release_model(run, checkpoint.id, Leaving("a test", "me"))
    assert export(run, "bundle", tmp_path / "first", anyway="a class") == 0
    assert "No privacy audit was made before" in (tmp_path / "first/docs/README.md").read_text()
    record = RECORD | {"checkpoint": checkpoint.id}
    write_audit(run, record | {"model": {"allowed": False, "reasons": ["copies"]}})
    with pytest.raises(ReleaseRefused, match="images are like copies"):
        export(run, "bundle", tmp_path / "no")
    export(run, "bundle", tmp_path / "second", anyway="a class")
    assert "The privacy audit refused the model" in (tmp_path / "second/docs/README.md").read_text()
    write_audit(run, record)
    export(run, "bundle", tmp_path / "third")
    told = (tmp_path / "third/docs/README.md").read_text()
    assert "The privacy audit allows the model to be released." in told
    assert "An audit is evidence, not proof." in told
    assert [entry["what"] for entry in releases(run)] == ["model"] * 3
    assert [entry["anyway"] for entry in releases(run)] == ["a class", "a class", None]
    write_json(tmp_path / "set/set.json", {})
    with pytest.raises(ConfigError, match="is a synthetic set, and this format is of a model"):
        export(tmp_path / "set", "bundle", tmp_path / "no")
    write_json(run / "train/request.json", {"train": {"images": 6400}})
    with pytest.raises(CheckpointError, match="has seen 640 of 6,400 images"):
        export(run, "bundle", tmp_path / "no", anyway="a class")
    assert not (tmp_path / "no").exists()


def test_what_cannot_be_exported_is_one_sentence(run: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no export format 'exe': use png, "):
        export(run, "exe", tmp_path / "out")
    with pytest.raises(ManifestError):
        export(run, "png", tmp_path / "out")
    with pytest.raises(RunConflict, match="not a run folder"):
        export(tmp_path / "none", "png", tmp_path / "out")
    assert sorted(tmp_path.iterdir()) == [run]


def test_an_address_with_a_secret_is_refused_before_anything_is_recorded(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="an address with a password would be recorded") as caught:
        send(tmp_path / "none", "stow", "https://user:hunter2@pacs.example/dicom-web", anyway="for a class")
    assert "hunter2" not in str(caught.value)
    with pytest.raises(ConfigError, match="no way to an archive called 'ftp': use stow, cstore"):
        send(tmp_path / "none", "ftp", "ftp://pacs.example")
    assert list(tmp_path.iterdir()) == []
