"""The header of a DICOM file: what is kept of it, and why a file is refused before anything is decoded."""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable, Iterator, MutableSequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from gan_aug.config.data import DicomConfig
from gan_aug.data.dicom.files import DicomFile, UnreadError
from gan_aug.data.dicom.quiet import quiet
from gan_aug.data.dicom.window import has_table
from gan_aug.data.patients import IdentityKey
from gan_aug.errors import DataError

KEYS = ("SOPInstanceUID", "StudyInstanceUID", "AccessionNumber", "PatientID")
"""What a table of labels may name images by, beside the file."""

KEPT = (
    *KEYS, "SOPClassUID", "Modality", "BurnedInAnnotation", "Rows", "Columns", "NumberOfFrames", "SamplesPerPixel",
    "BitsAllocated", "BitsStored", "PhotometricInterpretation", "PixelSpacing", "ImagerPixelSpacing", "WindowCenter",
    "WindowCenterWidthExplanation", "VOILUTSequence", "SharedFunctionalGroupsSequence",
    "PerFrameFunctionalGroupsSequence",
)  # fmt: skip
"""All that is read of a header: nothing else so much as enters the memory."""

PIXELS = {0x7FE00008, 0x7FE00009, 0x7FE00010}
ULTRASOUND = ("1.2.840.10008.5.1.4.1.1.3", "1.2.840.10008.5.1.4.1.1.6")
DICOMDIR = "1.2.840.10008.1.3.10"
DEFLATED = b"1.2.840.10008.1.2.1.99"
ROOM = 64 * 2**20
"""Bytes a header may have beside the pixels."""

Values = dict[str, Any]
"""The values of a header, its file meta information among them, by their keywords."""

NO_ID = {"", "anonymous", "anonymized", "anonymised", "anon", "unknown", "none", "0"}
"""What de-identifying tools leave for every patient alike."""


class NoImageError(DataError):
    """The file is sound and, by what it says it is, no image: a report, a plan, a presentation state, a DICOMDIR."""


@dataclass(frozen=True)
class Header:
    """What is kept of a header: the shape, notes for the report, and in memory alone, as keyed hashes, who it is."""

    frames: int
    spacing: tuple[float, float] | None
    assumed: tuple[str, ...]
    patient: str | None = field(repr=False)
    keys: dict[str, str] = field(repr=False)
    tag: str = field(repr=False)
    """The value of the tag that labels are taken from."""


def byte_limit(config: DicomConfig) -> int:
    """The bytes a file may have: four samples of 16 bit for every pixel allowed, and room for a header."""
    return 8 * config.max_pixels + ROOM


def open_dataset(
    file: DicomFile, config: DicomConfig, stop: Callable[..., bool] | None, tags: Any = None
) -> tuple[Any, int]:
    """The dataset in `file` up to where `stop` says, or all of it, and the bytes left; DataError if it is no DICOM."""
    from pydicom.errors import InvalidDicomError  # noqa: TID251
    from pydicom.filereader import read_partial  # noqa: TID251

    stream, size = file.open(byte_limit(config))
    with stream, _disk_errors():
        start = stream.read(4096)
        stream.seek(0)
        if DEFLATED in start:
            _check_deflated(start, stream.read(size), byte_limit(config))
            stream.seek(0)
        # Without a preamble pydicom takes anything for DICOM: the caller looks whether sense came of it.
        bare = start[128:132] != b"DICM"
        source = _Clamped(stream, size)
        try:
            dataset = read_partial(source, stop_when=stop, force=bare, specific_tags=tags)  # type: ignore[arg-type]
            return dataset, size - source.tell()
        except InvalidDicomError as error:
            raise DataError("not a DICOM file") from error
        except OSError:
            raise
        except MemoryError as error:
            raise UnreadError("there is not enough memory to read it") from error
        except Exception as error:  # pydicom raises what its parsers stumble on
            reason = "not a DICOM file" if bare else "its header is truncated or corrupt"
            raise DataError(reason) from error


