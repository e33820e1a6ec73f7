"""The header of a DICOM file: the attributes that are used, and why a file is refused before anything is decoded."""

from __future__ import annotations

import math
from collections.abc import MutableSequence
from dataclasses import dataclass, field
from typing import Any

from gan_aug.config.data import DicomConfig
from gan_aug.data.dicom.dataset import DEFLATED, open_dataset
from gan_aug.data.dicom.files import DicomFile
from gan_aug.data.dicom.pydicom_messages import suppress_messages
from gan_aug.data.dicom.window import has_table
from gan_aug.data.patients import IdentityKey
from gan_aug.errors import DataError

IDENTIFIERS = ("SOPInstanceUID", "StudyInstanceUID", "AccessionNumber", "PatientID")
"""What a table of labels may name images by, besides the file name."""

ATTRIBUTES = (
    *IDENTIFIERS, "SOPClassUID", "Modality", "BurnedInAnnotation", "Rows", "Columns", "NumberOfFrames",
    "SamplesPerPixel", "BitsAllocated", "BitsStored", "PhotometricInterpretation", "PixelSpacing", "ImagerPixelSpacing",
    "WindowCenter", "WindowCenterWidthExplanation", "VOILUTSequence", "SharedFunctionalGroupsSequence",
    "PerFrameFunctionalGroupsSequence",
)  # fmt: skip
"""All attributes that are read; no other value enters the memory."""

PIXEL_DATA = {0x7FE00008, 0x7FE00009, 0x7FE00010}
"""Float Pixel Data (7FE0,0008), Double Float Pixel Data (7FE0,0009) and Pixel Data (7FE0,0010)."""

UNDEFINED_LENGTH = 0xFFFFFFFF
"""The length of encapsulated (compressed) Pixel Data."""

ULTRASOUND = ("1.2.840.10008.5.1.4.1.1.3", "1.2.840.10008.5.1.4.1.1.6")
"""Roots of the SOP Class UIDs of ultrasound: multi-frame images (.3, .3.1), and images and volumes (.6, .6.1, .6.2)."""

DICOMDIR = "1.2.840.10008.1.3.10"
"""The SOP Class UID of a DICOMDIR: Media Storage Directory Storage."""

Values = dict[str, Any]
"""The values of a header and of its File Meta Information, by keyword."""

PLACEHOLDER_IDS = {"", "anonymous", "anonymized", "anonymised", "anon", "unknown", "none", "0"}
"""The Patient ID that de-identification tools give to every patient, in lower case."""


class NoImageError(DataError):
    """The file is intact and its SOP class is not an image: a report, a plan, a presentation state, a DICOMDIR."""


@dataclass(frozen=True)
class Header:
    """What is kept of a header. Identifiers are kept as keyed hashes only.

    Attributes:
        frames: The number of frames.
        spacing: The distance between pixel centres in millimetres, (down, across), or None if it is not known.
        assumed: What was assumed for want of a value; for the import report.
        patient: The keyed hash of the Patient ID (0010,0020) or of what stands in for it, or None.
        identifiers: The keyed hash of each of IDENTIFIERS; empty if the header lacks it.
        label_value: The value of the attribute that labels are taken from; empty if there is none.
    """

    frames: int
    spacing: tuple[float, float] | None
    assumed: tuple[str, ...]
    patient: str | None = field(repr=False)
    identifiers: dict[str, str] = field(repr=False)
    label_value: str = field(repr=False)


def read_header(file: DicomFile, config: DicomConfig, identity: IdentityKey, label_from: str | None = None) -> Header:
    """Read and check the header of a file; its pixels are not read.

    Args:
        file: The file.
        config: The limits, the kinds of images that are allowed, and the window to use.
        identity: The key that the identifiers are hashed with.
        label_from: The keyword of the attribute that labels are taken from, or None.

    Raises:
        UnreadError: If the file cannot be read now.
        NoImageError: If the file is no image.
        DataError: If the file cannot be used, or only if the config allows it by name; the message is the reason.
    """
    from pydicom.tag import Tag  # noqa: TID251

    lengths: list[int] = []

    def at_pixel_data(tag: Any, _vr: str | None, length: int) -> bool:
        if int(tag) in PIXEL_DATA:
            lengths.append(length)
        return int(tag) in PIXEL_DATA

    wanted = [Tag(name) for name in (*ATTRIBUTES, *([label_from] if label_from else []))]
    with suppress_messages() as warned:
        dataset, left = open_dataset(file, config, at_pixel_data, wanted)
        try:
            # Each value is parsed once: asking the dataset for a value by its keyword takes longer than reading it.
            values = {element.keyword: element.value for part in (dataset.file_meta, dataset) for element in part}
            frames = _check(values, config, lengths[0] if lengths else None, left)
            return _header(values, config, identity, label_from, frames, len(warned))
        except DataError:
            raise
        except Exception as error:  # pydicom parses values when they are first accessed
            raise DataError("its header has values that cannot be parsed") from error


