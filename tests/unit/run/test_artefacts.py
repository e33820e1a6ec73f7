"""Files with a commit marker: believed when whole, fetched once per host, never when cut short, altered or half put."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gan_aug.data.synthetic.shards import ShardedImages
from gan_aug.errors import StorageError
from gan_aug.run import artefacts, layout
from gan_aug.run.artefacts import copy_files, delete_files, local_copy, local_file, put_files, sums_of
from gan_aug.run.files import file_sha256
from gan_aug.run.stores import ObjectStore, Place, open_store

FILES = {"big.bin": b"0123456789" * 30, "deep/record.json": b"{}"}


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    for name, content in FILES.items():
        (tmp_path / "run" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "run" / name).write_bytes(content)
    return {name: tmp_path / "run" / name for name in FILES}


@pytest.fixture(params=["folder", "memory"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    return tmp_path / "place" if request.param == "folder" else f"memory://{tmp_path.name}"


def test_what_was_put_is_fetched_equal(place: Place, files: dict[str, Path], tmp_path: Path) -> None:
    put_files(place, files)
    assert sums_of(place) == {name: file_sha256(path) for name, path in files.items()}
    assert copy_files(place, tmp_path / "copy")
    assert {name: (tmp_path / "copy" / name).read_bytes() for name in FILES} == FILES
    delete_files(place)
    assert open_store(place).names() == []
    assert not copy_files(place, tmp_path / "again")


DAMAGE: dict[str, Callable[[Place], None]] = {
    "marker missing": lambda place: open_store(place).delete(layout.COMMIT),
    "marker torn": lambda place: open_store(place).write(layout.COMMIT, b'{"schema": 1, "fi'),
    "marker of others": lambda place: open_store(place).write(layout.COMMIT, b'["schema"]'),
    "file missing": lambda place: open_store(place).delete("big.bin"),
    "file cut short": lambda place: open_store(place).write("big.bin", FILES["big.bin"][:-1]),
    "file altered": lambda place: open_store(place).write("big.bin", b"x" + FILES["big.bin"][1:]),
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_what_is_not_whole_is_not_believed(
    damage: Callable[[Place], None], place: Place, files: dict[str, Path], tmp_path: Path, host_cache: Path
) -> None:
    put_files(place, files)
    damage(place)
    assert not copy_files(place, tmp_path / "copy")
    assert not (tmp_path / "copy" / "deep" / "record.json").exists()
    with pytest.raises(StorageError, match="holds no complete set of files"):
        local_copy(tmp_path / "elsewhere", place, "deep/record.json")


def test_an_interrupted_put_leaves_nothing_that_is_believed(
    files: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = f"memory://{tmp_path.name}"
    put_files(place, files)
    files["deep/record.json"].write_bytes(b'{"second": 1}')
    upload = ObjectStore.upload

    def break_off(store: ObjectStore, name: str, path: Path) -> None:
        if name == "deep/record.json":
            raise StorageError("away")
        upload(store, name, path)

    with monkeypatch.context() as patched, pytest.raises(StorageError):
        patched.setattr(ObjectStore, "upload", break_off)
        put_files(place, files)
    assert sums_of(place) == {}
    put_files(place, files)
    assert copy_files(place, tmp_path / "copy")
    assert (tmp_path / "copy/deep/record.json").read_bytes() == b'{"second": 1}'


def test_the_runs_own_host_uses_its_folder_and_another_a_copy(
    files: dict[str, Path], tmp_path: Path, host_cache: Path
) -> None:
    place = f"memory://{tmp_path.name}"
    put_files(place, files)
    assert local_copy(tmp_path / "run", place, "deep/record.json") == tmp_path / "run"
    assert not host_cache.exists()
    (tmp_path / "other").mkdir()
    copy = local_copy(tmp_path / "other", place, "deep/record.json")
    assert copy.parent == host_cache
    assert (copy / "big.bin").read_bytes() == FILES["big.bin"]
    assert (host_cache.stat().st_mode & 0o777) == 0o700  # patients' images
    stale = tmp_path / "run" / "deep" / "record.json"
    stale.write_bytes(b"another run's")
    assert local_copy(tmp_path / "run", place, "deep/record.json") == copy
    assert local_copy(tmp_path / "run", None, "deep/record.json") == tmp_path / "run"


def test_many_at_once_fetch_once(tmp_path: Path, host_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place, content = f"memory://{tmp_path.name}", b"images" * 100
    open_store(place).write("shard.npy", content)
    (tmp_path / "same").write_bytes(content)
    sha256 = file_sha256(tmp_path / "same")
    fetched: list[str] = []
    blocks = ObjectStore.blocks

    def count(store: ObjectStore, name: str) -> object:
        fetched.append(name)
        time.sleep(0.05)
        return blocks(store, name)

    monkeypatch.setattr(ObjectStore, "blocks", count)
    found: list[Path | None] = []
    workers = [threading.Thread(target=lambda: found.append(local_file(place, "shard.npy", sha256))) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert found == [host_cache / sha256 / "shard.npy"] * 4
    assert fetched == ["shard.npy"]
    (host_cache / sha256 / "shard.npy").write_bytes(b"torn")
    assert local_file(place, "shard.npy", sha256) == host_cache / sha256 / "shard.npy"
    assert (host_cache / sha256 / "shard.npy").read_bytes() == content


def test_what_was_long_not_used_makes_room(tmp_path: Path, host_cache: Path) -> None:
    place = f"memory://{tmp_path.name}"
    sums = {}
    for name in ("old", "used", "new"):
        open_store(place).write(name, name.encode())
        (tmp_path / name).write_text(name)
        sums[name] = file_sha256(tmp_path / name)
    for name in ("old", "used"):
        local_file(place, name, sums[name])
        long_ago = time.time() - artefacts.KEEP_SECONDS - 60
        os.utime(host_cache / sums[name], (long_ago, long_ago))
    local_file(place, "used", sums["used"])
    local_file(place, "new", sums["new"])
    assert {path.name for path in host_cache.iterdir()} == {sums["used"], sums["new"]}


@given(
    sizes=st.lists(st.integers(0, 5), min_size=1, max_size=5).filter(any),
    data=st.data(),
)
def test_shards_read_as_one_array(sizes: list[int], data: st.DataObject) -> None:
    whole = np.arange(sum(sizes) * 4, dtype=np.uint8).reshape(-1, 1, 2, 2)
    images = ShardedImages(np.split(whole, np.cumsum(sizes)[:-1]), (1, 2, 2))
    assert images.shape == whole.shape
    assert len(images) == len(whole)
    positions = np.array(data.draw(st.lists(st.integers(0, len(whole) - 1))), dtype=np.int64)
    np.testing.assert_array_equal(images[positions], whole[positions])
    np.testing.assert_array_equal(images[1:3], whole[1:3])
    np.testing.assert_array_equal(np.array(list(images)), whole)
