"""A port of a test's own: bound, so that nobody else is given it, and free for the program that is to listen there."""

from __future__ import annotations

import socket
from types import TracebackType

from tests.support.marks import starts_server


class HeldPort:
    """A port on loopback, held until the end; while nobody listens on it connections are refused.

    Programs that set SO_REUSEADDR, as servers do, may listen on it, end, and listen again.
    """

    def __init__(self) -> None:
        starts_server("a server on a port of its own")
        self._socket = socket.socket()
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._socket.bind(("127.0.0.1", 0))
        self.number: int = self._socket.getsockname()[1]

    def __enter__(self) -> HeldPort:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Let others have it."""
        self._socket.close()
