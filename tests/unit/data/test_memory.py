"""Sets larger than what memory may hold are used from their files: the pages are the files', not the process's."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from gan_aug.data.synthetic.shards import SyntheticShard
from gan_aug.run.files import file_sha256
from tests.support.cell_data import CellData

BOUND = 160 << 20
"""Bytes of its own that a process may add, a quarter of the set."""

SHARDS = 8

TRAIN = """
import json, sys
from pathlib import Path
import numpy as np
import torch
from gan_aug.data.training_batches import TrainingBatches
from gan_aug.gan.networks.settings import NetworkSettings
from gan_aug.gan.trainer import GanTrainer, TrainSettings

def own():
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("RssAnon"))

torch.set_num_threads(1)
images = np.load(sys.argv[1], mmap_mode="r")
labels = np.eye(2, dtype=np.float32)[np.arange(len(images)) % 2]
batches = TrainingBatches(images, labels, np.arange(len(images)), seed=0)
start, peak = own(), 0
settings = TrainSettings(images=256, batch=32, loss="hinge")
trainer = GanTrainer(NetworkSettings((1, 64, 64), 2, width=4, latent=8), settings, batches)
while not trainer.finished:
    trainer.step()
    peak = max(peak, own())
for first in range(0, len(images), 512):
    batches(first, 512)
    peak = max(peak, own())
print(json.dumps(peak - start))
"""


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads RssAnon from /proc")
def test_a_set_four_times_larger_than_the_bound_trains_under_it(tmp_path: Path) -> None:
    count = 4 * BOUND // (64 * 64)
    # Blank: the file takes no room on the disk, but its pages count like any others once they are read.
    np.lib.format.open_memmap(tmp_path / "images.npy", "w+", np.uint8, (count, 1, 64, 64)).flush()
    ended = subprocess.run(
        [sys.executable, "-c", TRAIN, str(tmp_path / "images.npy")], capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stderr
    assert json.loads(ended.stdout) < BOUND


LOAD = """
import json, sys
from pathlib import Path
import numpy as np
from gan_aug.evaluation.cells.run import load_context

def own():
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("RssAnon"))

dataset, synthetic, cells = map(Path, sys.argv[1:])
start = own()
images = load_context(dataset, [synthetic], cells).sets[0].images
peak = own()
for first in range(0, len(images), 512):
    images[np.arange(first, min(first + 512, len(images)))]
    peak = max(peak, own())
print(json.dumps(peak - start))
"""


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads RssAnon from /proc")
def test_a_worker_of_the_comparison_holds_no_synthetic_image(cell_data: CellData, tmp_path: Path) -> None:
    count = 2 * BOUND // (16 * 16) // SHARDS
    shards = []
    for k in range(SHARDS):
        np.lib.format.open_memmap(tmp_path / f"{k}.npy", "w+", np.uint8, (count, 1, 16, 16)).flush()
        shards.append(SyntheticShard(f"{k}.npy", k * count, count, file_sha256(tmp_path / f"{k}.npy")))
    replace(cell_data.generated, image_labels=((0,),) * (count * SHARDS), shards=tuple(shards)).save(
        tmp_path / "manifest.json"
    )
    ended = subprocess.run(
        [sys.executable, "-c", LOAD, str(cell_data.dataset), str(tmp_path), str(tmp_path / "cells")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    assert json.loads(ended.stdout) < BOUND / 2
