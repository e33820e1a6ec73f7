"""What tests of several folders share; its presence also lets them import the helpers that lie beside it."""

from __future__ import annotations

import pytest
from cell_data import CellData, make_cell_data


@pytest.fixture(scope="session")
def cell_data(tmp_path_factory: pytest.TempPathFactory) -> CellData:
    """Digits at 16 px with a stand-in for a synthetic set, on disk; tests must not alter it."""
    return make_cell_data(tmp_path_factory.mktemp("cell_data"))
