"""Reads the marks of synthetic images as another program would: by the PNG standard, with Pillow, zipfile and numpy."""

from __future__ import annotations

import base64
import io
import json
import re
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from typing import Any
from xml.etree import ElementTree as ET

import numpy as np
from PIL import Image
from pyarrow import parquet  # noqa: TID251 - another reader

TRAINED = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
DATA_URI = re.compile(rb"data:image/png;base64,([A-Za-z0-9+/=]+)")


def png_texts(content: bytes) -> dict[str, str]:
    """The tEXt and iTXt chunks of a PNG file before its pixels; its CRCs are checked."""
    assert content[:8] == b"\x89PNG\r\n\x1a\n"
    position, texts = 8, {}
    while True:
        size, kind = struct.unpack_from(">I4s", content, position)
        body = content[position + 8 : position + 8 + size]
        assert zlib.crc32(kind + body) == struct.unpack_from(">I", content, position + 8 + size)[0], kind
        position += 12 + size
        if kind == b"IDAT":
            return texts
        key, _, rest = body.partition(b"\0")
        if kind == b"tEXt":
            texts[key.decode("latin-1")] = rest.decode("latin-1")
        elif kind == b"iTXt":
            assert rest[:2] == b"\0\0", "not compressed"
            texts[key.decode()] = rest[2:].split(b"\0", 2)[2].decode()


def made_from(content: bytes) -> dict[str, Any] | None:
    """What a PNG file says that its image was made from; None without a mark, and a fault if it is half one."""
    texts = png_texts(content)
    with Image.open(io.BytesIO(content)) as picture:
        picture.load()
        assert {key: str(text) for key, text in picture.text.items()} == texts  # type: ignore[attr-defined]
    if not texts:
        return None
    assert "no recording of a patient" in texts["Description"]
    about = ET.fromstring(texts["XML:com.adobe.xmp"].encode()).find(".//{*}Description")  # noqa: S314
    assert about is not None
    assert [value for key, value in about.attrib.items() if key.endswith("}DigitalSourceType")] == [TRAINED]
    facts: dict[str, Any] = json.loads(texts["gan-aug"])
    assert facts.pop("synthetic") is True
    return facts


def parts_of(name: str, content: bytes) -> Iterator[tuple[str, bytes]]:
    """A file, and all files in it: the members of archives, and pictures within pages."""
    yield name, content
    if content[:4] == b"PK\x03\x04":
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            for member in archive.namelist():
                yield from parts_of(f"{name}/{member}", archive.read(member))
    if content[257:262] == b"ustar":
        with tarfile.open(fileobj=io.BytesIO(content)) as archive:
            for entry in archive:
                file = archive.extractfile(entry)
                assert file is not None
                yield from parts_of(f"{name}/{entry.name}", file.read())
    if content[:4] == b"PAR1":
        table = parquet.read_table(io.BytesIO(content))
        assert table.schema.metadata[b"synthetic"] == b"true"
        for row in table["image"].to_pylist():
            yield from parts_of(f"{name}/{row['path']}", row["bytes"])
    for number, found in enumerate(DATA_URI.findall(content)):
        yield f"{name}#{number}", base64.b64decode(found)


def is_png(content: bytes) -> bool:
    return content.startswith(b"\x89PNG")


def check_archive(name: str, content: bytes) -> None:
    """A zip has the two files that mark it, an npz the flag."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = archive.namelist()
        if all(member.endswith(".npy") for member in members):
            with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
                assert arrays["synthetic"].dtype == bool, name
                assert arrays["synthetic"].item() is True, name
                assert str(arrays["digital_source_type"]) == TRAINED
            return
        record = json.loads(archive.read("synthetic.json"))
        assert (record["synthetic"], record["digital_source_type"]) == (True, TRAINED), name
        assert "SYNTHETIC" in archive.read("README.txt").decode()
