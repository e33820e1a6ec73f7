from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gan_aug.compute.local.executor import LocalExecutor
from gan_aug.config.gan import SynthesisConfig
from gan_aug.data.labels import folder_names
from gan_aug.data.manifest import Manifest, Study
from gan_aug.data.synthetic.shards import SyntheticManifest, read_images
from gan_aug.errors import Cancelled, ConfigError, ManifestError
from gan_aug.gan.networks.catalogue import build_generator
from gan_aug.gan.state import Checkpoint, TrainingData, save_checkpoint
from gan_aug.synthesis.plan import plan_labels
from gan_aug.synthesis.sampler import BLOCK, sample
from gan_aug.synthesis.write import write_synthetic_set
from tests.support.gan_samples import NETWORKS, small_trainer

LABELS = ("a/b", "b", "..")
DATA = TrainingData(labels=LABELS, task="multi-class", dataset="f" * 64, trained_images=1)


def manifest(*labels: tuple[int, ...]) -> Manifest:
    studies = tuple(Study(str(i), own, "train", None, str(i)) for i, own in enumerate(labels))
    return Manifest("made", LABELS, "multi-class", (1, 16, 16), (*studies, Study("t", (2,), "test", None, "t")))


@pytest.fixture
def checkpoint(tmp_path: Path) -> Checkpoint:
    return save_checkpoint(tmp_path / "checkpoints", small_trainer(), DATA)


def make(checkpoint: Checkpoint, folder: Path, workers: int = 1, shard: int = 64, count: int = 70) -> SyntheticManifest:
    plan = tuple((k % 3,) for k in range(count))
    return write_synthetic_set(checkpoint, plan, folder, LocalExecutor(workers), seed=7, shard_size=shard)


def test_like_real_has_the_training_splits_counts() -> None:
    plan = plan_labels(SynthesisConfig(counts="like-real"), manifest((0,), (0,), (0,), (1,)))
    assert Counter(plan) == {(0,): 3, (1,): 1}
    doubled = plan_labels(SynthesisConfig(counts="like-real", multiple=2), manifest((0,), (0,), (0,), (1,)))
    assert Counter(doubled) == {(0,): 6, (1,): 2}


def test_like_real_keeps_label_combinations() -> None:
    assert set(plan_labels(SynthesisConfig(), manifest((0, 2), (), (1,)))) == {(0, 2), (), (1,)}


@given(small=st.integers(1, 20), more=st.integers(0, 20))
def test_more_images_begin_with_the_same_ones(small: int, more: int) -> None:
    few = plan_labels(SynthesisConfig(counts=small), manifest((0,)))
    many = plan_labels(SynthesisConfig(counts=small + more), manifest((0,)))
    assert many[: len(few)] == few
    assert Counter(few) == {(0,): small, (1,): small, (2,): small}


def test_counts_by_label_are_checked() -> None:
    assert Counter(plan_labels(SynthesisConfig(counts={"b": 4}), manifest((0,)))) == {(1,): 4}
    with pytest.raises(ConfigError, match="made has no such label; it has a/b, b, .."):
        plan_labels(SynthesisConfig(counts={"c": 4}), manifest((0,)))
    with pytest.raises(ConfigError, match="asks for no image at all"):
        plan_labels(SynthesisConfig(counts=0), manifest((0,)))


@pytest.mark.parametrize(("first", "count"), [(0, 1), (1, BLOCK), (63, 3), (100, 50)])
def test_image_k_is_the_same_however_many_are_made(first: int, count: int) -> None:
    generator = build_generator(NETWORKS).eval()
    labels = np.eye(3, dtype=np.float32)[np.arange(200) % 3]
    whole = sample(generator, labels, seed=3)
    np.testing.assert_array_equal(
        sample(generator, labels[first : first + count], seed=3, first=first), whole[first : first + count]
    )
    assert not np.array_equal(sample(generator, labels[:5], seed=4), whole[:5])


def test_shards_hold_the_planned_images_with_their_origin(checkpoint: Checkpoint, tmp_path: Path) -> None:
    made = make(checkpoint, tmp_path / "s")
    assert SyntheticManifest.load(tmp_path / "s" / "manifest.json") == made
    assert [(shard.first, shard.count) for shard in made.shards] == [(0, 64), (64, 6)]
    assert made.checkpoint == checkpoint.id
    assert made.trained_images == DATA.trained_images
    assert made.counts() == {"a/b": 24, "b": 23, "..": 23}
    assert read_images(tmp_path / "s", made).shape == (70, 1, 16, 16)


def test_an_altered_shard_is_refused_and_made_again(checkpoint: Checkpoint, tmp_path: Path) -> None:
    folder = tmp_path / "s"
    made = make(checkpoint, folder)
    before = read_images(folder, made)
    shard = folder / made.shards[1].file
    shard.write_bytes(shard.read_bytes()[:-1])
    with pytest.raises(ManifestError, match="shard-00001.npy is absent or altered"):
        read_images(folder, made)
    untouched = (folder / made.shards[0].file).stat().st_mtime_ns
    assert make(checkpoint, folder) == made
    np.testing.assert_array_equal(read_images(folder, made), before)
    assert (folder / made.shards[0].file).stat().st_mtime_ns == untouched


def test_cancelled_leaves_no_manifest(checkpoint: Checkpoint, tmp_path: Path) -> None:
    with pytest.raises(Cancelled):
        write_synthetic_set(
            checkpoint, ((0,),) * 200, tmp_path / "s", LocalExecutor(1), seed=0, shard_size=64, cancelled=lambda: True
        )
    assert not (tmp_path / "s" / "manifest.json").exists()


@given(st.lists(st.text(), min_size=1, max_size=6, unique=True))
def test_folder_names_are_safe_and_distinct(labels: list[str]) -> None:
    names = folder_names(tuple(labels))
    assert len(set(names)) == len(names)
    assert all(name and "/" not in name and not name.startswith(".") for name in names)
