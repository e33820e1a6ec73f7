"""STOW-RS: files sent to the DICOMweb service of an archive, many in a request (PS3.18, section 10.5)."""

from __future__ import annotations

import base64
import os
import secrets
from collections.abc import Mapping, Sequence
from typing import Any

from gan_aug.config.export import ArchiveExport
from gan_aug.config.section import plain_address
from gan_aug.data.dicom.web.http import BUSY, Credentials, host, kind_of_fault, read_secret
from gan_aug.errors import ConfigError, StorageError
from gan_aug.export.archive.sending import Answer, Instance, Unreached

STORED, FAILED = "00081199", "00081198"
"""Tags of the sequences of instances that were stored, and that were not."""

INSTANCE, REASON = "00081155", "00081197"
"""Tags of Referenced SOP Instance UID and Failure Reason."""

TOO_LARGE = 413

PASSING = {0xA700, 0x0110}
"""Failure reasons that may pass: out of resources, and a failure in processing."""


class StowConnection:
    """A connection to the DICOMweb service at an address; see Connection."""

    def __init__(self, address: str, options: ArchiveExport) -> None:
        """Prepare a connection; nothing is sent yet.

        Raises ConfigError if the address holds a secret or is none, or a secret is not in the environment.
        """
        try:
            import requests  # noqa: TID251 - the door
        except ImportError as error:
            raise ConfigError("--to stow needs requests: pip install 'gan-aug[dicom]'") from error

        self._url = checked_url(address)
        self._options = options
        self._session = requests.Session()
        # Set without a secret too: otherwise requests would send a password from the user's ~/.netrc.
        self._session.auth = Credentials(_authorization(options))
        if options.certificate:
            own = str(options.certificate)
            self._session.cert = (own, str(options.key)) if options.key else own

    def send(self, batch: Sequence[Instance]) -> Mapping[str, Answer]:
        """See Connection; a request that is too large for the archive is sent in halves."""
        answer = self._post(batch)
        if answer.status_code == TOO_LARGE and len(batch) > 1:
            middle = len(batch) // 2
            return {**self.send(batch[:middle]), **self.send(batch[middle:])}
        if answer.status_code == TOO_LARGE:
            return {batch[0].uid: Answer("the archive takes no file of that size (413)")}
        if answer.status_code in BUSY:
            raise Unreached(f"the archive at {host(self._url)} is not ready (it answers {answer.status_code})")
        if answer.status_code in (401, 403):
            raise ConfigError(
                f"the archive at {host(self._url)} asks for a sign-in, or refuses yours ({answer.status_code}): name "
                "the environment variable of your token or user:password in archive.token_env or archive.login_env"
            )
        told = _told(answer)
        if answer.status_code == 200 and not told:  # it took all, by the standard
            return {one.uid: Answer() for one in batch}
        if not told:
            raise StorageError(
                f"{self._url} answers {answer.status_code} to a STOW-RS request: check that it is the root of the "
                "archive's DICOMweb service, and that you may store there"
            )
        return told

    def close(self) -> None:
        """See Connection."""
        self._session.close()

    def _post(self, batch: Sequence[Instance]) -> Any:
        import requests  # noqa: TID251

        boundary = secrets.token_hex(16)
        head = f"--{boundary}\r\nContent-Type: application/dicom\r\n\r\n".encode()
        parts = [part for one in batch for part in (head, one.content, b"\r\n")]
        try:
            return self._session.post(
                f"{self._url}/studies",
                data=b"".join([*parts, f"--{boundary}--\r\n".encode()]),
                headers={
                    "Content-Type": f'multipart/related; type="application/dicom"; boundary={boundary}',
                    "Accept": "application/dicom+json",
                },
                timeout=self._options.timeout,
                allow_redirects=False,
                # Given here: the session's own would yield to REQUESTS_CA_BUNDLE.
                verify=str(self._options.authority) if self._options.authority else None,
            )
        except requests.RequestException as error:
            kind = kind_of_fault(error)
            if kind == "certificate":
                raise StorageError(
                    f"the archive at {host(self._url)} has a certificate that is not trusted, or wants one: name your "
                    "authority's file in archive.authority, and your own in archive.certificate"
                ) from error
            said = (
                f"gives no answer within {self._options.timeout:g} seconds (archive.timeout)"
                if kind == "timeout"
                else "cannot be reached, or ends the connection"
            )
            raise Unreached(f"the archive at {host(self._url)} {said}") from error
        except OSError as error:  # a file of a certificate that is not there
            raise ConfigError(f"archive.authority, archive.certificate or archive.key: {error}") from error


def checked_url(address: str) -> str:
    """The root of a DICOMweb service, without a slash at its end; raises ConfigError if it is none."""
    try:
        return plain_address(address, "archive.token_env or archive.login_env").rstrip("/")
    except ValueError as error:
        shown = "the address" if "@" in address else repr(address)
        raise ConfigError(f"--to stow: {shown}: {error}") from error


def _authorization(options: ArchiveExport) -> str | None:
    """The Authorization header, if there is one."""
    if token := read_secret(options.token_env, os.environ, "archive.token_env"):
        return f"Bearer {token}"
    if login := read_secret(options.login_env, os.environ, "archive.login_env"):
        return f"Basic {base64.b64encode(login.encode()).decode()}"
    return None


def _told(answer: Any) -> dict[str, Answer]:
    """What an answer says of each instance."""
    try:
        body = answer.json()
    except ValueError:
        return {}
    body = body[0] if isinstance(body, list) and body else body
    if not isinstance(body, dict):
        return {}
    told = {uid: Answer() for uid, _ in _items(body, STORED)}
    for uid, item in _items(body, FAILED):
        reason = _first(item, REASON)
        code = f" (reason {reason:#06x})" if isinstance(reason, int) else ""
        told[uid] = Answer(f"the archive does not take it{code}", passing=reason in PASSING)
    return told


def _items(body: dict[str, Any], sequence: str) -> list[tuple[str, dict[str, Any]]]:
    element = body.get(sequence)
    items = element.get("Value") if isinstance(element, dict) else None
    return [(str(_first(item, INSTANCE)), item) for item in items or [] if isinstance(item, dict)]


def _first(item: dict[str, Any], tag: str) -> Any:
    element = item.get(tag)
    values = element.get("Value") if isinstance(element, dict) else None
    return values[0] if isinstance(values, list) and values else None
