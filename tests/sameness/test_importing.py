"""However files are read, here, by one process or two, or from the cache, the import is the same to the byte."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gan_aug.config.data import DataConfig
from gan_aug.data.importing.dataset import import_dataset
from gan_aug.data.items import Pixels
from gan_aug.data.reading import cache_keys
from gan_aug.data.reading import decode as decoding
from gan_aug.data.reading.decode import decode
from gan_aug.data.reading.image_cache import CacheFolder

FILES = ("images.npy", "manifest.json", "import-report.json")


@pytest.fixture
def films(tmp_path: Path) -> Path:
    """A set of 60 files of two classes, some coloured, one torn."""
    rng = np.random.default_rng(0)
    for number in range(60):
        path = tmp_path / "films" / "ab"[number % 2] / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        shape = (20 + number % 3, 24, 3) if number % 7 == 0 else (20, 24)
        Image.fromarray(rng.integers(0, 256, shape, dtype=np.uint8)).save(path)
    torn = tmp_path / "films" / "a" / "8.png"
    torn.write_bytes(torn.read_bytes()[:80])
    return tmp_path / "films"


def asked(films: Path, **changes: object) -> DataConfig:
    return DataConfig.model_validate({"source": "folder", "root": films, "size": 16} | changes)


def whole(folder: Path) -> list[bytes]:
    return [(folder / name).read_bytes() for name in FILES]


def test_workers_and_the_cache_change_nothing(films: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache_keys, "MIN_AGE_SECONDS", 0)
    import_dataset(asked(films), 0, tmp_path / "here")
    for workers in (1, 2):
        import_dataset(asked(films), 0, tmp_path / f"{workers}", workers=workers)
        assert whole(tmp_path / f"{workers}") == whole(tmp_path / "here")
    for name in ("first", "second"):
        cache = CacheFolder(tmp_path / "cache", 10**9)
        import_dataset(asked(films), 0, tmp_path / name, cache=cache)
        assert whole(tmp_path / name) == whole(tmp_path / "here")
        monkeypatch.setattr("gan_aug.data.reading.decode._pixels", only_the_torn)
    report = json.loads((tmp_path / "here" / "import-report.json").read_text())
    assert [file["origin"] for file in report["rejected"]] == ["a/8.png"]


def only_the_torn(image: Image.Image) -> Pixels:
    assert str(image.filename).endswith("8.png"), "what is in the cache is not decoded"  # type: ignore[attr-defined]
    raise OSError("torn")


def deadly(path: Path) -> Pixels:
    """Stands for a decoder that crashes on some files and never ends on others."""
    if path.name == "10.png":
        os.kill(os.getpid(), signal.SIGSEGV)
    if path.name == "21.png":
        time.sleep(600)
    return decode(path)


def test_files_that_kill_or_hang_their_process_are_set_aside(
    films: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decoding, "decode", deadly)
    config = asked(films, channels=1, max_rejected=0.1, seconds_per_file=15)
    manifest = import_dataset(config, 0, tmp_path / "out", workers=2)
    assert len(manifest.studies) == 57
    report = json.loads((tmp_path / "out" / "import-report.json").read_text())
    assert {file["origin"]: file["reason"] for file in report["rejected"]} == {
        "a/8.png": "the image file is truncated or corrupt",
        "a/10.png": "decoding it ended its process",
        "b/21.png": "took longer than 15 s",
    }
