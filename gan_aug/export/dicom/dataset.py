"""A synthetic case as a DICOM dataset: Secondary Capture, with everything that says that it is synthetic.

(0008,001C) Synthetic Data says it to programs. It is optional in the standard, so a de-identifier may take it out;
therefore the patient's name and id, the descriptions of study and series, and the comment say it too.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydicom import uid as uids  # noqa: TID251 - the door
from pydicom.config import RAISE  # noqa: TID251
from pydicom.datadict import keyword_for_tag  # noqa: TID251
from pydicom.dataset import Dataset, FileMetaDataset  # noqa: TID251
from pydicom.valuerep import validate_value  # noqa: TID251

from gan_aug.config.export import DicomExport
from gan_aug.data.synthetic.shards import UNKNOWN
from gan_aug.errors import ConfigError
from gan_aug.export.dicom.case import Case, uid_of_name
from gan_aug.export.dicom.pixels import PixelWriter
from gan_aug.version import __version__

IMPLEMENTATION = uids.UID(uid_of_name("gan-aug writes DICOM"))
"""Implementation Class UID of these files."""

PAGE_NUMBER_VECTOR = 0x00182001

SC_CLASSES = {
    (1, 8): uids.MultiFrameGrayscaleByteSecondaryCaptureImageStorage,
    (1, 16): uids.MultiFrameGrayscaleWordSecondaryCaptureImageStorage,
    (3, 8): uids.MultiFrameTrueColorSecondaryCaptureImageStorage,
}
"""SOP classes of multi-frame files, by channels and bits."""


LONGEST_LABEL = 64 - len("SYNTHETIC ")
"""Characters: Series Description may have 64."""

CONTROL = re.compile("[\x00-\x1f\x7f-\x9f]")


@dataclass(frozen=True)
class Origin:
    """What all images of a set were made from."""

    seed: int
    checkpoint: str


def sop_class(writer: PixelWriter, several: bool) -> uids.UID:
    """The SOP Class UID of files of one frame, or of several."""
    return SC_CLASSES[writer.channels, writer.bits] if several else uids.SecondaryCaptureImageStorage


def own_values(case: Case, numbers: tuple[int, ...], origin: Origin) -> dict[str, str]:
    """The values that each file has for itself, by keyword.

    Args:
        case: Who it is.
        numbers: The positions of its images in the set.
        origin: What the images were made from.

    Returns:
        Texts; several values of one element are separated by a backslash.
    """
    several = len(numbers) > 1
    which = f"images {numbers[0]} to {numbers[-1]} (Page Number Vector)" if several else f"image {numbers[0]}"
    values = {
        "MediaStorageSOPInstanceUID": case.instance_uid,
        "SOPInstanceUID": case.instance_uid,
        "DerivationDescription": f"Synthetic {which} of seed {origin.seed}, {_made_by(origin)}. No source image.",
        "PatientName": f"SYNTHETIC^{case.patient_id}",
        "PatientID": case.patient_id,
        "StudyInstanceUID": case.study_uid,
        "SeriesInstanceUID": case.series_uid,
        "StudyID": str(case.first),
    }
    if several:
        values |= {"NumberOfFrames": str(len(numbers)), "PageNumberVector": "\\".join(map(str, numbers))}
    return values


def build_dataset(
    own: Mapping[str, str], label: str, pixels: bytes, writer: PixelWriter, options: DicomExport, origin: Origin
) -> Dataset:
    """One file as a dataset for pydicom to write.

    Args:
        own: What `own_values` gives.
        label: The labels of its images, as one text.
        pixels: The value of Pixel Data.
        writer: What made `pixels`.
        options: How DICOM files are written.
        origin: What the images were made from.

    Returns:
        The dataset, with its file meta information.

    Raises:
        ConfigError: A value is longer than DICOM allows, or has characters that it does not.
    """
    dataset, meta = Dataset(), FileMetaDataset()
    dataset.file_meta = meta
    several = "NumberOfFrames" in own
    meta.MediaStorageSOPClassUID = sop_class(writer, several)
    meta.MediaStorageSOPInstanceUID = uids.UID(own["MediaStorageSOPInstanceUID"])
    meta.TransferSyntaxUID = writer.syntax
    meta.ImplementationClassUID = IMPLEMENTATION
    meta.ImplementationVersionName = "GAN-AUG"
    for values in (_identity(options, label), _equipment(origin), _picture(writer, options, several), own):
        for keyword, value in values.items():
            if keyword != "MediaStorageSOPInstanceUID":
                setattr(dataset, keyword, value)
    dataset.SOPClassUID = meta.MediaStorageSOPClassUID
    dataset.SyntheticData = "YES"
    dataset.PixelData = pixels
    dataset["PixelData"].VR = writer.vr
    dataset["PixelData"].is_undefined_length = writer.syntax.is_compressed
    check_values(dataset)
    return dataset


def check_values(dataset: Dataset) -> None:
    """Check every text against its value representation; raises ConfigError naming the first that does not fit.

    pydicom by itself would write it all the same, after a warning.
    """
    for element in dataset.iterall():
        if element.VR in ("SQ", "OB", "OW", "US", "UL"):
            continue
        values = [element.value] if element.VM <= 1 else element.value
        for value in map(str, values):
            keyword = keyword_for_tag(element.tag)
            try:
                validate_value(element.VR, value, RAISE)
            except ValueError as error:
                raise ConfigError(f"{keyword} would be {value!r}, which DICOM does not allow: {error}") from error
            if CONTROL.search(value):
                raise ConfigError(f"{keyword} would be {value!r}, with characters that cannot be shown")


def _identity(options: DicomExport, label: str) -> dict[str, Any]:
    """Patient, study and series, as far as all files of one label share them."""
    _check_label(label)
    values = {
        "SpecificCharacterSet": "ISO_IR 192",
        "PatientBirthDate": "",
        "PatientSex": "",
        "StudyDate": options.study_date,
        "StudyTime": "000000",
        "AccessionNumber": "",
        "ReferringPhysicianName": "",
        "StudyDescription": "SYNTHETIC image, no recording of a patient",
        "Modality": options.modality,
        "SeriesNumber": "1",
        "InstanceNumber": "1",
        "SeriesDescription": f"SYNTHETIC {label or 'no label'}",
        "ImageComments": "SYNTHETIC image made by a generative model: no recording of a patient. "
        + (f"Label: {label}" if label else "No label"),
        "ImageLaterality": options.laterality or "U",
    }
    return values | ({"BodyPartExamined": options.body_part} if options.body_part else {})


def _check_label(label: str) -> None:
    fault = None
    if "\\" in label or CONTROL.search(label):
        fault = "holds a backslash or a control character, which DICOM does not allow in a description"
    elif len(label) > LONGEST_LABEL:
        fault = f"has {len(label)} characters, and Series Description has room for {LONGEST_LABEL} beside SYNTHETIC"
    if fault:
        raise ConfigError(f"the label {label!r} {fault}: give it another name with --set 'dicom.names={{LABEL: NAME}}'")


def _equipment(origin: Origin) -> dict[str, Any]:
    """The program and the model, by Contributing Equipment with the purpose Synthesizing Equipment."""
    purpose, contribution = Dataset(), Dataset()
    purpose.CodeValue, purpose.CodingSchemeDesignator = "109100", "DCM"
    purpose.CodeMeaning = "Synthesizing Equipment"
    contribution.PurposeOfReferenceCodeSequence = [purpose]
    known = origin.checkpoint != UNKNOWN
    contribution.Manufacturer = "gan-aug" if known else "unknown"
    if known:
        contribution.ManufacturerModelName = "class-conditional GAN"
        contribution.DeviceSerialNumber = origin.checkpoint
    contribution.ContributionDescription = "Made the image; it is no recording of a patient."
    return {
        "ConversionType": "SYN",
        "SecondaryCaptureDeviceManufacturer": "gan-aug",
        "SecondaryCaptureDeviceSoftwareVersions": __version__,
        "ContributingEquipmentSequence": [contribution],
    }


def _picture(writer: PixelWriter, options: DicomExport, several: bool) -> dict[str, Any]:
    """The image, as far as it is not the pixels."""
    values: dict[str, Any] = {
        "ImageType": ["DERIVED", "SECONDARY"],
        "PatientOrientation": "",
        "BurnedInAnnotation": "YES" if options.mark else "NO",
        "LossyImageCompression": "00",
        "SamplesPerPixel": writer.channels,
        "PhotometricInterpretation": "RGB" if writer.channels == 3 else "MONOCHROME2",
        "Rows": writer.height,
        "Columns": writer.width,
        "BitsAllocated": writer.bits,
        "BitsStored": writer.bits,
        "HighBit": writer.bits - 1,
        "PixelRepresentation": 0,
    }
    if writer.channels == 3:
        values["PlanarConfiguration"] = 0
    else:  # the window that shows each value as it is; without one, viewers choose their own for each image
        values |= {"WindowCenter": str(1 << writer.bits - 1), "WindowWidth": str(1 << writer.bits)}
    if several:
        values["FrameIncrementPointer"] = PAGE_NUMBER_VECTOR
        if writer.channels == 1:
            values |= {"PresentationLUTShape": "IDENTITY"}
            values |= {"RescaleIntercept": "0", "RescaleSlope": "1", "RescaleType": "US"}
    return values


def _made_by(origin: Origin) -> str:
    if origin.checkpoint == UNKNOWN:
        return "made by another program than gan-aug"
    return f"made by gan-aug with the checkpoint {origin.checkpoint}"
