"""`gan-aug cache` says what is cached of which data set, and removes what it is told to, and nothing else."""

from __future__ import annotations

import json
import os
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gan_aug.config.data import DataConfig
from gan_aug.data.items import Item
from gan_aug.data.reading import cache_keys
from gan_aug.data.reading.caches import dataset_cache, list_caches
from gan_aug.data.reading.decode import decode
from gan_aug.data.reading.raster import Raster
from gan_aug.data.reading.reader import Reader
from gan_aug.errors import ConfigError
from tests.support.command_line import call


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The account's cache, with the images of two data sets in it."""
    monkeypatch.delenv("GAN_AUG_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(cache_keys, "MIN_AGE_SECONDS", -60)
    for number, name in enumerate(("films", "slides")):
        data, items = DataConfig(source="folder", root=tmp_path / name), []
        (tmp_path / name).mkdir()
        for k in range(6):
            path = tmp_path / name / f"{k}.png"
            pixels = np.random.default_rng(10 * number + k).integers(0, 256, (16, 16), dtype=np.uint8)
            Image.fromarray(pixels).save(path)
            items.append(Item(path.name, ("a",), partial(decode, path), file=path))
        assert len(list(Reader(cache=dataset_cache(data, 1)).readings(items, Raster(1, 16, 16)))) == 6
    return tmp_path / "cache/gan-aug"


def listed(capsys: pytest.CaptureFixture[str], *options: str) -> dict[str, object]:
    capsys.readouterr()
    call_here("--json", *options)
    said: dict[str, object] = json.loads(capsys.readouterr().out)
    return said


def call_here(*options: str) -> None:
    from gan_aug.cli.cache import cache

    names = [options[k + 1] for k, word in enumerate(options) if word == "--of"]
    flags = {flag: f"--{flag.replace('_', '-')}" in options for flag in ("clear", "dry_run", "yes")}
    cache(**flags, of=names or None, as_json="--json" in options)


def test_it_lists_data_sets_by_their_folders_and_empties_one(
    tmp_path: Path, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said = listed(capsys)
    assert said["folder"] == str(folder)
    parts = said["parts"]
    assert isinstance(parts, list)
    assert {part["of"] for part in parts} == {str(tmp_path / "films"), str(tmp_path / "slides")}
    assert all(part["size"] > 6 * 256 for part in parts)
    call_here()
    text = capsys.readouterr().out
    assert f"{folder} (GAN_AUG_CACHE names another folder" in text
    assert str(tmp_path / "films") in text
    call_here("--clear", "--of", str(tmp_path / "films"), "--dry-run")
    assert "would be removed" in capsys.readouterr().out
    assert len(list_caches()) == 2
    call_here("--clear", "--of", str(tmp_path / "films"), "--yes")
    assert [cached.root for cached in list_caches()] == [str(tmp_path / "slides")]
    with pytest.raises(ConfigError, match="nothing is cached of it"):
        call_here("--of", str(tmp_path / "films"))


def test_it_asks_first_and_keeps_public_downloads(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "breastmnist.npz").write_bytes(b"public")
    old = folder / "images/0123456789abcdef"  # as a version before 0.4 wrote it
    old.mkdir()
    (old / "part.rows").write_bytes(bytes(1000))
    left = folder.parent / "tmp/gan-aug-dry-run-1"
    for path in (left, left.with_name("gan-aug-dry-run-2")):
        path.mkdir(parents=True)
        (path / "images.npy").write_bytes(bytes(100))
    os.utime(left, (0, 0))
    monkeypatch.setattr("tempfile.tempdir", str(left.parent))
    (folder / "store/key").mkdir(parents=True)
    (folder / "store/key/shard-0.npy").write_bytes(bytes(2000))
    with pytest.raises(ConfigError, match="there is no terminal: add --yes"):
        call_here("--clear")
    assert "a version before 0.4" in capsys.readouterr().err
    call_here("--clear", "--yes")
    assert [path.name for path in folder.rglob("*") if path.is_file()] == ["breastmnist.npz"]
    assert [path.name for path in left.parent.iterdir()] == ["gan-aug-dry-run-2"], "it may still be in use"
    assert "removed" in capsys.readouterr().out
    call_here("--clear", "--of", "breastmnist.npz", "--yes")
    assert [path for path in folder.rglob("*") if path.is_file()] == []
    call_here()
    assert "nothing is cached" in capsys.readouterr().out


def test_another_folder_and_the_command_line_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("GAN_AUG_CACHE", str(tmp_path / "elsewhere"))
    assert call(monkeypatch, "cache") == 0
    assert f"{tmp_path / 'elsewhere'} (" in capsys.readouterr().out
    assert not os.path.exists(tmp_path / "elsewhere")  # noqa: PTH110 - looking makes nothing
