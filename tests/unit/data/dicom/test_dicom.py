"""DICOM: what is read, how grey values come about, what is set aside, and that nothing of the patient stays."""

from __future__ import annotations

import json
import os
import pickle  # noqa: TID251 - what a process pool does with items
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom.uid import (  # noqa: TID251
    DeflatedExplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLSLossless,
    RLELossless,
)

from gan_aug.config.data import DataConfig
from gan_aug.data.dicom.codestream import read_codestream
from gan_aug.data.dicom.pixels import without_border
from gan_aug.data.items import Source
from gan_aug.data.sources.dicom import chosen_frames
from gan_aug.data.sources.open import open_source
from gan_aug.errors import ConfigError, DataError
from tests.support.dicom.samples import dataset, save, shown
from tests.support.places import ROOT

SENTINEL = "SENTINELXYZ"


def opened(root: Path, table: dict[str, Any] | None = None, **dicom: Any) -> Source:
    values = {"source": "dicom", "root": root, "dicom": {"label_from": "none"} | dicom} | (table or {})
    return open_source(DataConfig.model_validate(values))


def reason(root: Path, **dicom: Any) -> str:
    source = opened(root, **dicom)
    assert not source.items
    return source.rejected[0].reason


# Finding files


def test_a_tree_a_zip_and_their_order_give_the_same(tmp_path: Path) -> None:
    for name in ("b/2", "a/1", ".hidden/3"):
        save(tmp_path / "set" / name)
    with zipfile.ZipFile(tmp_path / "set.zip", "w") as archive:
        for name in ("b/2", "a/1"):
            archive.write(tmp_path / "set" / name, name)
        archive.writestr("../out", b"x")
    tree, packed = opened(tmp_path / "set"), opened(tmp_path / "set.zip")
    assert [item.origin for item in tree.items] == ["file 1", "file 2"]
    assert [item.origin for item in packed.items] == ["file 2", "file 3"]
    assert packed.rejected[0].reason == "its path leads outside the archive"
    for one, other in zip(tree.items, packed.items, strict=True):
        assert (one.read() == pickle.loads(pickle.dumps(other.read))()).all()  # noqa: S301


