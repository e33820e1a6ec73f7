"""The header of a DICOM file: the attributes that are used, and why a file is refused before anything is decoded."""

from __future__ import annotations

from collections.abc import MutableSequence
from dataclasses import dataclass, field

from gan_aug.config.data import DicomConfig
from gan_aug.data.dicom.attributes import PIXEL_KEYWORDS, Attributes, named, tags
from gan_aug.data.dicom.dataset import GE_BIG_ENDIAN_PIXELS, OpenedFile, open_file
from gan_aug.data.dicom.decode import ENCAPSULATED_NATIVE, is_compressed, lack_of_bytes, name_of
from gan_aug.data.dicom.files import DicomFile
from gan_aug.data.dicom.grey_scale import GreyScale, PixelPlan, read_scale
from gan_aug.data.dicom.pixel_module import PixelModule, height_to_width, pixel_distances, read_pixel_module
from gan_aug.data.dicom.pydicom_messages import suppress_messages
from gan_aug.data.dicom.tables import LookUpTable, read_palette
from gan_aug.data.patients import IdentityKey
from gan_aug.errors import DataError

IDENTIFIERS = ("SOPInstanceUID", "StudyInstanceUID", "AccessionNumber", "PatientID")
"""What a table of labels may name images by, besides the file name."""

ATTRIBUTES = (*IDENTIFIERS, "SOPClassUID", "Modality", "BurnedInAnnotation", "PresentationLUTShape", *PIXEL_KEYWORDS)
"""All attributes that are read; no other value enters the memory."""

ULTRASOUND = ("1.2.840.10008.5.1.4.1.1.3", "1.2.840.10008.5.1.4.1.1.6")
"""Roots of the SOP Class UIDs of ultrasound: multi-frame images (.3, .3.1), and images and volumes (.6, .6.1, .6.2)."""

DICOMDIR = "1.2.840.10008.1.3.10"
"""The SOP Class UID of a DICOMDIR: Media Storage Directory Storage."""

PLAIN_SYNTAXES = (
    "1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2", "1.2.840.10008.1.2.1.99", GE_BIG_ENDIAN_PIXELS,
)  # fmt: skip
"""The transfer syntaxes of pixels that are not compressed."""

NO_PHOTOGRAPHS = {
    "1.2.840.10008.5.1.4.1.1.66.7": "Label Map Segmentation Storage",
    "1.2.840.10008.5.1.4.1.1.66.8": "Height Map Segmentation Storage",
    "1.3.12.2.1107.5.9.1": "Siemens CSA Non-Image Storage",
    "1.3.46.670589.5.0.1": "Philips Private Volume Storage",
    "1.3.46.670589.11.0.0.12.1": "Philips Private MR Spectrum Storage",
    "1.3.46.670589.11.0.0.12.2": "Philips Private MR Series Data Storage",
}
"""SOP classes that are no pictures of a patient, private ones and such as pydicom may not know yet."""

PHOTOGRAPHS = ("Image", "Parametric Map", "Topography Map", "Thickness Map", "Volume Storage", "Volume Analysis")
"""What the names of the standard's SOP classes have if they are pictures of a patient."""

