"""C-STORE: files sent to an archive by DICOM's own protocol, one after the other over each association (PS3.7)."""

from __future__ import annotations

import re
import ssl
import struct
from collections.abc import Mapping, Sequence

from gan_aug.config.export import ArchiveExport
from gan_aug.errors import ConfigError, StorageError
from gan_aug.export.archive.association import Association, Broken, NotTaken, Rejected, Untrusted, Wanted
from gan_aug.export.archive.sending import Answer, Instance, Unconnected, Unreached

META = 144
"""Where the file meta information begins, behind the element with its length."""

SOP_CLASS, SYNTAX, IMPLEMENTATION = 0x0002, 0x0010, 0x0012
"""Elements of group 0002: Media Storage SOP Class UID, Transfer Syntax UID, Implementation Class UID."""

ADDRESS = re.compile(r"(?P<title>[ -\[\]-~]{1,16})@(?P<host>[\w.-]+|\[[0-9a-fA-F:.]+\]):(?P<port>\d{1,5})", re.ASCII)
"""AE title, host and port: PACS@pacs.example:11112."""

WARNINGS = {0xB000, 0xB006, 0xB007}
"""Statuses of files that were stored, but not exactly as they were sent."""

OUT_OF_RESOURCES = range(0xA700, 0xA800)
"""Statuses of a refusal that may pass."""


class CStoreConnection:
    """An association with the archive at an address; see Connection."""

    def __init__(self, address: str, options: ArchiveExport) -> None:
        """Prepare an association; nothing is sent yet.

        Raises ConfigError if the address is none, or a certificate is not there.
        """
        self._title, self._host, self._port = checked_address(address)
        self._options = options
        self._tls = _tls(options) if options.tls else None
        self._association: Association | None = None

    def send(self, batch: Sequence[Instance]) -> Mapping[str, Answer]:
        """See Connection."""
        answers: dict[str, Answer] = {}
        for one in batch:
            meta, dataset = split_file(one.content)
            association = self._association or self._associate(meta)
            try:
                answers[one.uid] = _answer(association.store(one.uid, dataset))
            except Broken as error:
                if answers:
                    self._association = None
                    break  # the others are sent again
                raise Unreached(f"{self._named} gives no answer, or ends the association ({error})") from error
        return answers

    def close(self) -> None:
        """See Connection."""
        if self._association is not None:
            self._association.release()
        self._association = None

    @property
    def _named(self) -> str:
        return f"the archive {self._title} at {self._host}:{self._port}"

    def _associate(self, meta: Mapping[int, str]) -> Association:
        """Make the association for files with this file meta information."""
        wanted = Wanted(self._title, self._options.calling, meta[SOP_CLASS], meta[SYNTAX], meta[IMPLEMENTATION])
        try:
            self._association = Association(self._host, self._port, wanted, self._options.timeout, self._tls)
        except Rejected as answer:
            if answer.passing:
                raise Unconnected(f"{self._named} takes no further association now") from answer
            raise StorageError(
                f"{self._named} rejects the association of {self._options.calling}: check both AE titles "
                "(archive.calling is this side's), and that the archive knows this side"
            ) from answer
        except NotTaken as answer:
            raise StorageError(
                f"{self._named} does not take Secondary Capture images of this kind in this transfer syntax: try "
                "dicom.syntax explicit, dicom.frames 1 and dicom.bits 8"
            ) from answer
        except Untrusted as error:
            raise StorageError(
                f"{self._named} does not encrypt, or one side does not trust the other's certificate ({error}): see "
                "archive.authority and archive.certificate"
            ) from error
        except Broken as error:
            raise Unconnected(f"{self._named} cannot be reached ({error})") from error
        return self._association


def split_file(content: bytes) -> tuple[dict[int, str], bytes]:
    """The file meta information of a file of ours, as texts by the element's number, and the data set behind it."""
    (length,) = struct.unpack_from("<I", content, META - 4)
    meta: dict[int, str] = {}
    at, end = META, META + length
    while at < end:
        _, element, vr, size = struct.unpack_from("<HH2sH", content, at)
        if vr == b"OB":
            at += 12 + int(struct.unpack_from("<I", content, at + 8)[0])
            continue
        meta[element] = content[at + 8 : at + 8 + size].rstrip(b"\0 ").decode("ascii")
        at += 8 + size
    return meta, content[end:]


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
