"""An association of DICOM's upper layer, for C-STORE requests alone (PS3.8, section 9.3; PS3.7, section 9.3.1)."""

from __future__ import annotations

import socket
import ssl
import struct
from collections.abc import Iterator
from dataclasses import dataclass

APPLICATION_CONTEXT = b"1.2.840.10008.3.1.1.1"
ASSOCIATE_AC, ASSOCIATE_RJ, P_DATA, RELEASE_RQ, RELEASE_RP = 2, 3, 4, 5, 6
"""Types of protocol data units."""

CONTEXT = 1
"""The id of the one presentation context."""

COMMAND, LAST = 1, 2
"""Bits of a fragment's control header: it is of a command, and the last one."""

OWN_MOST = 1 << 16
"""Bytes of a data unit that this side takes; answers have some hundred."""

LARGEST = 1 << 17
"""Bytes of a data unit above which the other side is taken to speak something else."""

STATUS = 0x00000900
"""The tag of the status in a response."""


class Broken(Exception):
    """The other side is not there, ended the association, or speaks something else; the message says which."""


class Untrusted(Broken):
    """Encryption was not agreed on: one side does not trust the other's certificate, or does not encrypt."""


class Rejected(Exception):
    """The other side rejects the association, for now (`passing`) or for good."""

    def __init__(self, passing: bool) -> None:
        super().__init__(passing)
        self.passing = passing


class NotTaken(Exception):
    """The other side takes no such class of images, or not in this transfer syntax."""


@dataclass(frozen=True)
class Wanted:
    """What an association is asked for: the titles of both sides, the class and transfer syntax, and who implements."""

    called: str
    calling: str
    sop_class: str
    syntax: str
    implementation: str


class Association:
    """An open association; see `__init__`."""

    def __init__(self, host: str, port: int, wanted: Wanted, timeout: float, tls: ssl.SSLContext | None) -> None:
        """Connect, and ask for the association.

        Args:
            host: The other side's host.
            port: Its port.
            wanted: What is asked for.
            timeout: Seconds without an answer after which the other side is taken to be away.
            tls: How the connection is encrypted; None for not at all.

        Raises:
            Untrusted: Encryption was not agreed on.
            Broken: It is not there.
            Rejected: It does not want the association.
            NotTaken: It does not take such images.
        """
        self._message, self._most = 0, 0
        self._sop_class = wanted.sop_class
        try:
            self._socket = socket.create_connection((host, port), timeout)
        except OSError as error:
            raise _broken(error) from error
        try:
            # Without this a request of several units would wait for the other side to acknowledge the first.
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if tls:
                self._encrypt(tls, host)
            self._write(_associate_request(wanted))
            self._agree(*self._read())
        except BaseException:
            self._socket.close()
            raise

    def store(self, uid: str, dataset: bytes) -> int:
        """Send an image and wait for the answer.

        Args:
            uid: Its SOP Instance UID.
            dataset: The data set in the transfer syntax that was asked for, without file meta information.

        Returns:
            The status.

        Raises:
            Broken: No answer came.
        """
        self._message = self._message % 0xFFFF + 1
        command = _command(self._sop_class, uid, self._message)
        self._write(b"".join([*self._units(command, COMMAND), *self._units(dataset, 0)]))
        response = b""
        while True:
            kind, body = self._read()
            if kind != P_DATA:
                raise Broken("it ended the association")
            for header, fragment in _fragments(body):
                response += fragment if header & COMMAND else b""
                if header & COMMAND and header & LAST:
                    return _status(response)

    def release(self) -> None:
        """End the association in good order, if the other side still answers."""
        try:
            self._write(_unit(RELEASE_RQ, bytes(4)))
            while self._read()[0] != RELEASE_RP:
                pass
        except Broken:
            pass
        finally:
            self._socket.close()

    def _encrypt(self, tls: ssl.SSLContext, host: str) -> None:
        try:
            self._socket = tls.wrap_socket(self._socket, server_hostname=host)
        except OSError as error:
            raise _broken(error) from error

    def _agree(self, kind: int, body: bytes) -> None:
        """Look at the answer to the request."""
        if kind == ASSOCIATE_RJ and len(body) == 4:
            raise Rejected(passing=body[1] == 2)
        if kind != ASSOCIATE_AC:
            raise Broken("it ended the association")
        taken = False
        for item, value in _items(body[68:]):
            if item == 0x21 and len(value) > 2:
                taken = value[0] == CONTEXT and value[2] == 0
            elif item == 0x50:
                for part, content in _items(value):
                    if part == 0x51 and len(content) == 4:
                        (self._most,) = struct.unpack(">I", content)
        if not taken:
            raise NotTaken

    def _units(self, content: bytes, kind: int) -> Iterator[bytes]:
        """`content` in data units that are no larger than the other side takes; it takes any size if it says 0."""
        most = max(self._most - 6, 1024) if self._most else len(content) or 1
        for start in range(0, len(content), most):
            last = LAST if start + most >= len(content) else 0
            part = content[start : start + most]
            yield _unit(P_DATA, struct.pack(">IBB", len(part) + 2, CONTEXT, kind | last) + part)

    def _write(self, content: bytes) -> None:
        try:
            self._socket.sendall(content)
        except OSError as error:
            raise _broken(error) from error

    def _read(self) -> tuple[int, bytes]:
        """The type and the content of the next data unit."""
        kind, length = struct.unpack(">BxI", self._exactly(6))
        if length > LARGEST:
            raise Broken("it does not speak DICOM")
        return kind, self._exactly(length)

    def _exactly(self, count: int) -> bytes:
        content = b""
        while len(content) < count:
            try:
                part = self._socket.recv(count - len(content))
            except OSError as error:
                raise _broken(error) from error
            if not part:
                raise Broken("it ended the connection")
            content += part
        return content


