"""DICOM files for tests, made here."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset  # noqa: TID251
from pydicom.uid import ExplicitVRLittleEndian, generate_uid  # noqa: TID251

from gan_aug.config.data import DicomConfig
from gan_aug.data.dicom.files import DicomFile
from gan_aug.data.dicom.pixels import read_frame

CR = "1.2.840.10008.5.1.4.1.1.1"


def dataset(pixels: Any = None, **tags: Any) -> Dataset:
    """A small film; `tags` add to it or, where None, are left out."""
    values = np.arange(12 * 10, dtype=np.uint16).reshape(12, 10) * 30 if pixels is None else pixels
    made = Dataset()
    made.file_meta = FileMetaDataset()
    made.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    made.SOPClassUID, made.SOPInstanceUID, made.StudyInstanceUID = CR, generate_uid(), generate_uid()
    made.Modality, made.PatientID = "CR", generate_uid()[-12:]
    made.Rows, made.Columns = values.shape[-2:] if values.shape[-1] != 3 else values.shape[-3:-1]
    made.SamplesPerPixel = 3 if values.shape[-1] == 3 else 1
    made.PhotometricInterpretation = "RGB" if values.shape[-1] == 3 else "MONOCHROME2"
    if values.shape[-1] == 3:
        made.PlanarConfiguration = 0
    made.BitsAllocated = made.BitsStored = values.dtype.itemsize * 8
    made.HighBit = made.BitsStored - 1
    made.PixelRepresentation = int(values.dtype.kind == "i")
    made.PixelData = values.tobytes()
    for name, value in tags.items():
        if value is None:
            delattr(made, name)
        else:
            setattr(made, name, value)
    return made


def save(path: Path, made: Dataset | None = None, **tags: Any) -> Path:
    """Write `made`, or a film with `tags`, to `path`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    written = dataset(**tags) if made is None else made
    written.save_as(path, enforce_file_format=True)
    return path


def shown(made: Dataset, frame: int = 0, **config: Any) -> Any:
    """The pixels of a frame of `made`, written to a file and read from there."""
    with tempfile.TemporaryDirectory() as folder:
        path = save(Path(folder) / "film", made)
        return read_frame(DicomFile(1, path, path.name), frame, DicomConfig(**config))
