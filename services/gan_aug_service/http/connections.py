"""Connections: how many there may be, and how long one may keep the service waiting for a request.

Requests are read by httptools alone, whatever else is installed. It bounds nothing itself: what a connection still
owes, and how much of a head it sent, is noted as the parser tells.

A request may be answered before all of it has come, as one that is too large. To close at once would take the answer
from a client, or a proxy, that sends all before it reads: the rest is read and thrown away first, for a while.
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
"""Bytes of a request line with its headers and trailers."""

HEAD_SECONDS = 30.0
"""From the connection, or the end of the request before, to the last byte of a request's head."""

BODY_SECONDS = 60.0
"""Between two parts of a request's body."""

REST_SECONDS = 30.0
"""How long the rest of a request that has its answer is read and thrown away."""

MOST = 4096
"""Connections at once where the process may open files enough."""

TOLD_SECONDS = 5.0
"""Closed connections are counted for so long before a line of log tells of them."""

log = logging.getLogger(__name__)


class Crowd:
    """The connections of one server; where there are too many, the one that waits longest for a head goes."""

    def __init__(self, files: int, proxies: tuple[Network, ...] = ()) -> None:
        """`files` is how many files the process may open; others come through `proxies` and through this machine."""
        self.most = min(MOST, files // 2)
        self.most_of_one = self.most // 4
        self._proxies = proxies
        self._here: dict[BoundedProtocol, None] = {}
        self._addresses: Counter[str] = Counter()
        self._waiting: dict[BoundedProtocol, None] = {}
        self._closed: Counter[tuple[str, str]] = Counter()

    def admit(self, connection: BoundedProtocol) -> None:
        """Count a new connection, and close one where they are too many now."""
        address = connection.address
        self._here[connection] = None
        self._addresses[address] += 1
        if len(self._here) > self.most:
            next(iter(self._waiting)).end("too many connections")
        elif self._addresses[address] > self.most_of_one and not self._for_many(address):
            next(one for one in self._waiting if one.address == address).end("too many connections of one address")

    def leave(self, connection: BoundedProtocol) -> None:
        """Forget a connection that is closed."""
        self._waiting.pop(connection, None)
        if connection in self._here:
            del self._here[connection]
            self._addresses[connection.address] -= 1
            if not self._addresses[connection.address]:
                del self._addresses[connection.address]

    def waits(self, connection: BoundedProtocol, waits: bool) -> None:
        """Note whether a connection waits for what nobody has begun to work on."""
        if waits:
            self._waiting.setdefault(connection)
        else:
            self._waiting.pop(connection, None)

    def count(self, reason: str, address: str) -> None:
        """Count a connection that was closed; a line of log follows, one for all of the next seconds."""
        if not self._closed:
            asyncio.get_running_loop().call_later(TOLD_SECONDS, self._tell)
        self._closed[reason, address] += 1

    def _tell(self) -> None:
        closed, self._closed = self._closed, Counter()
        for reason in sorted({reason for reason, _ in closed}):
            counts = Counter({address: count for (why, address), count in closed.items() if why == reason})
            told = {"reason": reason, "connections": counts.total(), "addresses": len(counts)}
            log.warning("connections closed", extra=told | {"most_from": counts.most_common(1)[0][0]})

    def _for_many(self, address: str) -> bool:
        try:
            found = ipaddress.ip_address(address)
        except ValueError:
            return False
        return found.is_loopback or any(found in network for network in self._proxies)


class _Unhurried:
    """A connection's transport, as the web server sees it: it closes as `BoundedProtocol.leave` says."""

    def __init__(self, transport: asyncio.Transport, protocol: BoundedProtocol) -> None:
        self._transport, self._protocol = transport, protocol

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        """Send, unless all was said."""
        if not self._protocol.leaving:
            self._transport.write(data)

    def close(self) -> None:
        """Close, now or when the other side has sent what it is sending."""
        self._protocol.leave()


class BoundedProtocol(HttpToolsProtocol):
    """One connection, closed where no whole request head comes in time, or no more of a body."""

    def __init__(self, crowd: Crowd, **given: Any) -> None:
        super().__init__(**given)
        self._crowd = crowd
        self._deadline: asyncio.TimerHandle | None = None
        self._owed: Literal["head", "body", "rest"] | None = "head"
        self._timed: Literal["head", "body", "rest"] | None = None
        self._head_bytes = 0
        self._unread = 0
        """Bytes since the parser last made something of them: of an endless header it says nothing."""
        self.leaving = False
        self.address = "unknown"

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for a request."""
        self._transport = transport
        super().connection_made(cast("asyncio.Transport", _Unhurried(transport, self)))
        self.address = self.client[0] if self.client else "unknown"
        self._expect()
        self._crowd.admit(self)

    def data_received(self, data: bytes) -> None:
        """Read on."""
        if self.leaving:
            return
        self._unread += len(data)
        super().data_received(data)
        if max(self._head_bytes, self._unread) > HEAD_BYTES and not self.leaving and not self._transport.is_closing():
            self._refuse_head()
        self._expect()

    def on_message_begin(self) -> None:
        """Count a request's head anew."""
        super().on_message_begin()
        self._head_bytes = 0

    def on_url(self, url: bytes) -> None:
        """Count a part of the request line."""
        super().on_url(url)
        self._count_head(len(url))

    def on_header(self, name: bytes, value: bytes) -> None:
        """Count a header, or a trailer."""
        super().on_header(name, value)
        self._count_head(len(name) + len(value))

    def on_headers_complete(self) -> None:
        """Wait for the body, where there is one."""
        if self._head_bytes > HEAD_BYTES:
            self._refuse_head()
            return
        super().on_headers_complete()
        self._owed = "body"
        if self.expect_100_continue:  # refused, its client may never send the body, and ask something else instead
            self.cycle.keep_alive = False

    def on_body(self, body: bytes) -> None:
        """Take a part of the body."""
        self._unread = 0
        if not self.leaving:
            super().on_body(body)

    def on_message_complete(self) -> None:
        """Owe an answer; where it was given before its request was whole, wait for the next one."""
        self._unread = 0
        if not self.leaving:
            super().on_message_complete()
            self._owed = "head" if self.cycle.response_complete else None

    def on_response_complete(self) -> None:
        """Wait for the next request, unless it came already, or for the rest of this one."""
        if self.leaving:
            return
        super().on_response_complete()
        if self.cycle.response_complete:
            if self._owed == "body":
                self._owed = "rest"
                self._unset_keepalive_if_required()
            else:
                self._owed = "head"
        self._expect()

    def send_400_response(self, msg: str) -> None:
        """Answer what is no request, and leave."""
        self._owed = "body"  # nobody knows where it ends
        super().send_400_response(msg)

    def leave(self) -> None:
        """Close the connection, once the other side has sent what it is sending, or REST_SECONDS later."""
        if self._owed != "body" or self.leaving:
            self._transport.close()
            return
        self.leaving, self._owed = True, "rest"
        self._unset_keepalive_if_required()
        if self._transport.can_write_eof():
            self._transport.write_eof()
        self.flow.resume_reading()
        self._expect()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait for nothing any more."""
        super().connection_lost(exc)
        self._wait(None)
        self._crowd.leave(self)

    def end(self, reason: str) -> None:
        """Close the connection, and say why in the log."""
        self._wait(None)
        self._crowd.leave(self)
        self._crowd.count(reason, self.address)
        self._transport.abort()

    def _count_head(self, size: int) -> None:
        self._head_bytes += size
        self._unread = 0

    def _refuse_head(self) -> None:
        """Answer a head that is too long, where none is being answered, and leave."""
        if self._owed == "head":
            self._crowd.count("too long a request head", self.address)
            self.send_400_response("The head of the request is too long.")
        else:
            self.end("too long a request head")

    def _expect(self) -> None:
        """See what the other side owes, and until when."""
        if self._transport.is_closing():
            return
        idle, before, self._timed = self._owed in ("head", "rest"), self._timed, self._owed
        self._crowd.waits(self, idle)
        if idle and self._owed != before:
            self._wait(HEAD_SECONDS if self._owed == "head" else REST_SECONDS)
        elif not idle:
            self._wait(BODY_SECONDS if self._owed == "body" else None)

    def _wait(self, seconds: float | None) -> None:
        if self._deadline:
            self._deadline.cancel()
        self._deadline = self.loop.call_later(seconds, self._late) if seconds else None

    def _late(self) -> None:
        if self._owed == "head":
            self.end("no whole request head in time")
        elif self._owed == "rest":
            self._transport.close()
        elif self.flow.read_paused:
            self._wait(BODY_SECONDS)  # it is we who do not read
        else:
            self.end("no more of a body in time")

    def _unsupported_upgrade_warning(self) -> None:
        """Say nothing: a request that would rather be a WebSocket is answered as what it is."""
