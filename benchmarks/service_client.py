"""A minimal HTTP client for measurements: it shares the processor with the service, so it must do very little."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

from tests.support.service.live_service import LiveService


class Connection:
    """A keep-alive connection to a service, opened by `Connection.open`."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, key: str) -> None:
        self._reader, self._writer, self._key = reader, writer, key

    @classmethod
    async def open(cls, service: LiveService) -> Connection:
        """Connect to the service."""
        return cls(*await asyncio.open_connection("127.0.0.1", service.port), service.key)

    async def call(self, path: str, content: bytes | None = None) -> bytes:
        """GET a path, or POST JSON to it; returns the answer's body. Raises RuntimeError unless the status is 200."""
        head = f"{'GET' if content is None else 'POST'} {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {self._key}"
        body = f"\r\nContent-Type: application/json\r\nContent-Length: {len(content)}" if content else ""
        self._writer.write(f"{head}{body}\r\n\r\n".encode() + (content or b""))
        start = (await self._reader.readuntil(b"\r\n\r\n")).lower()
        length = int(start.partition(b"content-length:")[2].split(b"\r\n")[0])
        answer = await self._reader.readexactly(length)
        if b" 200 " not in start[:20]:
            raise RuntimeError(f"{path}: {answer[:300]!r}")
        return answer

    def close(self) -> None:
        """Close the connection."""
        self._writer.close()


def processor_seconds(process: int) -> float:
    """The user and system time of a process so far, in seconds."""
    fields = Path(f"/proc/{process}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def load() -> str:
    """The machine's load, for the output."""
    return f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores"
