"""The provenance chain is recomputed from disk: whole runs pass, and whatever was altered, lost or swapped is named."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from gan_aug.data.manifest import Manifest
from gan_aug.data.synthetic.shards import SyntheticManifest, shard_bytes
from gan_aug.errors import CheckpointError, DataError, LeakageError, ManifestError
from gan_aug.gan.state import RECORD, _record, newest_checkpoint
from gan_aug.run.files import write_json
from gan_aug.stages.context import saved_storage
from gan_aug.verification.chain import Chain
from gan_aug.verification.run import verify_run
from tests.support.command_line import call

CONFIG = """
data: {source: digits, size: 16, limit: 20}
train: {images: 128, batch: 32, checkpoint_every: 64, sample_every: 128}
gan: {width: 4, latent: 8}
synthesis: {counts: 10, shard: 64}
classifier: {name: softmax, steps: 10, epochs: 2}
compare: {arms: [real, synthetic], seeds: 1, features: random}
compute: {workers: 1, threads: 1, cache: 0}
"""
pytestmark = pytest.mark.slow


def chain_of(run: Path) -> Chain:
    return verify_run(saved_storage(run), lambda what, done, total: None)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Two whole runs of other seeds and images, not to be altered."""
    folder = tmp_path_factory.mktemp("runs")
    (folder / "job.yaml").write_text(CONFIG)
    with pytest.MonkeyPatch.context() as patch:
        for seed in (0, 1):
            assert (
                call(
                    patch,
                    "run",
                    folder / "job.yaml",
                    "--run",
                    folder / str(seed),
                    "--set",
                    f"seed={seed}",
                    "--set",
                    f"data.limit={20 + seed}",
                )
                == 0
            )
    return folder / "0", folder / "1"


@pytest.fixture
def run(runs: tuple[Path, Path], tmp_path: Path) -> Path:
    """A copy of the first run, to be spoilt."""
    return Path(shutil.copytree(runs[0], tmp_path / "run"))


def one(run: Path, pattern: str) -> Path:
    return max(run.glob(pattern))


def flip(path: Path, position: int) -> None:
    content = bytearray(path.read_bytes())
    content[position] ^= 1
    path.write_bytes(content)


def broken(run: Path) -> dict[str, str]:
    return {link.name: link.state for link in chain_of(run).links if link.is_broken}


def state_of(run: Path) -> dict[str, tuple[int, str]]:
    files = [path for path in run.rglob("*") if path.is_file()]
    return {str(path): (path.stat().st_mtime_ns, hashlib.sha256(path.read_bytes()).hexdigest()) for path in files}


