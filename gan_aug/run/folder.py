"""The run folder: one folder per run, holding its requests, events, checkpoints and results.

Every file a later start would believe is written whole or not at all: to a temporary name, flushed, then renamed.
"""

from __future__ import annotations

import contextlib
import fcntl
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from gan_aug.errors import RunConflict
from gan_aug.run import layout
from gan_aug.run.events import Event, EventLog, Kind, Listener
from gan_aug.run.files import storage_errors


class RunDir:
    """One run's folder: where every verb keeps its request, its record and its results."""

    def __init__(self, path: Path, listeners: tuple[Listener, ...] = ()) -> None:
        """Create the folder where it is absent; raises StorageError where that is not possible."""
        self.path = path
        with storage_errors(path):
            path.mkdir(parents=True, exist_ok=True)
        self._events = EventLog(path / layout.EVENTS, listeners)
        self._stopping = False

    def __reduce__(self) -> tuple[type[RunDir], tuple[Path]]:
        """A copy in another process writes to the same folder; who listens stays here, and hears it by `relay`."""
        return RunDir, (self.path.absolute(),)  # the other process may stand elsewhere

    @classmethod
    def existing(cls, path: Path) -> RunDir:
        """The run folder at `path`; raises RunConflict where there is none."""
        if not (path / layout.REQUEST).is_file():
            raise RunConflict(f"{path} is not a run folder (no {layout.REQUEST}): give the folder that --run named")
        return cls(path)

    @property
    def dataset(self) -> Path:
        """The folder of the imported images and their manifest."""
        return self.path / layout.DATASET

    @property
    def train(self) -> Path:
        """The folder of checkpoints, sample grids and the loss plot."""
        return self.path / layout.TRAIN

    @property
    def synthetic(self) -> Path:
        """The folder of synthetic shards and their manifest."""
        return self.path / layout.SYNTHETIC

    @property
    def compare(self) -> Path:
        """The folder of the comparison's cells."""
        return self.path / layout.COMPARE

    def stop(self) -> None:
        """Ask the verb at work to end at its next safe point; its workers see the file `cancel`."""
        self._stopping = True
        with contextlib.suppress(OSError):  # on a full disk this process still knows
            self.cancel_mark.touch()

    def cancelled(self) -> bool:
        """Whether the verb at work is asked to end: by `stop`, or by another process through the file `cancel`."""
        return self._stopping or self.cancel_mark.exists()

    @property
    def cancel_mark(self) -> Path:
        """The file whose presence asks the verb at work here to end; one left before a start is cleared."""
        return self.path / layout.CANCEL

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the folder for this process; raises RunConflict when another one holds it.

        The lock is the kernel's, so it is gone with the process that held it, however that ended.
        """
        with storage_errors(self.path):
            file = (self.path / layout.LOCK).open("w")
        with file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise RunConflict(
                    f"another process is working in {self.path}: wait for it, or choose another folder with --run"
                ) from error
            with storage_errors(self.path):
                self.cancel_mark.unlink(missing_ok=True)  # left for the run that it ended
                self._sweep()
            yield

    def _sweep(self) -> None:
        """Remove what killed writers left: temporary names are theirs alone, and nobody else holds the folder."""
        for left in list(self.path.rglob(".*.tmp")):
            shutil.rmtree(left) if left.is_dir() else left.unlink(missing_ok=True)

    def emit(self, stage: str, kind: Kind, message: str = "", **fields: Any) -> None:
        """Record an Event of `stage`; `fields` are Event's (done, total, unit, values)."""
        with storage_errors(self.path):
            self._events.emit(Event(stage, kind, message, **fields))

    def relay(self) -> None:
        """Pass the events that other processes have recorded here since to those who listen."""
        self._events.relay()
