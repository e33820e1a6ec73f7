"""A report says on what a run was computed, and how long that took, wherever and whenever it is written again."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from gan_aug.compute import environment as computing
from gan_aug.run.folder import RunDir
from gan_aug.stages import computed_on as gathering
from gan_aug.stages.context import saved_storage
from gan_aug.stages.report import stage_seconds
from gan_aug.verification.run import verify_run
from tests.support.command_line import call
from tests.support.places import GOLDEN

CONFIG = """
data: {source: digits, size: 16, limit: 20}
train: {images: 64, batch: 32}
gan: {width: 2, latent: 8}
synthesis: {counts: 10, shard: 64}
classifier: {name: softmax, steps: 10, epochs: 2}
compare: {arms: [real, synthetic], seeds: 1, fidelity: false, canaries: false}
compute: {workers: 1, threads: 1, cache: 0, device: cpu}
"""
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A whole run, not to be altered."""
    folder = tmp_path_factory.mktemp("made")
    (folder / "job.yaml").write_text(CONFIG)
    with pytest.MonkeyPatch.context() as patch:
        assert call(patch, "run", folder / "job.yaml", "--run", folder / "run") == 0
    return folder / "run"


@pytest.fixture
def run(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "run"))


def elsewhere(patch: pytest.MonkeyPatch) -> None:
    """From now on this is another machine with other versions."""
    patch.setattr(computing, "cores", lambda: 99)
    patch.setattr(computing.platform, "python_version", lambda: "3.99.0")
    patch.setattr(computing.platform, "machine", lambda: "riscv64")
    for module in (computing, gathering):
        patch.setattr(module, "__version__", "9.9.9")


def report_of(run: Path) -> dict[str, Any]:
    return dict(json.loads((run / "report.json").read_text()))


def parts_of(run: Path) -> list[tuple[list[str], int, str | None]]:
    parts = report_of(run)["environment"]["computed"]
    return [(part["stages"], part["classifiers"], (part["environment"] or {}).get("python")) for part in parts]


@pytest.mark.parametrize("verb", ["report", "resume"])
def test_a_report_written_elsewhere_says_where_it_was_computed(
    run: Path, monkeypatch: pytest.MonkeyPatch, verb: str
) -> None:
    before, text = report_of(run), (run / "report.md").read_text()
    assert before["environment"]["cores"] != 99
    assert before["environment"]["computed"][0]["stages"] == ["dataset", "train", "synthetic"]
    assert before["environment"]["computed"][0]["classifiers"] == 2
    elsewhere(monkeypatch)
    assert call(monkeypatch, verb, run) == 0
    after = report_of(run)
    assert after.pop("environment") == before.pop("environment") | {"written_by": "9.9.9"}
    assert after == before  # its timing too
    assert (run / "report.md").read_text() == text
    assert not [link for link in verify_run(saved_storage(run), lambda *_: None).links if link.is_broken]


def test_what_was_computed_elsewhere_is_told_apart(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here, compute = computing.environment()["python"], report_of(run)["environment"]["compute"]
    elsewhere(monkeypatch)
    (run.parent / "job.yaml").write_text(CONFIG)
    assert call(monkeypatch, "compare", run.parent / "job.yaml", "--run", run, "--set", "compare.seeds=3") == 0
    assert parts_of(run) == [(["dataset", "train", "synthetic"], 2, here), ([], 4, "3.99.0")]
    found = report_of(run)["environment"]
    assert (found["cores"], found["gan_aug"]) == (99, "9.9.9")  # of most classifiers
    assert found["compute"] == compute
    text = (run / "report.md").read_text()
    assert "import, GAN, synthetic images and 2 classifiers: Linux" in text
    assert "4 classifiers: Linux riscv64, 99 cores, gan-aug 9.9.9" in text
    assert "The parts were computed by different versions: import, GAN" in text


def test_what_no_version_noted_is_said_to_be_unknown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = Path(shutil.copytree(GOLDEN / "run_0_1", tmp_path / "run"))
    before = report_of(run)
    elsewhere(monkeypatch)
    for _ in range(2):
        assert call(monkeypatch, "report", run) == 0
        found = report_of(run)["environment"]
        assert {key: found[key] for key in before["environment"]} == before["environment"]
        assert parts_of(run) == [(["dataset", "train", "synthetic"], 8, None)]
    text = (run / "report.md").read_text()
    assert "not noted when it was computed; an earlier report says Linux x86_64, 2 cores, gan-aug 0.1.0" in text
    assert "The versions that computed it were not noted; an earlier report names gan-aug 0.1.0" in text


def test_only_what_computes_takes_time(tmp_path: Path) -> None:
    def event(time: float, stage: str, kind: str) -> str:
        return json.dumps({"time": time, "stage": stage, "kind": kind})

    run = RunDir(tmp_path)
    lines = [
        event(0, "dataset", "start"), event(4, "dataset", "finish"),  # few images make no progress
        event(10, "synthetic", "start"), event(13, "synthetic", "progress"), event(14, "synthetic", "finish"),
        event(20, "compare", "start"), event(50, "compare", "progress"), "{torn",
        event(100, "synthetic", "start"), event(102, "synthetic", "finish"),  # a second start, with all images there
        event(110, "compare", "start"), event(115, "compare", "progress"), event(116, "compare", "note"),
        event(125, "compare", "finish"),
        event(900, "compare", "start"), event(1900, "compare", "finish"),  # the report was written again
    ]  # fmt: skip
    (tmp_path / "events.jsonl").write_text("\n".join(lines))
    assert stage_seconds(run) == {"dataset": 4.0, "synthetic": 4.0, "compare": 35.0}