def test_a_whole_run_verifies_and_nothing_is_written(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = state_of(run)
    assert call(monkeypatch, "verify", run) == 0
    assert state_of(run) == before
    chain = chain_of(run)
    assert chain.verdict == "the chain is whole"
    assert {link.state for link in chain.links} == {"ok"}
    named = " ".join(link.name for link in chain.links)
    for stage in ("dataset/images.npy", "train/checkpoints", "synthetic", "compare/cells", "report.json", "report.md"):
        assert stage in named
    assert "compare/scores.csv" in named


def test_the_report_is_written_again_and_nothing_is_trained(
    run: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    before = {path: path.stat().st_mtime_ns for path in run.glob("compare/cells/*/*")}
    figures = {path: path.read_bytes() for path in run.glob("figures/*.svg")}
    request = (run / "request.json").read_bytes()
    assert {path.stem for path in figures} >= {"differences", "roc", "precision-recall", "calibration", "confusion"}
    for path in [*figures, run / "report.json", run / "report.md", run / "report.html", run / "compare/scores.csv"]:
        path.unlink()
    (run / "figures/of-an-older-report.svg").write_text("<svg/>")
    assert call(monkeypatch, "report", run) == 0
    said = capsys.readouterr()
    assert said.out.startswith("digits: trained on real")
    assert "CLAIM" not in said.out
    assert {path: path.read_bytes() for path in run.glob("figures/*.svg")} == figures
    assert {path: path.stat().st_mtime_ns for path in run.glob("compare/cells/*/*")} == before
    assert (run / "request.json").read_bytes() == request
    assert chain_of(run).broken is None


def test_figures_by_weights_of_the_user_verify_where_the_weights_are_not(
    run: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from torchvision.models import resnet18

    monkeypatch.setattr("gan_aug.evaluation.fidelity.run.IMAGES", 12)  # of 224 px, as the network looks at them
    weights = run.parent / "net.pth"
    with torch.random.fork_rng():
        torch.manual_seed(0)
        torch.save(resnet18(weights=None).state_dict(), weights)  # noqa: TID251 - as such files are published
    asked = ("--set", "compare.features=resnet18", "--set", f"compare.weights={weights}")
    (run.parent / "job.yaml").write_text(CONFIG)
    assert call(monkeypatch, "compare", run.parent / "job.yaml", "--run", run, "--set", "data.limit=20", *asked) == 0
    report = json.loads((run / "report.json").read_text())
    assert report["fidelity"]["extractor"]["weights"] == hashlib.sha256(weights.read_bytes()).hexdigest()
    assert str(run.parent) not in json.dumps(report["config"])
    weights.unlink()
    assert chain_of(run).broken is None
    assert call(monkeypatch, "report", run) == 2
    assert "compare.weights: there is no file" in capsys.readouterr().err


def test_a_report_whose_cells_are_gone_is_not_written_again(
    run: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.rmtree(one(run, "compare/cells/*"))
    before = (run / "report.json").read_bytes()
    assert call(monkeypatch, "report", run) == CheckpointError.exit_code
    assert "`gan-aug resume` on the run computes them" in capsys.readouterr().err
    assert (run / "report.json").read_bytes() == before


FILES = {
    "dataset/images.npy": "dataset/images.npy",
    "train/checkpoints/*/generator.safetensors": "train/checkpoints/",
    "train/checkpoints/*/training.safetensors": "train/checkpoints/",
    "synthetic/shard-*.npy": "synthetic/shard-",
    "compare/cells/*/scores.npz": "compare/cells/",
    "compare/cells/*/classifier.safetensors": "compare/cells/",
    "compare/scores.csv": "compare/scores.csv",
}


@pytest.mark.parametrize("pattern", FILES)
@pytest.mark.parametrize("where", [0.0, 0.37, 1.0])
def test_one_byte_is_found_and_its_file_named(run: Path, pattern: str, where: float) -> None:
    path = one(run, pattern)
    flip(path, round(where * (path.stat().st_size - 1)))
    found = broken(run)
    assert next(iter(found)).startswith(FILES[pattern])
    assert set(found.values()) <= {"ALTERED", "missing"}


def alter(pattern: str, *keys: str | int) -> Callable[[Path], None]:
    """Change one value in a JSON file: the last digit of a text, or a number by a little."""

    def spoil(run: Path) -> None:
        path = one(run, pattern)
        record = json.loads(path.read_text())
        place = record
        for key in keys[:-1]:
            place = place[key]
        old = place[keys[-1]]
        if isinstance(old, str):
            place[keys[-1]] = old[:-1] + ("0" if old[-1] != "0" else "1")
        else:
            place[keys[-1]] = old + (1 if isinstance(old, int) else 1e-4)
        path.write_text(json.dumps(record))

    return spoil


def alter_history(run: Path) -> None:
    """Change a loss of a cell whose curve is reported; those of canaries are not."""
    key = json.loads((run / "compare/cells.json").read_text())["arms"]["real"][0]
    alter(f"compare/cells/{key}/result.json", "history", 0, "train_loss")(run)


RECORDS: dict[str, tuple[Callable[[Path], None], str, type[Exception]]] = {
    "a hash of an image": (alter("dataset/manifest.json", "studies", 3, "content"), "dataset/manifest", ManifestError),
    "the manifest's fingerprint": (alter("dataset/manifest.json", "fingerprint"), "dataset/manifest", ManifestError),
    "a checkpoint's data": (alter(f"train/checkpoints/*/{RECORD}", "dataset"), "train/checkpoints", CheckpointError),
    "a checkpoint's settings": (
        alter(f"train/checkpoints/*/{RECORD}", "settings", "seed"),
        "synthetic/manifest.json",
        CheckpointError,
    ),
    "a checkpoint's count": (alter(f"train/checkpoints/*/{RECORD}", "images"), "train/checkpoints", CheckpointError),
    "a synthetic seed": (alter("synthetic/manifest.json", "seed"), "synthetic/manifest.json", ManifestError),
    "a cell's request": (alter("compare/cells/*/request.json", "base_seed"), "compare/cells/", CheckpointError),
    "a cell's history": (alter_history, "report.json", DataError),
    "an AUC": (alter("report.json", "arms", "real", "auc", "value"), "report.json", DataError),
    "a confidence limit": (alter("report.json", "comparisons", 0, "ci95", 0), "report.json", DataError),
    "a fidelity figure": (alter("compare/fidelity/*.json", "figures", "images"), "report.json", DataError),
    "the report's data": (alter("report.json", "provenance", "manifest"), "report.json", DataError),
    "the report's checkpoint": (alter("report.json", "provenance", "checkpoint"), "report.json", DataError),
    "the report's config": (alter("report.json", "config", "train", "lr"), "report.json", DataError),
    "the report's text": (
        lambda run: (run / "report.md").write_text((run / "report.md").read_text() + " "),  # type: ignore[dict-item]
        "report.md",
        DataError,
    ),
}


@pytest.mark.parametrize("what", RECORDS)
def test_a_changed_record_is_found(run: Path, what: str) -> None:
    spoil, name, error = RECORDS[what]
    spoil(run)
    chain = chain_of(run)
    assert any(link.is_broken and link.name.startswith(name) for link in chain.links), chain.to_text()
    with pytest.raises(error):
        chain.raise_broken()


@pytest.mark.parametrize(
    "pattern",
    [
        *FILES,
        "dataset/manifest.json",
        f"train/checkpoints/*/{RECORD}",
        "train/checkpoints",
        "synthetic/manifest.json",
        "compare/cells/*",
        "compare/cells/*/result.json",
        "report.json",
        "report.md",
    ],
)
def test_what_was_removed_is_missing(run: Path, pattern: str) -> None:
    path = one(run, pattern)
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    assert "missing" in broken(run).values()


@pytest.mark.parametrize(
    "pattern",
    [
        "train/checkpoints",
        "train/checkpoints/*128",
        "synthetic",
        "synthetic/shard-00000.npy",
        "compare/cells",
        "report.json",
        "report.md",
        "dataset",
        "dataset/images.npy",
    ],
)
def test_what_is_of_another_run_is_found(run: Path, runs: tuple[Path, Path], pattern: str) -> None:
    mine, theirs = one(run, pattern), one(runs[1], pattern)
    shutil.rmtree(mine) if mine.is_dir() else mine.unlink()
    shutil.copytree(theirs, mine) if theirs.is_dir() else shutil.copyfile(theirs, mine)
    assert broken(run)


def test_the_text_of_another_version_is_skipped_and_the_verdict_says_so(run: Path) -> None:
    """Its wording is unknown here; everything else is compared as always."""
    text = run / "report.md"
    report = json.loads((run / "report.json").read_text())
    report["environment"]["written_by"] = "0.0.9"
    write_json(run / "report.json", report)
    text.write_text("In other words.")
    chain = chain_of(run)
    assert {link.name: link.state for link in chain.links}["report.md"] == "skipped"
    assert chain.broken is None
    assert "report.md was not compared: version 0.0.9 wrote it" in chain.verdict
    report["arms"]["real"]["auc"]["value"] += 0.01
    write_json(run / "report.json", report)
    assert broken(run) == {"report.json": "ALTERED"}


@pytest.mark.parametrize("listed", [True, False])
def test_a_gan_that_saw_a_test_image_is_found_though_all_sums_agree(
    run: Path, monkeypatch: pytest.MonkeyPatch, listed: bool
) -> None:
    """Both where the record lists its images, as older versions did, and where it counts them."""
    manifest = Manifest.load(run / "dataset/manifest.json")
    seen = manifest.studies[manifest.indices("test")[0]].content
    checkpoint = newest_checkpoint(run / "train/checkpoints")
    assert checkpoint
    own = {manifest.studies[row].content for row in manifest.indices("train")}
    told: dict[str, Any] = {"schema": 2, "trained_on": (*own, seen)} if listed else {"trained_images": len(own) + 1}
    leaky = dataclasses.replace(checkpoint, **told)
    write_json(checkpoint.path / RECORD, _record(leaky))
    synthetic = SyntheticManifest.load(run / "synthetic/manifest.json")
    count = 0 if listed else leaky.trained_images
    dataclasses.replace(synthetic, checkpoint=leaky.id, trained_on=leaky.trained_on, trained_images=count).save(
        run / "synthetic/manifest.json"
    )
    found = broken(run)
    assert found[f"train/checkpoints/{checkpoint.path.name}"] == "LEAKED"
    assert found["synthetic/manifest.json"] == "LEAKED"
    assert call(monkeypatch, "verify", run) == LeakageError.exit_code


def test_a_test_image_among_the_synthetic_ones_is_found_though_all_sums_agree(run: Path) -> None:
    manifest = Manifest.load(run / "dataset/manifest.json")
    synthetic = SyntheticManifest.load(run / "synthetic/manifest.json")
    shard, path = synthetic.shards[1], run / "synthetic" / synthetic.shards[1].file
    images = np.load(path)
    images[-1] = np.load(run / "dataset/images.npy")[manifest.indices("test")[0]]
    path.write_bytes(shard_bytes(images))
    altered = dataclasses.replace(shard, sha256=hashlib.sha256(path.read_bytes()).hexdigest())
    dataclasses.replace(synthetic, shards=(synthetic.shards[0], altered)).save(run / "synthetic/manifest.json")
    assert broken(run)[f"synthetic/{shard.file}"] == "LEAKED"
    with pytest.raises(LeakageError, match="1 of its 36 images"):
        chain_of(run).raise_broken()


def test_a_patient_in_two_splits_is_found(run: Path) -> None:
    manifest = Manifest.load(run / "dataset/manifest.json")
    both = {int(manifest.indices(split)[0]) for split in ("train", "test")}
    studies = tuple(
        dataclasses.replace(study, patient="p") if i in both else study for i, study in enumerate(manifest.studies)
    )
    dataclasses.replace(manifest, studies=studies).save(run / "dataset/manifest.json")
    assert broken(run) == {"dataset/manifest.json": "LEAKED"}


def test_a_run_of_some_stages_is_held_to_those(run: Path) -> None:
    for left in ("compare", "synthetic"):
        shutil.rmtree(run / left)
    for left in ("report.json", "report.md", "events.jsonl"):
        (run / left).unlink()
    assert not broken(run)
    assert [link.name.split("/")[0] for link in chain_of(run).links] == ["dataset", "dataset", "train", "train"]
    shutil.rmtree(run / "train")
    assert not broken(run)


def test_the_exit_code_and_the_verdict_say_what_broke(
    run: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    flip(one(run, "train/checkpoints/*/generator.safetensors"), 100)
    assert call(monkeypatch, "verify", run, "--json") == CheckpointError.exit_code
    said = capsys.readouterr()
    record = json.loads(said.out)
    assert record["whole"] is False
    assert record["verdict"] in said.err
    assert "generator.safetensors" in said.err
    assert "Traceback" not in said.err


def test_a_run_in_a_store_is_verified_where_its_files_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, host_cache: Path
) -> None:
    (tmp_path / "job.yaml").write_text(CONFIG)
    run, shared = tmp_path / "run", tmp_path / "shared"
    assert call(monkeypatch, "run", tmp_path / "job.yaml", "--run", run, "--set", f"compute.storage={shared}") == 0
    assert not broken(run)
    for name in ("train/checkpoints", "compare/cells", "dataset/images.npy"):
        path = run / name
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    before = state_of(run)
    assert not broken(run)
    assert state_of(run) == before
    flip(one(shared, "*/synthetic/shard-*.npy"), 200)
    assert broken(run) == {"synthetic/shard-00001.npy": "ALTERED"}
    (run / "storage.json").unlink()
    assert call(monkeypatch, "verify", run) == 4


def test_more_images_made_for_a_larger_ratio_are_no_change(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "job.yaml").write_text(CONFIG.replace("counts: 10, ", ""))
    changes = ("compare.ratio=2", "compare.arms=[real, mixed]", "compare.fidelity=false", "compare.canaries=false")
    options = [word for change in changes for word in ("--set", change)]
    assert call(monkeypatch, "run", tmp_path / "job.yaml", "--run", tmp_path / "run", *options) == 0
    assert not [link for link in chain_of(tmp_path / "run").links if link.is_broken]