def read_header(file: DicomFile, config: DicomConfig, identity: IdentityKey, tag: str | None = None) -> Header:
    """What is kept of the header of `file`, with the value of `tag`; who it is of, as hashes by `identity`.

    Raises DataError with the reason for what cannot be used, or may not be without being allowed by name.
    """
    from pydicom.tag import Tag  # noqa: TID251

    seen: list[tuple[int, int]] = []

    def at_pixels(place: Any, _vr: str | None, length: int) -> bool:
        if int(place) in PIXELS:
            seen.append((int(place), length))
        return int(place) in PIXELS

    wanted = [Tag(name) for name in (*KEPT, *([tag] if tag else []))]
    with quiet() as warned:
        dataset, left = open_dataset(file, config, at_pixels, wanted)
        try:
            # Each value is parsed once: asking the dataset for one by its name costs more than the reading.
            values = {element.keyword: element.value for part in (dataset.file_meta, dataset) for element in part}
            return _header(values, config, identity, tag, seen, left, len(warned))
        except DataError:
            raise
        except Exception as error:  # values are parsed when first looked at
            raise DataError("its header has values that cannot be understood") from error


def _header(
    values: Values, config: DicomConfig, identity: IdentityKey, tag: str | None, seen: list[Any], left: int, warned: int
) -> Header:
    kind = str(values.get("SOPClassUID") or values.get("MediaStorageSOPClassUID") or "")
    if kind == DICOMDIR:
        raise NoImageError("a DICOMDIR, which only lists other files")
    if not kind and "Rows" not in values and "TransferSyntaxUID" not in values and not seen:
        raise DataError("not a DICOM file")
    if not seen:
        if _named(kind) and "Image" not in _named(kind):
            raise NoImageError(f"it holds no pixels{_named(kind)}")
        torn = ": there is a header alone, or it is truncated" if _named(kind) else ""
        raise DataError(f"it holds no pixels{_named(kind)}{torn}")
    _check_syntax(values)
    frames = _check_shape(values, config)
    if seen[0][1] != 0xFFFFFFFF:
        _check_length(values, frames, seen[0][1], left)
    _check_allowed(values, config, kind)
    keys = {key: str(values.get(key) or "").strip() for key in KEYS}
    patient, notes = _patient(keys)
    notes += _assumed(values, config) + ([f"header values outside the standard: {warned}"] if warned else [])
    value = values.get(tag) if tag else None
    text = "" if value is None else "/".join(map(str, value)) if isinstance(value, MutableSequence) else str(value)
    hashed = {key: identity(value) for key, value in keys.items()}
    return Header(frames, _spacing(values), tuple(notes), identity(patient) if patient else None, hashed, text.strip())


def _named(kind: str) -> str:
    from pydicom.uid import UID  # noqa: TID251

    name = UID(kind).name
    return f" ({name})" if name != kind else ""


def _check_syntax(values: Values) -> None:
    from pydicom.pixels import get_decoder  # noqa: TID251
    from pydicom.uid import UID  # noqa: TID251

    syntax = values.get("TransferSyntaxUID")
    if not syntax:
        raise DataError("it does not say its transfer syntax")
    try:
        decoder = get_decoder(UID(syntax))
    except NotImplementedError as error:
        raise DataError(f"no plug-in decodes its transfer syntax{_named(str(syntax))}") from error
    if not decoder.is_available:
        missing = "; ".join(decoder.missing_dependencies)
        raise DataError(f"its transfer syntax{_named(str(syntax))} needs a plug-in that is not installed: {missing}")


def _check_shape(values: Values, config: DicomConfig) -> int:
    """How many frames there are, once the header's sizes have proved bearable."""
    for name in ("Rows", "Columns", "BitsAllocated", "PhotometricInterpretation"):
        if values.get(name) in (None, "", 0):
            raise DataError(f"its header does not say {name}")
    rows, columns, frames = int(values["Rows"]), int(values["Columns"]), int(values.get("NumberOfFrames") or 1)
    if frames < 1 or rows < 1 or columns < 1:
        raise DataError(f"its header claims {rows} x {columns} x {frames} pixels")
    if rows * columns * frames > config.max_pixels:
        raise DataError(
            f"its header claims {rows} x {columns} x {frames} pixels, more than data.dicom.max_pixels, now "
            f"{config.max_pixels}"
        )
    # As numbers: a header can give any element as text, and no text of it may get into a reason.
    samples, bits = int(values.get("SamplesPerPixel", 1)), int(values["BitsAllocated"])
    if samples not in (1, 3):
        raise DataError(f"it has {samples} samples per pixel, not 1 or 3")
    if bits not in (1, 8, 16, 32, 64):
        raise DataError(f"its header claims {bits} bits for a value")
    return frames


