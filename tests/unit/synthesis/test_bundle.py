"""Bundles read by gan-aug: the same images as of the run, and one sentence for each way in which one may be wrong."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch

import gan_aug
from gan_aug.data.synthetic.shards import read_images
from gan_aug.errors import CheckpointError, ConfigError, ReleaseRefused, RunConflict
from gan_aug.export.bundle import files
from gan_aug.export.models import MODEL_FORMATS
from gan_aug.gan.state import Parent
from gan_aug.run.files import json_sha256
from gan_aug.synthesis.bundle import read_bundle
from tests.support.command_line import call
from tests.support.places import GOLDEN
from tests.unit.export.bundle.checkpoints import write_checkpoint

LABELS = ("normal", "a+b", "肺炎")


@pytest.fixture(scope="module")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle of a resize generator, and one of images with several labels."""
    root = tmp_path_factory.mktemp("bundles")
    torch.manual_seed(2)
    parent = Parent("e" * 64, 320, (), 40, 10, "d" * 64)
    made = {
        "films": write_checkpoint(root / "0", "resize", (3, 17, 20), LABELS, parent=parent),
        "several": write_checkpoint(root / "1", "dcgan", (1, 16, 16), LABELS, task="multi-label"),
    }
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(files, "program", lambda network, columns: b"no program")
        for name, checkpoint in made.items():
            MODEL_FORMATS["bundle"].write(checkpoint, root / name, "nothing")
            assert read_bundle(root / name).id == checkpoint.id
            assert read_bundle(root / name).parent == checkpoint.parent
    for name in made:
        (root / name / "LICENSE").write_text("CC BY 4.0")  # as whoever passes it on is asked to
        (root / name / "docs/README.md").write_text("more")
        (root / name / "images").mkdir()
    return root


@pytest.fixture
def films(bundles: Path, tmp_path: Path) -> Path:
    return shutil.copytree(bundles / "films", tmp_path / "films")


