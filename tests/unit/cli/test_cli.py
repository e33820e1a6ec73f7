from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import yaml

from tests.support.command_line import call


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "job.yaml"
    path.write_text(
        "data: {source: digits, size: 16, limit: 30}\n"
        "train: {images: 320, batch: 32, checkpoint_every: 160, sample_every: 320}\n"
        "gan: {width: 4}\nsynthesis: {counts: 10}\n"
        "classifier: {name: softmax, steps: 20, epochs: 2}\ncompare: {seeds: 2, gans: 1}\ncompute: {workers: 1}\n"
    )
    return path


def test_the_whole_job_and_what_can_be_done_with_it(
    config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    assert call(monkeypatch, "run", config, "--run", run) == 0
    shown = capsys.readouterr()
    assert f"Report: {run / 'report.html'}" in shown.out
    assert "AUC" in shown.out
    for stage in ("dataset: importing digits", "train: trained on 320 images", "synthetic: 100 synthetic images"):
        assert stage in shown.err
    for name in ("report.json", "report.md", "report.html", "events.jsonl", "train/loss.png", "dataset/manifest.json"):
        assert (run / name).stat().st_size > 0
    for stage in ("dataset", "train", "synthetic", "compare"):
        assert (run / stage / "request.json").exists()
    report = json.loads((run / "report.json").read_text())
    assert report["provenance"]["checkpoint"] == json.loads((run / "synthetic/request.json").read_text())["checkpoint"]

    assert call(monkeypatch, "resume", run, "--json") == 0  # nothing is left to do
    again = json.loads(capsys.readouterr().out)
    assert {k: v for k, v in again.items() if k != "timing"} == {k: v for k, v in report.items() if k != "timing"}

    assert call(monkeypatch, "export", run, "--to", "png", "--out", tmp_path / "png") == 0
    image = next((tmp_path / "png" / "3").iterdir())
    capsys.readouterr()
    assert call(monkeypatch, "predict", run, image, "--arm", "synthetic", "--json") == 0
    (said,) = json.loads(capsys.readouterr().out)
    assert sum(said["probabilities"].values()) == pytest.approx(1)
    assert (run / "predictions.png").exists()

    assert call(monkeypatch, "run", config, "--run", run, "--set", "gan.width=8") == 4
    assert "gan.width was 4, now 8" in capsys.readouterr().err
    assert call(monkeypatch, "compare", config, "--run", run, "--set", "synthesis.seed=8") == 4
    assert "synthesis.seed was 0, now 8" in capsys.readouterr().err
    assert call(monkeypatch, "resume", run) == 0  # a refused request changed nothing
    shard = next((run / "synthetic").glob("shard-*.npy"))
    shard.write_bytes(shard.read_bytes()[:-1])
    assert call(monkeypatch, "compare", config, "--run", run, "--set", "compare.seeds=1", "--set", "seed=0") == 3
    assert "run `gan-aug generate`" in capsys.readouterr().err
    assert call(monkeypatch, "generate", config, "--run", run) == 0
    assert call(monkeypatch, "compare", config, "--run", run, "--set", "compare.seeds=3") == 0
    assert (
        "20 cells: real, synthetic, mixed, duplicate, classic x 3 seeds, and 5 of canaries" in capsys.readouterr().err
    )
    assert call(monkeypatch, "predict", run, tmp_path / "none.png") == 3
    assert call(monkeypatch, "predict", run, config) == 3
    assert call(monkeypatch, "predict", run, image, "--arm", "mixture") == 3
    assert "it has" in capsys.readouterr().err


def test_dry_run_says_what_and_touches_nothing(
    config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(monkeypatch, "run", config, "--run", tmp_path / "run", "--dry-run") == 0
    plan = yaml.safe_load(capsys.readouterr().out)
    assert plan["state"] == "new"
    assert plan["source"]["images"] == 300
    assert not (tmp_path / "run").exists()


def test_show_config_spells_out_every_default(
    config: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(monkeypatch, "show-config", config, "--set", "seed=4") == 0
    shown = yaml.safe_load(capsys.readouterr().out)
    assert (shown["seed"], shown["gan"]["width"], shown["train"]["batch"]) == (4, 4, 32)
    assert call(monkeypatch, "show-config", "--json") == 0
    assert json.loads(capsys.readouterr().out)["data"]["source"] == "digits"


@pytest.mark.parametrize(
    ("setting", "code", "said"),
    [
        ("train.images=-1", 2, "train.images: must be greater than or equal to 1 (got -1)"),
        ("data.source=digit", 2, "digits"),
        ("data.size=15", 2, "data.size: 15x15 pixels are too few"),
        ("data.positive=x", 2, "'x' is not a label"),
        ("synthesis.counts={x: 1}", 2, "synthesis.counts.x"),
        ("data.test=0", 3, "no test images"),
        ("classifier.name=densenet", 2, "classifier.name"),
        ("compute.device=cuda", 6, "torch sees no GPU"),
    ],
)
def test_a_users_fault_is_one_sentence_with_its_exit_code(
    config: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    setting: str,
    code: int,
    said: str,
) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    assert call(monkeypatch, "run", config, "--run", tmp_path / "r", "--set", setting) == code
    shown = capsys.readouterr()
    assert not list(tmp_path.glob("r/train/checkpoints/*")), "found before anything was trained"
    assert said in shown.err
    assert "Traceback" not in shown.err
    assert shown.out == ""


def test_stages_say_which_one_is_missing(
    config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(monkeypatch, "generate", config, "--run", tmp_path / "r") == 4
    assert "run `gan-aug train` on it first" in capsys.readouterr().err
    assert call(monkeypatch, "compare", config, "--run", tmp_path / "r") == 3
    assert "run `gan-aug generate` on it first" in capsys.readouterr().err
    assert call(monkeypatch, "resume", tmp_path / "none") == 4
    assert "not a run folder" in capsys.readouterr().err
    assert call(monkeypatch, "export", tmp_path / "none", "--out", tmp_path / "x") == 4


def test_a_mended_request_takes_the_place_of_a_faulty_one(
    config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run = ("--run", tmp_path / "r")
    assert call(monkeypatch, "run", config, *run, "--set", "data.size=30", "--set", "gan.network=dcgan") == 2
    assert "use 28x28 or 32x32" in capsys.readouterr().err
    assert call(monkeypatch, "import", config, *run, "--set", "data.size=28") == 0
    assert call(monkeypatch, "train", config, *run, "--set", "data.size=28", "--set", "train.images=64") == 0
    assert call(monkeypatch, "generate", config, *run, "--set", "data.size=28") == 4
    assert "train.images was 64, now 320" in capsys.readouterr().err


def test_a_half_trained_gan_makes_no_set(
    config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "r"
    assert call(monkeypatch, "train", config, "--run", run) == 0
    shutil.rmtree(run / "train" / "checkpoints" / "0000000320")
    assert call(monkeypatch, "generate", config, "--run", run) == 4
    assert "has seen 160 of 320 images" in capsys.readouterr().err
    assert call(monkeypatch, "train", config, "--run", run) == 0
    assert call(monkeypatch, "generate", config, "--run", run) == 0


def test_a_fault_of_ours_asks_for_a_report(
    config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr("gan_aug.stages.launch.start", broken)
    assert call(monkeypatch, "run", config, "--run", tmp_path / "r") == 1
    assert "please report it" in capsys.readouterr().err