def _check(values: Values, config: DicomConfig, pixel_bytes: int | None, left: int) -> int:
    """The number of frames, after all that can be wrong with a header was checked.

    `pixel_bytes` is the length of the Pixel Data element, None if there is none; `left` bytes follow in the file.
    """
    sop_class = str(values.get("SOPClassUID") or values.get("MediaStorageSOPClassUID") or "")
    if sop_class == DICOMDIR:
        raise NoImageError("a DICOMDIR, which only lists other files")
    if not sop_class and "Rows" not in values and "TransferSyntaxUID" not in values and pixel_bytes is None:
        raise DataError("not a DICOM file")
    if pixel_bytes is None:
        name = _name_of(sop_class)
        if name and "Image" not in name:
            raise NoImageError(f"it holds no pixels{name}")
        raise DataError(f"it holds no pixels{name}" + (": it is only a header, or it is truncated" if name else ""))
    _check_syntax(values)
    frames = _check_shape(values, config)
    if pixel_bytes != UNDEFINED_LENGTH:
        _check_length(values, frames, pixel_bytes, left)
    _check_allowed(values, config, sop_class)
    return frames


def _header(
    values: Values, config: DicomConfig, identity: IdentityKey, label_from: str | None, frames: int, warned: int
) -> Header:
    identifiers = {key: str(values.get(key) or "").strip() for key in IDENTIFIERS}
    patient, notes = _patient(identifiers)
    notes += _assumed(values, config) + ([f"header values outside the standard: {warned}"] if warned else [])
    value = values.get(label_from) if label_from else None
    label = "" if value is None else "/".join(map(str, value)) if isinstance(value, MutableSequence) else str(value)
    return Header(
        frames,
        _spacing(values),
        tuple(notes),
        identity(patient) if patient else None,
        {key: identity(value) for key, value in identifiers.items()},
        label.strip(),
    )


def _name_of(uid: str) -> str:
    """The name of a UID in brackets, after a space; empty if the standard has no such UID."""
    from pydicom.uid import UID  # noqa: TID251

    name = UID(uid).name
    return f" ({name})" if name != uid else ""


def _check_syntax(values: Values) -> None:
    from pydicom.pixels import get_decoder  # noqa: TID251
    from pydicom.uid import UID  # noqa: TID251

    syntax = values.get("TransferSyntaxUID")
    if not syntax:
        raise DataError("it has no Transfer Syntax UID (0002,0010)")
    try:
        decoder = get_decoder(UID(syntax))
    except NotImplementedError as error:
        raise DataError(f"no plug-in decodes its transfer syntax{_name_of(str(syntax))}") from error
    if not decoder.is_available:
        missing = "; ".join(decoder.missing_dependencies)
        raise DataError(f"its transfer syntax{_name_of(str(syntax))} needs a plug-in that is not installed: {missing}")


def _check_shape(values: Values, config: DicomConfig) -> int:
    """The number of frames, after the sizes in the header were checked against the limits."""
    for name in ("Rows", "Columns", "BitsAllocated", "PhotometricInterpretation"):
        if values.get(name) in (None, "", 0):
            raise DataError(f"its header has no {name}")
    rows, columns, frames = int(values["Rows"]), int(values["Columns"]), int(values.get("NumberOfFrames") or 1)
    if frames < 1 or rows < 1 or columns < 1:
        raise DataError(f"its header claims {rows} x {columns} x {frames} pixels")
    if rows * columns * frames > config.max_pixels:
        raise DataError(
            f"its header claims {rows} x {columns} x {frames} pixels, more than data.dicom.max_pixels, now "
            f"{config.max_pixels}"
        )
    # Converted to numbers first: a header can hold text in any element, and no text of it may get into a reason.
    samples, bits = int(values.get("SamplesPerPixel", 1)), int(values["BitsAllocated"])
    if samples not in (1, 3):
        raise DataError(f"it has {samples} samples per pixel, not 1 or 3")
    if bits not in (1, 8, 16, 32, 64):
        raise DataError(f"its header claims {bits} bits per sample")
    return frames


