"""The list of sources: one row for each name, and new files read by the row that knows them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gan_aug.config.data import DataConfig
from gan_aug.data.items import Source
from gan_aug.data.reading.raster import Raster
from gan_aug.data.sources import open as list_of_sources
from gan_aug.data.sources.dicomweb import SPOOL
from gan_aug.data.sources.kind import FileKind, NewImages, Opening, SourceKind, at_hand
from gan_aug.data.sources.open import SOURCES, images_in, open_source, opened_source, source_kind, source_names
from gan_aug.errors import ConfigError, DataError
from tests.support.dicom.samples import dataset, save

GREY = Raster(1, 4, 4)


def test_every_name_has_one_row() -> None:
    names = source_names()
    assert len(set(names)) == len(names)
    for kind in SOURCES:
        assert all(source_kind(name) is kind for name in kind.names)
    assert source_kind("organamnist") is source_kind("pneumoniamnist") is not source_kind("mnist")
    assert [kind.names for kind in SOURCES if kind.spool] == [("dicomweb",)]


def test_every_name_is_in_the_configs_documentation() -> None:
    said = DataConfig.model_fields["source"].description or ""
    assert [name for name in source_names() if name not in said and not name.endswith("mnist")] == []


def test_what_is_fetched_is_not_opened_without_a_block() -> None:
    with pytest.raises(ConfigError, match="data.source: dicomweb fetches its files"):
        open_source(DataConfig(source="dicomweb"))


def test_another_source_removes_what_an_interrupted_fetch_left(tmp_path: Path) -> None:
    (tmp_path / SPOOL).mkdir()
    (tmp_path / SPOOL / "film").write_bytes(b"a patient's")
    (tmp_path / "manifest.json").write_text("{}")
    with opened_source(DataConfig(source="digits"), tmp_path) as source:
        assert len(source.items) == 1797
    assert [path.name for path in tmp_path.iterdir()] == ["manifest.json"]


def test_a_refusal_of_the_system_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(config: DataConfig) -> Source:
        raise PermissionError(13, "Permission denied", "/films/a")

    monkeypatch.setattr(list_of_sources, "SOURCES", (SourceKind(("films",), at_hand(refuse)),))
    with pytest.raises(DataError, match=r"^/films/a cannot be read \(Permission denied\): check the path"):
        open_source(DataConfig(source="films"))


def test_an_error_of_the_block_is_left_as_it_is() -> None:
    with pytest.raises(OSError, match="of the block"), opened_source(DataConfig(source="digits"), None):
        raise OSError("of the block")


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch) -> None:
    """A source `lines` is added to the list: its files begin with LINES, and each word after that is an image."""

    def read(path: Path, config: DataConfig, raster: Raster) -> NewImages:
        for number, level in enumerate(path.read_text().split()[1:], 1):
            yield number, raster(np.full((4, 4), int(level), dtype=np.uint8))

    def open_lines(config: DataConfig, opening: Opening) -> nullcontext[Source]:
        raise NotImplementedError

    row = SourceKind(("lines",), open_lines, FileKind(read, signature=(0, b"LINES")))
    monkeypatch.setattr(list_of_sources, "SOURCES", (*SOURCES, row))


def levels(images: Iterator[tuple[int | None, np.ndarray]]) -> list[tuple[int | None, int]]:
    """The frame number and the one grey value of each image."""
    found = [(frame, np.unique(image).tolist(), image.shape) for frame, image in images]
    assert all(len(values) == 1 and shape == (1, 4, 4) for _, values, shape in found)
    return [(frame, values[0]) for frame, values, _ in found]


@pytest.mark.parametrize("source", ["digits", "folder", "csv", "dicom", "dicomweb", "pneumoniamnist", "lines"])
def test_a_file_that_says_what_it_is_is_read_as_that_whatever_the_source(
    lines: None, tmp_path: Path, source: str
) -> None:
    config = DataConfig(source=source)
    film = dataset(np.full((4, 4), 90, dtype=np.uint8), WindowCenter=128, WindowWidth=256)
    for name in ("film", "film.dcm", "film.png"):
        assert levels(images_in(save(tmp_path / name, film), config, GREY)) == [(None, 90)]
    (tmp_path / "grey.png").write_text("LINES 7 8 9")
    assert levels(images_in(tmp_path / "grey.png", config, GREY)) == [(1, 7), (2, 8), (3, 9)]
    Image.fromarray(np.full((4, 4), 60, dtype=np.uint8)).save(tmp_path / "image.PNG")
    assert levels(images_in(tmp_path / "image.PNG", config, GREY)) == [(None, 60)]


@pytest.mark.parametrize(
    ("source", "name", "said"),
    [
        ("dicom", "text", "not a DICOM file"),
        ("dicomweb", "text.dcm", "not a DICOM file"),
        ("dicom", "text.png", "not an image that can be decoded"),
        ("folder", "text.dcm", "not a DICOM file"),
        ("digits", "text", "not an image that can be decoded"),
    ],
)
def test_a_file_that_does_not_is_read_as_the_source_reads_its_own(
    tmp_path: Path, source: str, name: str, said: str
) -> None:
    (tmp_path / name).write_text("hello")
    with pytest.raises(DataError, match=rf"{name} cannot be read \({said}\): leave it out"):
        list(images_in(tmp_path / name, DataConfig(source=source), GREY))
    with pytest.raises(DataError, match=f"no image file at {tmp_path}: check the path"):
        list(images_in(tmp_path, DataConfig(source=source), GREY))
