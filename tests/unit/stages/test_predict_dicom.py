"""Predicting for DICOM files: read as the run's own data were, a row a frame."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.support.command_line import call
from tests.support.dicom.samples import dataset, save

WINDOW = {"WindowCenter": 128, "WindowWidth": 256}
"""Leaves 8-bit values as they are."""


def film(level: int, seed: int) -> np.ndarray:
    """Dark where `level` is 0, bright where it is 1."""
    return np.random.default_rng([level, seed]).integers(0, 80, (12, 10), dtype=np.uint8) + np.uint8(150 * level)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run whose classifier tells dark films from bright ones; every second frame is asked for."""
    folder = tmp_path_factory.mktemp("predict")
    for level, name in enumerate(("dark", "bright")):
        for seed in range(24):
            save(folder / "films" / name / f"{seed}", dataset(film(level, seed), **WINDOW))
    config = folder / "job.yaml"
    config.write_text(
        f"data: {{source: dicom, root: {folder / 'films'}, size: 8, dicom: {{frames: 2}}}}\n"
        "classifier: {name: softmax, steps: 60, epochs: 4}\ncompare: {arms: [real], seeds: 1}\ncompute: {workers: 1}\n"
    )
    with pytest.MonkeyPatch.context() as monkeypatch:
        assert call(monkeypatch, "compare", config, "--run", folder / "run") == 0
    return folder / "run"


def test_dicom_files_of_a_run_of_dicom_files(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    single = save(tmp_path / "one", dataset(film(1, 99), **WINDOW))
    frames = np.stack([film(level, 50 + level) for level in (0, 1, 1, 0, 1)])
    several = save(tmp_path / "several.dcm", dataset(frames, NumberOfFrames=5, **WINDOW))
    png = tmp_path / "dark.png"
    Image.fromarray(film(0, 51)).save(png)
    capsys.readouterr()
    assert call(monkeypatch, "predict", run, single, several, png, "--json") == 0
    rows = json.loads(capsys.readouterr().out)
    assert [(Path(row["file"]).name, row.get("frame"), row["labels"]) for row in rows] == [
        ("one", None, ["bright"]),
        ("several.dcm", 1, ["dark"]),
        ("several.dcm", 3, ["bright"]),
        ("several.dcm", 5, ["bright"]),
        ("dark.png", None, ["dark"]),
    ]
    # The same pixels as DICOM and as PNG are the same image.
    Image.fromarray(film(1, 99)).save(tmp_path / "same.png")
    assert call(monkeypatch, "predict", run, tmp_path / "same.png", "--json") == 0
    (same,) = json.loads(capsys.readouterr().out)
    assert same["probabilities"] == pytest.approx(rows[0]["probabilities"])
    assert call(monkeypatch, "predict", run, several) == 0
    said = capsys.readouterr().out
    assert "several.dcm frame 3: bright (" in said
    assert "assumed" not in said
    odd = [save(tmp_path / f"odd {k}", dataset(film(1, k), **(WINDOW | {"WindowWidth": -1}))) for k in range(2)]
    assert call(monkeypatch, "predict", run, *odd) == 0
    said = capsys.readouterr().out
    assert "assumed of files or images, as they lack a value or hold one that makes no sense:\n  2: " in said
    assert call(monkeypatch, "predict", run, *odd, "--json") == 0
    assert all(row["assumed"] for row in json.loads(capsys.readouterr().out))
    assert (run / "predictions.png").exists()


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("burned", "its Burned In Annotation (0028,0301) is YES"),
        ("report", "it holds no pixels (Basic Text SR Storage)"),
        ("text.dcm", "not a DICOM file"),
        ("text.png", "not an image that can be decoded"),
        ("nothing", "the file is empty"),
        ("torn", "its pixel data is truncated"),
        ("folder", "no image file in"),
    ],
)
def test_what_cannot_be_shown_is_one_sentence(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str, said: str
) -> None:
    (tmp_path / "folder").mkdir()
    whole = save(tmp_path / "whole").read_bytes()
    contents = {"text.dcm": b"hello", "text.png": b"hello", "nothing": b"", "torn": whole[:-40]}
    for text, content in contents.items():
        (tmp_path / text).write_bytes(content)
    save(tmp_path / "burned", BurnedInAnnotation="YES")
    save(tmp_path / "report", SOPClassUID="1.2.840.10008.5.1.4.1.1.88.11", PixelData=None, Rows=None)
    capsys.readouterr()
    assert call(monkeypatch, "predict", run, tmp_path / name) == 3
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1
    assert said in lines[0]
    assert str(tmp_path / name) in lines[0]


def test_a_dicom_file_in_a_run_of_other_images(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for level, name in enumerate(("dark", "bright")):
        for seed in range(24):
            path = tmp_path / "films" / name / f"{seed}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(film(level, seed)).save(path)
    (tmp_path / "job.yaml").write_text(
        f"data: {{source: folder, root: {tmp_path / 'films'}, size: 8}}\n"
        "classifier: {name: softmax, steps: 60, epochs: 4}\ncompare: {arms: [real], seeds: 1}\ncompute: {workers: 1}\n"
    )
    assert call(monkeypatch, "compare", tmp_path / "job.yaml", "--run", tmp_path / "run") == 0
    turned = dataset(255 - film(0, 60), PhotometricInterpretation="MONOCHROME1", **WINDOW)
    made = save(tmp_path / "film.png", turned)  # what it is it says itself, whatever its name
    capsys.readouterr()
    assert call(monkeypatch, "predict", tmp_path / "run", made, "--json") == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert row["labels"] == ["dark"]
