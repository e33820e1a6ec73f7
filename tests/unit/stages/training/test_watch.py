"""Trainings whose checkpoints are scored: what is kept, what is told, and that a resumed one decides alike."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gan_aug import config as configs
from gan_aug.compute.local.executor import LocalExecutor
from gan_aug.config.compare import ClassifierConfig
from gan_aug.data.manifest import Manifest
from gan_aug.errors import Cancelled, CheckpointError
from gan_aug.evaluation.checkpoints import judge
from gan_aug.evaluation.checkpoints.scores import Scores
from gan_aug.gan.chosen import chosen_checkpoint, is_whole
from gan_aug.gan.state import Checkpoint, newest_checkpoint
from gan_aug.run.folder import RunDir
from gan_aug.stages.storage import RunStorage
from gan_aug.stages.training import watch
from gan_aug.stages.verbs import start
from gan_aug.synthesis.generator import load_generator
from gan_aug.verification.scores import check_scores


@pytest.fixture(autouse=True)
def _short_judge(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(judge, "RECIPE", ClassifierConfig(name="small-cnn", steps=8, epochs=1, batch=32))


def config(**train: Any) -> configs.Config:
    values = {
        "data": {"source": "digits", "size": 16, "limit": 30},
        "train": {"images": 320, "batch": 32, "score_every": 96, "checkpoint_every": 320, "sample_every": 320, **train},
        "gan": {"width": 2, "latent": 4, "augment": []},
        "compare": {"gans": 1},
        "compute": {"workers": 1, "threads": 1, "cache": 0, "device": "cpu"},
    }
    return configs.parse(values, "a test")


def trained(folder: Path, request: configs.Config, images: Path | None = None) -> Checkpoint:
    if images and not folder.exists():
        shutil.copytree(images, folder)
    checkpoints: list[Checkpoint] = start("train", request, RunDir(folder), LocalExecutor(1))
    return checkpoints[0]


def scores_of(folder: Path) -> Scores:
    found = Scores.load(folder / "train/scores.json")
    assert found
    return found


@pytest.fixture(scope="module")
def imported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run folder with a data set and its judge alone."""
    folder = tmp_path_factory.mktemp("imported") / "run"
    start("import", config(), RunDir(folder), LocalExecutor(1))
    return folder


