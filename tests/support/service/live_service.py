"""A service as its users run it: a process of its own, that can be killed and started again."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httpx

from tests.support.places import ROOT
from tests.support.service.held_port import HeldPort

START = "import sys; from gan_aug.cli.app import main; sys.argv = ['gan-aug', 'serve', *sys.argv[1:]]; main()"
COUNTING = (
    "from gan_aug_service.queue.runner import LocalRunner; LocalRunner.module = 'tests.support.service.stand_in_job'; "
)


class LiveService:
    """`gan-aug serve` on a folder; `first` is Python that it runs before: jobs count instead of training by default.

    `command` is run instead of this working tree's Python, in `folder`: another installation's.
    A context manager: leaving it kills the service, if it was not stopped, and its jobs.
    """

    def __init__(
        self,
        folder: Path,
        *options: str,
        database: str | None = None,
        first: str = COUNTING,
        command: Sequence[object] = (),
    ) -> None:
        self.state, self._options = folder / "state", options
        self._command = [*map(str, command)] or [sys.executable, "-W", "ignore", "-c", first + START]
        self._cwd = folder if command else None
        self._held = HeldPort()
        self.port = self._held.number
        self._environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "services")])}
        if command:
            del self._environment["PYTHONPATH"]
        if database:
            self._environment["GAN_AUG_DATABASE_URL"] = database
        self._out = folder / "out"
        self.process: subprocess.Popen[bytes] | None = None
        self.key = ""

    def __enter__(self) -> LiveService:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process and self.process.poll() is None:
            self.kill()
        self.kill_jobs()
        self._held.close()

    def start(self) -> None:
        """Start the service and wait until it answers; the first time its key is read from what it prints."""
        self._client = httpx.Client(base_url=f"http://127.0.0.1:{self.port}", timeout=300, verify=False)  # noqa: S501
        command = [*self._command, "--state", str(self.state), "--port", str(self.port), *self._options]
        with self._out.open("ab") as out, self._out.with_name("err").open("ab") as err:
            self.process = subprocess.Popen(command, cwd=self._cwd, env=self._environment, stdout=out, stderr=err)
        deadline = time.monotonic() + 600
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise RuntimeError(self._out.with_name("err").read_text()[-2000:])
            with contextlib.suppress(httpx.TransportError):
                if self._client.get("/readyz").status_code == 200:
                    break
            time.sleep(0.1)
        else:
            raise TimeoutError(f"no service on port {self.port}: {self._out.with_name('err').read_text()[-2000:]}")
        self.key = self.key or self._out.read_text().split()[-1]

    def kill(self) -> None:
        """kill -9."""
        assert self.process
        self._client.close()
        self.process.kill()
        self.process.wait()

    def stop(self) -> int:
        """Ask it to stop, as a service manager does; gives its exit code."""
        assert self.process
        self._client.close()
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(300)

    def kill_jobs(self) -> None:
        """kill -9 of every job's process, by what it wrote of itself."""
        for record in (self.state / "processes").glob("*/process.json"):
            with contextlib.suppress(OSError, ValueError):  # it ended meanwhile
                pid = int(json.loads(record.read_text())["pid"])
                if record.parent.name in Path(f"/proc/{pid}/cmdline").read_text():
                    os.killpg(pid, signal.SIGKILL)

    def call(self, method: str, path: str, **more: Any) -> httpx.Response:
        """One request with the administrator's key."""
        headers = {"Authorization": f"Bearer {self.key}"} | more.pop("headers", {})
        return self._client.request(method, path, headers=headers, **more)
