"""A trained GAN makes further sets: the same image k as everywhere, with their own provenance, usable by other runs."""

from __future__ import annotations

import dataclasses
import json
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import gan_aug
from gan_aug import api
from gan_aug.compute.local.executor import LocalExecutor
from gan_aug.config import Config
from gan_aug.data.manifest import Manifest
from gan_aug.data.synthetic.shards import SyntheticManifest
from gan_aug.errors import CheckpointError, ConfigError, LeakageError, RunConflict, StorageError
from gan_aug.report import to_markdown
from gan_aug.run.folder import RunDir
from gan_aug.stages.context import saved_request, saved_storage
from gan_aug.stages.verbs import start
from gan_aug.verification.run import verify_run
from tests.support.command_line import call
from tests.support.places import GOLDEN

OLD = GOLDEN / "run_0_1"


@pytest.fixture
def run(tmp_path: Path) -> gan_aug.Run:
    return gan_aug.open(shutil.copytree(OLD, tmp_path / "run"))


def test_image_k_is_the_same_as_everywhere(run: gan_aug.Run, tmp_path: Path) -> None:
    made = run.generate({"3": 40, "7": 100}, seed=5, out=tmp_path / "more")
    manifest, images = made.manifest, made.images()
    assert manifest.counts() == {str(digit): {3: 40, 7: 100}.get(digit, 0) for digit in range(10)}
    checkpoint = run.generator().checkpoint
    assert (manifest.seed, manifest.trained_images) == (5, len(checkpoint.trained_on))
    told = (tmp_path / "more/manifest.json").read_text()
    assert not any(content in told for content in checkpoint.trained_on), "the set may be given away"
    generator = run.generator()
    for k in (0, 1, 63, 64, 139):
        label = manifest.labels[manifest.image_labels[k][0]]
        assert np.array_equal(images[k][0].numpy(), generator.sample(label, 1, seed=5, first=k)[0]), k
    with Image.open(tmp_path / "more/samples.png") as picture:
        assert picture.width > 10 * 16
    assert made.export("npz", tmp_path / "more.npz") == 140
    assert repr(gan_aug.SyntheticSet(tmp_path / "more")).endswith("40 3, 0 4, 0 5, 0 6, 100 7, 0 8, 0 9, seed 5>")


def test_like_real_and_the_next_seed_are_the_defaults(run: gan_aug.Run) -> None:
    made = run.generate()
    own = json.loads((run.folder / "synthetic/request.json").read_text())["synthesis"]["seed"]
    assert made.folder == run.folder / "sets" / f"seed-{own + 1}"
    assert made.manifest.counts() == run.manifest.counts()["train"]
    assert verify_run(saved_storage(run.folder), lambda what, done, total: None).broken is None


def test_it_goes_on_from_what_is_whole(run: gan_aug.Run, tmp_path: Path) -> None:
    out = tmp_path / "more"
    run.generate(7, seed=5, out=out)
    before = {path.name: path.read_bytes() for path in out.glob("shard-*.npy")}
    (out / "shard-00000.npy").write_bytes(b"torn")
    (out / "manifest.json").unlink()
    run.generate(7, seed=5, out=out)
    assert {path.name: path.read_bytes() for path in out.glob("shard-*.npy")} == before


def test_faults_are_one_sentence(run: gan_aug.Run, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"there is no label 'pneumonai': the GAN was trained on 0, 1, 2"):
        run.generate({"pneumonai": 3})
    with pytest.raises(ConfigError, match="seed 0 is that of the run's own synthetic set.*the same images again"):
        run.generate(3, seed=0)
    with pytest.raises(ConfigError, match="must not be negative"):
        run.generate({"3": -1})
    with pytest.raises(ConfigError, match="seed is from 0 to"):
        run.generate(3, seed=-1)
    with pytest.raises(ConfigError, match="no image at all"):
        run.generate({"3": 0}, out=tmp_path / "none")
    (tmp_path / "full").mkdir()
    (tmp_path / "full/.kept.tmp").write_text("mine")
    with pytest.raises(StorageError, match="full exists and is not empty"):
        run.generate(3, out=tmp_path / "full")
    assert (tmp_path / "full/.kept.tmp").exists()
    run.generate(3, seed=5, out=tmp_path / "more")
    with pytest.raises(RunConflict, match=r"more holds another set \(synthesis.seed was 5, now 6\)"):
        run.generate(3, seed=6, out=tmp_path / "more")
    shutil.rmtree(run.folder / "train/checkpoints")
    with pytest.raises(CheckpointError, match="holds no trained GAN"):
        run.generate(3)