def _check_length(values: Values, frames: int, length: int, left: int) -> None:
    """Uncompressed pixels must be as many as the header says, and be in the file."""
    bits = int(values["Rows"]) * int(values["Columns"]) * frames * int(values["BitsAllocated"])
    expected = math.ceil(bits * int(values.get("SamplesPerPixel") or 1) / 8)
    if values["PhotometricInterpretation"] == "YBR_FULL_422":
        expected = expected * 2 // 3
    deflated = str(values.get("TransferSyntaxUID")).encode() == DEFLATED
    present = length if deflated else min(length, max(0, left - 8))  # 8: the tag and its length stand before
    if present < expected:
        raise DataError(f"its pixel data is truncated: {present} bytes where its header claims {expected}")


def _check_allowed(values: Values, config: DicomConfig, kind: str) -> None:
    burned = str(values.get("BurnedInAnnotation") or "").strip().upper()
    if burned == "YES" and "burned-in" not in config.allow:
        raise DataError("refused: it says that text is burned in; allow it with data.dicom.allow: [burned-in]")
    modality = str(values.get("Modality") or "").strip().upper()
    sound = modality in ("US", "IVUS") or any(kind == uid or kind.startswith(f"{uid}.") for uid in ULTRASOUND)
    if sound and burned != "NO" and "ultrasound" not in config.allow:
        raise DataError(
            "refused: ultrasound often shows the patient's name and it does not say BurnedInAnnotation NO; allow it "
            "with data.dicom.allow: [ultrasound]"
        )


def _patient(keys: dict[str, str]) -> tuple[str | None, list[str]]:
    if keys["PatientID"].lower() not in NO_ID:
        return keys["PatientID"], []
    for key, word in (("StudyInstanceUID", "study"), ("SOPInstanceUID", "image")):
        if keys[key]:
            return keys[key], [f"no patient id: the {word} counts as a patient of its own"]
    return None, ["no patient id, study or instance: nobody knows whose image it is"]


def _spacing(values: Values) -> tuple[float, float] | None:
    """The distance of pixels in millimetres, (down, across), that holds for all frames."""
    measures = [item.get("PixelSpacing") for item in _groups(values, "PixelMeasuresSequence")]
    found = {
        tuple(float(size) for size in one or ())
        for one in measures or [values.get("PixelSpacing") or values.get("ImagerPixelSpacing")]
    }
    distances = found.pop() if len(found) == 1 else ()
    return (distances[0], distances[1]) if len(distances) == 2 else None


def _groups(values: Values, name: str) -> list[Any]:
    """The items of one functional group, shared or of each frame."""
    places = [
        *(values.get("SharedFunctionalGroupsSequence") or ()),
        *(values.get("PerFrameFunctionalGroupsSequence") or ()),
    ]
    return [place.get(name)[0] for place in places if place.get(name)]


def _assumed(values: Values, config: DicomConfig) -> list[str]:
    if values.get("SamplesPerPixel", 1) == 3 or values["PhotometricInterpretation"] == "PALETTE COLOR":
        return []
    windowed = values.get("WindowCenter") not in (None, "") or has_table(values, "VOILUTSequence")
    if config.window == "percentile":
        return []
    frames = _groups(values, "FrameVOILUTSequence")
    if windowed or frames:
        names = (frames[0] if frames else values).get("WindowCenterWidthExplanation") or []
        names = [names] if isinstance(names, str) else list(names)
        if config.window != "first" and config.window not in names:
            return ["it has no window of the name asked for: its first window is used"]
        return []
    return ["no window in the header: percentiles 0.5 to 99.5 of the image"]


def _check_deflated(start: bytes, content: bytes, limit: int) -> None:
    """Inflate within the limit, since pydicom would go on to whatever size a bomb has."""
    if start[128:132] != b"DICM" or start[132:136] != b"\x02\x00\x00\x00":
        raise DataError("its deflated header does not say how long it is")
    offset = 144 + int.from_bytes(start[140:144], "little")
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        inflater.decompress(content[offset:], limit)
    except zlib.error as error:
        raise DataError("its deflated content is truncated or corrupt") from error
    if inflater.unconsumed_tail:
        raise DataError("its deflated content is larger than data.dicom.max_pixels allows")


@contextmanager
def _disk_errors() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise UnreadError("the disk or network failed while it was read") from error


class _Clamped:
    """A file that never reads past its end: a length that lies would make Python set that much memory aside."""

    def __init__(self, stream: Any, size: int) -> None:
        self._stream, self._size = stream, size
        self.seek, self.tell, self.close = stream.seek, stream.tell, stream.close

    def read(self, count: int = -1) -> bytes:
        left = max(0, self._size - self._stream.tell())
        content: bytes = self._stream.read(left if count < 0 else min(count, left))
        return content
