"""C-STORE: files sent to an archive by DICOM's own protocol, one after the other over each association (PS3.7)."""

from __future__ import annotations

import re
import socket
import ssl
import threading
from collections.abc import Mapping, Sequence
from io import BytesIO
from typing import Any, cast

from pydicom import Dataset, dcmread  # noqa: TID251 - the door

from gan_aug.config.export import ArchiveExport
from gan_aug.errors import ConfigError, StorageError
from gan_aug.export.archive.sending import Answer, Instance, Unconnected, Unreached

ADDRESS = re.compile(r"(?P<title>[ -\[\]-~]{1,16})@(?P<host>[\w.-]+|\[[0-9a-fA-F:.]+\]):(?P<port>\d{1,5})", re.ASCII)
"""AE title, host and port: PACS@pacs.example:11112."""

WARNINGS = {0xB000, 0xB006, 0xB007}
"""Statuses of files that were stored, but not exactly as they were sent."""

OUT_OF_RESOURCES = range(0xA700, 0xA800)
"""Statuses of a refusal that may pass."""

TRANSIENT = 2
"""The result of an association that was rejected for now."""


class CStoreConnection:
    """An association with the archive at an address; see Connection."""

    def __init__(self, address: str, options: ArchiveExport) -> None:
        """Prepare an association; nothing is sent yet.

        Raises ConfigError if the address is none, pynetdicom is not installed, or a certificate is not there.
        """
        try:
            from pynetdicom import AE  # noqa: TID251 - the door
        except ImportError as error:
            raise ConfigError("--to cstore needs pynetdicom: pip install 'gan-aug[dicom]'") from error

        self._title, self._host, self._port = checked_address(address)
        self._options = options
        self._tls = (_tls(options), self._host) if options.tls else None
        self._entity = AE(ae_title=options.calling)
        self._entity.acse_timeout = self._entity.dimse_timeout = options.timeout
        self._entity.network_timeout = self._entity.connection_timeout = options.timeout
        self._association: Any = None

    def send(self, batch: Sequence[Instance]) -> Mapping[str, Answer]:
        """See Connection."""
        answers: dict[str, Answer] = {}
        for one in batch:
            dataset = dcmread(BytesIO(one.content))
            self._associate(str(dataset.SOPClassUID), str(dataset.file_meta.TransferSyntaxUID))
            try:
                status = self._association.send_c_store(dataset)
            except RuntimeError:  # the association ended since it was last used
                status = Dataset()
            if "Status" not in status:
                if answers:
                    return answers  # the others are sent again
                raise Unreached(f"{self._named} gives no answer, or ends the association")
            answers[one.uid] = _answer(int(status.Status))
        return answers

    def close(self) -> None:
        """See Connection."""
        if self._association is not None and self._association.is_established:
            self._association.release()
        self._association = None

    @property
    def _named(self) -> str:
        return f"the archive {self._title} at {self._host}:{self._port}"

    def _associate(self, sop_class: str, syntax: str) -> None:
        """Make the association, if there is none."""
        if self._association is not None and self._association.is_established:
            return
        self._entity.requested_contexts = []
        self._entity.add_requested_context(sop_class, syntax)
        made = self._entity.associate(self._host, self._port, ae_title=self._title, tls_args=self._tls)
        if made.is_rejected and getattr(made.acceptor.primitive, "result", None) == TRANSIENT:
            raise Unconnected(f"{self._named} takes no further association now")
        if made.is_rejected:
            raise StorageError(
                f"{self._named} rejects the association of {self._options.calling}: check both AE titles "
                "(archive.calling is this side's), and that the archive knows this side"
            )
        if not made.is_established:
            if made.rejected_contexts and not made.accepted_contexts:
                raise StorageError(
                    f"{self._named} does not take Secondary Capture images of this kind in this transfer syntax: try "
                    "dicom.syntax explicit, dicom.frames 1 and dicom.bits 8"
                )
            secure = ", or does not speak TLS, or has or wants another certificate" if self._tls else ""
            raise Unconnected(f"{self._named} cannot be reached{secure}")
        made._reactor_checkpoint = cast(Any, Checkpoint(made))
        # Without this each of the two parts of a message waits for the other side to acknowledge the one before.
        link: Any = made.dul.socket
        link.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._association = made


class Checkpoint:
    """Stops the thread of an association while a file is sent; takes the place of pynetdicom's own event.

    That thread takes messages from the same queue as the sender. pynetdicom clears an event and looks at a flag, which
    is still set for a moment after the thread went on, so on a busy machine the thread took the answer to a file, and
    the sender waited for it in vain. Here `clear` returns once the thread waits, or has ended.
    """

    def __init__(self, association: threading.Thread) -> None:
        self._association = association
        self._changed = threading.Condition()
        self._open = True
        self._waiting = False

    def is_set(self) -> bool:
        """Whether the thread may go on."""
        return self._open

    def set(self) -> None:
        """Let the thread go on."""
        with self._changed:
            self._open = True
            self._changed.notify_all()

    def clear(self) -> None:
        """Stop the thread the next time it comes by, and wait for that."""
        with self._changed:
            self._open = False
            while not self._waiting and self._association.is_alive():
                self._changed.wait(0.1)  # a thread that ends tells nobody

    def wait(self) -> None:
        """Called by the thread of the association: return when it may go on."""
        with self._changed:
            while not self._open:
                self._waiting = True
                self._changed.notify_all()
                self._changed.wait()
            self._waiting = False


def checked_address(address: str) -> tuple[str, str, int]:
    """AE title, host and port; raises ConfigError if the address is none."""
    found = ADDRESS.fullmatch(address)
    if not found or not 0 < int(found["port"]) < 2**16 or not found["title"].strip():
        raise ConfigError(
            f"--to cstore: {address!r} is no address: write AE@HOST:PORT, such as PACS@pacs.example:11112"
        )
    return found["title"].strip(), found["host"].strip("[]"), int(found["port"])


def _answer(status: int) -> Answer:
    if status == 0 or status in WARNINGS:
        return Answer()
    return Answer(f"the archive does not take it (status {status:#06x})", passing=status in OUT_OF_RESOURCES)


def _tls(options: ArchiveExport) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=str(options.authority) if options.authority else None)
        if options.certificate:
            context.load_cert_chain(options.certificate, options.key)
    except OSError as error:  # ssl's own errors are of this kind
        raise ConfigError(f"archive.authority, archive.certificate or archive.key: {error}") from error
    return context
