"""Events: records of what happens during a run, kept in `events.jsonl` and passed to listeners."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

Kind = Literal["start", "progress", "note", "finish"]

Progress = Callable[[int, int], None]
"""Called with progress: (done, total)."""
UnitProgress = Callable[[str, int, int], None]
"""Called with progress in several units: (unit, done, total)."""


@dataclass(frozen=True)
class Event:
    """One thing that happened in a `stage`, at `time` (seconds since 1970).

    `message` is a sentence for people. `done` and `total` count progress in `unit` (files, images, cells), if it is
    known. `values` holds numbers such as losses.
    """

    stage: str
    kind: Kind
    message: str = ""
    done: int | None = None
    total: int | None = None
    unit: str = ""
    values: dict[str, float] = field(default_factory=dict)
    time: float = field(default_factory=time.time)

    def to_json(self) -> str:
        """One line of JSON, without the fields that are empty."""
        record: dict[str, Any] = {"time": round(self.time, 3), "stage": self.stage, "kind": self.kind}
        optional = {
            "message": self.message,
            "done": self.done,
            "total": self.total,
            "unit": self.unit,
            "values": self.values,
        }
        record |= {key: value for key, value in optional.items() if value not in ("", None, {})}
        return json.dumps(record, ensure_ascii=False)

    @classmethod
    def from_json(cls, line: str) -> Event:
        """The event that `to_json` wrote; raises ValueError or TypeError if the line is not an event."""
        return cls(**json.loads(line))


Listener = Callable[[Event], None]


class EventLog:
    """Appends events to a file and passes each to the listeners, in order."""

    def __init__(self, path: Path, listeners: tuple[Listener, ...] = ()) -> None:
        self._path = path
        self._listeners = listeners
        content = path.read_bytes() if path.exists() else b""
        self._torn = bool(content) and not content.endswith(b"\n")
        self._passed_on = len(content)  # bytes of the file that the listeners know

    def emit(self, event: Event) -> None:
        """Record `event`; raises OSError if the file cannot be written."""
        self.relay()
        line = ("\n" * self._torn + event.to_json() + "\n").encode()
        with self._path.open("ab") as file:
            file.write(line)
        self._torn = False
        self._passed_on += len(line)
        self._pass_on(event)

    def relay(self) -> None:
        """Pass to the listeners the events that other processes have appended since the last call."""
        if not self._path.exists():
            return
        with self._path.open("rb") as file:
            file.seek(self._passed_on)
            for line in file:
                if not line.endswith(b"\n"):
                    break  # it is being written
                self._passed_on += len(line)
                with contextlib.suppress(ValueError, TypeError):  # half a line of a process that was killed
                    self._pass_on(Event.from_json(line.decode()))

    def _pass_on(self, event: Event) -> None:
        for listener in self._listeners:
            listener(event)
