"""A small data set on disk for cells: scikit-learn's digits at 16 px, and a stand-in for a synthetic set of it."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from sklearn.datasets import load_digits

from gan_aug.config import parse
from gan_aug.config.stages import CompareRequest
from gan_aug.data.manifest import Manifest, Split, Study, content_hash
from gan_aug.data.synthetic.shards import SyntheticManifest, SyntheticShard, shard_bytes
from gan_aug.run import layout
from gan_aug.run.files import file_sha256, write_bytes

SPLITS: dict[Split, int] = {"train": 300, "validation": 100, "test": 200}


@dataclass(frozen=True)
class CellData:
    dataset: Path
    synthetic: Path
    manifest: Manifest
    generated: SyntheticManifest
    images: npt.NDArray[np.uint8]
    fakes: npt.NDArray[np.uint8]


def make_cell_data(folder: Path) -> CellData:
    """Write the data set and a synthetic set of noisy copies of its training images under `folder`."""
    bunch = load_digits()
    images = (bunch.images[:600, None] * 15.9).astype(np.uint8).repeat(2, axis=2).repeat(2, axis=3)
    splits = [split for split, count in SPLITS.items() for _ in range(count)]
    studies = tuple(
        Study(content_hash(image), (int(label),), split, None, f"digits/{i}")
        for i, (image, label, split) in enumerate(zip(images, bunch.target, splits, strict=False))
    )
    labels = tuple(str(k) for k in range(10))
    manifest = Manifest("digits", labels, "multi-class", (1, 16, 16), studies)
    dataset = folder / "dataset"
    manifest.save(dataset / "manifest.json")
    buffer = io.BytesIO()
    np.save(buffer, images)
    write_bytes(dataset / layout.IMAGES, buffer.getvalue())
    train = images[:300].astype(np.float64)
    fakes = (train + np.random.default_rng(0).normal(0, 20, train.shape)).clip(0, 255).astype(np.uint8)
    generated = write_synthetic(folder / "synthetic", fakes, manifest)
    return CellData(dataset, folder / "synthetic", manifest, generated, images, fakes)


def write_synthetic(folder: Path, fakes: npt.NDArray[np.uint8], manifest: Manifest) -> SyntheticManifest:
    """Write `fakes` as a synthetic set that takes its labels, in order, from the training studies."""
    write_bytes(folder / "0.npy", shard_bytes(fakes))
    shard = SyntheticShard("0.npy", 0, len(fakes), file_sha256(folder / "0.npy"))
    train = [study for study in manifest.studies if study.split == "train"]
    generated = SyntheticManifest(
        labels=manifest.labels,
        task=manifest.task,
        shape=manifest.shape,
        seed=0,
        checkpoint="made by a test",
        dataset=manifest.fingerprint,
        trained_on=tuple(sorted(study.content for study in train)),
        image_labels=tuple(study.labels for study in train[: len(fakes)]),
        shards=(shard,),
    )
    generated.save(folder / "manifest.json")
    return generated


def small_config(**compare: object) -> CompareRequest:
    """A comparison of three arms and two seeds over a few steps."""
    values = {
        "data": {"source": "digits"},
        "classifier": {"steps": 12, "batch": 16, "epochs": 3},
        "compare": {"seeds": 2, "arms": ["real", "synthetic", "mixed"], "canaries": False, **compare},
    }
    return parse(values, "a test").compare_request
