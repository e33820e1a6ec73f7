"""The archive Orthanc, where it is installed, for one test."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
import urllib.request
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.error import URLError

import pytest

from tests.support.service.held_port import HeldPort

PLUGIN = Path("/usr/share/orthanc/plugins/libOrthancDicomWeb.so")

TITLE = "ORTHANC"


@dataclass(frozen=True)
class Orthanc:
    """A running archive: the root of its own interface, its DICOMweb root, and its address for C-STORE."""

    root: str
    web: str
    dicom: str
    login: str = ""

    def files(self) -> list[bytes]:
        """All files that it holds."""
        instances = json.loads(self._read("instances"))
        return [self._read(f"instances/{instance}/file") for instance in instances]

    def _read(self, path: str) -> bytes:
        headers = {"Authorization": f"Basic {b64encode(self.login.encode()).decode()}"} if self.login else {}
        request = urllib.request.Request(f"{self.root}/{path}", headers=headers)  # noqa: S310
        with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310
            return answer.read()  # type: ignore[no-any-return]


@contextmanager
def running_orthanc(folder: Path, login: str = "", **settings: Any) -> Iterator[Orthanc]:
    """An empty archive with its files in `folder`, within the block; skips the test if it is not installed."""
    program = shutil.which("Orthanc", path="/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin")
    if program is None or not PLUGIN.exists():
        pytest.skip("Orthanc is not installed: apt-get install orthanc orthanc-dicomweb")
    folder.mkdir()
    with HeldPort() as port, HeldPort() as dicom, (folder / "log").open("w") as log:
        own = {
            "StorageDirectory": str(folder / "db"),
            "IndexDirectory": str(folder / "db"),
            "HttpPort": port.number,
            "DicomServerEnabled": False,
            "DicomPort": dicom.number,
            "DicomAet": TITLE,
            "RemoteAccessAllowed": False,
            "AuthenticationEnabled": False,
            "Plugins": [str(PLUGIN)],
            "DicomWeb": {"Enable": True, "Root": "/dicom-web/"},
        }
        (folder / "orthanc.json").write_text(json.dumps(own | settings))
        root = f"http://127.0.0.1:{port.number}"
        with subprocess.Popen([program, str(folder / "orthanc.json")], stdout=log, stderr=log) as process:
            try:
                _wait_for(f"{root}/dicom-web/studies?limit=1", process, folder / "log")
                yield Orthanc(root, f"{root}/dicom-web", f"{TITLE}@127.0.0.1:{dicom.number}", login)
            finally:
                process.terminate()


def _wait_for(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 240
    while time.monotonic() < deadline:
        assert process.poll() is None, log.read_text()
        try:
            with urllib.request.urlopen(url, timeout=60):  # noqa: S310
                return
        except urllib.error.HTTPError as error:
            if error.code == 401:
                return  # it asks for a sign-in: it is there
            time.sleep(0.1)
        except (URLError, OSError):
            time.sleep(0.1)
    raise AssertionError(log.read_text())
