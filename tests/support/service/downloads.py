"""Downloads that go on while things are killed: each that ends must be whole, the others must be seen to break."""

from __future__ import annotations

import hashlib
import io
import json
import shutil
import threading
import time
import zipfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import numpy as np

from gan_aug.data.synthetic.shards import SyntheticManifest, SyntheticShard
from gan_aug.privacy.record import read_audit, write_audit
from gan_aug.run.folder import present_products
from gan_aug_service.database.engine import Database
from gan_aug_service.database.tables import Run, new_id
from gan_aug_service.settings import Settings
from tests.support.service.live_service import LiveService

PAUSE = 0.01
"""Seconds between two parts of a download: a slow line, so that kills meet it half way."""

IMAGES, SIDE = 600, 96


def place(service: LiveService, run: Path, database: str | None) -> str:
    """A run with a report and a synthetic set of several MiB as a record of the service; gives its id."""
    identifier = new_id()
    folder = service.state / "runs" / identifier
    shutil.copytree(run, folder)
    report = json.loads((folder / "report.json").read_text())
    (folder / "report.json").write_text(json.dumps(report | {"padding": "x" * (8 << 20)}))
    _noise(folder / "synthetic")
    records = Database(Settings(service.state, database=database).database_url, upgrade=False)
    with records.writing() as session:
        session.add(Run(id=identifier, project="default", **present_products(folder)))
    records.close()
    for kind in ("synthetic", "models"):
        answer = service.call("POST", f"/v1/{kind}/{identifier}/releases", json={"recipient": "whoever downloads it"})
        assert answer.status_code == 201, answer.text
    return identifier


def _noise(folder: Path) -> None:
    """Put a set of noise, which does not get smaller when packed, in the place of a synthetic set."""
    shutil.rmtree(folder)
    folder.mkdir()
    images = np.random.default_rng(0).integers(0, 256, (IMAGES, 1, SIDE, SIDE), dtype=np.uint8)
    np.save(folder / "shard-0.npy", images)
    shard = SyntheticShard("shard-0.npy", 0, IMAGES, hashlib.sha256((folder / "shard-0.npy").read_bytes()).hexdigest())
    made = SyntheticManifest(
        labels=("noise",),
        task="multi-class",
        shape=(1, SIDE, SIDE),
        seed=0,
        checkpoint="unknown",
        dataset="unknown",
        trained_on=(),
        image_labels=((0,),) * IMAGES,
        shards=(shard,),
    )
    made.save(folder / "manifest.json")
    audit = read_audit(folder.parent) or {}
    write_audit(folder.parent, audit | {"synthetic": made.fingerprint})  # the model's, for this set


class Downloads:
    """Threads that fetch a run's files, and the reports of jobs, until they are told to stop."""

    def __init__(self, service: LiveService, run: str) -> None:
        """Fetch each file once, with nothing killed, for what it must be ever after."""
        self._service = service
        self.jobs: list[str] = []
        """Jobs whose reports are fetched too: they appear whole, or not yet."""
        self.seen: Counter[str] = Counter()
        self._faults: list[str] = []
        self._go_on, self._standing = threading.Event(), threading.Event()
        self._go_on.set()
        self._ending = threading.Event()
        self._paths = [
            f"/v1/reports/{run}",
            f"/v1/models/{run}/download",
            f"/v1/synthetic/{run}/download?format=png",
            f"/v1/synthetic/{run}/download?format=npz",
        ]
        self._sums = {path: _sum(service.call("GET", path).content) for path in self._paths}
        ways = [self._files, self._files, self._reports]
        self._threads = [threading.Thread(target=self._keep, args=(way, number)) for number, way in enumerate(ways)]

    def __enter__(self) -> Downloads:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ending.set()
        for thread in self._threads:
            thread.join()
        assert not self._faults, self._faults

    @contextmanager
    def held(self, seconds: float = 240) -> Iterator[None]:
        """A block in which a transfer stands at its first part: most of it is still the service's to send.

        What the kernels hold of a transfer arrives though the service is gone, some 5 MiB of the 8.
        """
        self._standing.clear()
        self._go_on.clear()
        try:
            assert self._standing.wait(seconds), "no transfer began"
            yield
        finally:
            self._go_on.set()

    def _keep(self, way: Any, number: int) -> None:
        while not self._ending.is_set() and not self._faults:
            try:
                way(number)
            except AssertionError as error:
                self._faults.append(str(error))
            number += 1
            time.sleep(PAUSE)

    def _files(self, number: int) -> None:
        path = self._paths[number % len(self._paths)]
        content = self._fetched(path)
        if content is not None:
            assert _sum(content) == self._sums[path], f"{path}: {len(content)} bytes that are not the file's"
            _check(path, content)
            self.seen["whole"] += 1

    def _reports(self, number: int) -> None:
        if not self.jobs:
            return
        job = self.jobs[number % len(self.jobs)]
        content = self._fetched(f"/v1/jobs/{job}/report")
        if content is not None:
            report = json.loads(content)
            assert (report["count"], len(report["padding"])) == (60, 1 << 20), f"half of the report of {job}"
            self.seen["reports"] += 1

    def _fetched(self, path: str) -> bytes | None:
        """What was sent; None where the transfer broke, or the answer is a problem document."""
        content, began = bytearray(), False
        url, headers = f"http://127.0.0.1:{self._service.port}{path}", {"Authorization": f"Bearer {self._service.key}"}
        try:
            with httpx.stream("GET", url, headers=headers, timeout=60) as answer:
                began = True
                large = path == self._paths[0] and answer.status_code == 200
                for part in answer.iter_raw():
                    if large and not content and not self._go_on.is_set():
                        self._standing.set()
                        self._go_on.wait()
                    content += part
                    if self._ending.wait(PAUSE):
                        return None
        except httpx.TransportError:
            self.seen["cut" if began else "unreachable"] += 1
            return None
        if answer.status_code != 200:
            problem = json.loads(content)
            assert problem["status"] == answer.status_code
            assert answer.status_code in (404, 503), problem
            self.seen["refused"] += 1
            return None
        return bytes(content)


def _check(path: str, content: bytes) -> None:
    """Open a file as its reader would."""
    if "/reports/" in path:
        json.loads(content)
    else:
        assert zipfile.ZipFile(io.BytesIO(content)).testzip() is None, path


def _sum(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
