"""Connections: how many there may be, and how long one may keep the service waiting for a request.

`BoundedProtocol` extends uvicorn's protocol over httptools, and overrides methods that uvicorn does not document. So
uvicorn is pinned to the minor version that the tests ran with (docs/decisions/0014).

httptools sets no bounds itself. The protocol notes what its callbacks tell: which part of a request a connection has
to send next, and how long the head is so far.

A request may be answered before all of it has come, for example if it is too large. If the connection were closed at
once, a client or a proxy that sends everything before it reads would lose the answer. So the rest of the request is
read and discarded first, for a limited time ("lingering close").
"""

from __future__ import annotations

import asyncio
import ipaddress
import logging
from collections import Counter
from typing import Any, Literal, cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from gan_aug_service.settings import Network

HEAD_BYTES = 64 << 10
"""Bytes that a request line, its headers and its trailers may have together."""

HEAD_SECONDS = 30.0
"""Time for a request's whole head, from the connection or from the end of the request before."""

BODY_SECONDS = 60.0
"""Time between two parts of a request's body."""

LINGER_SECONDS = 30.0
"""How long the rest of a request that has its answer is read and discarded."""

MAX_CONNECTIONS = 4096
"""Connections at once, if the process may open enough files."""

LOG_SECONDS = 5.0
"""Closed connections are counted for this time, and then logged in one line."""

Expected = Literal["head", "body", "discard"] | None
"""What a client has to send next: a head, more of a body, or the rest of a request that has its answer; or nothing."""

log = logging.getLogger(__name__)


