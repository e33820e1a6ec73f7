"""Checks requests before they are queued, each in a process of its own, and remembers what it found."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
import threading
from collections import OrderedDict
from pathlib import Path
from typing import Any

from gan_aug import errors
from gan_aug.errors import ComputeError, GanAugError
from gan_aug.run import layout
from gan_aug.run.files import read_json, storage_errors, write_json
from gan_aug.run.places import CACHE
from gan_aug_service.queue.job_limits import JobLimits
from gan_aug_service.queue.runner import job_environment
from gan_aug_service.settings import Settings

SECONDS = 240.0
"""How long a check may take; then it is ended, and says that it did not finish."""

AT_ONCE = 2
REMEMBERED = 1000
MODULE = "gan_aug_service.queue.check_process"


class CheckerBusy(Exception):
    """As many checks are at work as may be at once."""


class Checker:
    """Runs checks, a few at a time; with the same request it answers from memory until the service stops."""

    module = MODULE

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._free = threading.BoundedSemaphore(AT_ONCE)
        self._known: OrderedDict[str, dict[str, Any]] = OrderedDict()
        self._lock = threading.Lock()

    def remembered(self, fingerprint: str) -> dict[str, Any] | None:
        """What a check of the same request found; None if there was none, or it is long ago."""
        with self._lock:
            return self._known.get(fingerprint)

    def check(self, fingerprint: str, verb: str, run: Path | None, request: dict[str, Any]) -> dict[str, Any] | None:
        """Look at what a request would do.

        Args:
            fingerprint: Of the request as it was sent.
            verb: The verb.
            run: The run folder to go on in; None for a new one.
            request: The config with absolute paths, as JSON values.

        Returns:
            What the dry run of the library says; None if that took too long.

        Raises:
            CheckerBusy: Others are being checked.
            GanAugError: What the job would end with before it trains.
        """
        if not self._free.acquire(blocking=False):
            raise CheckerBusy
        try:
            found = self._answer(verb, run, request)
        finally:
            self._free.release()
        if found is None:
            return None
        if "error" in found:
            kind = getattr(errors, found["error"], ComputeError)
            raise (kind if issubclass(kind, GanAugError) else ComputeError)(found["message"])
        with self._lock:
            self._known[fingerprint] = found["found"]
            while len(self._known) > REMEMBERED:
                self._known.popitem(last=False)
        return dict(found["found"])

    def _answer(self, verb: str, run: Path | None, request: dict[str, Any]) -> dict[str, Any] | None:
        with storage_errors(self._settings.state):
            folder = Path(tempfile.mkdtemp(prefix="check-", dir=self._settings.processes))
        try:
            asked, out = folder / layout.REQUEST, folder / "answer.json"
            write_json(asked, request)
            limits = JobLimits(self._settings.job_memory, None, self._settings.rules.contact).environment()
            places = {CACHE: str(self._settings.cache.resolve()), "TMPDIR": str(folder)}
            arguments = [verb, str(run or folder / "run"), str(asked), str(out), str(self._settings.nice)]
            try:
                ended = subprocess.run(  # noqa: S603 - a verb and the service's own paths
                    [sys.executable, "-m", self.module, *arguments],
                    cwd=folder,
                    env=job_environment(self._settings) | places | limits,
                    stdin=subprocess.DEVNULL,
                    capture_output=True,
                    timeout=SECONDS,
                    start_new_session=True,
                    check=False,
                )
            except subprocess.TimeoutExpired:
                return None
            if out.exists():
                return dict(read_json(out))
            last = ended.stderr.decode(errors="replace").strip().splitlines()[-1:]
            raise ComputeError(f"the check ended without an answer ({json.dumps(last)[:80]}): try it again")
        finally:
            shutil.rmtree(folder, ignore_errors=True)
