"""The upper layer's data units against an archive that answers byte by byte what it is told to."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from gan_aug.export.archive.association import Association, Broken, NotTaken, Rejected, Wanted
from tests.support.service.held_port import HeldPort

pytestmark = pytest.mark.server

WANTED = Wanted("PACS", "GAN-AUG", "1.2.840.10008.5.1.4.1.1.7", "1.2.840.10008.1.2.1", "2.25.1")


def unit(kind: int, content: bytes) -> bytes:
    return struct.pack(">BxI", kind, len(content)) + content


def item(kind: int, content: bytes) -> bytes:
    return struct.pack(">BxH", kind, len(content)) + content


def accepted(most: int, result: int = 0) -> bytes:
    context = item(0x21, bytes([1, 0, result, 0]) + item(0x40, WANTED.syntax.encode()))
    user = item(0x50, item(0x51, struct.pack(">I", most)) + item(0x52, b"1.2.3"))
    return unit(2, bytes(68) + item(0x10, b"1.2.840.10008.3.1.1.1") + context + user)


def response(status: int, control: int = 3) -> bytes:
    command = struct.pack("<HHIH", 0, 0x0100, 2, 0x8001) + struct.pack("<HHIH", 0, 0x0900, 2, status)
    return unit(4, struct.pack(">IBB", len(command) + 2, 1, control) + command)


@contextmanager
def answering(*answers: bytes) -> Iterator[tuple[int, list[bytes]]]:
    """A server that sends an answer, cut into pieces, whenever something comes, and hangs up after the last."""
    got: list[bytes] = []

    def serve(listener: socket.socket) -> None:
        connection, _ = listener.accept()
        with connection:
            for answer in answers:
                got.append(connection.recv(1 << 20))
                for at in range(0, len(answer), 7):
                    connection.sendall(answer[at : at + 7])

    with HeldPort() as port, socket.create_server(("127.0.0.1", port.number), reuse_port=False) as listener:
        thread = threading.Thread(target=serve, args=(listener,), daemon=True)
        thread.start()
        yield port.number, got
        thread.join(10)


def opened(port: int, timeout: float = 10) -> Association:
    return Association("127.0.0.1", port, WANTED, timeout, None)


def test_an_image_goes_in_units_that_the_other_side_takes() -> None:
    with answering(accepted(1030), response(0xB000), response(0), unit(6, bytes(4))) as (port, got):
        association = opened(port)
        assert association.store("2.25.123", bytes(3000)) == 0xB000
        assert association.store("2.25.1234", b"12") == 0
        association.release()
    request, first, second, last = got
    assert request[:6] == struct.pack(">BxI", 1, len(request) - 6)
    assert request[10:42] == b"PACS".ljust(16) + b"GAN-AUG".ljust(16)
    sizes, at = [], 0
    while at < len(first):
        kind, length = struct.unpack_from(">BxI", first, at)
        assert kind == 4
        sizes.append((length, first[at + 11]))
        at += 6 + length
    assert sizes[0][1] == 3
    assert sizes[1:] == [(1030, 0), (1030, 0), (958, 2)]
    assert b"2.25.123" in first
    assert b"2.25.1234\0" in second
    assert last == unit(5, bytes(4))


@pytest.mark.parametrize(
    ("answers", "error"),
    [
        ((unit(3, bytes([0, 1, 1, 7])),), Rejected),
        ((unit(3, bytes([0, 2, 3, 2])),), Rejected),
        ((accepted(0, result=3),), NotTaken),
        ((unit(2, bytes(68)),), NotTaken),
        ((unit(7, bytes(4)),), Broken),
        ((b"HTTP/1.1 400 Bad Request\r\n\r\n",), Broken),
        ((b"",), Broken),
        ((accepted(0)[:40],), Broken),
    ],
)
def test_what_is_no_association_is_told(answers: tuple[bytes, ...], error: type[Exception]) -> None:
    with answering(*answers) as (port, _), pytest.raises(error) as caught:
        opened(port)
    if isinstance(caught.value, Rejected):
        assert caught.value.passing == (answers[0][7] == 2)


@pytest.mark.parametrize(
    "answer", [unit(7, bytes(4)), b"", unit(4, bytes(10)), response(0)[:-3], response(0, control=1)]
)
def test_what_is_no_answer_is_told(answer: bytes) -> None:
    with answering(accepted(0), answer) as (port, _):
        association = opened(port)
        with pytest.raises(Broken):
            association.store("2.25.1", b"12")
        association.release()


def test_silence_ends() -> None:
    with HeldPort() as port, socket.create_server(("127.0.0.1", port.number)), pytest.raises(Broken, match="timed out"):
        opened(port.number, timeout=0.1)
    with HeldPort() as port, pytest.raises(Broken, match="refused"):
        opened(port.number)
