"""The chest films, as JPEG files in a table and as DICOM files: one data set."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from pydicom import dcmread  # noqa: TID251

from gan_aug.config.data import DataConfig
from gan_aug.data.importing.dataset import import_dataset
from gan_aug.data.manifest import Manifest
from gan_aug.errors import LeakageError
from tests.support.dicom.films import SYNTAXES, read_index, write_films, write_table

pytestmark = pytest.mark.data

EVERY = 20
"""Of the 5,840 films every 20th: 292, of which patients stand in both splits."""


class Films(NamedTuple):
    """The two forms of the set: config fields of each."""

    csv: dict[str, Any]
    dicom: dict[str, Any]


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> Films:
    root = os.environ.get("GAN_AUG_DATA")
    if not root:
        pytest.skip("GAN_AUG_DATA names no data root")
    source, folder = Path(root) / "kermany_cxr_224", tmp_path_factory.mktemp("films")
    rows = read_index(source, EVERY)
    patients = {split: {row["patient_key"] for row in rows if row["split"] == split} for split in ("train", "test")}
    assert patients["train"] & patients["test"], "none leaks: the tests would show nothing"
    tables = (
        write_table(folder / "csv.csv", rows),
        write_table(folder / "dicom.csv", write_films(source, folder / "films", rows)),
    )
    columns = {"split": "split"}
    return Films(
        {"source": "csv", "root": source, "table": tables[0], "columns": columns | {"patient": "patient_key"}},
        {"source": "dicom", "root": folder / "films", "table": tables[1], "columns": columns}
        | {"dicom": {"label_key": "file"}},
    )


def imported(folder: Path, form: dict[str, Any], **fields: Any) -> Manifest:
    return import_dataset(DataConfig.model_validate(form | fields), 0, folder)


@pytest.mark.parametrize("fields", [{"patient_scope": "split"}, {"on_leak": "drop"}])
def test_films_are_the_same_set_as_jpeg_and_as_dicom(films: Films, tmp_path: Path, fields: dict[str, Any]) -> None:
    jpeg, dicom = (imported(tmp_path / form, getattr(films, form), size=224, **fields) for form in Films._fields)
    assert [study.content for study in dicom.studies] == [study.content for study in jpeg.studies]
    assert [(study.labels, study.split) for study in dicom.studies] == [(s.labels, s.split) for s in jpeg.studies]
    assert dicom.fingerprint == jpeg.fingerprint  # and the patients make the same groups
    assert (dicom.notes, dicom.labels, dicom.shape) == (jpeg.notes, ("0", "1"), jpeg.shape)
    assert len({study.patient for study in dicom.studies}) > len(dicom.studies) / 3


def test_they_are_the_same_where_they_are_resized(films: Films, tmp_path: Path) -> None:
    # The JPEG files hold each grey three times.
    jpeg, dicom = (
        imported(tmp_path / form, getattr(films, form), patient_scope="split", size=64) for form in Films._fields
    )
    assert dicom.fingerprint == jpeg.fingerprint


def test_the_dicom_films_are_of_several_kinds(films: Films) -> None:
    made = [dcmread(path, stop_before_pixels=True) for path in films.dicom["root"].rglob("*.dcm")]
    kinds = {(one.file_meta.TransferSyntaxUID, one.PhotometricInterpretation) for one in made}
    assert kinds == {(syntax, grey) for syntax in SYNTAXES for grey in ("MONOCHROME1", "MONOCHROME2")}


@pytest.mark.parametrize("form", Films._fields)
def test_a_patient_in_both_splits_is_an_error_or_dropped_or_two(films: Films, tmp_path: Path, form: str) -> None:
    source = films.csv["root"]
    rows = read_index(source, EVERY)
    tested = {row["patient_key"] for row in rows if row["split"] == "test"}
    shared = [row for row in rows if row["split"] == "train" and row["patient_key"] in tested]
    small = getattr(films, form) | {"size": 16}
    with pytest.raises(LeakageError, match=rf"^{len(shared)} images? leaks? .*same patient as "):
        imported(tmp_path / "error", small)
    dropped = imported(tmp_path / "drop", small, on_leak="drop")
    assert len(dropped.studies) == len(rows) - len(shared)
    sides = {split: {s.patient for s in dropped.studies if s.split == split} for split in ("train", "test")}
    assert not sides["train"] & sides["test"]
    kept = imported(tmp_path / "split", small, patient_scope="split")
    assert len(kept.studies) == len(rows)
    assert kept.notes[0].startswith("patient numbers restart per split")
