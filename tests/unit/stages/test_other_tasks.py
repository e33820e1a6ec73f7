"""The whole way for what the quickstart is not: colour, several labels at once, one class alone."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gan_aug.data.synthetic.shards import SyntheticManifest, read_images
from tests.support.command_line import call

SMALL = (
    "gan: {width: 2, latent: 4, balance: classes}\ntrain: {images: 96, batch: 16, checkpoint_every: 96}\n"
    "classifier: {name: small-cnn, steps: 10, batch: 8, epochs: 2}\ncompare: {seeds: 1}\ncompute: {workers: 1}\n"
)


def picture(path: Path, seed: int, colour: bool) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    shape = (24, 20, 3) if colour else (24, 20)
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)).save(path)


def test_colour_films_with_several_labels_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = ["file,findings,patient"]
    for i in range(80):
        picture(tmp_path / "films" / f"{i}.png", i, colour=True)
        rows.append(f"{i}.png,{['effusion', 'nodule', 'effusion|nodule', 'No Finding'][i % 4]},p{i // 2}")
    (tmp_path / "films" / "index.csv").write_text("\n".join(rows))
    config = tmp_path / "films.yaml"
    config.write_text(
        f"data: {{source: csv, root: {tmp_path / 'films'}, size: [24, 16], fit: crop, label_separator: '|',"
        " columns: {label: findings, patient: patient}}\n" + SMALL
    )
    assert call(monkeypatch, "run", config, "--run", tmp_path / "run") == 0
    report = json.loads((tmp_path / "run" / "report.json").read_text())
    assert report["dataset"]["task"] == "multi-label"
    assert report["dataset"]["labels"] == ["effusion", "nodule"]
    made = SyntheticManifest.load(tmp_path / "run/synthetic/manifest.json")
    assert read_images(tmp_path / "run/synthetic", made).shape[1:] == (3, 24, 16)
    assert set(made.image_labels) == {(0,), (1,), (0, 1), ()}
    assert call(monkeypatch, "export", tmp_path / "run", "--out", tmp_path / "out") == 0
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        "effusion", "nodule", "effusion+nodule", "none", "labels.csv", "README.txt", "synthetic.json", "SHA256SUMS",
    }  # fmt: skip


def test_one_class_alone_trains_and_generates(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for i in range(30):
        picture(tmp_path / "films" / "hand" / f"{i}.png", i, colour=False)
    config = tmp_path / "hands.yaml"
    config.write_text(f"data: {{source: folder, root: {tmp_path / 'films'}, size: 32}}\n" + SMALL)
    run = ("--run", tmp_path / "run")
    assert call(monkeypatch, "run", config, *run) == 3
    assert "a comparison needs two classes" in capsys.readouterr().err
    assert call(monkeypatch, "train", config, *run) == 0
    assert call(monkeypatch, "generate", config, *run) == 0
    made = SyntheticManifest.load(tmp_path / "run/synthetic/manifest.json")
    assert set(made.image_labels) == {(0,)}
    assert (tmp_path / "run/train/samples-0000000096.png").exists()
