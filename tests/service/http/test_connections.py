"""Connections from outside: half a request, an endless one, too many of them; and where the service listens."""

from __future__ import annotations

import asyncio
import logging
import resource
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
import uvicorn

from gan_aug.errors import ConfigError
from gan_aug_service.http import connections
from gan_aug_service.http.connections import HEAD_BYTES, BoundedProtocol, ConnectionLimiter
from gan_aug_service.http.listening import bind_sockets, raise_file_limit
from tests.support.command_line import call
from tests.support.service.live_service import COUNTING, LiveService

WHOLE = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
HALF = b"POST /v1/jobs/run HTTP/1.1\r\nHost: x\r\nContent-Length: 99"
STREAM = b"GET /stream HTTP/1.1\r\nHost: x\r\n\r\n"
END = b"\r\n0\r\n\r\n"


async def answering(scope: Any, receive: Any, send: Any) -> None:
    """Reads a request whole and says so; `/stream` says something every moment, `/deaf` answers before it reads."""
    while scope["path"] != "/deaf" and (await receive()).get("more_body"):
        pass
    headers = [(b"content-type", b"text/plain")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    while scope["path"] == "/stream":
        await send({"type": "http.response.body", "body": b"more", "more_body": True})
        await asyncio.sleep(0.1)
    await send({"type": "http.response.body", "body": b"whole"})


class Server:
    """A server of one small application, with the service's own connections, in a thread."""

    def __init__(self, limiter: ConnectionLimiter) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port = self._socket.getsockname()[1]
        config = uvicorn.Config(
            answering,
            http=partial(BoundedProtocol, limiter),  # type: ignore[arg-type]
            lifespan="off",
            log_config=None,
            timeout_graceful_shutdown=1,
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, args=([self._socket],))

    def __enter__(self) -> Server:
        self._thread.start()
        while not self._server.started:
            time.sleep(0.01)
        return self

    def __exit__(self, *_: object) -> None:
        self._server.should_exit = self._server.force_exit = True
        self._thread.join()
        self._socket.close()

    def connect(self, sent: bytes = b"", source: str = "127.0.0.1") -> socket.socket:
        """A connection over which something was sent."""
        made = socket.create_connection(("127.0.0.1", self.port), timeout=20, source_address=(source, 0))
        with suppress(ConnectionError):  # it may be closed already
            made.sendall(sent)
        return made


@contextmanager
def closing(*held: socket.socket) -> Iterator[None]:
    try:
        yield
    finally:
        for connection in held:
            connection.close()


def closed(caplog: pytest.LogCaptureFixture) -> list[logging.LogRecord]:
    """The lines of log that tell of connections that were closed."""
    return [record for record in caplog.records if record.message == "connections closed"]


def whole(connection: socket.socket) -> bytes:
    """All that comes until the connection's end."""
    received = b""
    while part := connection.recv(1 << 16):
        received += part
    return received


def answered(connection: socket.socket) -> bool:
    """Whether an answer came, and not the connection's end."""
    try:
        return connection.recv(1000).startswith(b"HTTP/1.1 200")
    except ConnectionError:
        return False


class Pace:
    """The longest time between two things that a client did: a busy machine may have kept it from the next one."""

    def __init__(self) -> None:
        self.longest, self._last = 0.0, time.monotonic()

    def wait(self, seconds: float) -> None:
        time.sleep(seconds)
        now = time.monotonic()
        self.longest, self._last = max(self.longest, now - self._last), now


def in_time(client: Callable[[Pace], bool]) -> bool:
    """What came of a client; once more where it went wrong and the client itself was late."""
    for _ in range(10):
        pace = Pace()
        try:
            good = client(pace)
        except ConnectionError:
            good = False
        pace.wait(0)
        if good or pace.longest < 2.5:
            return good
    raise AssertionError("the client was late ten times")


@pytest.fixture
def brief(monkeypatch: pytest.MonkeyPatch) -> None:
    """Limits that a test outlasts, and that a busy machine does not break."""
    monkeypatch.setattr(connections, "HEAD_SECONDS", 3)
    monkeypatch.setattr(connections, "BODY_SECONDS", 3)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "HEAD_SECONDS", 0.5)
    monkeypatch.setattr(connections, "BODY_SECONDS", 0.5)
    monkeypatch.setattr(connections, "LOG_SECONDS", 0.1)


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize(
    ("sent", "reason"),
    [(b"", "no whole request head"), (HALF, "no whole request head"), (HALF + b"\r\n\r\nhalf", "no more of a body")],
)
def test_half_a_request_is_not_waited_for_forever(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, sent: bytes, reason: str
) -> None:
    if "body" in reason:
        monkeypatch.setattr(connections, "HEAD_SECONDS", 60)  # the head is sent at once, and may be read late
    with Server(ConnectionLimiter(1000)) as server, closing(slow := server.connect(sent)):
        assert not answered(slow)
        time.sleep(0.3)
    (line,) = closed(caplog)
    assert vars(line)["reason"].startswith(reason)
    assert (vars(line)["connections"], vars(line)["most_from"]) == (1, "127.0.0.1")


