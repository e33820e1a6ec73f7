"""The files of `export --to dicom`: every option is valid, decodes to the images, and is what pydicom writes."""

from __future__ import annotations

import csv
import itertools
import shutil
import subprocess
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image
from pydicom import dcmread  # noqa: TID251
from pydicom.pixels import apply_voi_lut  # noqa: TID251

from gan_aug.config.export import PAIRED, UNPAIRED, DicomExport, export_options
from gan_aug.data.synthetic.shards import read_images
from gan_aug.errors import ConfigError
from gan_aug.export.dicom.dataset import build_dataset
from gan_aug.export.dicom.files import DicomFiles
from gan_aug.export.dicom.template import by_pydicom
from gan_aug.export.folder import ImageFile, iterate_files
from gan_aug.export.formats import FORMATS
from tests.unit.export.synthetic_set import CHECKPOINT, write_set

TWO = [(k % 2,) for k in range(7)]
FIVE = TWO[:5]

FORMS = [
    (channels, {"bits": bits, "frames": frames, "syntax": syntax, "mark": mark})
    for channels, bits, frames, syntax, mark in itertools.product(
        (1, 3), (8, 16), (1, 2), ("explicit", "rle", "jpeg-ls"), (False, True)
    )
    if (channels, bits) != (3, 16) and (not mark or syntax == "explicit")
]


def made(
    folder: Path, labels: Any = TWO, options: Any = (), names: tuple[str, ...] = ("normal", "肺炎"), **values: Any
) -> tuple[DicomFiles, list[ImageFile]]:
    manifest = write_set(folder, labels, labels=names, **values)
    files = DicomFiles(manifest, export_options({"dicom": dict(options)}))
    return files, list(iterate_files(folder, manifest, files))


def pixels_of(content: bytes) -> npt.NDArray[Any]:
    """The images of a file as `(n, C, H, W)`, as pydicom decodes them."""
    pixels = dcmread(BytesIO(content)).pixel_array
    pixels = pixels if pixels.ndim == 4 or (pixels.ndim == 3 and pixels.shape[-1] != 3) else pixels[np.newaxis]
    return pixels.transpose(0, 3, 1, 2) if pixels.ndim == 4 else pixels[:, np.newaxis]


def name_of(form: tuple[int, dict[str, Any]]) -> str:
    return "-".join(map(str, (form[0], *form[1].values())))


@pytest.mark.parametrize("form", FORMS, ids=name_of)
def test_every_form_is_valid_and_decodes_to_the_images(tmp_path: Path, form: tuple[int, dict[str, Any]]) -> None:
    channels, options = form
    shape = (channels, 31, 45)  # an odd number of bytes, if grey of 8 bit
    files, found = made(tmp_path / "set", FIVE, options, shape=shape)
    assert len(found) == (5 if options["frames"] == 1 else 3)
    images = read_images(tmp_path / "set", files._manifest).astype(np.uint16)
    for numbers, file in zip(files.groups(), found, strict=True):
        expected = images[list(numbers)] * (257 if options["bits"] == 16 else 1)
        decoded = pixels_of(file.content)
        if options["mark"]:
            marked = expected[..., -7:, :37].copy()
            expected[..., -7:, :37] = decoded[..., -7:, :37]
            assert set(np.unique(decoded[..., -7:, :37])) == {0, 255 * (257 if options["bits"] == 16 else 1)}
            assert (marked != decoded[..., -7:, :37]).any()
        np.testing.assert_array_equal(decoded, expected)
        assert file.content == written_by_pydicom(files, numbers, images[list(numbers)].astype(np.uint8))
        if channels == 1:
            shown = apply_voi_lut(decoded, dcmread(BytesIO(file.content)))
            np.testing.assert_allclose(shown, decoded, atol=1e-6)
        again = BytesIO()
        dcmread(BytesIO(file.content)).save_as(again, enforce_file_format=True)
        assert again.getvalue() == file.content
    for file in (found[1], found[-1]):  # of several frames, if there are such, and of one
        (tmp_path / "file.dcm").write_bytes(file.content)
        if shutil.which("dciodvfy"):
            assert faults(tmp_path / "file.dcm") == []


def written_by_pydicom(files: DicomFiles, numbers: tuple[int, ...], images: npt.NDArray[np.uint8]) -> bytes:
    """The file that pydicom writes from a dataset of its own."""
    labels = files._manifest.image_labels[numbers[0]]
    cases, _ = files._class_of(numbers)
    own = files._own(cases.of(numbers), numbers)
    label = "|".join(files._manifest.labels[k] for k in labels)
    pixels = files._writer.value(images)
    return by_pydicom(build_dataset(own, label, pixels, files._writer, files._options, files._origin))


