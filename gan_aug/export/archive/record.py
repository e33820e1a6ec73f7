"""The record of what an archive took: a line for each file, written when the archive answered.

A file that has no line may have arrived or not, if the process ended before the answer came; it is sent again. Archives
know it by its UID.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from gan_aug.errors import StorageError
from gan_aug.run.files import storage_errors


class SentRecord:
    """An open record; see `open_record`."""

    def __init__(self, file: IO[bytes], arrived: set[str]) -> None:
        self._file = file
        self.arrived = arrived
        """The SOP Instance UIDs of files that arrived."""

    def add(self, answers: Iterable[tuple[str, int, str]]) -> None:
        """Record answers: the UID, the position of the first image, and why it was not taken, '' if it was."""
        lines = []
        for uid, first, fault in answers:
            lines.append(json.dumps({"uid": uid, "first": first, **({"refused": fault} if fault else {})}) + "\n")
            if not fault:
                self.arrived.add(uid)
        self._file.write("".join(lines).encode())
        self._file.flush()
        os.fsync(self._file.fileno())


@contextmanager
def open_record(path: Path, what: dict[str, str]) -> Iterator[SentRecord]:
    """The record at `path` for the length of a block; it is created if it is absent.

    Args:
        path: The file.
        what: Says which set goes where in which form; the first line of the file.

    Yields:
        The record.

    Raises:
        StorageError: The record is of something else, another process writes it, or the disk refuses.
    """
    with storage_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("a+b")
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise StorageError(f"another process sends by the record {path}: wait for it") from error
        with storage_errors(path):
            yield SentRecord(file, _arrived(file, path, what))


def _arrived(file: IO[bytes], path: Path, what: dict[str, str]) -> set[str]:
    """The UIDs that the file says arrived; a line that was cut off counts for nothing."""
    file.seek(0)
    content = file.read()
    if not content:
        file.write((json.dumps(what, ensure_ascii=False) + "\n").encode())
        file.flush()
        return set()
    if not content.endswith(b"\n"):
        file.write(b"\n")
    first, *lines = content.splitlines()
    if _parsed(first) != what:
        raise StorageError(
            f"{path} is the record of another set, archive or form: name another file with --out, or remove it to send "
            "everything"
        )
    answers = [_parsed(line) for line in lines]
    return {str(answer["uid"]) for answer in answers if "uid" in answer and "refused" not in answer}


def _parsed(line: bytes) -> dict[str, object]:
    try:
        value = json.loads(line)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}
