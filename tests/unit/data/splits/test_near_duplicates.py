"""Near-duplicates: planted copies are found, other images are not, and each policy does what it says."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from scipy.ndimage import gaussian_filter

from gan_aug.config.data import DataConfig
from gan_aug.data.importing.dataset import import_dataset
from gan_aug.data.manifest import Manifest, Split
from gan_aug.data.reading.image_cache import CacheFolder
from gan_aug.data.splits.assign import Assignment, Candidate
from gan_aug.data.splits.near_duplicate_policy import NearCopies, apply_policy
from gan_aug.data.splits.near_duplicates import Pair, near_duplicates
from gan_aug.errors import Cancelled, ConfigError


def film(seed: int, side: int = 96) -> Any:
    """Something like a film: a coarse shape much like that of all others, and details of its own."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[-1 : 1 : side * 1j, -1 : 1 : side * 1j]
    shape = 160 * np.exp(-2 * (x**2 + y**2)) + 20 * np.exp(-9 * ((x - 0.4) ** 2 + y**2))
    coarse, fine = (gaussian_filter(rng.normal(size=(side, side)), width) * width for width in (12, 2))
    return (shape + 40 + 100 * coarse + 20 * fine).clip(0, 255).astype(np.uint8)


def compressed(pixels: Any) -> Any:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=60)
    return np.asarray(Image.open(buffer))


CHANGES: dict[str, Callable[[Any], Any]] = {
    "compressed": compressed,
    "brighter": lambda pixels: (pixels * 0.8 + 30).astype(np.uint8),
    "moved": lambda pixels: np.roll(pixels, (2, 0), (0, 1)),
    "smaller": lambda pixels: np.asarray(Image.fromarray(pixels).resize((80, 80))),
}


def stored(pixels: Any) -> Any:
    return np.asarray(Image.fromarray(pixels).resize((48, 48), Image.Resampling.LANCZOS))[None]


@pytest.mark.parametrize("change", CHANGES)
def test_planted_copies_are_found_and_nothing_else(change: str) -> None:
    images = np.stack(
        [stored(film(n)) for n in range(300)] + [stored(CHANGES[change](film(n))) for n in range(0, 60, 3)]
    )
    planted = {(3 * n, 300 + n) for n in range(20)}
    for rest, copies in ((range(300), range(300, 320)), (range(320), range(320))):
        pairs = near_duplicates(images, np.array(rest), np.array(copies))
        found = [(min(pair.first, pair.second), max(pair.first, pair.second)) for pair in pairs]
        assert set(found) <= planted
        assert len(found) == len(set(found)) >= (16 if change == "moved" else 20)


def test_all_of_many_copies_are_found_though_few_are_examined_at_a_time() -> None:
    copies = np.stack([stored(compressed(np.roll(film(1), n % 2, 0))) for n in range(30)] + [stored(film(1))] * 2)
    others = np.stack([stored(film(n)) for n in range(100, 160)])
    images = np.concatenate([copies[:30], others, copies[30:]])
    pairs = near_duplicates(images, np.arange(90), np.array([90, 91]))
    assert {pair.first for pair in pairs} == set(range(30))
    assert {pair.second for pair in pairs} == {90, 91}
    together = near_duplicates(images, np.arange(92), np.arange(92))
    assert {row for pair in together for row in (pair.first, pair.second)} == {*range(30), 90, 91}


def test_images_without_fine_detail_are_compared_as_a_whole() -> None:
    rng = np.random.default_rng(0)
    smooth = [gaussian_filter(rng.normal(size=(64, 64)), 8) for _ in range(80)]
    images = np.stack([255 * (image - image.min()) / np.ptp(image) for image in smooth])[:, None]
    again = (images[:40] * 0.95 + rng.normal(size=(40, 1, 64, 64))).clip(0, 255)
    pairs = near_duplicates(np.concatenate([images, again]).astype(np.uint8), np.arange(80), np.arange(80, 120))
    assert [(pair.first, pair.second) for pair in pairs] == [(n, 80 + n) for n in range(40)]


def test_small_or_blank_images_are_not_judged() -> None:
    blank = np.zeros((20, 1, 32, 32), dtype=np.uint8)
    assert near_duplicates(blank, np.arange(10), np.arange(10, 20)) == []
    small = np.stack([stored(film(0))] * 2)[:, :, ::3, ::3]
    assert near_duplicates(small, np.array([0]), np.array([1])) == []
    assert near_duplicates(blank, np.arange(0), np.arange(10)) == []
    with pytest.raises(Cancelled):
        near_duplicates(blank, np.arange(10), np.arange(10, 20), cancelled=lambda: True)


def write(root: Path, splits: bool) -> None:
    """100 films of two classes; ten of them once more, brighter, in the test where splits are given."""
    for number in range(100):
        label = "ab"[number % 2]
        side = ("test" if number % 5 == 0 else "train") if splits else ""
        place = root / side / label
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(film(number)).save(place / f"{number}.png")
        if number in range(1, 100, 10):
            place = root / ("test" if splits else "") / label
            place.mkdir(parents=True, exist_ok=True)
            Image.fromarray(CHANGES["brighter"](film(number))).save(place / f"{number}-again.png")