def faults(path: Path) -> list[str]:
    """What dciodvfy says, but for the one tag that its edition of the standard does not know."""
    said = subprocess.run(["dciodvfy", str(path)], capture_output=True, text=True, check=False).stderr.splitlines()
    errors = [line for line in said if line.startswith("Error")]
    assert len(errors) == 1
    assert "(0x0008,0x001c)" in errors[0]
    unknown = ("(0x0008,0x001c)", "this is a Standard Extended SOP Class")
    return [line for line in said if ("Error" in line or "Warning" in line) and not any(tag in line for tag in unknown)]


@pytest.mark.skipif(not shutil.which("dciodvfy"), reason="dicom3tools is not installed")
def test_every_body_part_and_modality_is_known_to_the_checker(tmp_path: Path) -> None:
    modalities = itertools.cycle(DicomExport.model_fields["modality"].annotation.__args__)  # type: ignore[union-attr]
    manifest = write_set(tmp_path / "set", [(0,)], (1, 2, 2))
    for part in sorted(PAIRED | UNPAIRED):
        options = {"body_part": part, "modality": next(modalities), "study_date": "20240131"}
        options |= {"laterality": "RLB"[len(part) % 3]} if part in PAIRED else {}
        files = DicomFiles(manifest, export_options({"dicom": options}))
        (file,) = iterate_files(tmp_path / "set", manifest, files)
        (tmp_path / "file.dcm").write_bytes(file.content)
        assert faults(tmp_path / "file.dcm") == []


@pytest.mark.skipif(not shutil.which("dcm2pnm"), reason="dcmtk is not installed")
@pytest.mark.parametrize("channels", [1, 3])
def test_another_reader_sees_the_same_pixels(tmp_path: Path, channels: int) -> None:
    for syntax, frames in itertools.product(("explicit", "rle", "jpeg-ls"), (1, 3)):
        options = {"syntax": syntax, "frames": frames}
        files, found = made(tmp_path / "set", options=options, shape=(channels, 16, 12))
        for numbers, file in list(zip(files.groups(), found, strict=True))[:2]:
            (tmp_path / "file.dcm").write_bytes(file.content)
            last = ["+F", str(len(numbers))]
            # JPEG-LS has a program of its own.
            if syntax == "jpeg-ls":
                unpack = ["dcmdjpls", str(tmp_path / "file.dcm"), str(tmp_path / "file.dcm")]
                subprocess.run(unpack, check=True)
            draw = ["dcm2pnm", "-q", *last, str(tmp_path / "file.dcm"), str(tmp_path / "out")]
            subprocess.run(draw, check=True)
            drawn = np.asarray(Image.open(tmp_path / "out"))
            shown = pixels_of(file.content)[-1]
            np.testing.assert_array_equal(drawn, shown[0] if channels == 1 else shown.transpose(1, 2, 0))


def test_300_files_are_what_pydicom_writes(tmp_path: Path) -> None:
    labels = [(k % 3,) if k % 10 else () if k % 20 else (0, 2) for k in range(300)]
    files, found = made(tmp_path, labels, names=("a/b", "β", "肺炎"))
    images = read_images(tmp_path, files._manifest)
    lengths = set()
    for numbers, file in zip(files.groups(), found, strict=True):
        assert file.content == written_by_pydicom(files, numbers, images[list(numbers)])
        lengths.add(len(dcmread(BytesIO(file.content)).SOPInstanceUID))
    assert len(lengths) > 1  # so the group length is not always the same


def test_a_file_says_in_many_places_that_it_is_synthetic(tmp_path: Path) -> None:
    _, found = made(tmp_path)
    dataset = dcmread(BytesIO(found[1].content))
    assert dataset.SyntheticData == "YES"
    for keyword in ("PatientName", "StudyDescription", "SeriesDescription", "ImageComments"):
        assert str(dataset[keyword].value).startswith("SYNTHETIC")
    assert "肺炎" in dataset.SeriesDescription
    assert "肺炎" in dataset.ImageComments
    assert dataset.PatientID.startswith("SYN-")
    assert (dataset.ConversionType, dataset.BurnedInAnnotation, dataset.ImageLaterality) == ("SYN", "NO", "U")
    (equipment,) = dataset.ContributingEquipmentSequence
    assert equipment.DeviceSerialNumber == CHECKPOINT
    (purpose,) = equipment.PurposeOfReferenceCodeSequence
    assert (purpose.CodeValue, purpose.CodingSchemeDesignator) == ("109100", "DCM")
    assert purpose.CodeMeaning == "Synthesizing Equipment"
    assert f"image 1 of seed 7, made by gan-aug with the checkpoint {CHECKPOINT}" in dataset.DerivationDescription
    assert "1" * 64 not in found[1].content.decode("latin-1")


