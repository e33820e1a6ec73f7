"""A real archive: what is imported from Orthanc is what the same files in a folder give."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dicomweb_client.web import DICOMwebClient  # noqa: TID251
from pydicom import dcmread  # noqa: TID251
from pydicom.uid import JPEG2000Lossless, RLELossless, generate_uid  # noqa: TID251
from requests.adapters import HTTPAdapter  # noqa: TID251
from requests.exceptions import ConnectionError as RequestsConnectionError  # noqa: TID251

from gan_aug.config.data import DataConfig
from gan_aug.data.dicom.web.dicomweb import Archive
from gan_aug.data.image_store import open_images
from gan_aug.data.importing.dataset import import_dataset
from gan_aug.data.sources.dicomweb import SPOOL
from gan_aug.data.sources.open import opened_source
from gan_aug.errors import DataError
from tests.support.dicom.orthanc import running_orthanc
from tests.support.dicom.samples import dataset, save

pytestmark = pytest.mark.orthanc


@pytest.fixture
def orthanc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The DICOMweb root of an empty archive of this test's own."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with running_orthanc(tmp_path / "orthanc") as archive:
        yield archive.web


def films(folder: Path) -> list[Path]:
    paths = []
    for number in range(20):
        pixels = np.random.default_rng(number).integers(0, 4000, (80, 70), dtype=np.uint16)
        made = dataset(pixels, SeriesInstanceUID=generate_uid(), BodyPartExamined=("HIP", "KNEE")[number % 2])
        made.Modality = "MR" if number == 19 else "CR"
        if number in (3, 4):
            made.compress(RLELossless if number == 3 else JPEG2000Lossless, generate_instance_uid=False)
        paths.append(save(folder / str(number), made))
    return paths


def imported(folder: Path, **values: Any) -> dict[str, tuple[Any, ...]]:
    """The labels of each stored image, by its hash."""
    config = {"size": 32, "dicom": {"label_from": "BodyPartExamined"}} | values
    manifest = import_dataset(DataConfig.model_validate(config), 0, folder)
    assert len(open_images(folder, manifest)) == len(manifest.studies)
    return {study.content: study.labels for study in manifest.studies}


@pytest.mark.parametrize("level", ["study", "series", "instance"])
def test_an_archive_gives_what_a_folder_of_the_same_files_gives(orthanc: str, tmp_path: Path, level: str) -> None:
    paths = films(tmp_path / "set")
    DICOMwebClient(orthanc).store_instances([dcmread(path) for path in paths])
    search = {"ModalitiesInStudy" if level == "study" else "Modality": "CR"}
    web = {"url": orthanc, "search": search, "level": level, "page": 6, "timeout": 20}
    found = imported(tmp_path / "web", source="dicomweb", dicomweb=web)
    paths[19].unlink()  # the one of another modality
    assert found == imported(tmp_path / "local", source="dicom", root=tmp_path / "set")
    assert len(found) == 19
    assert not list((tmp_path / "web").glob(".*"))


def test_what_was_retrieved_before_the_archive_went_away_is_not_asked_for_again(
    orthanc: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    DICOMwebClient(orthanc).store_instances([dcmread(path) for path in films(tmp_path / "set")])
    web = {"url": orthanc, "search": {"Modality": "CR"}, "retries": 0, "timeout": 20}
    whole = imported(tmp_path / "whole", source="dicomweb", dicomweb=web)
    retrieve, asked = Archive.retrieve, list[object]()

    def at_most(archive: Archive, uids: Any, limit: int) -> memoryview:
        asked.append(uids)
        if len(asked) == 8:
            archive.session.session.mount("http://", Gone())
        return retrieve(archive, uids, limit)

    monkeypatch.setattr(Archive, "retrieve", at_most)
    with pytest.raises(DataError, match="cannot be reached, or ends the connection"):
        imported(tmp_path / "again", source="dicomweb", dicomweb=web)
    assert len(list((tmp_path / "again" / SPOOL).iterdir())) == 7
    assert imported(tmp_path / "again", source="dicomweb", dicomweb=web) == whole
    assert len(asked) == 8 + 12
    assert len(set(asked)) == 19


class Gone(HTTPAdapter):
    """A network that is down."""

    def send(self, *_: Any, **__: Any) -> Any:
        raise RequestsConnectionError("down")


def test_what_it_has_not_and_where_it_is_not(orthanc: str) -> None:
    for url, said in ((orthanc, "has nothing that matches"), (f"{orthanc}-not", "refuses the search")):
        values = {"source": "dicomweb", "dicom": {"label_from": "none"}}
        values |= {"dicomweb": {"url": url, "search": {"Modality": "XA"}}}
        with pytest.raises(DataError, match=said), opened_source(DataConfig.model_validate(values), None):
            pass
