"""Importing: what is written, that it is whole, and what happens when it is not."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gan_aug.config.data import DataConfig
from gan_aug.data.image_store import open_images
from gan_aug.data.importing.dataset import import_dataset
from gan_aug.data.manifest import Manifest, content_hash
from gan_aug.errors import Cancelled, ConfigError

DIGITS = DataConfig(source="digits")


def test_digits_are_imported_whole(tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    manifest = import_dataset(DIGITS, 0, tmp_path, progress=lambda unit, done, total: seen.append((unit, done, total)))
    images = open_images(tmp_path, manifest)
    assert images.shape == (1797, 1, 8, 8)
    assert images.max() == 255
    assert manifest.labels == tuple("0123456789")
    assert [len(manifest.indices(split)) for split in ("train", "validation", "test")] == [1294, 144, 359]
    assert content_hash(np.asarray(images[7])) == manifest.studies[7].content
    assert seen[-1] == ("images", 1797, 1797)
    assert Manifest.load(tmp_path / "manifest.json") == manifest
    report = json.loads((tmp_path / "import-report.json").read_text())
    assert (report["read"], report["used"], report["rejected"]) == (1797, 1797, [])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["images.npy", "import-report.json", "manifest.json"]


def test_same_seed_same_fingerprint_and_another_seed_other_splits(tmp_path: Path) -> None:
    first, again, other = (import_dataset(DIGITS, seed, tmp_path / str(n)) for n, seed in enumerate((1, 1, 2)))
    assert first.fingerprint == again.fingerprint
    assert first.fingerprint != other.fingerprint


def test_the_manifest_holds_where_its_splits_come_from_and_older_ones_do_without(tmp_path: Path) -> None:
    made = import_dataset(DIGITS, 0, tmp_path / "made")
    drawn = "; images drawn at random within strata of labels, from the seed"
    assert made.splits_from == f"made here: 0.2 of all for test, 0.1 of the rest for validation{drawn}"
    root = tmp_path / "films"
    root.mkdir()
    for k in range(12):
        Image.fromarray(np.full((8, 8), 20 * k, np.uint8)).save(root / f"{k}.png")
    rows = [f"{k}.png,{'ab'[k % 2]},{('train', 'train', 'test')[k // 2 % 3]}" for k in range(12)]
    (root / "index.csv").write_text("\n".join(["file,label,part", *rows]) + "\n")
    config = DataConfig.model_validate(
        {"source": "csv", "root": root, "size": 8, "columns": {"split": "part"}, "validation": 0.5}
    )
    own = import_dataset(config, 0, tmp_path / "own")
    assert own.splits_from == f"the set's own, by its column 'part'; validation: 0.5 of its training images{drawn}"
    path = tmp_path / "own/manifest.json"
    older = {key: value for key, value in json.loads(path.read_text()).items() if key != "splits_from"}
    path.write_text(json.dumps(older))
    assert Manifest.load(path) == dataclasses.replace(own, splits_from=None)


def test_a_cancelled_import_leaves_nothing_that_looks_whole_and_is_redone(tmp_path: Path) -> None:
    calls = iter([False] * 100 + [True])
    with pytest.raises(Cancelled, match="after 100 of 1797 images"):
        import_dataset(DIGITS, 0, tmp_path, cancelled=lambda: next(calls))
    assert not list(tmp_path.iterdir())
    assert len(import_dataset(DIGITS, 0, tmp_path).studies) == 1797


def test_what_a_killed_import_left_is_overwritten(tmp_path: Path) -> None:
    (tmp_path / ".images.npy.tmp").write_bytes(b"torn")
    (tmp_path / "images.npy").write_bytes(b"from another time")
    manifest = import_dataset(DIGITS, 0, tmp_path)
    assert open_images(tmp_path, manifest).shape == (1797, 1, 8, 8)
    assert not (tmp_path / ".images.npy.tmp").exists()


def test_folds_test_every_image_once(tmp_path: Path) -> None:
    tested: list[str] = []
    for fold in range(3):
        manifest = import_dataset(DataConfig(source="digits", folds=3, fold=fold), 0, tmp_path / str(fold))
        tested += [study.origin for study in manifest.studies if study.split == "test"]
        share = 0.1 * (1797 - len(manifest.indices("test")))
        assert abs(len(manifest.indices("validation")) - share) <= 5  # to within one in each of ten classes
    assert sorted(tested) == sorted(study.origin for study in manifest.studies)
    report = json.loads((tmp_path / "2" / "import-report.json").read_text())
    assert report["splits"]["origin"].startswith("made here: fold 2 of 0 to 2 for test, 0.1 of the rest")


def test_folds_need_a_set_without_splits(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="there is no fold 5: use 0 to 4"):
        DataConfig(source="digits", folds=5, fold=5)
    for split in ("train", "test"):
        for number in range(2):
            path = tmp_path / "set" / split / "a" / f"{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(np.full((9, 9), number, dtype=np.uint8)).save(path)
    with pytest.raises(ConfigError, match=r"data\.folds needs a set without splits"):
        import_dataset(DataConfig(source="folder", root=tmp_path / "set", folds=2), 0, tmp_path / "out")
