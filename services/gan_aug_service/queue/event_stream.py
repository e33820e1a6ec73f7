"""A job's events as they happen: server-sent, each with the place in the record from which to go on."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import NamedTuple

from gan_aug_service.database.tables import JobState

POLL_SECONDS = 0.5
QUIET_SECONDS = 15.0
"""Without news for so long a comment is sent, so that nobody between takes the connection for dead."""

CHUNK = 1 << 16


class JobView(NamedTuple):
    """What a stream asks of the job it follows: its state and where its events begin and end, in bytes."""

    state: JobState
    begin: int
    end: int | None


async def follow(
    path: Path, look: Callable[[], JobView | None], last_id: int | None, closing: Callable[[], bool], *, wait: bool
) -> AsyncIterator[bytes]:
    """The events in `path` after `last_id` (the id of the last one seen), then each new one, until the job has ended.

    A change of state is an event of its own without an id. Without `wait` it ends with what there is, and at any time
    where `look` gives None: who follows may no longer.
    """
    yield b"retry: 2000\n\n"
    said, quiet, position = None, 0.0, last_id or 0
    while not closing() and (job := await asyncio.to_thread(look)):
        position = max(job.begin, position)
        lines, position = await asyncio.to_thread(read_lines, path, position, job.end)
        for number, text in lines:
            line = text.replace(f"{path.parent}/", "")  # where the service keeps a run is nobody's business
            yield f"id: {number}\nevent: {_kind(line)}\ndata: {line}\n\n".encode()
        if job.state != said and not (lines and job.state.ended):
            said = job.state
            yield f'event: state\ndata: {{"state": "{said}"}}\n\n'.encode()
        if not lines:
            if job.state.ended or not wait:
                return
            quiet += POLL_SECONDS
            if quiet >= QUIET_SECONDS:
                quiet = 0.0
                yield b": nothing new\n\n"
            await asyncio.sleep(POLL_SECONDS)
        else:
            quiet = 0.0


def read_lines(path: Path, position: int, end: int | None) -> tuple[list[tuple[int, str]], int]:
    """The whole lines of a file from `position` up to `end`, each with where the next begins, and that place.

    A position within a line means the line after it.
    """
    try:
        with path.open("rb") as file:
            position = min(position, file.seek(0, os.SEEK_END))
            file.seek(max(0, position - 1))
            if position:
                within = file.read(1) != b"\n"
                position += len(file.readline()) if within else 0
            content = file.read(CHUNK if end is None else max(0, min(CHUNK, end - position)))
            if b"\n" not in content and len(content) == CHUNK:
                content += file.readline()
    except FileNotFoundError:
        return [], position
    lines = []
    for line in content.splitlines(keepends=True):
        if line.endswith(b"\n"):
            position += len(line)
            if text := line.decode(errors="replace").strip():
                lines.append((position, text))
    return lines, position


def _kind(line: str) -> str:
    """The event's kind; a line torn by a crash is a note."""
    try:
        kind = json.loads(line)["kind"]
    except (ValueError, KeyError, TypeError):
        return "note"
    return kind if kind in ("start", "progress", "note", "finish") else "note"