class ConnectionLimiter:
    """The connections of one server. If there are too many, the one that has been idle longest is closed.

    Idle is a connection that waits for a request's head, or sends the rest of a request that has its answer.
    """

    def __init__(self, max_files: int, proxies: tuple[Network, ...] = ()) -> None:
        """`max_files` is how many files the process may open.

        An address of `proxies` or of this machine may stand for many clients, so it has no limit of its own.
        """
        self.max_connections = min(MAX_CONNECTIONS, max_files // 2)
        self.max_per_address = self.max_connections // 4
        self._proxies = proxies
        self._connections: dict[BoundedProtocol, None] = {}
        self._addresses: Counter[str] = Counter()
        self._idle: dict[BoundedProtocol, None] = {}
        self._closed: Counter[tuple[str, str]] = Counter()

    def add(self, connection: BoundedProtocol) -> None:
        """Add a new connection, and close an idle one if there are too many now."""
        address = connection.address
        self._connections[connection] = None
        self._addresses[address] += 1
        if len(self._connections) > self.max_connections:
            next(iter(self._idle)).abort("too many connections")
        elif self._addresses[address] > self.max_per_address and not self._is_shared(address):
            next(one for one in self._idle if one.address == address).abort("too many connections of one address")

    def remove(self, connection: BoundedProtocol) -> None:
        """Remove a connection that is closed."""
        self._idle.pop(connection, None)
        if connection in self._connections:
            del self._connections[connection]
            self._addresses[connection.address] -= 1
            if not self._addresses[connection.address]:
                del self._addresses[connection.address]

    def set_idle(self, connection: BoundedProtocol, idle: bool) -> None:
        """Note whether a connection is idle."""
        if idle:
            self._idle.setdefault(connection)
        else:
            self._idle.pop(connection, None)

    def count_closed(self, reason: str, address: str) -> None:
        """Count a connection that was closed; all of the next LOG_SECONDS are logged together."""
        if not self._closed:
            asyncio.get_running_loop().call_later(LOG_SECONDS, self._log_closed)
        self._closed[reason, address] += 1

    def _log_closed(self) -> None:
        closed, self._closed = self._closed, Counter()
        for reason in sorted({reason for reason, _ in closed}):
            counts = Counter({address: count for (why, address), count in closed.items() if why == reason})
            extra = {"reason": reason, "connections": counts.total(), "addresses": len(counts)}
            log.warning("connections closed", extra=extra | {"most_from": counts.most_common(1)[0][0]})

    def _is_shared(self, address: str) -> bool:
        try:
            found = ipaddress.ip_address(address)
        except ValueError:
            return False
        return found.is_loopback or any(found in network for network in self._proxies)


class LingeringTransport:
    """A connection's transport as uvicorn sees it: `close` reads and discards the rest of a request first."""

    def __init__(self, transport: asyncio.Transport, protocol: BoundedProtocol) -> None:
        self._transport, self._protocol = transport, protocol

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        """Send, unless the answer is complete and only the rest of the request is still read."""
        if not self._protocol.lingering:
            self._transport.write(data)

    def close(self) -> None:
        """Close now, or when the client has sent the rest of its request."""
        self._protocol.close_after_input()


class BoundedProtocol(HttpToolsProtocol):
    """One connection. It is closed if a request's head, or the next part of its body, does not come in time."""

    def __init__(self, limiter: ConnectionLimiter, **options: Any) -> None:
        super().__init__(**options)
        self._limiter = limiter
        self._deadline: asyncio.TimerHandle | None = None
        self._expected: Expected = "head"
        self._timed_for: Expected = None
        self._head_bytes = 0
        self._unparsed_bytes = 0
        """Bytes since the parser's last callback: during an endless header it calls none."""
        self.lingering = False
        self.address = "unknown"

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for the first request."""
        self._transport = transport
        super().connection_made(cast("asyncio.Transport", LingeringTransport(transport, self)))
        self.address = self.client[0] if self.client else "unknown"
        self._update_deadline()
        self._limiter.add(self)

    def data_received(self, data: bytes) -> None:
        """Feed the parser, and refuse a head that is too long."""
        if self.lingering:
            return
        self._unparsed_bytes += len(data)
        super().data_received(data)
        if (
            max(self._head_bytes, self._unparsed_bytes) > HEAD_BYTES
            and not self.lingering
            and not self._transport.is_closing()
        ):
            self._refuse_head()
        self._update_deadline()

    def on_message_begin(self) -> None:
        """Begin to count the bytes of a request's head."""
        super().on_message_begin()
        self._head_bytes = 0

    def on_url(self, url: bytes) -> None:
        """Count a part of the request line."""
        super().on_url(url)
        self._add_head_bytes(len(url))

    def on_header(self, name: bytes, value: bytes) -> None:
        """Count a header, or a trailer."""
        super().on_header(name, value)
        self._add_head_bytes(len(name) + len(value))

    def on_headers_complete(self) -> None:
        """Wait for the body, if there is one."""
        if self._head_bytes > HEAD_BYTES:
            self._refuse_head()
            return
        super().on_headers_complete()
        self._expected = "body"
        if self.expect_100_continue:  # after a refusal its client may send another request in place of the body
            self.cycle.keep_alive = False

    def on_body(self, body: bytes) -> None:
        """Take a part of the body."""
        self._unparsed_bytes = 0
        if not self.lingering:
            super().on_body(body)

    def on_message_complete(self) -> None:
        """Note that the request is complete; if it has its answer already, wait for the next request."""
        self._unparsed_bytes = 0
        if not self.lingering:
            super().on_message_complete()
            self._expected = "head" if self.cycle.response_complete else None

    def on_response_complete(self) -> None:
        """Wait for the next request, or for the rest of this one."""
        if self.lingering:
            return
        super().on_response_complete()
        if self.cycle.response_complete:
            if self._expected == "body":
                self._expected = "discard"
                self._unset_keepalive_if_required()
            else:
                self._expected = "head"
        self._update_deadline()

    def send_400_response(self, msg: str) -> None:
        """Answer something that is no request, and close."""
        self._expected = "body"  # where it ends cannot be known
        super().send_400_response(msg)

    def close_after_input(self) -> None:
        """Close when the client has sent the rest of its request, or LINGER_SECONDS later."""
        if self._expected != "body" or self.lingering:
            self._transport.close()
            return
        self.lingering, self._expected = True, "discard"
        self._unset_keepalive_if_required()
        if self._transport.can_write_eof():
            self._transport.write_eof()
        self.flow.resume_reading()
        self._update_deadline()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the deadline and forget the connection."""
        super().connection_lost(exc)
        self._set_deadline(None)
        self._limiter.remove(self)

    def abort(self, reason: str) -> None:
        """Close the connection at once, and log the reason."""
        self._set_deadline(None)
        self._limiter.remove(self)
        self._limiter.count_closed(reason, self.address)
        self._transport.abort()

    def _add_head_bytes(self, size: int) -> None:
        self._head_bytes += size
        self._unparsed_bytes = 0

    def _refuse_head(self) -> None:
        """Refuse a head that is too long: with an answer, unless another request is being answered."""
        if self._expected == "head":
            self._limiter.count_closed("too long a request head", self.address)
            self.send_400_response("The head of the request is too long.")
        else:
            self.abort("too long a request head")

    def _update_deadline(self) -> None:
        """Set the deadline for what the client has to send next."""
        if self._transport.is_closing():
            return
        idle, before, self._timed_for = self._expected in ("head", "discard"), self._timed_for, self._expected
        self._limiter.set_idle(self, idle)
        if idle and self._expected != before:
            self._set_deadline(HEAD_SECONDS if self._expected == "head" else LINGER_SECONDS)
        elif not idle:
            self._set_deadline(BODY_SECONDS if self._expected == "body" else None)

    def _set_deadline(self, seconds: float | None) -> None:
        if self._deadline:
            self._deadline.cancel()
        self._deadline = self.loop.call_later(seconds, self._on_deadline) if seconds else None

    def _on_deadline(self) -> None:
        if self._expected == "head":
            self.abort("no whole request head in time")
        elif self._expected == "discard":
            self._transport.close()
        elif self.flow.read_paused:
            self._set_deadline(BODY_SECONDS)  # it is the service that does not read
        else:
            self.abort("no more of a body in time")

    def _unsupported_upgrade_warning(self) -> None:
        """Log nothing: a request for a WebSocket is answered as an ordinary request."""
