"""Several GANs: the same whoever trains them, however often stopped; each classifier trains on its own GAN's images."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gan_aug.compute.local.executor import LocalExecutor
from gan_aug.config import Config, parse
from gan_aug.config.stages import Verb
from gan_aug.data.synthetic.shards import SyntheticManifest
from gan_aug.errors import Cancelled, CheckpointError, DataError
from gan_aug.gan.state import newest_checkpoint
from gan_aug.run.events import Event
from gan_aug.run.folder import RunDir
from gan_aug.stages.context import saved_storage
from gan_aug.stages.verbs import start
from gan_aug.verification.run import verify_run

pytestmark = pytest.mark.slow

IMAGES = 96


def config(**compare: Any) -> Config:
    values = {
        "data": {"source": "digits", "size": 16, "limit": 12},
        "train": {"images": IMAGES, "batch": 16, "checkpoint_every": 48, "sample_every": IMAGES},
        "gan": {"width": 2, "latent": 4},
        "synthesis": {"counts": 4},
        "classifier": {"name": "small-cnn", "steps": 8, "batch": 8, "epochs": 2},
        "compare": {"seeds": 3, "arms": ["real", "synthetic"], "canaries": False, **compare},
        "compute": {"workers": 1, "cache": 0},
    }
    return parse(values, "a test")


def report(run: Path) -> dict[str, Any]:
    values: dict[str, Any] = json.loads((run / "report.json").read_text())
    return {key: value for key, value in values.items() if key not in ("environment", "timing")}


def synthetic_of(run: Path, gan: int) -> Path:
    return run / "synthetic" if gan == 0 else run / f"gans/{gan}/synthetic"


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("gans") / "run"
    start("run", config(), RunDir(path), LocalExecutor(1))
    return path


def test_each_seed_trains_on_the_images_of_its_own_gan(finished: Path) -> None:
    made = [SyntheticManifest.load(synthetic_of(finished, gan) / "manifest.json") for gan in range(3)]
    assert len({one.checkpoint for one in made}) == len({one.fingerprint for one in made}) == 3
    assert len({one.image_labels for one in made}) == len({(one.dataset, one.trained_images) for one in made}) == 1
    cells = json.loads((finished / "compare/cells.json").read_text())["arms"]
    for arm, keys in cells.items():
        sets = [json.loads((finished / f"compare/cells/{key}/request.json").read_text())["synthetic"] for key in keys]
        assert sets == ([None] * 3 if arm == "real" else [one.fingerprint for one in made])
    told = report(finished)
    assert [seed["gan"] for seed in told["arms"]["synthetic"]["seeds"]] == [0, 1, 2]
    assert [seed["gan"] for seed in told["arms"]["real"]["seeds"]] == [None] * 3
    assert [one["synthetic"] for one in told["provenance"]["gans"]] == [one.fingerprint for one in made]
    assert told["provenance"]["synthetic"] == made[0].fingerprint
    assert told["config"]["compare"]["gans"] == 3
    assert [row["seeds"] for row in told["gans"]] == [[0], [1], [2]]
    for row in told["gans"]:
        assert row["auc"]["synthetic"] == told["arms"]["synthetic"]["seeds"][row["gan"]]["auc"]
    for gan in range(3):
        training = json.loads((synthetic_of(finished, gan).parent / "train/request.json").read_text())
        assert training["threads"] == 1
        assert (training["seed"] == 0) == (gan == 0)


def test_one_gan_is_the_first_of_three(finished: Path, tmp_path: Path) -> None:
    asked = config(gans=1)
    alone = asked.model_copy(update={"compute": asked.compute.model_copy(update={"threads": 1})})
    verbs: tuple[Verb, ...] = ("train", "generate")
    for verb in verbs:
        start(verb, alone, RunDir(tmp_path), LocalExecutor(1))
    for file in ("train/checkpoints/0000000096/checkpoint.json", "synthetic/manifest.json"):
        assert (tmp_path / file).read_bytes() == (finished / file).read_bytes()
    assert not (tmp_path / "gans").exists()
    with pytest.raises(DataError, match=r"no synthetic set of GAN 1: run `gan-aug train` .* or set compare.gans to 1"):
        start("compare", config(gans=3), RunDir(tmp_path), LocalExecutor(1))
    with pytest.raises(CheckpointError, match="holds no trained GAN 1"):
        start("generate", config(gans=3), RunDir(tmp_path), LocalExecutor(1))
    assert not (tmp_path / "gans").exists()


def test_stopped_in_the_training_of_any_and_trained_on_by_two_processes_is_the_same(
    finished: Path, tmp_path: Path
) -> None:
    seen: list[Event] = []

    def stop(event: Event) -> None:
        seen.append(event)
        if event.stage == "train" and event.values.get("gan") == 1.0:
            run.stop()

    run = RunDir(tmp_path / "run", (stop,))
    with pytest.raises(Cancelled, match=r"gan-aug resume .*run` goes on"):
        start("run", config(), run, LocalExecutor(1))
    states = [newest_checkpoint(tmp_path / f"run/{part}train/checkpoints") for part in ("", "gans/1/", "gans/2/")]
    assert states[0]
    assert states[0].images == IMAGES
    assert states[1]
    assert 0 < states[1].images < IMAGES
    assert states[2] is None
    progress = [(event.done, event.total) for event in seen if event.stage == "train" and event.kind == "progress"]
    assert progress[-1][0] == IMAGES + states[1].images
    assert {total for _, total in progress} == {3 * IMAGES}

    later: list[Event] = []
    start("train", config(), RunDir(tmp_path / "run", (later.append,)), LocalExecutor(2))
    start("run", config(), RunDir(tmp_path / "run"), LocalExecutor(1))
    assert report(tmp_path / "run") == report(finished)
    trained = [event for event in later if event.stage == "train"]
    assert next(event.kind for event in trained if event.kind != "progress") == "start"
    assert max(event.done or 0 for event in trained) == 3 * IMAGES
    assert any("GAN 2" in event.message for event in trained)
    for gan in range(3):
        files = {path.name: path.read_bytes() for path in synthetic_of(finished, gan).glob("*.npy")}
        assert files == {path.name: path.read_bytes() for path in synthetic_of(tmp_path / "run", gan).glob("*.npy")}


def test_every_gan_is_verified(finished: Path, tmp_path: Path) -> None:
    path = Path(shutil.copytree(finished, tmp_path / "run"))
    chain = verify_run(saved_storage(path), lambda *_: None)
    assert chain.broken is None, chain.to_text()
    names = {link.name for link in chain.links}
    assert {"gans/1/synthetic/manifest.json", "gans/2/train/checkpoints/0000000096"} <= names
    for name in ("gans/2/synthetic/shard-00000.npy", "gans/1/train/checkpoints/0000000096/generator.safetensors"):
        whole = (path / name).read_bytes()
        (path / name).write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
        broken = verify_run(saved_storage(path), lambda *_: None).broken
        assert broken
        assert name.startswith(broken.name)
        (path / name).write_bytes(whole)
    asked = path / "gans/1/train/request.json"
    asked.write_text(asked.read_text().replace('"lr": 0.001', '"lr": 0.1'))
    assert "the train of GAN 1" in verify_run(saved_storage(path), lambda *_: None).verdict
    shutil.rmtree(path / "gans/2")
    assert "rests on a synthetic set of GAN 2" in verify_run(saved_storage(path), lambda *_: None).to_text()


def test_a_gan_more_or_less_trains_that_one_alone_and_shares_the_cells(finished: Path, tmp_path: Path) -> None:
    path = Path(shutil.copytree(finished, tmp_path / "run"))
    stamps = {file: file.stat().st_mtime_ns for file in path.glob("**/train/checkpoints/*/*")}
    before = {cell.name for cell in (path / "compare/cells").iterdir()}
    start("run", config(gans=2), RunDir(path), LocalExecutor(1))
    assert {file: file.stat().st_mtime_ns for file in path.glob("**/train/checkpoints/*/*")} == stamps
    assert len({cell.name for cell in (path / "compare/cells").iterdir()} - before) == 1  # seed 2 with GAN 0
    told = report(path)
    assert [seed["gan"] for seed in told["arms"]["synthetic"]["seeds"]] == [0, 1, 0]
    assert [row["seeds"] for row in told["gans"]] == [[0, 2], [1]]
    assert np.isclose(
        told["gans"][0]["auc"]["synthetic"], np.mean([told["arms"]["synthetic"]["seeds"][k]["auc"] for k in (0, 2)])
    )
    assert verify_run(saved_storage(path), lambda *_: None).broken is None
