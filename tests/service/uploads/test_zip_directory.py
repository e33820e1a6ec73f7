"""The directory of an uploaded zip: bounded before it is read into memory, and counted as zipfile would read it."""

from __future__ import annotations

import io
import struct
import tracemalloc
import zipfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gan_aug_service.http.problems import Problem
from gan_aug_service.settings import Limits
from gan_aug_service.uploads.unpack import unpack
from gan_aug_service.uploads.zip_directory import ENTRY_BYTES, count_entries

ENTRY = struct.Struct("<4s6H3L5H2L")


def of_entries(count: int, name: bytes = b"a/1.png", wide: bool = False, said: int | None = None) -> bytes:
    """A zip that is all directory: `count` entries, of which its end record says `said`."""
    head = ENTRY.pack(b"PK\x01\x02", 20, 20, 0, 0, 0, 33, 0, 0, 0, len(name), 0, 0, 0, 0, 0, 0)
    entries = (head + name) * count
    count = count if said is None else said
    if not wide:
        number = min(count, 0xFFFF)
        return entries + struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, number, number, len(entries), 0, 0)
    end = struct.pack("<4sQ2H2L4Q", b"PK\x06\x06", 44, 45, 45, 0, 0, count, count, len(entries), 0)
    locator = struct.pack("<4sLQL", b"PK\x06\x07", 0, len(entries), 1)
    return entries + end + locator + struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, *[0xFFFF] * 2, *[0xFFFFFFFF] * 2, 0)


@pytest.mark.parametrize("wide", [False, True])
@pytest.mark.parametrize("said", [None, 1])
def test_a_zip_of_too_many_entries_is_refused_before_they_are_in_memory(
    tmp_path: Path, wide: bool, said: int | None
) -> None:
    archive = tmp_path / "many.zip"
    archive.write_bytes(of_entries(100_000, wide=wide, said=said))
    tracemalloc.start()
    with pytest.raises(Problem, match="files and folders") as refused:
        unpack(archive, tmp_path / "out", Limits(files=20_000))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert refused.value.status_code == 413
    assert peak < 1 << 20
    assert list(tmp_path.iterdir()) == [archive]


def test_few_entries_with_names_too_long_are_refused_too(tmp_path: Path) -> None:
    archive = tmp_path / "long.zip"
    archive.write_bytes(of_entries(10, b"x" * 10 * ENTRY_BYTES))
    with pytest.raises(Problem, match="names too long"):
        unpack(archive, tmp_path / "out", Limits(files=50))


def test_plain_zips_are_counted_with_comments_and_before_other_bytes(tmp_path: Path) -> None:
    for number, (comment, before) in enumerate([(b"", b""), (b"PK said a comment", b""), (b"c" * 65535, b"#!run\n")]):
        archive = tmp_path / f"{number}.zip"
        archive.write_bytes(before + made(5, comment))
        assert count_entries(archive, 10) == 5
        assert count_entries(archive, 3) == 4


def made(count: int, comment: bytes = b"") -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as opened:
        for number in range(count):
            opened.writestr(f"a/{number}.png", b"1")
        opened.comment = comment
    return buffer.getvalue()


@given(data=st.data())
@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
def test_whatever_zipfile_reads_was_counted(data: Any, tmp_path_factory: pytest.TempPathFactory) -> None:
    start = data.draw(st.sampled_from([made(3), made(2, b"said"), of_entries(4, wide=True), made(1) + made(4)]))
    content = bytearray(start)
    for _ in range(data.draw(st.integers(0, 4))):
        place = data.draw(st.integers(1, min(140, len(content))))
        content[-place] = data.draw(st.sampled_from([0, 1, 2, 5, 6, 7, 46, 80, 75, 255]))
    content += data.draw(st.sampled_from([b"", b"\0", b"PK\x05\x06", start[-22:], start[-98:]]))
    archive = tmp_path_factory.getbasetemp() / "drawn.zip"
    archive.write_bytes(bytes(content))
    try:
        with zipfile.ZipFile(archive) as opened:
            found = len(opened.infolist())
    except Exception:  # noqa: BLE001 - what it does not read costs nothing
        return
    assert count_entries(archive, 1000) == found