def test_a_zip_that_unpacks_to_too_much_is_not_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gan_aug.data.dicom.dataset.HEADER_BYTES", 1000)
    with zipfile.ZipFile(tmp_path / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a", bytes(10**6))
    assert "larger than data.dicom.max_pixels" in reason(tmp_path / "bomb.zip", max_pixels=1000)


def test_a_root_that_is_nothing_we_read(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("hello")
    with pytest.raises(DataError, match="neither a folder, a DICOMDIR nor a zip"):
        opened(tmp_path / "x")


# Grey values


def test_rescale_comes_before_the_window(tmp_path: Path) -> None:
    values = np.array([[0, 1000, 1100, 4095]], dtype=np.uint16)
    made = dataset(values, RescaleSlope=2, RescaleIntercept=-1000, WindowCenter=1000.5, WindowWidth=401)
    assert shown(made).tolist() == [[0, 32768, 65535, 65535]]


def test_windows_by_name_and_percentiles(tmp_path: Path) -> None:
    made = dataset(WindowCenter=[100, 2000], WindowWidth=[10, 10], WindowCenterWidthExplanation=["SOFT", "BONE"])
    assert (shown(made, window="BONE") < shown(made)).any()
    assert not (shown(made, window="ABSENT") != shown(made)).any()
    spread = shown(made, window="percentile")
    assert len(np.unique(spread)) > 100


def test_monochrome1_is_turned_and_signed_values_stay_in_order() -> None:
    values = np.arange(-60, 60, dtype=np.int16).reshape(12, 10)
    plain, turned = shown(dataset(values)), shown(dataset(values, PhotometricInterpretation="MONOCHROME1"))
    assert (np.diff(plain.ravel().astype(int)) >= 0).all()
    assert (plain.astype(int) + turned == 65535).all()


def test_padding_is_black_either_way_round() -> None:
    values = np.full((4, 4), 500, dtype=np.uint16)
    values[0] = 65535
    values[1, 0] = 600
    made = dataset(values, PhotometricInterpretation="MONOCHROME1", PixelPaddingValue=65535)
    assert (shown(made)[0] == 0).all()


def test_colour_stays_colour_and_frames_are_chosen() -> None:
    colour = np.random.default_rng(0).integers(0, 256, (5, 4, 3), dtype=np.uint8)
    assert (shown(dataset(colour)) == colour).all()
    assert chosen_frames(5, "all") == [0, 1, 2, 3, 4]
    assert (chosen_frames(5, "first"), chosen_frames(5, "middle"), chosen_frames(5, 2)) == ([0], [2], [0, 2, 4])


def test_compressed_and_deflated_equal_the_plain(tmp_path: Path) -> None:
    values = np.random.default_rng(0).integers(0, 4096, (40, 36), dtype=np.uint16)  # openjpeg takes nothing smaller
    plain = dataset(values)
    for number, syntax in enumerate((RLELossless, JPEG2000Lossless, JPEGLSLossless)):
        made = dataset(values)
        made.compress(syntax)
        save(tmp_path / f"{number}", made)
    deflated = dataset(values)
    deflated.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    save(tmp_path / "deflated", deflated)
    items = opened(tmp_path).items
    assert len(items) == 4
    for item in items:
        assert (item.read() == shown(plain)).all()


def test_the_border_is_cut_and_an_empty_image_stays() -> None:
    image = np.zeros((8, 8), np.uint16)
    assert without_border(image).shape == (8, 8)
    image[2:5, 3:7] = 40000
    assert without_border(image).shape == (3, 4)


# What is set aside


@pytest.mark.parametrize(
    ("tags", "said"),
    [
        ({"PixelData": None}, "it holds no pixels (Computed Radiography Image Storage)"),
        ({"Rows": None}, "its header has no Rows"),
        ({"Rows": 50}, "its pixel data has 240 bytes, but its header claims 1000"),
        ({"Rows": 60000, "Columns": 60000}, "more than data.dicom.max_pixels"),
        ({"NumberOfFrames": 10**9}, "more than data.dicom.max_pixels"),
        ({"SamplesPerPixel": 7}, "7 samples per pixel"),
        ({"BitsAllocated": 24}, "24 bits"),
        ({"BurnedInAnnotation": "YES"}, "allow it with data.dicom.allow: [burned-in]"),
        ({"Modality": "US"}, "data.dicom.allow: [ultrasound]"),
        ({"SOPClassUID": "1.2.840.10008.5.1.4.1.1.6.1"}, "data.dicom.allow: [ultrasound]"),
    ],
)
def test_each_is_set_aside_with_its_reason(tmp_path: Path, tags: dict[str, Any], said: str) -> None:
    save(tmp_path / "a", **tags)
    assert said in reason(tmp_path)


def test_what_is_allowed_by_name_or_says_no_is_read(tmp_path: Path) -> None:
    save(tmp_path / "1", Modality="US", BurnedInAnnotation="NO")
    save(tmp_path / "2", Modality="US", BurnedInAnnotation="YES")
    assert len(opened(tmp_path).items) == 1
    assert len(opened(tmp_path, allow=["burned-in"]).items) == 1
    assert len(opened(tmp_path, allow=["burned-in", "ultrasound"]).items) == 2


def test_what_is_no_dicom_file_or_torn(tmp_path: Path) -> None:
    whole = save(tmp_path / "whole").read_bytes()
    (tmp_path / "whole").unlink()
    for name, content in {"1": b"", "2": b"hello" * 99, "3": whole[:-40], "4": whole[:200]}.items():
        (tmp_path / name).write_bytes(content)
    reasons = [one.reason for one in opened(tmp_path).rejected]
    assert reasons[:2] == ["the file is empty", "not a DICOM file"]
    assert "truncated" in reasons[2]


def test_a_deflated_bomb_is_not_blown_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gan_aug.data.dicom.dataset.HEADER_BYTES", 10_000)
    made = dataset(np.zeros((1000, 100), np.uint16))
    made.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    save(tmp_path / "a", made)
    assert "larger than data.dicom.max_pixels" in reason(tmp_path, max_pixels=1000)


def test_a_codestream_says_its_size() -> None:
    jpeg = read_codestream(b"\xff\xd8\xff\xe0\x00\x04xx\xff\xc0\x00\x11\x08\x01\x00\x02\x00\x03" + bytes(9))
    assert jpeg
    assert (jpeg.family, jpeg.rows, jpeg.columns, jpeg.components, jpeg.precision) == ("jpeg", 256, 512, 3, 8)
    size = b"".join(number.to_bytes(4, "big") for number in (300, 200, 100, 0, 1, 1, 0, 0))
    part = read_codestream(b"\xff\x4f\xff\x51\x00\x29\x00\x00" + size + b"\x00\x01\x8b\x01\x01")
    assert part
    assert (part.family, part.rows, part.columns, part.precision, part.signed) == ("jpeg-2000", 200, 200, 12, True)
    assert read_codestream(b"nothing") is None


def test_damaged_files_are_read_or_set_aside_and_nothing_else(tmp_path: Path) -> None:
    colour = np.random.default_rng(0).integers(0, 256, (5, 4, 3), dtype=np.uint8)
    compressed = dataset()
    compressed.compress(RLELossless)
    for number, (name, made) in enumerate({"grey": dataset(), "colour": dataset(colour), "rle": compressed}.items()):
        made.SOPInstanceUID, made.StudyInstanceUID, made.SeriesInstanceUID = (f"1.2.{k}.{number}" for k in range(3))
        made.file_meta.MediaStorageSOPInstanceUID = made.SOPInstanceUID  # the same bytes are damaged at every run
        save(tmp_path / name, made)
    fuzz = [sys.executable, "benchmarks/dicom_fuzz.py", str(tmp_path), "400"]
    done = subprocess.run(fuzz, cwd=ROOT, capture_output=True, text=True, check=False, timeout=1800)
    assert done.returncode == 0, done.stdout + done.stderr
    # Were none or all of them read, the damage would not reach the decoders, or not be damage.
    counts = {line.split()[1]: int(line.split()[0]) for line in done.stdout.splitlines()[:2]}
    assert min(counts["read"], counts["aside"]) > 40


def test_a_file_that_is_replaced_is_read_anew(tmp_path: Path) -> None:
    save(tmp_path / "a")
    assert opened(tmp_path).items[0].read().shape == (12, 10)
    save(tmp_path / "a", dataset(np.zeros((30, 40), np.uint16)))
    assert opened(tmp_path).items[0].read().shape == (30, 40)


# Labels and patients


def test_labels_from_folders_tags_and_nowhere(tmp_path: Path) -> None:
    save(tmp_path / "train" / "sick" / "1", BodyPartExamined="HAND")
    save(tmp_path / "test" / "well" / "2", BodyPartExamined="KNEE")
    save(tmp_path / "3")
    folder = opened(tmp_path, label_from=None)
    assert {(item.split, item.labels) for item in folder.items} == {("train", ("sick",)), ("test", ("well",))}
    assert folder.rejected[0].reason == "it has no label: it is not in a class folder"
    assert opened(tmp_path, label_from="BodyPartExamined").labels == ("HAND", "KNEE")
    assert opened(tmp_path).labels == ("image",)


@pytest.mark.parametrize("keyword", ["PatientName", "PatientBirthDate", "StudyDescription", "Nonsense"])
def test_a_tag_that_identifies_is_no_label(tmp_path: Path, keyword: str) -> None:
    save(tmp_path / "1")
    with pytest.raises(ConfigError, match=r"data\.dicom\.label_from"):
        opened(tmp_path, label_from=keyword)


@pytest.mark.parametrize("key", ["SOPInstanceUID", "StudyInstanceUID", "AccessionNumber", "PatientID", "file"])
def test_labels_from_a_table(tmp_path: Path, key: str) -> None:
    made = dataset(AccessionNumber="A1")
    save(tmp_path / "set" / "x" / "1", made)
    save(tmp_path / "set" / "2", AccessionNumber="A2")
    value = "1" if key == "file" else made[key].value
    (tmp_path / "t.csv").write_text(f"key,label\n{value},sick\n")
    table = {"table": tmp_path / "t.csv", "columns": {"file": "key"}}
    source = opened(tmp_path / "set", table, label_from=None, label_key=key)
    assert [item.labels for item in source.items] == [("sick",)]
    assert source.rejected[0].reason == f"it has no label: the table has no row for its {key}"


def test_a_stand_in_for_the_patient_counts_by_study(tmp_path: Path) -> None:
    save(tmp_path / "1", PatientID="ANONYMOUS")
    save(tmp_path / "2", PatientID="ANONYMOUS")
    source = opened(tmp_path)
    assert len({item.patient for item in source.items}) == 2
    assert "no Patient ID" in source.details["file 1"]["assumed"][0]


# Identity


def sentinels() -> dict[str, str]:
    text = ("PatientName", "PatientID", "OtherPatientIDs", "PatientComments", "InstitutionName", "StudyDescription",
            "SeriesDescription", "ReferringPhysicianName", "OperatorsName", "AccessionNumber", "StudyID", "StationName",
            "PatientAddress", "ProtocolName", "ImageComments", "AdditionalPatientHistory", "BodyPartExamined",
            "DeviceSerialNumber", "WindowCenterWidthExplanation", "PatientBirthDate", "StudyDate", "PatientAge",
            "ImageType", "Manufacturer", "RequestingPhysician", "PatientSex", "StudyTime")  # fmt: skip
    return dict.fromkeys(text, SENTINEL)


@pytest.mark.filterwarnings("ignore")
def test_nothing_of_the_patient_stays(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    for number in range(24):
        pixels = rng.integers(0, 4000, (12, 10), dtype=np.uint16)
        who = {"PatientID": f"{SENTINEL}{number}"}
        name = tmp_path / "set" / "ab"[number % 2] / f"{SENTINEL}-{number}.dcm"
        save(name, dataset(pixels, **(sentinels() | who)))
    save(tmp_path / "set" / "a" / f"{SENTINEL}-bad", **sentinels(), PixelData=None)
    (tmp_path / "c.yaml").write_text(
        f"data: {{source: dicom, root: {tmp_path / 'set'}, size: 8, validation: 0.2, max_rejected: 0.2}}\n"
    )
    command = "from gan_aug.cli.app import main; main()"
    arguments = [sys.executable, "-c", command, "import", str(tmp_path / "c.yaml"), "--run", str(tmp_path / "run")]
    done = subprocess.run(arguments, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert SENTINEL not in done.stdout + done.stderr
    files = [Path(place, name) for place, _, names in os.walk(tmp_path / "run") for name in names]
    assert any(path.name == "manifest.json" for path in files)
    for path in files:
        assert SENTINEL not in str(path)
        assert SENTINEL.encode() not in path.read_bytes(), path
    report = json.loads((tmp_path / "run" / "dataset" / "import-report.json").read_text())
    assert report["rejected"][0]["reason"].startswith("it holds no pixels")