def _check_length(values: Values, frames: int, length: int, left: int) -> None:
    """Check that uncompressed pixels have the number of bytes that the header implies, and that the file holds them."""
    bits = int(values["Rows"]) * int(values["Columns"]) * frames * int(values["BitsAllocated"])
    expected = math.ceil(bits * int(values.get("SamplesPerPixel") or 1) / 8)
    if values["PhotometricInterpretation"] == "YBR_FULL_422":
        expected = expected * 2 // 3
    deflated = str(values.get("TransferSyntaxUID")).encode() == DEFLATED
    present = length if deflated else min(length, max(0, left - 8))  # 8: tag and length come before the value
    if present < expected:
        raise DataError(f"its pixel data is truncated: {present} bytes, but its header claims {expected}")


def _check_allowed(values: Values, config: DicomConfig, sop_class: str) -> None:
    burned_in = str(values.get("BurnedInAnnotation") or "").strip().upper()
    if burned_in == "YES" and "burned-in" not in config.allow:
        raise DataError(
            "refused: its Burned In Annotation (0028,0301) is YES; allow it with data.dicom.allow: [burned-in]"
        )
    modality = str(values.get("Modality") or "").strip().upper()
    is_ultrasound = any(sop_class == uid or sop_class.startswith(f"{uid}.") for uid in ULTRASOUND)
    is_ultrasound |= modality in ("US", "IVUS")
    if is_ultrasound and burned_in != "NO" and "ultrasound" not in config.allow:
        raise DataError(
            "refused: ultrasound often shows the patient's name, and its Burned In Annotation (0028,0301) is not NO; "
            "allow it with data.dicom.allow: [ultrasound]"
        )


def _patient(identifiers: dict[str, str]) -> tuple[str | None, list[str]]:
    """The identifier that stands for the patient, and a note if it is not the Patient ID."""
    if identifiers["PatientID"].lower() not in PLACEHOLDER_IDS:
        return identifiers["PatientID"], []
    for key, word in (("StudyInstanceUID", "study"), ("SOPInstanceUID", "image")):
        if identifiers[key]:
            return identifiers[key], [f"no Patient ID: the {word} counts as a patient of its own"]
    return None, ["no Patient ID, Study or SOP Instance UID: the file counts as a patient of its own"]


def _spacing(values: Values) -> tuple[float, float] | None:
    """The distance between pixel centres in millimetres, (down, across), if it is the same for all frames."""
    measures = [item.get("PixelSpacing") for item in _functional_groups(values, "PixelMeasuresSequence")]
    found = {
        tuple(float(size) for size in one or ())
        for one in measures or [values.get("PixelSpacing") or values.get("ImagerPixelSpacing")]
    }
    distances = found.pop() if len(found) == 1 else ()
    return (distances[0], distances[1]) if len(distances) == 2 else None


def _functional_groups(values: Values, name: str) -> list[Any]:
    """The items of the functional group `name`: the shared one and that of each frame."""
    groups = [
        *(values.get("SharedFunctionalGroupsSequence") or ()),
        *(values.get("PerFrameFunctionalGroupsSequence") or ()),
    ]
    return [group.get(name)[0] for group in groups if group.get(name)]


def _assumed(values: Values, config: DicomConfig) -> list[str]:
    """A note if the grey frames have no window, or not the window that the config names."""
    if values.get("SamplesPerPixel", 1) == 3 or values["PhotometricInterpretation"] == "PALETTE COLOR":
        return []
    windowed = values.get("WindowCenter") not in (None, "") or has_table(values, "VOILUTSequence")
    if config.window == "percentile":
        return []
    frames = _functional_groups(values, "FrameVOILUTSequence")
    if windowed or frames:
        names = (frames[0] if frames else values).get("WindowCenterWidthExplanation") or []
        names = [names] if isinstance(names, str) else list(names)
        if config.window != "first" and config.window not in names:
            return ["it has no window with the name asked for: its first window is used"]
        return []
    return ["no window in the header: percentiles 0.5 to 99.5 of the image"]
