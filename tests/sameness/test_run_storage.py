"""A run whose large files are in an object store is the run that keeps them itself, also after losing either side."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gan_aug.compute.local.executor import LocalExecutor
from gan_aug.data.synthetic.shards import SyntheticManifest, read_images
from gan_aug.evaluation.cells.plan import plan_cells
from gan_aug.evaluation.cells.run import finished_cell, load_context, run_cell
from gan_aug.gan.state import TrainingData, save_checkpoint
from gan_aug.run import stores as storage
from gan_aug.run.artefacts import put_files
from gan_aug.run.stores import Place, below, open_store
from gan_aug.synthesis.write import write_synthetic_set
from tests.support.cell_data import CellData, small_config
from tests.support.command_line import call
from tests.support.gan_samples import small_trainer
from tests.support.s3_server import BUCKET, S3Server

CONFIG = """
data: {source: digits, size: 16, limit: 20}
train: {images: 640, batch: 32, checkpoint_every: 320, sample_every: 640}
gan: {width: 4, latent: 8}
synthesis: {counts: 130, shard: 64}
classifier: {name: softmax, steps: 10, epochs: 2}
compare: {seeds: 1, arms: [real, synthetic, mixed], canaries: false}
compute: {workers: 1, threads: 1, cache: 0}
"""
DATA = TrainingData(labels=("a", "b", "c"), task="multi-class", dataset="0" * 64, trained_images=0)
PLAN = tuple((k % 3,) for k in range(250))
STORE = f"s3://{BUCKET}/runs"


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("config") / "job.yaml"
    path.write_text(CONFIG)
    return path


@pytest.fixture(scope="module")
def alone(config: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A whole run that keeps its files itself; tests must not alter it."""
    run = tmp_path_factory.mktemp("alone") / "run"
    with pytest.MonkeyPatch.context() as patch:
        assert call(patch, "run", config, "--run", run) == 0
    return run


def report(run: Path) -> dict[str, Any]:
    values: dict[str, Any] = json.loads((run / "report.json").read_text())
    return {key: value for key, value in values.items() if key not in ("environment", "timing")}


def make(checkpoint: Any, place: Place, workers: int = 1) -> SyntheticManifest:
    return write_synthetic_set(checkpoint, PLAN, place, LocalExecutor(workers), seed=1, shard_size=64)


def test_shards_by_url_are_the_folders_bytes(tmp_path: Path, host_cache: Path) -> None:
    checkpoint = save_checkpoint(tmp_path / "checkpoints", small_trainer(), DATA)
    url = f"memory://{tmp_path.name}"
    local, stored = make(checkpoint, tmp_path / "local"), make(checkpoint, url)
    assert stored.fingerprint == local.fingerprint
    assert SyntheticManifest.load(below(url, "manifest.json")) == local
    for shard in local.shards:
        assert open_store(url).read(shard.file) == (tmp_path / "local" / shard.file).read_bytes()
    np.testing.assert_array_equal(read_images(url, stored), read_images(tmp_path / "local", local))


def test_a_worker_without_the_run_folder_computes_the_same_cells(
    cell_data: CellData, tmp_path: Path, host_cache: Path
) -> None:
    url = f"memory://{tmp_path.name}"
    put_files(f"{url}/dataset", {name: cell_data.dataset / name for name in ("images.npy", "manifest.json")})
    for path in cell_data.synthetic.iterdir():
        open_store(f"{url}/synthetic").upload(path.name, path)
    (cell,) = [
        c for c in plan_cells(cell_data.manifest, [cell_data.generated], small_config(seeds=1)) if c.arm == "mixed"
    ]
    here = load_context(cell_data.dataset, [cell_data.synthetic], tmp_path / "here")
    there = load_context(
        tmp_path / "not-there",
        [f"{url}/synthetic"],
        tmp_path / "there",
        stored_dataset=f"{url}/dataset",
        stored_cells=f"{url}/cells",
    )
    for context in (here, there):
        run_cell(context, cell)
    scores = [
        finished_cell(folder / cell.key, f"{url}/cells").test_scores
        for folder in (tmp_path / "here", tmp_path / "where the report is made")
    ]
    np.testing.assert_array_equal(*scores)


DAMAGE: dict[str, Callable[[S3Server, str], None]] = {
    "cut short": lambda s3, key: s3.put(f"{key}.npy", s3.get(f"{key}.npy")[:-1]),
    "altered": lambda s3, key: s3.put(f"{key}.npy", s3.get(f"{key}.npy")[:-1] + b"?"),
    "removed": lambda s3, key: s3.delete(f"{key}.npy"),
    "without its marker": lambda s3, key: s3.delete(f"{key}.json"),
    "with half a marker": lambda s3, key: s3.put(f"{key}.json", s3.get(f"{key}.json")[:40]),
}


