"""A job's events as server-sent events, each with an id from which a later stream can go on."""

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
"""After this time without an event a comment is sent, so that no proxy takes the connection for dead."""

CHUNK = 1 << 16


class JobView(NamedTuple):
    """What a stream needs to know of its job: its state, and where its events begin and end, in bytes."""

    state: JobState
    begin: int
    end: int | None


async def stream_events(
    path: Path, look: Callable[[], JobView | None], last_id: int | None, closing: Callable[[], bool], *, wait: bool
) -> AsyncIterator[bytes]:
    """The events of a job, those recorded and then each new one, until the job has ended.

    A change of the job's state is an event of its own, without an id.

    Args:
        path: The run's events.jsonl.
        look: The job as it is now; None if the client may no longer see it, which ends the stream.
        last_id: The id of the last event that the client received; the stream begins after it.
        closing: Whether the service is about to stop, which ends the stream too.
        wait: Wait for new events; without it the stream ends with those recorded.

    Yields:
        Parts of an event stream, as bytes.
    """
    yield b"retry: 2000\n\n"
    sent_state, quiet, position = None, 0.0, last_id or 0
    while not closing() and (job := await asyncio.to_thread(look)):
        position = max(job.begin, position)
        lines, position = await asyncio.to_thread(read_lines, path, position, job.end)
        for number, text in lines:
            line = text.replace(f"{path.parent}/", "")  # clients must not see the service's own paths
            yield f"id: {number}\nevent: {_kind(line)}\ndata: {line}\n\n".encode()
        if job.state != sent_state and not (lines and job.state.ended):
            sent_state = job.state
            yield f'event: state\ndata: {{"state": "{sent_state}"}}\n\n'.encode()
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
    """The complete lines of a file between two positions.

    Args:
        path: The file.
        position: Where to begin, in bytes; within a line, the next line is the first one.
        end: Where to end, in bytes; None for the end of the file.

    Returns:
        Each line with the position after it, and the position after the last one.
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
    """The event's kind; a line that a crash left incomplete counts as a note."""
    try:
        kind = json.loads(line)["kind"]
    except (ValueError, KeyError, TypeError):
        return "note"
    return kind if kind in ("start", "progress", "note", "finish") else "note"
