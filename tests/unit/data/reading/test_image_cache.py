"""The cache of decoded images: never a wrong one, never a reason to fail, nothing that names anybody."""

from __future__ import annotations

import os
import stat
import time
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import gan_aug.data
from gan_aug.config.data import DataConfig
from gan_aug.data.items import Item, Reading
from gan_aug.data.reading import cache_keys
from gan_aug.data.reading.cache_keys import item_key
from gan_aug.data.reading.caches import dataset_cache
from gan_aug.data.reading.decode import decode
from gan_aug.data.reading.image_cache import CacheFolder
from gan_aug.data.reading.raster import Raster
from gan_aug.data.reading.reader import Reader, read_item

RASTER = Raster(1, 8, 8)


@pytest.fixture(autouse=True)
def _files_settle_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache_keys, "MIN_AGE_SECONDS", -60)


def film(path: Path, seed: int) -> Item:
    pixels = np.random.default_rng(seed).integers(0, 256, (8, 8), dtype=np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)
    return Item(path.name, ("a",), partial(decode, path), patient="Mrs Smith", file=path)


def images(items: list[Item], root: Path, raster: Raster = RASTER, limit: int = 10**9) -> list[np.ndarray]:
    found = list(Reader(cache=CacheFolder(root, limit)).readings(items, raster))
    assert all(isinstance(reading, Reading) for reading in found)
    return [reading.image for reading in found if isinstance(reading, Reading)]


def assert_true(items: list[Item], root: Path, raster: Raster = RASTER) -> None:
    expected = [read_item(raster, item.read) for item in items]
    np.testing.assert_array_equal(images(items, root, raster), [r.image for r in expected if isinstance(r, Reading)])


def test_what_changes_is_read_again(tmp_path: Path) -> None:
    items = [film(tmp_path / "films" / f"{n}.png", n) for n in range(5)]
    for _ in range(2):
        assert_true(items, tmp_path / "cache")
    path = items[2].file
    assert path is not None
    before = path.stat()
    film(path, 99)
    path.write_bytes(path.read_bytes().ljust(before.st_size, b"\0"))  # same size, same time of modification
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert_true(items, tmp_path / "cache")
    other = film(tmp_path / "other.png", 50)
    assert other.file is not None
    other.file.replace(path)  # an older file moved over it
    assert_true(items, tmp_path / "cache")
    assert_true(items, tmp_path / "cache", Raster(1, 8, 8, window="percentile"))
    assert_true(list(reversed(items)), tmp_path / "cache")


def test_a_damaged_or_torn_cache_is_passed_over(tmp_path: Path) -> None:
    items = [film(tmp_path / "films" / f"{n}.png", n) for n in range(5)]
    images(items, tmp_path / "cache")
    (rows,) = (tmp_path / "cache").glob("*/*.rows")
    content = bytearray(rows.read_bytes())
    content[70] ^= 1
    rows.write_bytes(content)
    assert_true(items, tmp_path / "cache")
    rows.write_bytes(content[:-9])
    assert_true(items, tmp_path / "cache")


def test_a_file_that_changed_just_now_or_cannot_be_told_apart_is_not_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    item = film(tmp_path / "1.png", 1)
    assert item_key(item, time.time())
    assert not item_key(Item("x", ("a",), partial(decode, np.zeros(3)), file=item.file), time.time())  # type: ignore[arg-type]
    assert not item_key(Item("x", ("a",), partial(decode, Path("no")), file=Path("no")), time.time())
    monkeypatch.setattr(cache_keys, "MIN_AGE_SECONDS", 2)
    assert not item_key(item, item.file.stat().st_ctime + 1)


def test_it_holds_no_names_and_is_its_owners_alone(tmp_path: Path) -> None:
    images([film(tmp_path / "films" / "Smith^Anna.png", 1)], tmp_path / "cache")
    Reader(cache=CacheFolder(tmp_path / "cache", 1)).channels([film(tmp_path / "films" / "Smith^Anna.png", 1)])
    kept = list((tmp_path / "cache").rglob("*"))
    assert sorted(path.suffix for path in kept) == ["", "", "", ".index", ".rows"]
    assert not any(b"Smith" in bytes(path) + (path.read_bytes() if path.is_file() else b"") for path in kept)
    assert stat.S_IMODE((tmp_path / "cache").stat().st_mode) == 0o700


def test_it_stays_within_its_limit_by_dropping_what_was_used_longest_ago(tmp_path: Path) -> None:
    sets = [[film(tmp_path / f"{k}" / f"{n}.png", 10 * k + n) for n in range(5)] for k in range(3)]
    for number, items in enumerate(sets):
        images(items, tmp_path / "cache", limit=1300)  # a part is 5 * (64 + 57) bytes
        for index in (tmp_path / "cache").glob("*/*.index"):
            os.utime(index, (1000 + number, 1000 + number))
    assert len(list((tmp_path / "cache").glob("*/*.index"))) == 2
    assert_true(sets[0], tmp_path / "cache")


def test_a_cache_that_cannot_be_written_is_no_reason_to_fail(tmp_path: Path) -> None:
    items = [film(tmp_path / "films" / "1.png", 1)]
    (tmp_path / "cache").write_text("a file stands there")
    assert_true(items, tmp_path / "cache")
    assert Reader(cache=CacheFolder(tmp_path / "cache", 1)).channels(items) == 1
    assert dataset_cache(DataConfig(source="folder", root=tmp_path), 0) is None


def test_a_mended_decoder_in_whatever_folder_makes_another_cache(tmp_path: Path) -> None:
    for name in ("decode.py", "dicom/window.py", "dicom/codecs/rle.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("old")
    seen = [cache_keys.source_hashes(tmp_path)]
    for name in ("decode.py", "dicom/window.py", "dicom/codecs/rle.py"):
        (tmp_path / name).write_text("mended")
        assert cache_keys.source_hashes(tmp_path) not in seen
        seen.append(cache_keys.source_hashes(tmp_path))
    (tmp_path / "dicom" / "window.py").rename(tmp_path / "window.py")
    assert cache_keys.source_hashes(tmp_path) not in seen


def test_the_cache_rests_on_every_source_file_of_the_data_package() -> None:
    package = Path(gan_aug.data.__file__).parent
    listed = {line.split()[0] for line in cache_keys.source_hashes(package)}
    assert listed == {str(path.relative_to(package)) for path in package.rglob("*.py")}
    assert "image_cache.py" in " ".join(listed)