@pytest.fixture(scope="module")
def finished(imported: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("finished") / "run"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(judge, "RECIPE", ClassifierConfig(name="small-cnn", steps=8, epochs=1, batch=32))
        trained(folder, config(restarts=0), imported)
    return folder


def test_a_checkpoint_is_scored_at_each_multiple_and_at_the_end_and_the_best_one_is_the_gan(finished: Path) -> None:
    scores = scores_of(finished)
    assert [one.images for one in scores.scores] == [96, 192, 288, 320]
    assert scores.real.labels > 0.2
    chosen = chosen_checkpoint(finished / "train")
    assert chosen
    assert chosen.images == scores.best == scores.good
    assert is_whole(finished / "train", 320)
    assert load_generator(finished).checkpoint.id == chosen.id
    assert load_generator(chosen.path).checkpoint.id == chosen.id
    events = [json.loads(line) for line in (finished / "events.jsonl").read_text().splitlines()]
    told = [event for event in events if "kid" in event.get("values", {})]
    assert [event["done"] for event in told] == [96, 192, 288, 320]
    assert told[0]["message"].startswith("after 96 images: KID ")


def interrupted_after(calls: int, original: Callable[..., Any]) -> Callable[..., Any]:
    """A function that raises Cancelled instead of its call after so many; the process ends there, as it were."""
    left = [calls]

    def call(*given: Any, **named: Any) -> Any:
        left[0] -= 1
        if left[0] < 0:
            raise Cancelled("the test ends the process here")
        return original(*given, **named)

    return call


@pytest.mark.parametrize("place", ["measured", "saved"])
def test_resumed_is_uninterrupted(
    imported: Path, finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    """The process ends after a checkpoint was saved: before it was scored, or before the score was saved."""
    with monkeypatch.context() as patch:
        if place == "measured":
            patch.setattr(watch, "mean_logit", interrupted_after(4, watch.mean_logit))
        else:
            patch.setattr(Scores, "save", interrupted_after(1, Scores.save))
        with pytest.raises(Cancelled):
            trained(tmp_path / "run", config(restarts=0), imported)
    assert len(scores_of(tmp_path / "run").scores) == 1
    trained(tmp_path / "run", config(restarts=0))
    assert scores_of(tmp_path / "run") == scores_of(finished)
    for found, expected in zip(kept(tmp_path / "run"), kept(finished), strict=True):
        assert found.id == expected.id


def kept(folder: Path) -> list[Checkpoint | None]:
    return [chosen_checkpoint(folder / "train"), newest_checkpoint(folder / "train/checkpoints")]


def test_scoring_alters_nothing_in_the_training(imported: Path, finished: Path, tmp_path: Path) -> None:
    trained(tmp_path / "run", config(score_every=0), imported)
    assert not (tmp_path / "run/train/scores.json").exists()
    one, other = (newest_checkpoint(path / "train/checkpoints") for path in (tmp_path / "run", finished))
    assert one
    assert other
    assert one.files == other.files


def test_a_training_that_breaks_down_goes_back_and_then_ends_with_what_was_good(
    imported: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a rate a thousand times too high; by the rules of a judge that hardly learnt, any change is one too many."""
    monkeypatch.setattr("gan_aug.evaluation.checkpoints.rules.WORSE", 1.0)
    monkeypatch.setattr("gan_aug.evaluation.checkpoints.rules.SURE", -9.0)
    monkeypatch.setattr("gan_aug.evaluation.checkpoints.rules.ORDINARY", {"kid": 0.0, "random_kid": 0.0})
    made = trained(tmp_path / "run", config(lr=0.3, decay=0.0), imported)
    scores = scores_of(tmp_path / "run")
    (restart,) = scores.restarts
    assert made.images == scores.best == scores.good
    assert made.images < scores.ends < 320 or scores.ends == 320
    assert "the training broke down after" in restart.because
    events = [json.loads(line) for line in (tmp_path / "run/events.jsonl").read_text().splitlines()]
    told = [event["message"] for event in events if "broke down" in event.get("message", "")]
    assert "with another seed (restart 1 of 1, train.restarts)" in told[0]
    later = newest_checkpoint(tmp_path / "run/train/checkpoints")
    assert later
    assert later.settings["seed"] == restart.seed


def test_flat_scores_end_a_training_as_one_of_that_length(
    imported: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gan_aug.evaluation.checkpoints.rules.Rules._shortened", lambda self, now: 192)
    trained(tmp_path / "run", config(restarts=0, decay=0.5), imported)
    monkeypatch.undo()
    monkeypatch.setattr(judge, "RECIPE", ClassifierConfig(name="small-cnn", steps=8, epochs=1, batch=32))
    trained(tmp_path / "short", config(images=192, score_every=0), imported)
    one, other = (newest_checkpoint(tmp_path / name / "train/checkpoints") for name in ("run", "short"))
    assert one
    assert other
    assert (one.files, one.settings) == (other.files, other.settings)
    assert is_whole(tmp_path / "run/train", 320)


def test_the_best_checkpoint_cannot_be_replaced_unsaid(finished: Path, tmp_path: Path) -> None:
    shutil.copytree(finished, tmp_path / "run")
    best = scores_of(finished).best
    shutil.rmtree(tmp_path / f"run/train/checkpoints/{best:010d}")
    with pytest.raises(CheckpointError, match="not a complete checkpoint"):
        load_generator(tmp_path / "run")
    (tmp_path / "run/train/scores.json").write_text("[]")
    with pytest.raises(CheckpointError, match="does not say which checkpoint is the GAN"):
        load_generator(tmp_path / "run")


def test_verify_finds_a_choice_that_does_not_follow_from_the_scores(finished: Path, tmp_path: Path) -> None:
    run = Path(shutil.copytree(finished, tmp_path / "run"))
    path, manifest = run / "train/scores.json", Manifest.load(run / "dataset/manifest.json")

    def said() -> tuple[str, str]:
        (link,) = check_scores(RunStorage(run, None), manifest, {scores_of(finished).best or 0})
        return link.state, link.says

    assert said()[0] == "ok"
    assert f"the best is that after {scores_of(finished).best:,} images" in said()[1]
    other = next(one.images for one in scores_of(finished).scores if one.images != scores_of(finished).best)
    path.write_text(path.read_text().replace(f'"best": {scores_of(finished).best}', f'"best": {other}'))
    assert said()[0] == "ALTERED"
    path.write_text("{}")
    assert said()[0] == "ALTERED"
    path.unlink()
    assert check_scores(RunStorage(run, None), manifest, set()) == []


def test_too_few_validation_images_are_not_scored(tmp_path: Path) -> None:
    request = configs.read(configs.dump(config()), ("data.limit=8",))
    trained(tmp_path / "run", request)
    assert not (tmp_path / "run/train/scores.json").exists()
