"""The wheel: what is in it, and that it runs from a folder with packages of its own."""

from __future__ import annotations

import configparser
import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import time
import venv
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.places import ROOT
from tests.support.service.live_service import LiveService
from tests.support.service.service_samples import TINY

SOURCES = {"gan_aug": ROOT / "gan_aug", "gan_aug_service": ROOT / "services" / "gan_aug_service"}
PIP = [sys.executable, "-m", "pip", "--disable-pip-version-check", "-q"]

pytestmark = [pytest.mark.slow, pytest.mark.server]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of what the Dockerfile copies; of a copy, since a build leaves its own files beside the sources."""
    folder = tmp_path_factory.mktemp("wheel")
    (folder / "source").mkdir()
    before = (ROOT / "Dockerfile").read_text().partition("RUN pip install")[0]
    ignored = shutil.ignore_patterns("__pycache__", "*.egg-info")
    for line in re.findall(r"^COPY (.+) \./", before, re.MULTILINE):
        for name in line.split():
            if (ROOT / name).is_dir():
                shutil.copytree(ROOT / name, folder / "source" / name, ignore=ignored)
            else:
                shutil.copy(ROOT / name, folder / "source")
    build = [*PIP, "wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", str(folder), str(folder / "source")]
    done = subprocess.run(build, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (made,) = folder.glob("*.whl")
    return made


def test_it_holds_both_packages_whole_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if not name.endswith("/")}
        (metadata,) = {name.split("/")[0] for name in names} - set(SOURCES)
        entries = configparser.ConfigParser()
        entries.read_string(archive.read(f"{metadata}/entry_points.txt").decode())
    assert metadata.endswith(".dist-info")
    assert dict(entries["console_scripts"]) == {"gan-aug": "gan_aug.cli:main"}
    expected = {
        f"{package}/{path.relative_to(folder).as_posix()}"
        for package, folder in SOURCES.items()
        for path in folder.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert {name for name in names if not name.startswith(metadata)} == expected
    assert {"gan_aug/py.typed", "gan_aug_service/web/static/style.css"} <= expected


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of a fresh environment with the wheel; all else it takes from the environment of the tests."""
    environment = tmp_path_factory.mktemp("installed") / "environment"
    venv.create(environment, symlinks=True)
    python = environment / "bin" / "python"
    install = ["--python", str(python), "install", "--no-deps", "--no-index", str(wheel)]
    subprocess.run([*PIP, *install], check=True, env=clean())
    # Only now: this gan-aug must not be found there, nor be taken for an older one. Links to working trees, which
    # lie there too (*.pth), are not followed from here.
    inside = sysconfig.get_path("purelib", vars={"base": str(environment)})
    Path(inside, "tests.pth").write_text("".join(f"{sysconfig.get_path(kind)}\n" for kind in ("purelib", "platlib")))
    return python


def clean() -> dict[str, str]:
    """The environment variables without a path to the working tree."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}


@pytest.fixture
def elsewhere(tmp_path: Path) -> Iterator[Path]:
    """A folder of somebody's, with a package that is called as a folder of the repository."""
    folder = tmp_path / "elsewhere"
    for name in ("services", "tools", "tests"):
        (folder / name).mkdir(parents=True)
        (folder / name / "__init__.py").write_text("raise RuntimeError('this package is somebody else's')")
    return folder


def test_it_serves_from_a_folder_that_has_services_of_its_own(installed: Path, elsewhere: Path) -> None:
    code = "import gan_aug, gan_aug_service, json; print(json.dumps([gan_aug.__file__, gan_aug_service.__file__]))"
    found = subprocess.run([installed, "-c", code], cwd=elsewhere, env=clean(), capture_output=True, check=True).stdout
    for file in json.loads(found):
        assert Path(file).is_relative_to(installed.parents[1]), "the working tree was imported"

    with LiveService(elsewhere, command=(installed, "-m", "gan_aug", "serve")) as service:
        service.start()
        assert service.call("GET", "/healthz").status_code == 200
        assert service.call("GET", "/static/style.css").status_code == 200
        assert "Sign in" in service.call("GET", "/sign-in", headers={"Accept": "text/html"}).text
        job = service.call("POST", "/v1/jobs/import", json=TINY).json()
        deadline = time.monotonic() + 600
        while job["state"] not in ("done", "failed") and time.monotonic() < deadline:
            time.sleep(0.2)
            job = service.call("GET", f"/v1/jobs/{job['id']}").json()
        assert (job["state"], job["problem"]) == ("done", None)
        assert service.stop() == 0


def test_the_command_line_is_installed(installed: Path, elsewhere: Path) -> None:
    command = [installed.with_name("gan-aug"), "show-config", "--schema"]
    shown = subprocess.run(command, cwd=elsewhere, env=clean(), capture_output=True, check=True).stdout
    assert json.loads(shown) == json.loads((ROOT / "docs/reference/config.schema.json").read_text())
