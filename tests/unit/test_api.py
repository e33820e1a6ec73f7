"""`gan_aug` as a library: runs opened and read as Python values, and every example of the reference page."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from torch.utils.data import DataLoader

import gan_aug
from gan_aug import api
from gan_aug.errors import CheckpointError, ConfigError, DataError, ManifestError, RunConflict
from gan_aug.run.events import Event
from tests.support.places import GOLDEN, ROOT

OLD = GOLDEN / "run_0_1"
PAGE = ROOT / "docs/reference/python.md"
FILMS: dict[str, Any] = {
    "data": {
        "source": "digits",
        "size": 16,
        "limit": 12,
        "names": {str(digit): "pneumonia" if digit % 2 else "normal" for digit in range(10)},
    },
    "gan": {"width": 2, "latent": 8},
    "train": {"images": 128, "batch": 32, "checkpoint_every": 128, "sample_every": 128},
    "synthesis": {"shard": 64},
    "classifier": {"name": "softmax", "steps": 10, "epochs": 1},
    "compare": {"arms": ["real", "mixed"], "seeds": 2, "gans": 1, "canaries": False, "features": "random"},
    "compute": {"workers": 1, "threads": 1, "device": "cpu"},
}
"""A run of some seconds, on digits that are called films."""


@pytest.fixture
def old(tmp_path: Path) -> api.Run:
    """A whole run."""
    return gan_aug.open(shutil.copytree(OLD, tmp_path / "run"))


def test_the_reference_page_does_what_it_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("films.yaml").write_text(yaml.safe_dump(FILMS))
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert len(blocks) > 8
    names: dict[str, Any] = {}
    for block in blocks:
        exec(compile(block, str(PAGE), "exec"), names)  # noqa: S102 - it is our own page
    printed = capsys.readouterr().out
    assert "<run in runs/films: dataset, model, synthetic, report>" in printed
    assert "real: AUC 0." in printed
    assert "improves" in printed
    assert "runs/nowhere is not a run folder" in printed
    made, row = names["run"], names["row"]
    assert row.labels == (max(row.probabilities, key=row.probabilities.__getitem__),)
    assert not (made.folder / "predictions.png").exists()
    assert np.array_equal(names["generator"].sample("pneumonia", 1, seed=1, first=7)[0], names["films"][7])
    with np.load("synthetic.npz", allow_pickle=False) as exported:
        assert len(exported["images"]) == len(made.synthetic_images())

    events: list[Event] = []
    again = made.resume(progress=events.append)
    assert figures(again) == figures(made)
    assert "train" not in {event.stage for event in events}  # it was whole


def test_a_config_comes_as_a_file_values_or_a_config(tmp_path: Path) -> None:
    file = tmp_path / "films.yaml"
    file.write_text(yaml.safe_dump(FILMS))
    for config in (file, str(file), FILMS, gan_aug.Config.model_validate(FILMS)):
        run = gan_aug.run(config, tmp_path / "run", set=("data.limit=3", "seed=4"), verb="import")
        assert (run.verb, run.config.seed, run.config.data.limit) == ("import", 4, 3)
        assert len(run.images("train")) + len(run.images("validation")) + len(run.images("test")) == 6
    assert FILMS["data"]["limit"] == 12
    with pytest.raises(ConfigError, match="train.imagse"):
        gan_aug.run(FILMS, tmp_path / "other", set=("train.imagse=4",))
    with pytest.raises(ConfigError, match="no verb 'dream'"):
        gan_aug.run(FILMS, tmp_path / "other", verb="dream")  # type: ignore[arg-type]
    with pytest.raises(RunConflict, match="seed was 4, now 5"):
        gan_aug.run(FILMS, tmp_path / "run", set=("data.limit=3", "seed=5"), verb="import")


def test_what_a_run_does_not_have_says_so(tmp_path: Path) -> None:
    run = gan_aug.run(FILMS, tmp_path / "run", verb="import")
    assert repr(run) == f"<run in {tmp_path / 'run'}: dataset>"
    assert run.report is None
    assert "<table>" not in run._repr_html_()
    with pytest.raises(CheckpointError, match="no trained GAN"):
        run.generator()
    with pytest.raises(ManifestError, match="no synthetic manifest"):
        run.synthetic_images()
    with pytest.raises(DataError, match="no classifier of the arm 'real'"):
        run.predict([ROOT / "docs/images/digits.png"])
    with pytest.raises(RunConflict, match="no request.json"):
        gan_aug.open(tmp_path)


def test_a_whole_run_is_read(old: api.Run) -> None:
    report, raw = old.report, json.loads((OLD / "report.json").read_text())
    assert report is not None
    assert report.raw == raw
    assert report.arms.keys() == raw["arms"].keys()
    assert old.manifest.fingerprint == report.provenance.manifest
    shown = old._repr_html_()
    assert all(f"<th>{arm}</th>" in shown for arm in report.arms)
    assert f"<td>{report.arms['real'].auc.value:.3f}</td>" in shown
    with pytest.raises(ConfigError, match="no split 'tset'"):
        old.images("tset")  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="no export format 'jpeg'"):
        old.export("jpeg", old.folder / "set")


def test_real_images_are_those_of_the_manifest(old: api.Run) -> None:
    manifest, stored = old.manifest, np.load(OLD / "dataset/images.npy", allow_pickle=False)
    for split in ("train", "validation", "test"):
        images = old.images(split)  # type: ignore[arg-type]
        rows = manifest.indices(split)  # type: ignore[arg-type]
        assert len(images) == len(rows) > 0
        for (image, label), row in zip(images, rows, strict=True):  # type: ignore[arg-type]
            assert np.array_equal(image.numpy(), stored[row])
            assert (label,) == manifest.studies[row].labels


def test_synthetic_images_are_those_of_the_shards(old: api.Run) -> None:
    record = json.loads((OLD / "synthetic/manifest.json").read_text())
    shards = [np.load(OLD / "synthetic" / shard["file"], allow_pickle=False) for shard in record["shards"]]
    images = old.synthetic_images()
    batches = list(DataLoader(images, batch_size=64))
    assert np.array_equal(np.concatenate([batch.numpy() for batch, _ in batches]), np.concatenate(shards))
    assert [(label,) for _, labels in batches for label in labels.tolist()] == [*map(tuple, record["image_labels"])]


def test_the_generator_makes_the_images_of_the_shards_again(old: api.Run) -> None:
    """Image k follows from its seed, number and label; on another processor than made the set, to a grey level."""
    generator, made = old.generator(), old.synthetic_images()
    assert generator.labels == old.manifest.labels
    assert generator.shape == old.manifest.shape
    for number in (0, 1, 63, 64, 65, 199):
        image, label = made[number]
        again = generator.sample(int(label), 1, seed=0, first=number)[0]
        assert np.abs(again.astype(int) - image.numpy().astype(int)).max() <= 1


def test_a_report_is_written_again_and_its_chain_verified(old: api.Run) -> None:
    before = old.report
    (old.folder / "report.json").unlink()
    assert old.report is None
    written = old.write_report()
    assert written == old.report
    assert before is not None
    assert written.arms.keys() == before.arms.keys()

    events: list[Event] = []
    chain = old.verify(events.append)
    assert chain.broken is None
    assert {event.unit for event in events if event.kind == "progress"} == {
        "images",
        "synthetic images",
        "cells scored again",
    }
    shard = min(old.folder.glob("synthetic/shard-*.npy"))
    shard.write_bytes(shard.read_bytes()[:-1] + b"\0\0")
    with pytest.raises(ManifestError, match="shard-00000"):
        old.verify(events.append).raise_broken()


def figures(run: api.Run) -> dict[str, Any]:
    """A report's raw values, without what differs from machine to machine and from time to time."""
    assert run.report is not None
    return {key: value for key, value in run.report.raw.items() if key not in ("environment", "timing")}


def test_progress_is_shown_to_who_watches(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    gan_aug.run(FILMS, tmp_path / "quiet", verb="import")
    assert capsys.readouterr().err == ""
    monkeypatch.setattr("sys.ps1", ">>> ", raising=False)
    gan_aug.run(FILMS, tmp_path / "shown", verb="import")
    assert "dataset: importing digits" in capsys.readouterr().err
