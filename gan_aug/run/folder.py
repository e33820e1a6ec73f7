"""The run folder: one folder per run, with its requests, events, checkpoints and results.

Every file on which a later start relies is written under a temporary name, flushed, then renamed: completely or not at
all.
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
    """The folder of one run, in which every verb keeps its request, its events and its results."""

    def __init__(self, path: Path, listeners: tuple[Listener, ...] = ()) -> None:
        """Create the folder if it is absent; raises StorageError if that is not possible."""
        self.path = path
        with storage_errors(path):
            path.mkdir(parents=True, exist_ok=True)
        self._events = EventLog(self.events, listeners)
        self._stopping = False

    def __reduce__(self) -> tuple[type[RunDir], tuple[Path]]:
        """A pickled copy writes to the same folder; it has no listeners: those here get its events by `relay`."""
        return RunDir, (self.path.absolute(),)  # the other process may have another working directory

    @classmethod
    def existing(cls, path: Path) -> RunDir:
        """The run folder at `path`; raises RunConflict if there is none."""
        if not (path / layout.REQUEST).is_file():
            raise RunConflict(f"{path} is not a run folder (no {layout.REQUEST}): give the folder that --run named")
        return cls(path)

    @property
    def root(self) -> Path:
        """The folder to name to `gan-aug resume`: for a part of a run, that of the run around it."""
        return self.path

    @property
    def events(self) -> Path:
        """The file of the events."""
        return self.path / layout.EVENTS

    @property
    def dataset(self) -> Path:
        """The folder of the imported images and their manifest."""
        return self.path / layout.DATASET

    @property
    def train(self) -> Path:
        """The folder of checkpoints, sample grids and the loss plot."""
        return self.path / layout.TRAIN

    @property
    def checkpoints(self) -> Path:
        """The folder of the training's checkpoints."""
        return self.train / layout.CHECKPOINTS

    @property
    def synthetic(self) -> Path:
        """The folder of synthetic shards and their manifest."""
        return self.path / layout.SYNTHETIC

    @property
    def compare(self) -> Path:
        """The folder of the comparison: its cells, their index, fidelity and scores."""
        return self.path / layout.COMPARE

    @property
    def cells(self) -> Path:
        """The folder of the comparison's cells."""
        return self.compare / layout.CELLS

    def stop(self) -> None:
        """Ask the running verb to end at its next safe point; its workers see the file `cancel`."""
        self._stopping = True
        with contextlib.suppress(OSError):  # on a full disk this process still knows
            self.cancel_mark.touch()

    def cancelled(self) -> bool:
        """Whether the running verb is asked to end: by `stop`, or by another process through the file `cancel`."""
        return self._stopping or self.cancel_mark.exists()

    @property
    def cancel_mark(self) -> Path:
        """The file whose presence asks the running verb to end; it is removed when a verb starts."""
        return self.path / layout.CANCEL

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Lock the folder for this process; raises RunConflict if another process holds the lock.

        It is a lock of the kernel, so it is released when the process ends, in whatever way.
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
                self.cancel_mark.unlink(missing_ok=True)  # it was meant for an earlier start
                self._sweep()
            yield

    def _sweep(self) -> None:
        """Remove temporary files of killed writers: this process holds the lock, so no other writer is at work."""
        for temporary in list(self.path.rglob(".*.tmp")):
            shutil.rmtree(temporary) if temporary.is_dir() else temporary.unlink(missing_ok=True)

    def emit(self, stage: str, kind: Kind, message: str = "", **fields: Any) -> None:
        """Record an event.

        Args:
            stage: What the run is at.
            kind: start, progress, note or finish.
            message: A sentence for people.
            **fields: Further fields of Event: done, total, unit, values.

        Raises:
            StorageError: The events cannot be written.
        """
        with storage_errors(self.path):
            self._events.emit(Event(stage, kind, message, **fields))

    def relay(self) -> None:
        """Pass to the listeners the events that other processes have recorded since the last call."""
        self._events.relay()


def is_further_set(path: Path) -> bool:
    """Whether the folder `path` holds a further synthetic set of a trained GAN, whole or begun."""
    return (path / layout.SET).is_file()


def present_products(path: Path) -> dict[str, bool]:
    """Which products stand whole in the run folder `path`: dataset, model, synthetic, report."""
    checkpoints = path / layout.TRAIN / layout.CHECKPOINTS
    return {
        "dataset": (path / layout.DATASET / layout.MANIFEST).exists(),
        "model": any(checkpoints.glob(f"{layout.EACH_CHECKPOINT}/{layout.CHECKPOINT_RECORD}")),
        "synthetic": (path / layout.SYNTHETIC / layout.MANIFEST).exists(),
        "report": (path / layout.REPORT).exists(),
    }