def test_images_of_another_program_are_not_said_to_be_ours(tmp_path: Path) -> None:
    _, found = made(tmp_path, checkpoint="unknown")
    (equipment,) = dcmread(BytesIO(found[0].content)).ContributingEquipmentSequence
    assert equipment.Manufacturer == "unknown"
    assert "DeviceSerialNumber" not in equipment


def test_each_case_is_a_patient_and_a_study(tmp_path: Path) -> None:
    datasets = [dcmread(BytesIO(file.content)) for file in made(tmp_path, [(k % 2,) for k in range(50)])[1]]
    for keyword in ("PatientID", "StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID"):
        assert len({dataset[keyword].value for dataset in datasets}) == 50
    frames = made(tmp_path, [(k % 2,) for k in range(50)], {"frames": 10})[1]
    several = [dcmread(BytesIO(file.content)) for file in frames]
    assert [dataset.NumberOfFrames for dataset in several] == [10, 10, 10, 10, 5, 5]
    assert list(several[0].PageNumberVector) == list(range(0, 20, 2))
    assert not {dataset.PatientID for dataset in several} & {dataset.PatientID for dataset in datasets}


def test_the_table_has_a_row_for_each_image(tmp_path: Path) -> None:
    write_set(tmp_path / "set", TWO)
    options = export_options({"dicom": {"frames": 3}})
    assert FORMATS["dicom"].write(tmp_path / "set", tmp_path / "out", options) == 7
    with (tmp_path / "out/manifest.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert sorted(int(row["index"]) for row in rows) == list(range(7))
    for row in rows:
        dataset = dcmread(tmp_path / "out" / row["file"])
        assert row["sop_instance_uid"] == dataset.SOPInstanceUID
        assert row["patient_id"] == dataset.PatientID
        numbers = dataset.get("PageNumberVector", [int(dataset.StudyID)])
        assert int(row["index"]) == numbers[int(row["frame"]) - 1]
        assert row["label"] in dataset.SeriesDescription


@pytest.mark.parametrize(
    ("labels", "options", "shape", "said"),
    [
        (("a" * 54, "b"), {}, (1, 8, 8), None),
        (("a" * 55, "b"), {}, (1, 8, 8), "has 55 characters, and Series Description has room for 54"),
        (("a" * 55, "b"), {"names": {"a" * 55: "a"}}, (1, 8, 8), None),
        (("a\\b", "b"), {}, (1, 8, 8), "holds a backslash"),
        (("a\nb", "b"), {}, (1, 8, 8), "control character"),
        (("a", "b"), {"names": {"c": "d"}}, (1, 8, 8), "the set has no label 'c'; it has a, b"),
        (("a", "b"), {"names": {"a": "b"}}, (1, 8, 8), "would both be called 'b'"),
        (("a", "b"), {"mark": True}, (1, 13, 64), "too small to draw SYN"),
        (("a", "b"), {"mark": True}, (1, 14, 13), None),
        (("a", "b"), {"bits": 16}, (3, 8, 8), "16 is for grey images"),
    ],
)
def test_what_does_not_fit_is_told_before_anything_is_written(
    tmp_path: Path, labels: Any, options: Any, shape: Any, said: str | None
) -> None:
    write_set(tmp_path / "set", TWO, shape, labels)
    wanted = export_options({"dicom": options})
    if said is None:
        assert FORMATS["dicom"].write(tmp_path / "set", tmp_path / "out", wanted) == 7
        return
    with pytest.raises(ConfigError, match=said):
        FORMATS["dicom"].write(tmp_path / "set", tmp_path / "out", wanted)
    with pytest.raises(ConfigError, match=said):
        FORMATS["dicom"].stream(tmp_path / "set", wanted)
    assert list(tmp_path.iterdir()) == [tmp_path / "set"]


def test_a_value_that_is_too_long_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="DeviceSerialNumber would be 'x.*exceeds the maximum length of 64"):
        made(tmp_path, checkpoint="x" * 65)
