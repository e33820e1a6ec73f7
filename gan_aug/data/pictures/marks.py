"""What marks images as synthetic: the texts in a PNG file, the two files in an archive, the flag beside arrays.

Nothing in them says anything of a training image: they name the checkpoint, the seed and the image's number.
"""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any

from gan_aug.version import __version__

SYNTHETIC = "synthetic image, made by a generative model: no recording of a patient"
"""The description in the PNG file of a synthetic image."""

SOURCE_TYPE = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
"""What IPTC's vocabulary calls media that a trained algorithm made."""

FACTS = "gan-aug"
"""The keyword of the text in a PNG file that says, as JSON, what a synthetic image was made from."""

XMP = "XML:com.adobe.xmp"
"""The keyword under which PNG files hold XMP (ISO 16684-1, 1.1.5 of its part 3)."""

FLAG = "synthetic"
"""The array in an npz, and the key in JSON, that says that images are synthetic."""

README, RECORD = "README.txt", "synthetic.json"
"""The files in an archive of synthetic images: for people, and as JSON for programs."""

_PACKET = (
    '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/">'
    '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description rdf:about="" '
    'xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/" '
    f'Iptc4xmpExt:DigitalSourceType="{SOURCE_TYPE}"/></rdf:RDF></x:xmpmeta><?xpacket end="r"?>'
)
_PNG_START = 8 + 25
"""Bytes before the second chunk of a PNG file: its signature, and the header."""


def png_chunk(kind: bytes, content: bytes) -> bytes:
    """A chunk of a PNG file: length, kind, content and CRC."""
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(content, zlib.crc32(kind)))


def png_mark(made_from: Mapping[str, Any]) -> bytes:
    """The chunks that mark a PNG file as synthetic, to stand between its header and its pixels.

    They are a description for people, XMP with IPTC's DigitalSourceType for programs, and what the image was made from
    as JSON (see FACTS).

    Args:
        made_from: JSON values, such as checkpoint, seed and number; never anything of a training image.
    """
    facts = json.dumps({FLAG: True, **made_from}, ensure_ascii=False)
    return _fixed_chunks() + png_chunk(b"iTXt", _international(FACTS, facts))


def marked(png: bytes, made_from: Mapping[str, Any]) -> bytes:
    """A PNG file with the mark, which files that older versions wrote may lack; one that has it stays as it is."""
    if XMP.encode() in png:
        return png
    return png[:_PNG_START] + png_mark(made_from) + png[_PNG_START:]


def archive_marks(made_from: Mapping[str, Any], what: str = "The images here") -> Iterable[tuple[str, bytes]]:
    """The name and content of each file that marks an archive, or a folder, as synthetic.

    Args:
        made_from: What all its images were made from, as JSON values; see `png_mark`.
        what: What is synthetic, as the text for people calls it.
    """
    text = (
        f"{what} are SYNTHETIC: a generative model made them. None is a recording of a patient, and none is for\n"
        f"diagnosis. {RECORD} says the same to programs, and what they were made from.\n\n"
        "A synthetic image can resemble an image that the model was trained on: pass on no more of them than you may,\n"
        "and keep this file with them.\n\n"
        f"Made with gan-aug {__version__}. IPTC digital source type: {SOURCE_TYPE}\n"
    )
    record = {FLAG: True, "digital_source_type": SOURCE_TYPE, "software": f"gan-aug {__version__}", **made_from}
    yield README, text.encode()
    yield RECORD, (json.dumps(record, indent=1, ensure_ascii=False) + "\n").encode()


@cache
def _fixed_chunks() -> bytes:
    """The chunks that are the same in every file."""
    texts = {"Description": SYNTHETIC, "Software": "gan-aug"}
    chunks = [png_chunk(b"tEXt", f"{key}\0{text}".encode("latin-1")) for key, text in texts.items()]
    return b"".join([*chunks, png_chunk(b"iTXt", _international(XMP, _PACKET))])


def _international(key: str, text: str) -> bytes:
    """The content of an iTXt chunk that is not compressed and names no language."""
    return key.encode() + bytes(5) + text.encode()