@pytest.mark.usefixtures("brief")
def test_a_slow_head_is_no_excuse_and_a_slow_body_is_one() -> None:
    with Server(ConnectionLimiter(1000)) as server:
        with closing(dripping := server.connect(b"GET / HTTP/1.1\r\n")):
            begun = time.monotonic()
            with pytest.raises((ConnectionError, TimeoutError)):  # a byte at a time for as long as it is let
                while time.monotonic() - begun < 30:
                    dripping.sendall(b"a: b\r\n")
                    time.sleep(0.05)
                raise AssertionError("it was let")

        def drip(pace: Pace) -> bool:
            with closing(slow := server.connect(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n")):
                for _ in range(5):
                    pace.wait(0.8)
                    slow.sendall(b"xx")
                return answered(slow)

        assert in_time(drip)


@pytest.mark.usefixtures("brief")
def test_who_asks_again_and_again_or_listens_to_a_stream_is_not_closed() -> None:
    with Server(ConnectionLimiter(1000)) as server:

        def ask(pace: Pace) -> bool:
            asking, listening = server.connect(), server.connect(STREAM)
            with closing(asking, listening):
                for _ in range(8):
                    asking.sendall(WHOLE)
                    received = b""
                    while not received.endswith(END):
                        if not (part := asking.recv(1000)):
                            return False
                        received += part
                    pace.wait(0.5)
                return answered(listening) and len(listening.recv(100)) > 1

        assert in_time(ask)


@pytest.mark.parametrize("size", [1_000_000, 3_000_000, 32 << 20])  # more than the kernels' buffers hold
@pytest.mark.parametrize("part", [1 << 16, 32 << 20])
def test_who_sends_all_before_it_reads_gets_the_answer_that_came_before(
    size: int, part: int, caplog: pytest.LogCaptureFixture
) -> None:
    with Server(ConnectionLimiter(1000)) as server:
        asking = server.connect(b"POST /deaf HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % size)
        with closing(asking):
            for sent in range(0, size, part):
                asking.sendall(bytes(min(part, size - sent)))
            for _ in range(3):
                received = b""
                while not received.endswith(END):
                    received += asking.recv(1000)
                assert received.count(b"HTTP/1.1") == received.count(b"HTTP/1.1 200") == 1
                asking.sendall(WHOLE)
    assert not caplog.records


@pytest.mark.parametrize(
    "head",
    [
        b"POST /deaf HTTP/1.0\r\nHost: x\r\nContent-Length: %d\r\n\r\n",
        b"POST /deaf HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: %d\r\n\r\n",
        b"POST /deaf HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: %d\r\n\r\n",
    ],
)
def test_the_answer_arrives_also_where_the_connection_ends_with_it(head: bytes) -> None:
    size = 32 << 20
    with Server(ConnectionLimiter(1000)) as server, closing(asking := server.connect(head % size)):
        for _ in range(size >> 16):
            asking.sendall(bytes(1 << 16))
        received = whole(asking)
        assert received.startswith(b"HTTP/1.1 200")
        assert b"\r\nconnection: close\r\n" in received
        assert received.endswith(b"whole" + END)


def test_what_was_expected_to_go_on_is_told_to_and_ends_with_its_answer() -> None:
    head = b"POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n"
    with Server(ConnectionLimiter(1000)) as server, closing(asking := server.connect(head)):
        assert asking.recv(1000) == b"HTTP/1.1 100 Continue\r\n\r\n"
        asking.sendall(b"12345")
        received = whole(asking)
        assert received.startswith(b"HTTP/1.1 200")
        assert received.endswith(b"whole" + END)


@pytest.mark.usefixtures("brief")
def test_the_rest_of_a_request_is_not_read_forever(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(connections, "LINGER_SECONDS", 0.5)
    with Server(ConnectionLimiter(1000)) as server:
        asking = server.connect(b"POST /deaf HTTP/1.1\r\nHost: x\r\nContent-Length: 999999\r\n\r\n")
        with closing(asking):
            assert answered(asking)
            begun = time.monotonic()
            with pytest.raises(ConnectionError):
                while time.monotonic() - begun < 30:  # in time for BODY_SECONDS, part by part
                    asking.sendall(b"a")
                    time.sleep(0.05)
    assert not closed(caplog)


HEADER = b"a: " + b"b" * 1000 + b"\r\n"
CHUNKED = b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(
    ("begun", "repeated"),
    [
        (b"GET / HTTP/1.1\r\n", HEADER),
        (b"GET / HTTP/1.1\r\na: ", b"b" * 1000),  # one header that does not end
        (b"GET /", b"b" * 1000),
        (b"", b"\r\n" * 500),
    ],
)
def test_a_head_without_an_end_is_refused(begun: bytes, repeated: bytes) -> None:
    with Server(ConnectionLimiter(1000)) as server, closing(endless := server.connect(begun)):
        for _ in range(400_000 // len(repeated)):
            endless.sendall(repeated)
        assert whole(endless).startswith(b"HTTP/1.1 400")


def test_a_head_that_comes_at_once_has_the_same_bound() -> None:
    large = b"GET / HTTP/1.1\r\na: %b\r\nHost: x\r\n\r\n"
    with Server(ConnectionLimiter(1000)) as server:
        with closing(fine := server.connect(large % (b"b" * (HEAD_BYTES - 100)))):
            assert answered(fine)
        with closing(refused := server.connect(large % (b"b" * (HEAD_BYTES + 100)))):
            assert whole(refused).startswith(b"HTTP/1.1 400")


@pytest.mark.parametrize(
    ("begun", "repeated"),
    [
        (CHUNKED + b"0\r\n", HEADER),
        (CHUNKED + b"0\r\na: ", b"b" * 1000),
        (STREAM + b"GET / HTTP/1.1\r\n", HEADER),  # the next request's, while the first one is answered
        (STREAM + b"GET / HTTP/1.1\r\na: ", b"b" * 1000),
    ],
)
def test_trailers_and_heads_behind_another_request_have_an_end_too(
    begun: bytes, repeated: bytes, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "LOG_SECONDS", 0.1)
    with Server(ConnectionLimiter(1000)) as server, closing(endless := server.connect(begun)):
        with pytest.raises(ConnectionError):
            while True:
                endless.sendall(repeated)
        deadline = time.monotonic() + 30
        while not (said := closed(caplog)) and time.monotonic() < deadline:
            time.sleep(0.05)
    assert [vars(record)["reason"] for record in said] == ["too long a request head"]


@pytest.mark.parametrize("proxies", [(), (ip_network("127.0.0.0/8"),)])
def test_when_all_places_are_taken_who_waits_longest_goes(monkeypatch: pytest.MonkeyPatch, proxies: Any) -> None:
    monkeypatch.setattr(connections, "MAX_CONNECTIONS", 20)
    with Server(ConnectionLimiter(1000, proxies)) as server:
        stream = server.connect(STREAM)
        assert answered(stream)
        half = [server.connect(HALF) for _ in range(60)]
        with closing(stream, *half):
            for _ in range(5):
                with closing(good := server.connect(WHOLE)):
                    assert answered(good)
            assert not answered(half[0])
            half[-1].sendall(b"\r\n\r\n" + b"x" * 99)
            assert answered(half[-1])
            assert stream.recv(100)


def test_one_address_cannot_take_all_places(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "MAX_CONNECTIONS", 80)
    monkeypatch.setattr(ConnectionLimiter, "_is_shared", lambda limiter, address: address == "127.0.0.1")
    with Server(ConnectionLimiter(1000)) as server, ExitStack() as streams:
        # Each is at work before the next one comes.
        seen = [answered(streams.enter_context(server.connect(STREAM, "127.0.0.2"))) for _ in range(30)]
        assert seen == [True] * 20 + [False] * 10
        others = [server.connect(STREAM) for _ in range(40)]
        with closing(*others):
            assert all(answered(other) for other in others)


def test_who_comes_through_this_machine_or_a_named_proxy_is_not_one_address() -> None:
    limiter = ConnectionLimiter(1000, (ip_network("10.0.0.0/24"), ip_network("fd00::7/128")))
    shared = [address for address in ("127.0.0.1", "::1", "10.0.0.9", "fd00::7") if limiter._is_shared(address)]
    assert shared == ["127.0.0.1", "::1", "10.0.0.9", "fd00::7"]
    assert not any(limiter._is_shared(address) for address in ("10.0.1.9", "fd00::8", "192.0.2.1", "unknown"))
    assert (limiter.max_connections, ConnectionLimiter(1 << 16).max_connections) == (500, 4096)


FEW_FILES = "import resource; resource.setrlimit(resource.RLIMIT_NOFILE, (256, 1024)); "


@pytest.mark.server
def test_many_half_requests_do_not_hold_the_service(tmp_path: Path) -> None:
    with LiveService(tmp_path, first=FEW_FILES + COUNTING) as service:
        service.start()
        held = [socket.create_connection(("127.0.0.1", service.port), timeout=20) for _ in range(700)]
        with closing(*held):
            for connection in held:
                try:
                    connection.sendall(HALF)
                except ConnectionError:
                    continue  # its place went to a later one
            # Over many connections of their own: one that was there before, or a last free file, would serve a few.
            others = [socket.create_connection(("127.0.0.1", service.port), timeout=60) for _ in range(20)]
            with closing(*others):
                for number, other in enumerate(others):
                    path = ("/healthz", "/readyz", "/v1/jobs")[number % 3]
                    head = f"GET {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {service.key}\r\n\r\n"
                    other.sendall(head.encode())
                assert all(answered(other) for other in others)
            deadline = time.monotonic() + 30
            while "connections closed" not in (tmp_path / "err").read_text() and time.monotonic() < deadline:
                time.sleep(0.2)
        said = [line for line in (tmp_path / "err").read_text().splitlines() if "connections closed" in line]
        assert 1 <= len(said) < 20
        assert '"reason": "too many connections"' in said[0]
        service.stop()


def test_the_limit_of_open_files_is_raised_to_what_is_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[int, int]] = []
    monkeypatch.setattr(resource, "setrlimit", lambda _, limits: asked.append(limits))
    endless = resource.RLIM_INFINITY
    for there, gives in (
        ((1024, 4096), 4096),
        ((1024, endless), 1 << 16),
        ((4096, 4096), 4096),
        ((endless, endless), 1 << 16),
        ((1 << 20, 1 << 20), 1 << 20),
    ):
        monkeypatch.setattr(resource, "getrlimit", lambda _, there=there: there)
        assert raise_file_limit() == gives
    assert asked == [(4096, 4096), (1 << 16, endless)]


def test_a_port_in_use_is_one_sentence_before_anything_begins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("GAN_AUG_DATABASE_URL", raising=False)
    monkeypatch.setattr("gan_aug_service.http.logs.install", lambda: None)
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        assert call(monkeypatch, "serve", "--state", tmp_path / "state", "--port", port) == 2
    said = capsys.readouterr()
    assert f"--port {port}: another program listens there" in said.err
    assert "Serving on" not in said.err
    assert "ganaug_" not in said.out
    assert len(said.err.splitlines()) == 1


def test_addresses_that_are_not_ours_are_named() -> None:
    for host in ("192.0.2.1", "no-such-host.invalid"):
        with pytest.raises(ConfigError, match=f"--host {host}"), bind_sockets(host, 0):
            pass
    with bind_sockets("localhost", 0) as sockets:
        assert sockets


@pytest.mark.server
def test_where_it_serves_is_said_once_it_does(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    with LiveService(tmp_path) as service:
        service.start()
        assert f"Serving on http://127.0.0.1:{service.port}" in (tmp_path / "err").read_text()
        service.stop()