@pytest.mark.s3
def test_only_the_shards_that_are_not_whole_are_made_again(tmp_path: Path, s3: S3Server, host_cache: Path) -> None:
    checkpoint = save_checkpoint(tmp_path / "checkpoints", small_trainer(), DATA)
    made = make(checkpoint, STORE)
    before = {key: s3.get(key) for key in s3.objects()}
    for how in DAMAGE.values():
        how(s3, "runs/shard-00002")
        untouched = s3.client().head_object(Bucket=BUCKET, Key="runs/shard-00001.npy")["LastModified"]
        assert make(checkpoint, STORE) == made
        assert {key: s3.get(key) for key in s3.objects()} == before
        assert s3.client().head_object(Bucket=BUCKET, Key="runs/shard-00001.npy")["LastModified"] == untouched


@pytest.mark.s3
def test_two_writers_of_the_same_shards_end_well(tmp_path: Path, s3: S3Server, host_cache: Path) -> None:
    checkpoint = save_checkpoint(tmp_path / "checkpoints", small_trainer(), DATA)
    made: list[SyntheticManifest] = []
    writers = [threading.Thread(target=lambda: made.append(make(checkpoint, STORE))) for _ in range(2)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert made[0] == made[1] == make(checkpoint, STORE)
    assert len(read_images(STORE, made[0])) == len(PLAN)


@pytest.mark.slow
@pytest.mark.s3
def test_a_run_in_a_store_is_the_run_in_its_folder(
    config: Path, alone: Path, tmp_path: Path, s3: S3Server, host_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = tmp_path / "kept"
    many = ("--set", f"compute.storage={STORE}", "--set", "compute.workers=2")
    assert call(monkeypatch, "run", config, "--run", kept, *many) == 0
    assert report(kept) == report(alone)
    assert not list((kept / "synthetic").glob("*.npy"))
    assert json.loads((kept / "synthetic/manifest.json").read_text()) == json.loads(
        (alone / "synthetic/manifest.json").read_text()
    )

    # All but the record is lost: nothing is computed again, and the report comes out the same.
    for name in ("train/checkpoints", "compare/cells", "dataset"):
        shutil.rmtree(kept / name)
    shutil.rmtree(host_cache)
    (kept / "report.json").unlink()
    assert call(monkeypatch, "resume", kept) == 0
    assert report(kept) == report(alone)

    # Nothing of the run folder is left, and the host is another one.
    (name,) = {key.split("/")[1] for key in s3.objects()}
    elsewhere = tmp_path / "elsewhere"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "another"))
    assert call(monkeypatch, "resume", elsewhere, "--from", f"{STORE}/{name}") == 0
    assert report(elsewhere) == report(alone)
    messages = (elsewhere / "events.jsonl").read_text()
    assert '"stage": "train"' not in messages
    assert call(monkeypatch, "export", elsewhere, "--to", "npz", "--out", tmp_path / "set.npz") == 0
    with np.load(tmp_path / "set.npz", allow_pickle=False) as file:
        assert len(file["images"]) == 1300
    shutil.rmtree(elsewhere / "dataset")
    assert call(monkeypatch, "inspect", elsewhere) == 0


@pytest.mark.slow
@pytest.mark.s3
def test_a_host_that_dies_among_the_shards_is_followed_by_another(
    config: Path, alone: Path, tmp_path: Path, s3: S3Server, host_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    more = ("--set", "compute.workers=2", "--set", f"compute.storage={STORE}")
    run = ("run", config, "--run", tmp_path / "dies", *more)
    command = [sys.executable, "-c", "from gan_aug.cli.app import main; main()", *map(str, run)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
    deadline = time.monotonic() + 900
    while not (shards := [key for key in s3.objects() if "/shard-" in key]) and time.monotonic() < deadline:
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGKILL)  # the host: driver and workers
    process.wait()
    assert 0 < len(shards) < 2 * 21
    shutil.rmtree(tmp_path / "dies")
    (name,) = {key.split("/")[1] for key in s3.objects()}
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "another"))
    assert call(monkeypatch, "resume", tmp_path / "follows", "--from", f"{STORE}/{name}") == 0
    assert report(tmp_path / "follows") == report(alone)
    assert '"stage": "train"' not in (tmp_path / "follows/events.jsonl").read_text()


