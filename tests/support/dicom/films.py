"""The chest films of `kermany_cxr_224` as DICOM files with the same grey values, for tests and to be run by hand.

    python -m tests.support.dicom.films FILMS OUT [EVERY]

writes OUT/films, one file per film (or per EVERY-th), and the table OUT/table.csv.
"""

from __future__ import annotations

import csv
import sys
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from pydicom.dataset import Dataset, FileMetaDataset  # noqa: TID251
from pydicom.uid import (  # noqa: TID251
    ExplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLSLossless,
    RLELossless,
    generate_uid,
)

DIGITAL_XRAY = "1.2.840.10008.5.1.4.1.1.1.1"
SYNTAXES = (*[ExplicitVRLittleEndian] * 5, RLELossless, JPEGLSLossless, JPEG2000Lossless)
"""Film k is written in the one at k modulo 8: five of eight uncompressed, all without loss."""

Row = dict[str, str]


def read_index(films: Path, every: int = 1) -> list[Row]:
    """The rows of the set's index, in the order of the file names, which is the one DICOM files are read in."""
    with (films / "index.csv").open(newline="") as file:
        return sorted(csv.DictReader(file), key=lambda row: row["file"])[::every]


def write_table(path: Path, rows: list[Row]) -> Path:
    """Write the rows as a table at `path`."""
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


def write_films(films: Path, out: Path, rows: list[Row]) -> list[Row]:
    """Write each row's film below `out`; gives the rows anew, with the DICOM files' paths in the column `file`.

    The patient is in PatientID alone and no longer in the rows.
    """
    kept = []
    for number, row in enumerate(rows):
        path = Path(row["file"]).with_suffix(".dcm")
        (out / path).parent.mkdir(parents=True, exist_ok=True)
        made = film(films / row["file"], row["patient_key"], number)
        made.save_as(out / path, enforce_file_format=True)
        kept.append({"file": path.as_posix(), "split": row["split"], "label": row["label"]})
    return kept


def film(path: Path, patient: str, number: int) -> Dataset:
    """The film as a DICOM dataset; every third is MONOCHROME1, its stored values turned."""
    with Image.open(path) as image:
        grey = np.asarray(image)
    if grey.ndim == 3:
        assert (grey == grey[..., :1]).all(), f"{path} has colour"
        grey = grey[..., 0]
    turned = number % 3 == 0
    made = _header(path.name, patient)
    made.PhotometricInterpretation = "MONOCHROME1" if turned else "MONOCHROME2"
    made.Rows, made.Columns = grey.shape
    made.PixelData = (255 - grey if turned else grey).tobytes()
    syntax = SYNTAXES[number % len(SYNTAXES)]
    if syntax.is_compressed:
        made.compress(syntax, generate_instance_uid=False)
    return made


def _header(name: str, patient: str) -> Any:
    made = Dataset()
    made.file_meta = FileMetaDataset()
    made.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    made.SOPClassUID, made.Modality = DIGITAL_XRAY, "DX"
    made.SOPInstanceUID = generate_uid(entropy_srcs=["image", name])
    made.StudyInstanceUID = generate_uid(entropy_srcs=["study", patient])
    made.PatientID = patient
    made.SamplesPerPixel, made.BitsAllocated, made.BitsStored, made.HighBit = 1, 8, 8, 7
    made.PixelRepresentation = 0
    # The window that leaves 8 bits as they are: PS3.3 C.11.2.1.2, 0 to black and 255 to white.
    made.WindowCenter, made.WindowWidth = "128", "256"
    return made


if __name__ == "__main__":
    source, target = Path(sys.argv[1]), Path(sys.argv[2])
    asked = read_index(source, int(sys.argv[3]) if len(sys.argv) > 3 else 1)
    write_table(target / "table.csv", write_films(source, target / "films", asked))
