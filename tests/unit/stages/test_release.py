from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from gan_aug.errors import ConfigError, ManifestError, RunConflict
from gan_aug.run.files import write_json
from gan_aug.stages.release import export
from tests.support.cell_data import CellData


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run folder that was asked for something, and holds no synthetic set."""
    write_json(tmp_path / "run" / "request.json", {"verb": "run", "config": {"data": {"source": "digits"}}})
    return tmp_path / "run"


def test_the_set_of_a_run_is_exported(run: Path, cell_data: CellData, tmp_path: Path) -> None:
    shutil.copytree(cell_data.synthetic, run / "synthetic")
    assert export(run, "npz", tmp_path / "set.npz") == 300
    with np.load(tmp_path / "set.npz") as file:
        np.testing.assert_array_equal(file["images"], cell_data.fakes)


def test_what_cannot_be_exported_is_one_sentence(run: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no export format 'exe': use png, npz"):
        export(run, "exe", tmp_path / "out")
    with pytest.raises(ManifestError):
        export(run, "png", tmp_path / "out")
    with pytest.raises(RunConflict, match="not a run folder"):
        export(tmp_path / "none", "png", tmp_path / "out")
    assert sorted(tmp_path.iterdir()) == [run]
