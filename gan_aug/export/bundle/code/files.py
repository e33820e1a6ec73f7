"""Writes images as PNG files and as one npz; both say in themselves that the images are synthetic."""

from __future__ import annotations

import json
import struct
import zlib
from pathlib import Path

import numpy as np
import numpy.typing as npt

from .about import CHECKPOINT
from .sampling import Label, names_of

SYNTHETIC = "synthetic image, made by a generative model: no recording of a patient"
SOURCE_TYPE = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
"""What IPTC's vocabulary calls media that a trained algorithm made."""


def save(images: npt.NDArray[np.uint8], folder: str | Path, label: Label = None, seed: int = 0, first: int = 0) -> Path:
    """Write images of one label as `NUMBER.png` each, and all of them as `images.npz`.

    Args:
        images: `(N, C, H, W) uint8`.
        folder: Where to; it is made if it is not there.
        label: The label or labels of them all, as they were sampled.
        seed: The seed that they were made from.
        first: The number of the first image.

    Returns:
        The folder.
    """
    out = Path(folder)
    out.mkdir(parents=True, exist_ok=True)
    labels = names_of(label)
    for number, image in enumerate(images, start=first):
        facts = {"synthetic": True, "checkpoint": CHECKPOINT, "seed": seed, "number": number, "labels": labels}
        (out / f"{number:08d}.png").write_bytes(png(image, facts))
    np.savez_compressed(
        out / "images.npz",
        images=images,
        labels=np.array(labels),
        seed=np.array(seed),
        first=np.array(first),
        checkpoint=np.array(CHECKPOINT),
        synthetic=np.array(True),
        digital_source_type=np.array(SOURCE_TYPE),
    )
    return out


def png(image: npt.NDArray[np.uint8], facts: dict[str, object]) -> bytes:
    """A PNG file of an image `(C, H, W) uint8`, grey or RGB, with its mark: what it was made from."""
    channels, height, width = image.shape
    rows = image.transpose(1, 2, 0).reshape(height, width * channels)
    lines = np.concatenate([np.zeros((height, 1), dtype=np.uint8), rows], axis=1)
    header = struct.pack(">IIBBBBB", width, height, 8, {1: 0, 3: 2}[channels], 0, 0, 0)
    text = json.dumps(facts, ensure_ascii=False).encode()
    chunks = (
        (b"IHDR", header),
        (b"tEXt", b"Description\0" + SYNTHETIC.encode()),
        (b"iTXt", b"XML:com.adobe.xmp" + bytes(5) + XMP.encode()),
        (b"iTXt", b"gan-aug" + bytes(5) + text),
        (b"IDAT", zlib.compress(lines.tobytes())),
        (b"IEND", b""),
    )
    made = [
        struct.pack(">I", len(own)) + kind + own + struct.pack(">I", zlib.crc32(kind + own)) for kind, own in chunks
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(made)


XMP = (
    '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/">'
    '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description rdf:about="" '
    'xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/" '
    f'Iptc4xmpExt:DigitalSourceType="{SOURCE_TYPE}"/></rdf:RDF></x:xmpmeta><?xpacket end="r"?>'
)
"""The same for programs, as XMP (ISO 16684-1) with IPTC's DigitalSourceType."""
