"""The dry run: it says all it knows, fails where the run would, and leaves nothing behind."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from gan_aug.stages.dry_run.estimate import in_words
from tests.support.command_line import call


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "job.yaml"
    path.write_text(
        "data: {source: digits, size: 16, limit: 30, names: {'1': '0', '2': '0', '3': '0', '4': '0', '5': '9',\n"
        "  '6': '9', '7': '9', '8': '9'}}\n"
        "train: {images: 320, batch: 32, checkpoint_every: 160, sample_every: 320}\n"
        "gan: {width: 4}\nsynthesis: {counts: 10}\n"
        "classifier: {name: softmax, steps: 20, epochs: 2}\ncompare: {seeds: 2}\ncompute: {workers: 1, threads: 1}\n"
    )
    return path


def test_it_says_what_is_known_and_touches_nothing(
    config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    assert call(monkeypatch, "run", config, "--run", tmp_path / "run", "--dry-run") == 0
    said = capsys.readouterr().out
    assert said.startswith(("positive: '“9” counts as the disease", "positive: “9” counts"))
    plan = yaml.safe_load(said)
    assert plan["source"]["looked at"] == "all images were decoded"
    assert plan["splits"]["test"]["images"] == 12
    assert set(plan["seconds"]) == {"start", "import", "train", "generate", "compare", "all", "counted"}
    assert plan["findings"][-1].startswith("about ")
    assert not (tmp_path / "run").exists()
    assert not list(tmp_path.glob("gan-aug-*"))


def test_the_time_includes_what_learning_curves_train(
    config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def counted(*settings: str) -> dict[str, str]:
        given = [part for setting in ("compare.canaries=false", *settings) for part in ("--set", setting)]
        assert call(monkeypatch, "run", config, "--run", tmp_path / "run", "--dry-run", *given) == 0
        found: dict[str, str] = yaml.safe_load(capsys.readouterr().out)["seconds"]["counted"]
        return found

    arms = ("compare.gans=2", "compare.arms=[real, mixed]")
    assert counted(*arms) == {"train": "2 GANs of 10 steps", "compare": "4 classifiers, 80 steps in all"}
    curves = ("compare.sizes=[20, 30, all]", "compare.draws=3", "compare.curve_images=640")
    assert counted(*arms, *curves) == {
        "train": "2 GANs of 10 steps, and 6 of 20 steps for the learning curves",
        "compare": "28 classifiers, 560 steps in all",
    }


@pytest.mark.parametrize(
    ("verb", "setting", "code", "said"),
    [
        ("run", "data.positive=x", 2, "'x' is not a label"),
        ("run", "data.size=15", 2, "data.size: 15x15 pixels are too few: use at least 16"),
        ("run", "synthesis.counts={x: 1}", 2, "synthesis.counts.x"),
        ("run", "data.test=0", 3, "no test images"),
        ("run", "classifier.name=densenet", 2, "classifier.name"),
        ("run", "compute.device=cuda", 6, "torch sees no GPU"),
        ("train", "compute.device=cuda", 6, "torch sees no GPU"),
        ("run", "compare.synthetic=/nowhere", 3, "there is nothing at /nowhere"),
        ("run", "compare.sizes=[5000]", 2, "compare.sizes"),
        ("compare", "seed=0", 3, "holds no synthetic set"),
        ("generate", "seed=0", 4, "holds no trained GAN"),
    ],
)
def test_it_fails_where_the_run_would(
    config: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    verb: str,
    setting: str,
    code: int,
    said: str,
) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    assert call(monkeypatch, verb, config, "--run", tmp_path / "run", "--set", setting, "--dry-run") == code
    shown = capsys.readouterr()
    assert said in shown.err
    assert not (tmp_path / "run").exists()


def test_it_looks_at_what_was_imported_before_and_at_the_folder(
    config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    assert call(monkeypatch, "import", config, "--run", run) == 0
    assert call(monkeypatch, "train", config, "--run", run, "--dry-run") == 0
    assert "looked at: imported before" in capsys.readouterr().out
    assert call(monkeypatch, "train", config, "--run", run, "--set", "data.limit=20", "--dry-run") == 4
    assert "data.limit was 30, now 20" in capsys.readouterr().err
    assert call(monkeypatch, "train", config, "--run", run, "--set", "train.images=64") == 0
    assert call(monkeypatch, "train", config, "--run", run, "--set", "train.images=96", "--dry-run") == 4
    assert "train.images was 64, now 96" in capsys.readouterr().err
    assert call(monkeypatch, "run", config, "--run", config / "run", "--dry-run") == 8
    assert "job.yaml is a file: choose another place" in capsys.readouterr().err


def test_times_in_words() -> None:
    found = [in_words(seconds) for seconds in (0, 40, 700, 5900, 12_000)]
    assert found == ["0 s", "40 s", "12 min", "98 min", "3 h 20 min"]
