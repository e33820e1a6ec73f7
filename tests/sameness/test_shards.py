"""One worker makes what many make; one shard holds what four hold."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from gan_aug.compute.local.executor import LocalExecutor
from gan_aug.data.synthetic.shards import SyntheticManifest, read_images
from gan_aug.gan.state import TrainingData, save_checkpoint
from gan_aug.synthesis.write import write_synthetic_set
from tests.support.gan_samples import small_trainer

DATA = TrainingData(labels=("a", "b", "c"), task="multi-class", dataset="0" * 64, trained_images=0)
PLAN = tuple((k % 3,) for k in range(250))


def test_workers_and_shard_sizes_change_nothing(tmp_path: Path) -> None:
    checkpoint = save_checkpoint(tmp_path / "checkpoints", small_trainer(), DATA)

    def make(name: str, workers: int, shard: int) -> SyntheticManifest:
        return write_synthetic_set(checkpoint, PLAN, tmp_path / name, LocalExecutor(workers), seed=1, shard_size=shard)

    one, many = make("one", 1, 64), make("many", 2, 64)
    assert one.fingerprint == many.fingerprint
    for shard in one.shards:
        assert (tmp_path / "one" / shard.file).read_bytes() == (tmp_path / "many" / shard.file).read_bytes()
    whole = make("whole", 1, 256)
    assert len(whole.shards) == 1
    assert len(one.shards) == 4
    np.testing.assert_array_equal(read_images(tmp_path / "one", one), read_images(tmp_path / "whole", whole))
