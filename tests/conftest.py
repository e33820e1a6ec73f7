"""What tests of several folders share."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from tests.support.cell_data import CellData, make_cell_data
from tests.support.marks import add_implied_marks, held_to_its_marks
from tests.support.s3_server import S3Server, s3_server
from tests.support.scheduler import ByFile, longest_first

# How long an example takes says more of what else the machine does than of what is tested.
# The examples are the same at every run: one that fails is found where a change is made, not where one is let in.
settings.register_profile("tests", deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True)
settings.load_profile("tests")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    add_implied_marks(items)
    longest_first(items)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    if config.getvalue("dist") != "loadfile":
        return None
    config.option.loadscopereorder = False  # by their number: but a few long tests may last longer than many
    return ByFile(config, log)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup(item: pytest.Item) -> Iterator[None]:
    with held_to_its_marks(item):
        return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    with held_to_its_marks(item):
        return (yield)


@pytest.fixture(autouse=True)
def _torch_as_found() -> Iterator[None]:
    """What a test draws without a seed, and its threads, do not hang on the tests before it."""
    torch = sys.modules.get("torch")
    if torch is None:
        yield
        return
    threads = torch.get_num_threads()
    torch.manual_seed(0)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def cell_data(tmp_path_factory: pytest.TempPathFactory) -> CellData:
    """Digits at 16 px with a stand-in for a synthetic set, on disk; tests must not alter it."""
    return make_cell_data(tmp_path_factory.mktemp("cell_data"))


@pytest.fixture
def data_root() -> Path:
    """The folder of real data sets; tests that need it skip where GAN_AUG_DATA is not set."""
    root = os.environ.get("GAN_AUG_DATA")
    if not root:
        pytest.skip("GAN_AUG_DATA names no data root")
    return Path(root)


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[S3Server]:
    """An S3 server on loopback with an empty bucket, named by the environment; skips where none can be had."""
    with s3_server(monkeypatch) as server:
        yield server


@pytest.fixture
def host_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's cache of this test alone, as if it ran on a host of its own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "gan-aug" / "store"