@pytest.mark.slow
def test_a_run_in_a_shared_folder_goes_on_in_another_run_folder(
    config: Path, tmp_path: Path, host_cache: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    kept, shared = tmp_path / "kept", tmp_path / "shared"
    assert call(monkeypatch, "run", config, "--run", kept, "--set", f"compute.storage={shared}") == 0
    (place,) = shared.iterdir()
    elsewhere = tmp_path / "elsewhere"
    assert call(monkeypatch, "resume", elsewhere, "--from", place) == 0
    assert report(elsewhere) == report(kept)
    assert not host_cache.exists()  # a shared folder is read where it is
    for folder, url, said in (
        (elsewhere, shared / "nobody", "holds no run"),
        (tmp_path / "other", place.rename(tmp_path / "moved"), "move it back"),
    ):
        assert call(monkeypatch, "resume", folder, "--from", url) == 4
        assert said in capsys.readouterr().err


@pytest.mark.s3
def test_a_training_goes_on_from_the_store_where_its_newest_checkpoint_is_torn_there(
    config: Path, tmp_path: Path, s3: S3Server, host_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    alone, kept = tmp_path / "alone", tmp_path / "kept"
    assert call(monkeypatch, "train", config, "--run", alone) == 0
    whole = (alone / "train/checkpoints/0000000640/training.safetensors").read_bytes()
    assert call(monkeypatch, "train", config, "--run", kept, "--set", f"compute.storage={STORE}") == 0
    (torn,) = [key for key in s3.objects() if key.endswith("0000000640/training.safetensors")]
    assert s3.get(torn) == whole
    s3.put(torn, whole[:-1])
    shutil.rmtree(kept / "train")
    assert call(monkeypatch, "resume", kept) == 0
    assert "training on cpu, 320 of 640 images" in (kept / "events.jsonl").read_text()
    assert (kept / "train/checkpoints/0000000640/training.safetensors").read_bytes() == whole
    assert s3.get(torn) == whole

    # Another request is refused although the folder lost what it would conflict with.
    shutil.rmtree(kept / "train")
    other = ("--set", f"compute.storage={STORE}", "--set", "gan.width=8")
    assert call(monkeypatch, "train", config, "--run", kept, *other) == 4


@pytest.mark.s3
def test_a_store_that_goes_away_is_waited_for_then_named_and_the_run_resumes(
    config: Path,
    tmp_path: Path,
    s3: S3Server,
    host_cache: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(storage, "WAITS", (0.01, 0.02))
    run = tmp_path / "run"
    assert call(monkeypatch, "train", config, "--run", run, "--set", f"compute.storage={STORE}") == 0
    s3.stop()
    capsys.readouterr()
    more = ("--set", f"compute.storage={STORE}")
    assert call(monkeypatch, "run", config, "--run", run, *more) == 8
    said = capsys.readouterr().err.strip().splitlines()
    assert len(said) == 1
    assert said[0].startswith(f"gan-aug: cannot use {STORE}/run-")
    assert "it did not answer in 3 tries" in said[0]
    s3.start()
    assert call(monkeypatch, "resume", run) == 0
    assert (run / "report.json").exists()


@pytest.mark.s3
def test_a_store_that_comes_back_in_time_costs_nothing(s3: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    store = open_store(STORE)
    store.write("a", b"kept")
    s3.stop()
    waited: list[float] = []

    def back(seconds: float) -> None:
        waited.append(seconds)
        if len(waited) == 2:
            s3.start()

    monkeypatch.setattr(storage.time, "sleep", back)
    assert store.read("a") == b"kept"
    assert len(waited) == 2


@pytest.mark.s3
def test_faults_of_the_users_are_one_sentence(
    config: Path, tmp_path: Path, s3: S3Server, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def said(url: str) -> str:
        assert call(monkeypatch, "run", config, "--run", tmp_path / "run", "--set", f"compute.storage={url}") == 8
        (line,) = capsys.readouterr().err.strip().splitlines()
        return line

    assert "there is no such bucket: create it" in said("s3://not-there/x")
    assert not (tmp_path / "run/dataset").exists()  # found before anything was done
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    import s3fs  # noqa: TID251

    s3fs.S3FileSystem.clear_instance_cache()
    assert "no usable credentials were found" in said(STORE)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")


@pytest.mark.s3
def test_no_secret_and_no_patient_key_reaches_folder_or_store(
    config: Path, tmp_path: Path, s3: S3Server, host_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "sesame-9f2c")
    run = tmp_path / "run"
    assert call(monkeypatch, "import", config, "--run", run, "--set", f"compute.storage={STORE}") == 0
    kept = [path.read_bytes() for path in run.rglob("*") if path.is_file()] + [s3.get(key) for key in s3.objects()]
    assert kept
    assert not any(b"sesame" in content for content in kept)
    assert not any("patient.key" in key for key in s3.objects())