NO_PHOTOGRAPH_MODALITIES = {
    "SEG",
    "RTDOSE",
    "RTSTRUCT",
    "RTPLAN",
    "RTRECORD",
    "PR",
    "KO",
    "SR",
    "REG",
    "DOC",
    "FID",
    "RWV",
}
"""The same by Modality (0008,0060), for SOP classes that the standard does not know."""

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
        plan: How its pixels become grey, if it has one frame of a simple kind.
    """

    frames: int
    spacing: tuple[float, float] | None
    assumed: tuple[str, ...]
    patient: str | None = field(repr=False)
    identifiers: dict[str, str] = field(repr=False)
    label_value: str = field(repr=False)
    plan: PixelPlan | None = field(default=None, repr=False)


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
    with suppress_messages():
        stamp = file.stamp()
        opened = open_file(file, config, tags((*ATTRIBUTES, *([label_from] if label_from else []))))
        try:
            return _header(opened, stamp, config, identity, label_from)
        except DataError:
            raise
        except Exception as error:  # whatever a value may be that nobody has thought of
            raise DataError("its header is damaged") from error


def _header(
    opened: OpenedFile, stamp: tuple[int, ...], config: DicomConfig, identity: IdentityKey, label_from: str | None
) -> Header:
    header = Attributes(opened.dataset)
    module = _check(opened, header, config)
    scales = _note_frames(header, module, config)
    identifiers = {key: _value(header, key) for key in IDENTIFIERS}
    patient, notes = _patient(identifiers)
    label = _value(header, label_from) if label_from else ""
    spacing = _spacing(header, module)
    return Header(
        module.frames,
        spacing,
        (*notes, *header.notes),
        identity(patient) if patient else None,
        {key: identity(value) for key, value in identifiers.items()},
        label,
        _plan(opened, stamp, module, scales),
    )


def _plan(
    opened: OpenedFile, stamp: tuple[int, ...], module: PixelModule, scales: list[tuple[GreyScale, float]]
) -> PixelPlan | None:
    """How pixels become grey, if they are plain numbers of one grey frame, whose scale is no table."""
    plain = opened.length is not None and not opened.big_endian and not is_compressed(opened.syntax)
    if not plain or opened.place is None or not stamp or len(scales) != 1:
        return None
    (scale, ratio), simple = scales[0], module.element == "PixelData" and module.allocated in (8, 16)
    if not simple or module.frames != 1 or scale.modality or isinstance(scale.voi, LookUpTable):
        return None
    return PixelPlan(stamp, opened.place, module, scale, ratio)


def _value(header: Attributes, keyword: str) -> str:
    """An identifier or label, such as `ORIGINAL/PRIMARY` if it has several values; empty if absent or damaged."""
    try:
        value = header.dataset.get(keyword)
    except Exception:  # noqa: BLE001 - pydicom lets through whatever its parsers raise
        header.note(f"{named(keyword)} is damaged: ignored")
        return ""
    text = "/".join(map(str, value)) if isinstance(value, MutableSequence) else "" if value is None else str(value)
    return text.strip()


def _check(opened: OpenedFile, header: Attributes, config: DicomConfig) -> PixelModule:
    """How the pixels are stored, after all that can be wrong with a header was checked."""
    sop_class = header.text("SOPClassUID") or Attributes(opened.dataset.file_meta).text("MediaStorageSOPClassUID")
    if sop_class == DICOMDIR:
        raise NoImageError("a DICOMDIR, which only lists other files")
    if not sop_class and "Rows" not in header and not opened.syntax and opened.element is None:
        raise DataError("not a DICOM file")
    if not sop_class and "Rows" not in header and opened.element is None:
        syntax = f"{named('TransferSyntaxUID')} says{name_of(opened.syntax)}"
        raise DataError(f"nothing in it can be read: it is truncated, or not encoded as its {syntax}")
    name = name_of(sop_class) if sop_class else ""
    _check_kind(opened, header, sop_class, name)
    if opened.element is None:
        raise DataError(f"it holds no pixels{name}" + (": it is only a header, or it is truncated" if name else ""))
    encapsulated = opened.length is None
    if encapsulated:
        _check_syntax(opened.syntax, header)
    module = read_pixel_module(header, opened.element, opened.length, config.max_pixels)
    if not encapsulated:
        _check_length(opened, header, module)
    _check_allowed(header, config, sop_class)
    return module


def _check_kind(opened: OpenedFile, header: Attributes, sop_class: str, name: str) -> None:
    """Raise NoImageError for what is no picture of a patient, whether it holds pixels or not."""
    if sop_class in NO_PHOTOGRAPHS:
        raise NoImageError(f"it is no photograph ({NO_PHOTOGRAPHS[sop_class]})")
    # With pixels, a UID of something else than a kind of object is taken for a mistake of whoever wrote it.
    is_kind = "Storage" in name if opened.element else bool(name)
    if is_kind and not any(word in name for word in PHOTOGRAPHS):
        raise NoImageError(f"it {'holds no pixels' if opened.element is None else 'is no photograph'}{name}")
    modality = header.text("Modality")
    if not name and modality in NO_PHOTOGRAPH_MODALITIES:
        raise NoImageError(f"it is no photograph (its {named('Modality')} is {modality})")


def _check_syntax(syntax: str, header: Attributes) -> None:
    """Check that compressed pixels can be decoded. Without a transfer syntax they say themselves what they are."""
    from pydicom.pixels import get_decoder  # noqa: TID251
    from pydicom.uid import UID  # noqa: TID251

    if not syntax:
        header.note(f"{named('TransferSyntaxUID')} is absent: pixels are decoded as what they are")
        return
    if syntax == ENCAPSULATED_NATIVE:
        return
    try:
        decoder = get_decoder(UID(syntax))
    except NotImplementedError as error:
        if is_compressed(syntax) or not name_of(syntax):
            return
        raise DataError(f"no plug-in decodes its transfer syntax{name_of(syntax)}") from error
    if not decoder.is_available:
        missing = "; ".join(decoder.missing_dependencies)
        raise DataError(f"its transfer syntax{name_of(syntax)} needs a plug-in that is not installed: {missing}")


def _check_length(opened: OpenedFile, header: Attributes, module: PixelModule) -> None:
    """Check that uncompressed pixels have the bytes that the header implies, and note if there are more frames."""
    if is_compressed(opened.syntax):
        # Whether its pixels are in fragments for all that is seen only when they are read.
        header.note(f"{named('TransferSyntaxUID')} is a compressed one, and its pixel data is not encapsulated")
        return
    if reason := lack_of_bytes(opened, module):
        raise DataError(reason)
    if opened.syntax not in PLAIN_SYNTAXES:
        says = "names none of the standard's" if opened.syntax else "is absent"
        header.note(f"{named('TransferSyntaxUID')} {says}: pixels are taken to be encoded as the header is")
    held = opened.present * 8 // module.frame_bits
    if held > module.frames:
        header.note(
            f"its pixel data holds {held} frames, {named('NumberOfFrames')} says {module.frames}: the rest is not read"
        )


def _check_allowed(header: Attributes, config: DicomConfig, sop_class: str) -> None:
    burned_in = header.text("BurnedInAnnotation")
    if burned_in == "YES" and "burned-in" not in config.allow:
        raise DataError(
            "refused: its Burned In Annotation (0028,0301) is YES; allow it with data.dicom.allow: [burned-in]"
        )
    is_ultrasound = any(sop_class == uid or sop_class.startswith(f"{uid}.") for uid in ULTRASOUND)
    is_ultrasound |= header.text("Modality") in ("US", "IVUS")
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


def _spacing(header: Attributes, module: PixelModule) -> tuple[float, float] | None:
    """The distance between pixel centres in millimetres, (down, across), if it is the same for all frames."""
    found = {pixel_distances(header, frame) for frame in _different_frames(header, module)}
    return found.pop() if len(found) == 1 else None


def _different_frames(header: Attributes, module: PixelModule) -> range:
    """The frames that may differ in what the header says of them: the first alone, unless each has its own groups."""
    return range(module.frames if "PerFrameFunctionalGroupsSequence" in header else 1)


def _note_frames(header: Attributes, module: PixelModule, config: DicomConfig) -> list[tuple[GreyScale, float]]:
    """Note what will be assumed when frames are shown.

    Returns:
        How the values of each frame that may differ become grey, and the height of its pixels by their width; empty for
        frames in colour.
    """
    scales = []
    if module.photometric == "PALETTE COLOR" and "SegmentedRedPaletteColorLookupTableData" not in header:
        read_palette(header, (float(module.range[0]), float(module.range[1])))
    for frame in _different_frames(header, module):
        grey = module.samples == 1 and module.photometric != "PALETTE COLOR"
        scale = read_scale(header, module, frame, config.window) if grey else None
        ratio = height_to_width(header, frame)
        scales += [(scale, ratio)] if scale else []
    shape = header.text("PresentationLUTShape")
    if (module.photometric, shape) in (("MONOCHROME1", "IDENTITY"), ("MONOCHROME2", "INVERSE")):
        header.note(f"{named('PresentationLUTShape')} is {shape}, which {module.photometric} excludes: not obeyed")
    if header.text("PixelPresentation") in ("COLOR", "MIXED"):
        header.note(f"{named('PixelPresentation')} asks for colours on grey pixels: shown in grey")
    return scales
