"""The code in docs/how-to/extend.md works as it stands there."""

from __future__ import annotations

import re
from pathlib import Path
from textwrap import dedent
from typing import Any

import numpy as np
import pytest

from gan_aug.config.data import DataConfig
from gan_aug.data.importing.dataset import import_dataset
from gan_aug.data.reading.raster import Raster
from gan_aug.data.sources import open as list_of_sources
from gan_aug.data.sources.kind import SourceKind, at_hand
from gan_aug.data.sources.open import SOURCES, images_in
from gan_aug.errors import DataError
from gan_aug.export.formats import FileFormat
from tests.support.cell_data import CellData
from tests.support.places import ROOT


def code_of(heading: str) -> list[str]:
    """The blocks of Python in one section."""
    text = (ROOT / "docs/how-to/extend.md").read_text()
    section = re.split(r"^## ", text, flags=re.MULTILINE)
    (found,) = [part for part in section if part.startswith(f"{heading}\n")]
    return [dedent(block) for block in re.findall(r"^ *```python\n(.*?)^ *```", found, re.MULTILINE | re.DOTALL)]


def defined_by(code: str) -> dict[str, Any]:
    names: dict[str, Any] = {}
    exec(compile(code, "extend.md", "exec"), names)  # noqa: S102 - our own page
    return names


def test_an_export_format_is_a_module_and_a_row(cell_data: CellData, tmp_path: Path) -> None:
    module, line = code_of("Add an export format")
    row = eval(line, {"FileFormat": FileFormat} | defined_by(module))  # noqa: S307 - our own page
    assert row.write(cell_data.synthetic, tmp_path / "set.csv") == 300
    assert b"".join(row.stream(cell_data.synthetic)) == (tmp_path / "set.csv").read_bytes()
    index, label, pixels = (tmp_path / "set.csv").read_text().splitlines()[200].split(",")
    assert (index, label) == ("200", str(cell_data.generated.image_labels[200][0]))
    assert pixels.split() == [str(value) for value in cell_data.fakes[200].ravel()]


def test_a_source_is_a_module_and_a_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module, line = code_of("Add a source")
    row = eval(line, {"SourceKind": SourceKind, "at_hand": at_hand} | defined_by(module))  # noqa: S307 - our own page
    monkeypatch.setattr(list_of_sources, "SOURCES", (*SOURCES, row))
    images = np.random.default_rng(0).integers(0, 256, (40, 8, 8), dtype=np.uint8)
    for number, image in enumerate(images):
        path = tmp_path / "set" / "ab"[number % 2] / f"{number:02}.npy"
        path.parent.mkdir(parents=True, exist_ok=True)
        np.save(path, image)
    config = DataConfig(source="npy", root=tmp_path / "set", size=8)
    manifest = import_dataset(config, 0, tmp_path / "dataset")
    assert (manifest.name, manifest.labels, manifest.shape) == ("set", ("a", "b"), (1, 8, 8))
    assert sorted(np.load(tmp_path / "dataset/images.npy").reshape(40, -1).tolist()) == sorted(
        images.reshape(40, -1).tolist()
    )
    for source in ("npy", "digits"):
        ((frame, image),) = images_in(path, DataConfig(source=source), Raster(1, 8, 8))
        assert frame is None
        np.testing.assert_array_equal(image, images[-1:])
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(DataError, match="the array is truncated or corrupt"):
        list(images_in(path, config, Raster(1, 8, 8)))