def imported(tmp_path: Path, policy: str | None, name: str, **further: Any) -> tuple[Manifest, dict[str, Any]]:
    config = DataConfig.model_validate(
        {"source": "folder", "root": tmp_path / "films", "size": 48, "near_duplicates": policy, **further}
    )
    cache = CacheFolder(tmp_path / "cache", 10**9)
    manifest = import_dataset(config, 0, tmp_path / name, cache=cache)
    return manifest, json.loads((tmp_path / name / "import-report.json").read_text())


def test_they_are_reported_or_dropped_from_the_training_side(tmp_path: Path) -> None:
    write(tmp_path / "films", splits=True)
    manifest, report = imported(tmp_path, "report", "reported")
    assert len(manifest.studies) == 110
    assert report["near_duplicates"]["pairs"] == 10
    first = report["near_duplicates"]["first"][0]
    assert (first["split"], first["like_split"]) == ("train", "test")
    assert first["like"] == first["origin"].replace("train", "test").replace(".png", "-again.png")
    assert manifest.notes[0].startswith("9 of 30 test images have a near copy in training: kept")
    dropped, report = imported(tmp_path, "drop", "dropped")
    assert len(dropped.studies) == 100
    assert len(dropped.indices("test")) == len(manifest.indices("test"))
    assert report["dropped"][0]["reason"].startswith("nearly the same image as test/b/")
    with pytest.raises(ConfigError, match="'move' needs splits made here"):
        imported(tmp_path, "move", "moved")


def test_by_default_they_are_dropped_wherever_identical_images_are(tmp_path: Path) -> None:
    write(tmp_path / "films", splits=True)
    # The set itself puts nine pairs in training and test, and on_leak is error, as always for folders. The tenth
    # training image became validation, and its copy is in the test: that is the set's doing as well.
    kept, _ = imported(tmp_path, None, "error")
    assert kept.near_copies == copies(test_in_train=9, test_in_validation=1)
    assert len(kept.studies) == 110
    dropped, report = imported(tmp_path, None, "drop", on_leak="drop")
    assert dropped.near_copies == copies(dropped_train=9, dropped_validation=1)
    assert dropped.notes[:2] == (
        "9 of 72 training images were dropped: nearly the same as one in validation or test",
        "1 of 8 validation images was dropped: nearly the same as one in test",
    )
    assert len(dropped.studies) == 100
    assert len(report["dropped"]) == 10
    small, _ = imported(tmp_path, None, "small", size=20)
    assert small.near_copies == copies() | {"searched": False}


def test_pairs_that_splits_made_here_part_are_dropped_even_if_leaks_are_errors(tmp_path: Path) -> None:
    write(tmp_path / "films", splits=False)
    manifest, report = imported(tmp_path, None, "made", on_leak="error")
    found = manifest.near_copies
    assert found
    assert found == copies(dropped_train=found["dropped_train"], dropped_validation=found["dropped_validation"])
    assert len(report["dropped"]) == found["dropped_train"] + found["dropped_validation"] > 0
    assert len(manifest.studies) == 110 - len(report["dropped"])


def copies(**found: int) -> dict[str, Any]:
    return {**asdict(NearCopies(searched=True)), **found}


def test_they_are_kept_together_where_the_splits_are_made_here(tmp_path: Path) -> None:
    write(tmp_path / "films", splits=False)
    _, report = imported(tmp_path, "report", "reported")
    assert report["near_duplicates"]["pairs"] > 0
    for name in ("moved", "once more, from what was remembered"):
        manifest, report = imported(tmp_path, "move", name)
        assert report["near_duplicates"]["pairs"] == 0
        assert len(manifest.studies) == 110
        places = {study.origin: study.split for study in manifest.studies}
        for number in range(1, 100, 10):
            label = "ab"[number % 2]
            assert places[f"{label}/{number}.png"] == places[f"{label}/{number}-again.png"]


def test_a_copy_that_another_pair_has_dropped_is_not_said_to_be_kept() -> None:
    """The set gives the test; validation is drawn from training, so the pair across the two is one made here."""
    candidates = [
        Candidate(str(n), (0,), None, split, f"{n}.png") for n, split in enumerate(["train", "train", "test"])
    ]
    pairs = [Pair(0, 1, 0.99), Pair(0, 2, 0.99)]

    class Search:
        is_possible = True

        def __init__(self) -> None:
            self.candidates = candidates

        def pairs_across(self, splits: Sequence[Split | None]) -> list[Pair]:
            return pairs

    splits: tuple[Split | None, ...] = ("train", "validation", "test")
    search: Any = Search()
    after, found, copies = apply_policy("drop made", search, Assignment(splits, (), "", ()))
    assert after.splits == (None, "validation", "test")
    assert len(found) == 2
    assert copies == NearCopies(True, dropped_train=1)
    pairs.pop(0)
    assert apply_policy("drop made", search, Assignment(splits, (), "", ()))[2] == NearCopies(True, test_in_train=1)
