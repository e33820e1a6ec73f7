"""The latent tools by command line and from Python, on a run of ten digits."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import gan_aug
from gan_aug.errors import ConfigError, DataError, GanAugError, StorageError
from gan_aug.run.events import Event
from tests.support.command_line import call
from tests.support.places import GOLDEN


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return Path(shutil.copytree(GOLDEN / "run_0_1", tmp_path_factory.mktemp("latent") / "run"))


def test_a_patient_becomes_ill_in_steps(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "ill"
    assert call(monkeypatch, "latent", run, "--from", 3, "--to", 8, "--seed", 5, "--steps", 4, "--out", out) == 0
    said = capsys.readouterr().out
    assert "3 0.67, 8 0.33, seed 5, classifier: 8 0." in said
    assert "the classifier of the arm real (AUC of this arm on the real test images 0.873" in said
    assert "not how likely a disease is" in said
    with (out / "index.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    generator = gan_aug.open(run).generator()
    for label, row in (("3", rows[0]), ("8", rows[-1])):
        with Image.open(out / row["file"]) as picture:
            assert np.array_equal(np.asarray(picture), generator.sample(label, 1, 5)[0, 0])
    again = gan_aug.open(run).predict([out / row["file"] for row in rows])
    for row, prediction in zip(rows, again, strict=True):
        assert float(row["probability of 8"]) == pytest.approx(prediction.probabilities["8"], abs=1e-6)


def test_cases_are_called_as_wished_by_command_line_and_from_python(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    events: list[Event] = []
    tools = gan_aug.open(run).latent_tools()
    asked = {"of": "8", "tolerance": 0.001, "count": 2, "images": 16, "seed": 3}
    found = tools.cases_at("3", 0.08, **asked, progress=events.append)  # type: ignore[arg-type]
    assert len(found) == 2
    assert found.scores is not None
    assert np.abs(found.scores.probabilities[:, 8] - 0.08).max() <= 0.001
    assert (events[0].kind, events[-1].done) == ("start", found.search and found.search["made"])
    options = ["--of", 8, "--tolerance", 0.001, "--count", 2, "--search", 16, "--seed", 3, "--json"]
    out = tmp_path / "cases"
    assert call(monkeypatch, "latent", run, "--label", 3, "--confidence", 0.08, *options, "--out", out) == 0
    said = json.loads(capsys.readouterr().out)
    assert said == {"out": str(out)} | found.to_json()
    for row, image, file in zip(said["images"], found.images, ("images/000.png", "images/001.png"), strict=True):
        with Image.open(out / file) as picture:
            assert np.array_equal(np.asarray(picture), image[0])
        (prediction,) = gan_aug.open(run).predict([out / file])
        assert row["probabilities"]["8"] == pytest.approx(prediction.probabilities["8"], abs=1e-6)


def test_too_few_cases_are_written_and_told(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ["--label", 3, "--confidence", 0.13, "--tolerance", 0.03, "--search", 1, "--count", 9]
    assert call(monkeypatch, "latent", run, *asked, "--out", tmp_path / "few.png") == DataError.exit_code
    said = capsys.readouterr()
    assert "1 of 9 cases were found, and written" in said.err
    assert (tmp_path / "few.png").exists()


WALK = ["--from", "3", "--to", "8"]
CASE = ["--label", "3", "--confidence", "0.5"]


@pytest.mark.parametrize(
    ("options", "says", "error"),
    [
        ([], "give the label of all images by --label", ConfigError),
        (["--from", "3"], "give the label of all images by --label", ConfigError),
        (["--label", "3", *WALK], "give the label of all images by --label", ConfigError),
        (["--label", "3"], "nothing changes", ConfigError),
        ([*WALK, "--count", "3"], "--count goes with --confidence", ConfigError),
        ([*CASE, "--steps", "3"], "--steps goes with a way from one image to another", ConfigError),
        ([*CASE, "--confidence", "1.5"], "confidence 1.5", DataError),
        ([*CASE, "--of", "ten"], "no label 'ten'", DataError),
        ([*CASE, "--confidence", "0.99"], "no image was called '3' with 0.99", DataError),
        ([*CASE, "--arm", "duplicate"], "no classifier of the arm 'duplicate'", DataError),
        ([*WALK, "--arm", "duplicate"], "no classifier of the arm 'duplicate'", DataError),
        ([*WALK, "--steps", "1"], "1 steps", DataError),
        ([*WALK, "--truncation", "nan"], "truncation nan", DataError),
        ([*WALK, "--number", f"{2**70}"], "first is below 2^63", DataError),
        (["--from", "none", "--to", "8"], "no label 'none'", DataError),
        (["--label", "3", "--label", "8", "--to-seed", "4"], "exactly one label", DataError),
        ([*WALK, "--gan", "2"], "has no GAN 2", GanAugError),
        ([*WALK, "--out", "strip.jpg"], "--out is a .png", StorageError),
    ],
)
def test_a_fault_is_one_sentence(
    run: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    options: list[str],
    says: str,
    error: type[GanAugError],
) -> None:
    monkeypatch.chdir(tmp_path)
    code = (
        call(monkeypatch, "latent", run, "--out", "out", "--search", 20, *options)
        if "--confidence" in options
        else (call(monkeypatch, "latent", run, "--out", "out", *options))
    )
    told = capsys.readouterr().err.splitlines()
    assert told[-1].startswith("gan-aug: ")
    assert says in told[-1]
    assert code == error.exit_code or error is GanAugError
    assert list(tmp_path.iterdir()) == []


def test_without_a_comparison_a_walk_has_no_scores_and_a_case_is_refused(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    bare = Path(shutil.copytree(run, tmp_path / "bare"))
    shutil.rmtree(bare / "compare")
    moves = ["--label", 3, "--to-seed", 4, "--truncation", 0.5, "--to-truncation", 1, "--steps", 3]
    assert call(monkeypatch, "latent", bare, *moves, "--out", tmp_path / "walk.png", "--json") == 0
    said = json.loads(capsys.readouterr().out)
    assert "classifier" not in said
    assert [row["truncation"] for row in said["images"]] == [0.5, 0.75, 1.0]
    assert [row["to_seed"] for row in said["images"]] == [None, 4, None]
    assert call(monkeypatch, "latent", bare, *CASE, "--out", tmp_path / "case.png") == DataError.exit_code
    assert "run `gan-aug compare` on it first" in capsys.readouterr().err