def _broken(error: OSError) -> Broken:
    untrusted = isinstance(error, ssl.SSLError) and not isinstance(error, (ssl.SSLEOFError, ssl.SSLZeroReturnError))
    return Untrusted(str(error)) if untrusted else Broken(str(error))


def _associate_request(wanted: Wanted) -> bytes:
    titles = b"".join(title.encode("ascii").ljust(16)[:16] for title in (wanted.called, wanted.calling))
    syntaxes = _item(0x30, wanted.sop_class.encode()) + _item(0x40, wanted.syntax.encode())
    user = _item(0x51, struct.pack(">I", OWN_MOST)) + _item(0x52, wanted.implementation.encode())
    items = _item(0x10, APPLICATION_CONTEXT) + _item(0x20, bytes([CONTEXT, 0, 0, 0]) + syntaxes) + _item(0x50, user)
    return _unit(1, struct.pack(">Hxx", 1) + titles + bytes(32) + items)


def _command(sop_class: str, uid: str, message: int) -> bytes:
    """A C-STORE request of medium priority, with a data set, in implicit VR little endian."""
    elements = [
        (0x0002, _even(sop_class)),
        (0x0100, struct.pack("<H", 0x0001)),
        (0x0110, struct.pack("<H", message)),
        (0x0700, struct.pack("<H", 0)),
        (0x0800, struct.pack("<H", 1)),
        (0x1000, _even(uid)),
    ]
    content = b"".join(struct.pack("<HHI", 0, element, len(value)) + value for element, value in elements)
    return struct.pack("<HHII", 0, 0, 4, len(content)) + content


def _status(response: bytes) -> int:
    at = 0
    while at + 8 <= len(response):
        group, element, length = struct.unpack_from("<HHI", response, at)
        if group << 16 | element == STATUS and at + 10 <= len(response):
            return int(struct.unpack_from("<H", response, at + 8)[0])
        at += 8 + length
    raise Broken("its answer has no status")


def _even(uid: str) -> bytes:
    value = uid.encode()
    return value + b"\0" * (len(value) % 2)


def _unit(kind: int, content: bytes) -> bytes:
    return struct.pack(">BxI", kind, len(content)) + content


def _item(kind: int, content: bytes) -> bytes:
    return struct.pack(">BxH", kind, len(content)) + content


def _items(content: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    while at + 4 <= len(content):
        kind, length = struct.unpack_from(">BxH", content, at)
        yield kind, content[at + 4 : at + 4 + length]
        at += 4 + length


def _fragments(body: bytes) -> Iterator[tuple[int, bytes]]:
    """The control header and the content of each fragment in a data unit."""
    at = 0
    while at + 6 <= len(body):
        (length,) = struct.unpack_from(">I", body, at)
        yield body[at + 5], body[at + 6 : at + 4 + length]
        at += 4 + max(length, 2)
