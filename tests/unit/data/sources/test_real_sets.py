"""The real data sets, where GAN_AUG_DATA says they are: their known leaks, labels and counts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gan_aug.config.data import DataConfig
from gan_aug.data.importing.dataset import import_dataset
from gan_aug.data.manifest import Manifest
from gan_aug.errors import DataError

pytestmark = pytest.mark.data


def real(data_root: Path, folder: Path, **fields: Any) -> Manifest:
    return import_dataset(DataConfig.model_validate(fields | {"root": data_root / fields["root"]}), 0, folder)


@pytest.fixture
def kermany() -> dict[str, Any]:
    columns = {"patient": "patient_key", "split": "split"}
    return {"source": "csv", "root": "kermany_cxr_224", "columns": columns, "limit": 200, "size": 32}


def test_real_pneumoniamnist_loses_the_images_it_also_validates_on(data_root: Path, tmp_path: Path) -> None:
    manifest = real(data_root, tmp_path, source="pneumoniamnist", root="medmnist")
    # 8 images of the validation split stand 10 times among the 4708 for training.
    assert manifest.notes[0] == "10 training images (8 distinct) also in validation or test were dropped"
    splits = ("train", "validation", "test", "internal_test")
    assert [len(manifest.indices(split)) for split in splits] == [4228, 524, 624, 470]  # 4228 + 470 = 4708 - 10
    assert (manifest.positive, manifest.flips) == ("pneumonia", ())


def test_real_breastmnist_loses_one_image_and_its_disease_is_label_0(data_root: Path, tmp_path: Path) -> None:
    manifest = real(data_root, tmp_path, source="breastmnist", root="medmnist")
    assert manifest.notes[0] == "1 training image also in validation or test was dropped"
    assert manifest.counts()["test"] == {"malignant": 42, "normal, benign": 114}
    assert manifest.no_internal_test == "the test is one itself, as its makers divided one set of images 7:1:2"
    assert manifest.positive_index == 0


def test_real_mnist(data_root: Path, tmp_path: Path) -> None:
    manifest = real(data_root, tmp_path, source="mnist", root="mnist", limit=100)
    assert [len(manifest.indices(split)) for split in ("train", "validation", "test")] == [900, 100, 1000]
    assert manifest.shape == (1, 28, 28)
    assert (manifest.no_internal_test or "").startswith("the test is one itself, as its makers took training and test")


def test_real_films_by_patient(data_root: Path, tmp_path: Path, kermany: dict[str, Any]) -> None:
    with pytest.raises(DataError, match=r"15 images leak .*same patient as .*data\.on_leak=drop .*data\.patient_scope"):
        real(data_root, tmp_path, **kermany)
    dropped = real(data_root, tmp_path, **kermany, on_leak="drop")
    assert dropped.notes[0] == "15 training images whose patient is also in validation or test were dropped"
    kept = real(data_root, tmp_path, **kermany, patient_scope="split")
    assert len(kept.studies) == 800
    assert kept.notes[0].startswith("patient numbers restart per split")
    assert kept.shape == (1, 32, 32)
