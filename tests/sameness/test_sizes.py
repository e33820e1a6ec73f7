"""Learning curves: the same whoever computes them, however often stopped; each GAN saw its subset alone."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from gan_aug.compute.local.executor import LocalExecutor
from gan_aug.config import Config, parse
from gan_aug.data.manifest import Manifest
from gan_aug.data.splits.subsets import Subset, take_subset
from gan_aug.data.synthetic.shards import SyntheticManifest
from gan_aug.errors import Cancelled, ConfigError, LeakageError
from gan_aug.run import layout
from gan_aug.run.artefacts import put_files
from gan_aug.run.events import Event
from gan_aug.run.folder import RunDir
from gan_aug.stages.context import saved_storage
from gan_aug.stages.gans.curve_sets import _make_set
from gan_aug.stages.storage import RunStorage, adopt
from gan_aug.stages.verbs import start
from gan_aug.verification.run import verify_run

pytestmark = pytest.mark.slow


def config(**compare: Any) -> Config:
    values = {
        "data": {"source": "digits", "size": 16, "limit": 12},
        "train": {"images": 128, "batch": 16, "checkpoint_every": 64},
        "gan": {"width": 2, "latent": 4},
        "classifier": {"name": "small-cnn", "steps": 8, "batch": 8, "epochs": 2},
        "compare": {"seeds": 1, "draws": 2, "sizes": [25, "all"], "arms": ["real", "mixed", "pretrain"], **compare},
        "compute": {"threads": 1, "workers": 1, "cache": 0},
    }
    return parse(values, "a test")


def report(run: Path) -> dict[str, Any]:
    values: dict[str, Any] = json.loads((run / "report.json").read_text())
    return {key: value for key, value in values.items() if key not in ("environment", "timing")}


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("sizes") / "run"
    start("run", config(), RunDir(path), LocalExecutor(1))
    return path


def test_two_workers_stopped_between_two_gans_and_resumed_give_the_same_curves(finished: Path, tmp_path: Path) -> None:
    path = tmp_path / "run"
    run = RunDir(path, (lambda event: run.stop() if stops(event) else None,))

    def stops(event: Event) -> bool:
        return (event.stage, event.kind) == ("sizes", "progress")

    with pytest.raises(Cancelled):
        start("run", config(), run, LocalExecutor(1))
    assert len(list(path.glob("sizes/*/synthetic/manifest.json"))) == 1
    start("run", config(), RunDir(path), LocalExecutor(2))
    assert report(path) == report(finished)
    assert [(p["size"], p["arm"], p["draws"]) for p in report(path)["curves"]] == [
        (size, arm, draws) for size, draws in ((25, 2), (86, 1)) for arm in ("real", "mixed", "pretrain")
    ]


def test_each_gan_saw_the_images_of_its_subset_and_no_other(finished: Path) -> None:
    whole = Manifest.load(finished / "dataset/manifest.json")
    seen = []
    for draw in range(2):
        made = SyntheticManifest.load(finished / f"sizes/00025-{draw}/synthetic/manifest.json")
        part = take_subset(whole, Subset(25, draw), 0)
        own = {part.studies[i].content for i in part.indices("train")}
        assert (made.dataset, made.trained_images, made.trained_on) == (part.fingerprint, len(own), ())
        assert len(made.image_labels) == len(part.indices("train")) == 25
        assert made.counts() == part.counts()["train"]
        seen.append(own)
    assert seen[0] != seen[1]


def test_asking_for_more_computes_only_that(finished: Path, tmp_path: Path) -> None:
    path = tmp_path / "run"
    shutil.copytree(finished, path)
    before = {cell.name for cell in (path / "compare/cells").iterdir()}
    stamps = {file: file.stat().st_mtime_ns for file in path.glob("sizes/*/synthetic/*")}
    start("compare", config(draws=3), RunDir(path), LocalExecutor(1))
    assert len({cell.name for cell in (path / "compare/cells").iterdir()} - before) == 3
    assert {file: file.stat().st_mtime_ns for file in stamps} == stamps


def test_a_gan_of_all_images_is_refused_by_the_arms_of_a_subset(finished: Path, tmp_path: Path) -> None:
    path = tmp_path / "run"
    shutil.copytree(finished, path)
    own = path / "sizes/00025-0/synthetic"
    for file in path.glob("synthetic/*"):
        if file.name != "request.json":
            shutil.copy(file, own)
    with pytest.raises(LeakageError, match="trained on 86 images of the data .* which are not these"):
        start("compare", config(seeds=2), RunDir(path), LocalExecutor(1))


def test_a_damaged_set_of_a_subset_is_found_and_made_again(finished: Path, tmp_path: Path) -> None:
    path = Path(shutil.copytree(finished, tmp_path / "run"))
    own = path / "sizes/00025-1"
    shard, manifest = own / "synthetic/shard-00000.npy", own / "synthetic/manifest.json"
    whole = shard.read_bytes()
    for spoilt in (shard, manifest, max(own.glob("train/checkpoints/*/generator.safetensors"))):
        before = spoilt.read_bytes()
        spoilt.write_bytes(before[:-1] + bytes([before[-1] ^ 1]))
        chain = verify_run(saved_storage(path), lambda what, done, total: None)
        assert chain.broken
        assert chain.broken.name.startswith("sizes/00025-1/")
        cells = {cell.name for cell in (path / "compare/cells").iterdir()}
        start("compare", config(), RunDir(path), LocalExecutor(1))
        assert shard.read_bytes() == whole
        assert {cell.name for cell in (path / "compare/cells").iterdir()} == cells
        if spoilt.suffix == ".safetensors":
            spoilt.write_bytes(before)  # a checkpoint whose images are whole is no reason to train again
        chain = verify_run(saved_storage(path), lambda what, done, total: None)
        assert chain.broken is None, chain.to_text()


def test_a_size_that_is_no_part_of_the_training_split_is_said_before_anything_is_trained(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="compare.sizes: 90 is not less than the 86 training images"):
        start("run", config(sizes=[90]), RunDir(tmp_path / "run"), LocalExecutor(1))
    assert not (tmp_path / "run/train/checkpoints").exists()


def in_store(place: str) -> Config:
    asked = config()
    return asked.model_copy(update={"compute": asked.compute.model_copy(update={"storage": place})})


def test_in_a_store_the_curves_are_the_same_and_no_gan_is_trained_twice(
    finished: Path, tmp_path: Path, host_cache: Path
) -> None:
    path, elsewhere, store = tmp_path / "run", tmp_path / "elsewhere", f"memory://{tmp_path.name}"
    start("run", in_store(store), RunDir(path), LocalExecutor(1))
    assert report(path) == report(finished)
    assert not list(path.glob("sizes/*/synthetic/*.npy"))
    adopt(elsewhere, f"{store}/{json.loads((path / layout.STORAGE).read_text())['name']}")
    start("run", in_store(store), RunDir(elsewhere), LocalExecutor(1))
    assert report(elsewhere) == report(finished)
    assert not list(elsewhere.glob("sizes/*/events.jsonl"))


def test_a_host_without_the_run_folder_makes_the_set_of_a_subset_from_the_store(
    finished: Path, tmp_path: Path, host_cache: Path
) -> None:
    url = f"memory://{tmp_path.name}/run"
    put_files(f"{url}/dataset", {name: finished / "dataset" / name for name in ("images.npy", "manifest.json")})
    there = RunStorage(tmp_path / "not-there", url)
    asked = in_store(f"memory://{tmp_path.name}")
    made = _make_set(None, Subset(25, 1), request=asked.curve_request, storage=there, compute=asked.compute)
    assert made == SyntheticManifest.load(f"{url}/sizes/00025-1/synthetic/manifest.json")
    assert made == SyntheticManifest.load(finished / "sizes/00025-1/synthetic/manifest.json")
    assert not (tmp_path / "not-there/dataset").exists()