def test_a_set_of_a_bundle_has_the_images_of_the_run(
    bundles: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "set"
    wanted = ("--counts", "normal=70", "--counts", "肺炎=30", "--seed", 5, "--out", out)
    assert call(monkeypatch, "generate", "--from", bundles / "films", *wanted, "--json") == 0
    assert json.loads(capsys.readouterr().out)["counts"] == {"normal": 70, "a+b": 0, "肺炎": 30}
    made = gan_aug.SyntheticSet(out)
    images, manifest = read_images(out, made.manifest), made.manifest
    ours = gan_aug.load_generator(bundles / "0")
    np.testing.assert_array_equal(images, ours.numbered(manifest.label_matrix(), 5, 0))
    assert (manifest.checkpoint, manifest.trained_images) == (ours.checkpoint.id, 100)
    assert (manifest.parent_images, manifest.parent_elsewhere) == (40, 10)
    again = gan_aug.load_generator(bundles / "films").sample("肺炎", 3, 5, first=62)
    np.testing.assert_array_equal(again, ours.sample("肺炎", 3, 5, first=62))
    with pytest.raises(RunConflict, match="holds another set"):
        gan_aug.SyntheticSet.from_bundle(bundles / "films", {"normal": 1}, out)
    with pytest.raises(ReleaseRefused, match="was not audited, and an audit needs the images"):
        made.export("npz", tmp_path / "set.npz")


def test_images_of_a_bundle_may_have_several_labels(bundles: Path, tmp_path: Path) -> None:
    counts = {"none": 2, "normal+肺炎": 3, "a+b": 4, "肺炎+normal": 1}
    made = gan_aug.SyntheticSet.from_bundle(bundles / "several", counts, tmp_path / "set").manifest
    assert sorted(made.image_labels) == [(), (), *[(0, 2)] * 4, *[(1,)] * 4]
    with pytest.raises(ConfigError, match="no label 'normal\\+b': the GAN was trained on normal, a\\+b, 肺炎"):
        gan_aug.SyntheticSet.from_bundle(bundles / "several", {"normal+b": 1}, tmp_path / "no")
    with pytest.raises(ConfigError, match="no label 'none'"):
        gan_aug.SyntheticSet.from_bundle(bundles / "films", {"none": 1}, tmp_path / "no")
    with pytest.raises(ConfigError, match="seed is from 0"):
        gan_aug.SyntheticSet.from_bundle(bundles / "films", 1, tmp_path / "no", seed=-1)
    assert not (tmp_path / "no").exists()


def edit(folder: Path, name: str, change: Callable[[Any], Any], summed: bool = True) -> None:
    """Alter a JSON file of a bundle; with `summed`, its sum too."""
    path = folder / name
    write(folder, name, json.dumps(change(json.loads(path.read_text(encoding="utf-8")))).encode(), summed)


def write(folder: Path, name: str, content: bytes, summed: bool = True) -> None:
    sums = folder / "SHA256SUMS"
    before = hashlib.sha256((folder / name).read_bytes()).hexdigest()
    (folder / name).write_bytes(content)
    if summed:
        sums.write_text(sums.read_text().replace(before, hashlib.sha256(content).hexdigest()))


def other_weights(folder: Path) -> bytes:
    tensors = safetensors.torch.load_file(folder / "models/model.safetensors")
    return safetensors.torch.save({name: tensor + 1 for name, tensor in tensors.items()})


def forged(record: dict[str, Any]) -> dict[str, Any]:
    """A record of other networks with an id that fits, as one may write who knows how."""
    checkpoint = record["checkpoint"] | {"networks": record["checkpoint"]["networks"] | {"width": 6}}
    del checkpoint["id"]
    return record | {"checkpoint": checkpoint | {"id": json_sha256(checkpoint)}}


RECORD = "configs/gan-aug.json"
UNKNOWN = {"shape": [1, 2, 3], "classes": 1, "network": "x"}
FAULTS: dict[str, tuple[Callable[[Path], Any], str]] = {
    "altered weights": (lambda b: write(b, "models/model.safetensors", b"x", False), "model.safetensors was altered"),
    "altered pickle": (lambda b: write(b, "models/model.pt", b"x", False), "model.pt was altered: its SHA-256 is 2d71"),
    "altered code": (lambda b: write(b, f"{next(b.glob('scripts_*')).name}/about.py", b"x", False), "about.py was alt"),
    "other weights": (lambda b: write(b, "models/model.safetensors", other_weights(b)), "holds other weights"),
    "other facts": (
        lambda b: edit(b, RECORD, lambda own: own | {"checkpoint": own["checkpoint"] | {"trained_images": 9}}),
        "holds other weights, or another record",
    ),
    "a lack": (lambda b: edit(b, RECORD, lambda own: own | {"checkpoint": {"id": "x"}}), "lacks or mistypes 'labels'"),
    "no object": (lambda b: edit(b, RECORD, lambda own: [own]), "cannot be read as JSON"),
    "no JSON": (lambda b: write(b, RECORD, b"{"), "cannot be read as JSON"),
    "a later version": (
        lambda b: edit(b, RECORD, lambda own: own | {"bundle": 2}),
        "a bundle of version 2, and this gan-aug reads version 1: update",
    ),
    "another program": (lambda b: (b / RECORD).unlink(), "a bundle of another program, since it has no configs/"),
    "an absent file": (lambda b: (b / "models/model.pt2").unlink(), "model.pt2 of the bundle is absent"),
    "no sums": (lambda b: (b / "SHA256SUMS").unlink(), "SHA256SUMS cannot be read"),
    "empty sums": (lambda b: (b / "SHA256SUMS").write_text(""), "does not list configs/gan-aug.json"),
    "sums of elsewhere": (
        lambda b: (b / "SHA256SUMS").write_text((b / "SHA256SUMS").read_text() + "0  ../../secret\n"),
        "names '../../secret', which is not in the bundle",
    ),
    "an unknown network": (
        lambda b: edit(b, RECORD, lambda own: own | {"checkpoint": own["checkpoint"] | {"networks": UNKNOWN}}),
        "holds the network x, which this version does not know",
    ),
    "no bundle": (lambda b: shutil.rmtree(b / "configs"), "is no bundle, which has configs/metadata.json"),
    "forged": (lambda b: edit(b, RECORD, forged), "holds the weights of other networks than its record"),
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
def test_a_bundle_with_a_fault_is_one_sentence(
    fault: str, films: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    spoil, said = FAULTS[fault]
    spoil(films)
    out = tmp_path / "out"
    assert call(monkeypatch, "generate", "--from", films, "--counts", 2, "--out", out) == 4
    assert said in capsys.readouterr().err.splitlines()[-1]
    assert not (out / "manifest.json").exists()


def test_what_does_not_go_with_a_bundle_is_one_sentence(
    films: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run = GOLDEN / "run_0_1"
    for arguments, said in (
        (["--from", films, "--counts", 2], "--from needs --out"),
        (["--from", films, "--out", "x"], "a bundle does not know how many real images"),
        (["--from", films, run], "goes with --counts, --seed, --out and --json alone"),
        (["--from", films, "--gan", 0], "goes with --counts, --seed, --out and --json alone"),
        ([], "generate needs a CONFIG, the run folder of a trained GAN, or --from BUNDLE"),
    ):
        assert call(monkeypatch, "generate", *arguments) == 2
        assert said in capsys.readouterr().err
    with pytest.raises(CheckpointError, match="a checkpoint's folder, or a bundle"):
        gan_aug.load_generator(films / "docs")