def test_the_command_line_makes_exports_and_refuses(
    run: gan_aug.Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "more"
    asked = ("--counts", "3=5", "--counts", "7=2", "--seed", "5", "--out", out)
    assert call(monkeypatch, "generate", run.folder, *asked, "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["images"], told["counts"]["3"], told["seed"]) == (7, 5, 5)
    assert call(monkeypatch, "export", out, "--to", "png", "--out", tmp_path / "png") == 0
    assert len(list((tmp_path / "png").glob("3/*.png"))) == 5
    assert call(monkeypatch, "export", out, "--gan", "1", "--out", tmp_path / "npz") == 2
    assert "--gan 1: " in (said := capsys.readouterr().err)
    assert "more is a further set, which one GAN made: leave --gan out" in said
    capsys.readouterr()
    wrong: dict[str, tuple[Any, ...]] = {
        "--counts 3: write LABEL=N": (run.folder, "--counts", "3", "--counts", "7=2"),
        "--counts 3=x: write LABEL=N": (run.folder, "--counts", "3=x"),
        "named twice": (run.folder, "--counts", "3=1", "--counts", "3=2"),
        "go with a config file": (run.folder, "--set", "seed=1"),
        "is no run folder, which --counts": (tmp_path / "films.yaml", "--seed", "3"),
        "is not a run folder": (tmp_path, "--seed", "3"),
    }
    for said, words in wrong.items():
        assert call(monkeypatch, "generate", *words) in (2, 4)
        assert said in capsys.readouterr().err


def comparison_with(path: Path) -> Config:
    """The config of a short comparison, on the golden run's data, with the images at `path`."""
    _, config = saved_request(OLD)
    changes = {"arms": ("real", "synthetic"), "seeds": 1, "canaries": False, "fidelity": False, "synthetic": path}
    few = config.classifier.model_copy(update={"steps": 5, "epochs": 1})
    return config.model_copy(update={"compare": config.compare.model_copy(update=changes), "classifier": few})


def compared(folder: Path, path: Path) -> dict[str, Any]:
    """The report of that comparison."""
    shutil.copytree(OLD / "dataset", folder / "dataset", dirs_exist_ok=True)
    report: dict[str, Any] = start("compare", comparison_with(path), RunDir(folder), LocalExecutor(1))
    return report


def test_another_run_compares_with_it_and_knows_what_its_gan_saw(run: gan_aug.Run, tmp_path: Path) -> None:
    run.generate(20, seed=5, out=tmp_path / "more")
    place = tmp_path / "more/manifest.json"
    made = dataclasses.replace(SyntheticManifest.load(place), parent_images=1, parent_elsewhere=1)
    made.save(place)
    report = compared(tmp_path / "other", tmp_path / "more")
    provenance = report["provenance"]
    assert provenance["checkpoint"] == made.checkpoint
    assert provenance["synthetic"] == made.fingerprint
    assert (provenance["trained_on"], provenance["made_by"]) == ("training split", "another run")
    assert provenance["started_from"] == {"images": 1, "elsewhere": 1}
    text = " ".join(to_markdown(report).split())
    assert "adversarial network [2] of another run made" in re.sub(r"\[\d+\]", "[2]", text)
    assert "had been trained on 1 image, 1 of them not in this training split." in text
    assert "The GAN started from one that had seen 1 other image." in text
    assert "trained in another run on the training images alone, starting from a GAN of 1 image" in text
    shutil.rmtree(tmp_path / "more")
    api.plan(comparison_with(tmp_path / "more"), tmp_path / "other", verb="compare")  # its shards are in the run
    chain = verify_run(saved_storage(tmp_path / "other"), lambda what, done, total: None)
    assert chain.broken is None, chain.to_text()
    assert f"another run's checkpoint {made.checkpoint}" in chain.to_text()


def test_a_dry_run_takes_it_and_refuses_it_as_the_run_does(run: gan_aug.Run, tmp_path: Path) -> None:
    run.generate(20, seed=5, out=tmp_path / "more")
    asked = comparison_with(tmp_path / "more")
    assert api.plan(asked, tmp_path / "other")["state"] == "new"
    manifest = Manifest.load(OLD / "dataset/manifest.json")
    made = SyntheticManifest.load(tmp_path / "more/manifest.json")
    seen = (*made.trained_on, manifest.studies[manifest.indices("test")[0]].content)
    dataclasses.replace(made, trained_on=seen).save(tmp_path / "more/manifest.json")
    with pytest.raises(LeakageError, match="images the generator was trained on are validation or test images"):
        api.plan(asked, tmp_path / "other")
    with pytest.raises(RunConflict, match="holds a synthetic set of its own GAN"):
        api.plan(asked, run.folder)


def test_a_set_whose_gan_saw_a_test_image_is_refused(run: gan_aug.Run, tmp_path: Path) -> None:
    run.generate(20, seed=5, out=tmp_path / "more")
    manifest = Manifest.load(OLD / "dataset/manifest.json")
    seen = manifest.studies[manifest.indices("test")[0]].content
    made = SyntheticManifest.load(tmp_path / "more/manifest.json")
    dataclasses.replace(made, parent_trained_on=(seen,)).save(tmp_path / "more/manifest.json")
    with pytest.raises(LeakageError, match="1 of the 1 images that the GAN to start from was trained on"):
        compared(tmp_path / "other", tmp_path / "more")
    dataclasses.replace(made, trained_on=(*made.trained_on, seen)).save(tmp_path / "more/manifest.json")
    with pytest.raises(LeakageError, match="images the generator was trained on are validation or test images"):
        compared(tmp_path / "again", tmp_path / "more")
