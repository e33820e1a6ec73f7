"""Importing: what is written, that it is whole, and what happens when it is not."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from gan_aug.config import DataConfig
from gan_aug.data.importing import import_dataset
from gan_aug.data.manifest import Manifest, content_hash
from gan_aug.data.store import open_images
from gan_aug.errors import Cancelled

DIGITS = DataConfig(source="digits")


def test_digits_are_imported_whole(tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    manifest = import_dataset(DIGITS, 0, tmp_path, progress=lambda done, total: seen.append((done, total)))
    images = open_images(tmp_path, manifest)
    assert images.shape == (1797, 1, 8, 8)
    assert images.max() == 255
    assert manifest.labels == tuple("0123456789")
    assert [len(manifest.indices(split)) for split in ("train", "validation", "test")] == [1295, 143, 359]
    assert content_hash(np.asarray(images[7])) == manifest.studies[7].content
    assert seen[-1] == (1797, 1797)
    assert Manifest.load(tmp_path / "manifest.json") == manifest
    report = json.loads((tmp_path / "import-report.json").read_text())
    assert (report["read"], report["used"], report["rejected"]) == (1797, 1797, [])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["images.npy", "import-report.json", "manifest.json"]


def test_same_seed_same_fingerprint_and_another_seed_other_splits(tmp_path: Path) -> None:
    first, again, other = (import_dataset(DIGITS, seed, tmp_path / str(n)) for n, seed in enumerate((1, 1, 2)))
    assert first.fingerprint == again.fingerprint
    assert first.fingerprint != other.fingerprint


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
