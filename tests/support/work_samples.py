"""Work for executors, of the kinds that go well and that do not; worker processes import it by this name."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

from gan_aug.compute import device
from gan_aug.errors import DataError, LeakageError


def add(state: int | None, item: int) -> int:
    return (state or 0) + item


def ten() -> int:
    return 10


def seen(state: int | None, item: int) -> tuple[int, int | None]:
    """The process that works on an item, and what it was given."""
    del item
    return os.getpid(), state


def leak() -> int:
    raise LeakageError("3 test images were seen in training: train again")


def fail(_: object, item: int) -> int:
    raise DataError(f"item {item} is bad: take another")


def stumble(_: object, item: int) -> int:
    return {}[item]


def die(_: object, item: int) -> int:
    os.kill(os.getpid(), signal.SIGKILL)
    return item


def die_once_at_six(_: object, item: int, *, mark: Path) -> int:
    """`item`; the first to come to 6 leaves `mark` and dies."""
    if item == 6 and not mark.exists():
        mark.touch()
        time.sleep(5)  # until the answer of the item before has left this process
        os.kill(os.getpid(), signal.SIGKILL)
    return item


def wait_once(_: object, item: int, *, marks: Path) -> int:
    """`item`; whoever comes to it first leaves a mark (item and process) and waits for the mark "go"."""
    if not any(marks.glob(f"{item}-*")):
        (marks / f"{item}-{os.getpid()}").touch()
        deadline = time.monotonic() + 300
        while not (marks / "go").exists():
            if time.monotonic() > deadline:
                raise TimeoutError(f"nobody said go to {item}")
            time.sleep(0.05)
    return item


def gathered(marks: Path, number: int) -> None:
    """Wait until the folder `marks` holds so many files; raises TimeoutError where it does not come to that."""
    deadline = time.monotonic() + 240
    while len(list(marks.iterdir())) < number:
        if time.monotonic() > deadline:
            raise TimeoutError(f"{marks} holds {len(list(marks.iterdir()))} of {number} files")
        time.sleep(0.05)


def wait(_: object, item: int) -> int:
    time.sleep(600)
    return item


def own_number(_: object, item: int) -> int | None:
    """The number of this process in its pool."""
    del item
    return device._own
