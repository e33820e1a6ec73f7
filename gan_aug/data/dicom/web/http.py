"""HTTP requests to a DICOMweb archive: answers and tries are limited, redirects refused, secrets never shown."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from io import BytesIO
from typing import Any, Literal
from urllib.parse import urlsplit

from gan_aug.config.data import DicomWebConfig
from gan_aug.errors import Cancelled, ConfigError, DataError

SEARCH_LIMIT = 64 * 2**20
"""Bytes that one page of search results may have."""

FIRST_PAUSE = 0.5
"""Seconds before the second try; each further pause is twice as long, up to 8 seconds."""

BUSY = {429, 502, 503, 504}
"""HTTP status codes after which a request is tried again."""

LOGGERS = ("dicomweb_client.web", "urllib3.connection", "urllib3.connectionpool", "pynetdicom")
"""Loggers that quote addresses, which hold UIDs and search values, or faults that are told otherwise."""


class RefusedError(Exception):
    """The archive refuses one request; the message is the reason and may go into a report."""


class ArchiveSession:
    """Replaces the `requests.Session` of dicomweb-client, so that its searches have the same limits as retrievals."""

    def __init__(self, config: DicomWebConfig, token: str | None, cancelled: Callable[[], bool] | None) -> None:
        """Prepare a session; nothing is sent yet.

        Args:
            config: The archive, the timeout and the number of retries.
            token: A bearer token, which goes into the header of every request and nowhere else; or None.
            cancelled: Says whether to stop, or None.
        """
        import requests  # noqa: TID251

        self.config = config
        self.cancelled = cancelled
        self.session = requests.Session()
        # Set without a token too: otherwise requests would send a password from the user's ~/.netrc.
        self.session.auth = Credentials(f"Bearer {token}" if token else None)

    def get(self, url: str, headers: dict[str, str] | None = None, **_: Any) -> Any:
        """Send a search; dicomweb-client calls this method.

        Args:
            url: The address.
            headers: The request's headers, or None.
            _: Further arguments of `requests.Session.get`, which are ignored.

        Returns:
            The complete answer; see `fetch`, whose errors are raised.
        """
        kept = {name: value for name, value in (headers or {}).items() if name != "Host"}
        return self.fetch(url, kept, SEARCH_LIMIT)

    def fetch(self, url: str, headers: dict[str, str], limit: int) -> Any:
        """Send a GET request, again if the archive is busy or cannot be reached.

        Args:
            url: The address.
            headers: The request's headers.
            limit: The bytes that the answer may have.

        Returns:
            The complete answer as a `requests.Response`.

        Raises:
            RefusedError: If the archive answers, but not with what was asked for; the message is the reason.
            DataError: If the archive does not answer, stays busy, or asks for authentication.
            Cancelled: If `cancelled` says so.
        """
        import requests  # noqa: TID251

        tried = 0
        while True:
            last = tried == self.config.retries
            try:
                answer = self._once(url, headers, limit)
            except requests.RequestException as error:
                if last or isinstance(error, requests.exceptions.SSLError):
                    raise archive_error(self.config, self._fault(error)) from error
            else:
                if last or answer.status_code not in BUSY:
                    return self._checked(answer)
            time.sleep(min(8.0, FIRST_PAUSE * 2**tried))
            tried += 1

    def _once(self, url: str, headers: dict[str, str], limit: int) -> Any:
        import requests  # noqa: TID251

        with (
            suppress_logs(),
            self.session.get(
                url, headers=headers, stream=True, timeout=self.config.timeout, allow_redirects=False
            ) as answer,
        ):
            whole = requests.Response()
            whole.status_code = answer.status_code
            body = bytearray()
            if answer.ok:
                for chunk in answer.iter_content(2**20):
                    self._check_cancelled()
                    body += chunk
                    if len(body) > limit:
                        raise RefusedError("the archive's answer is larger than allowed")
            whole.headers["Content-Type"] = answer.headers.get("Content-Type", "")
            whole.raw = BytesIO(body)
            return whole

    def _check_cancelled(self) -> None:
        if self.cancelled and self.cancelled():
            raise Cancelled("the import was stopped while it retrieved: run it again")

    def _checked(self, answer: Any) -> Any:
        self._check_cancelled()
        if answer.status_code == 401:
            way = (
                f"the token in {self.config.token_env} is wrong or has expired: renew it"
                if self.config.token_env
                else "name the environment variable that holds a token in data.dicomweb.token_env"
            )
            raise archive_error(self.config, f"asks for authentication (401): {way}")
        if answer.status_code in BUSY:
            raise archive_error(self.config, f"is not ready (it answers {answer.status_code}): try again later")
        if not 200 <= answer.status_code < 300:
            raise RefusedError(f"the archive answers {answer.status_code}")
        return answer

    def _fault(self, error: Exception) -> str:
        kind = kind_of_fault(error)
        if kind == "certificate":
            return "has a certificate that is not trusted: name your authority's file in REQUESTS_CA_BUNDLE"
        tries = f", tried {self.config.retries + 1} times" if self.config.retries else ""
        if kind == "timeout":
            return (
                f"gives no answer within {self.config.timeout:g} seconds{tries}: try again later, or raise "
                "data.dicomweb.timeout"
            )
        return f"cannot be reached, or ends the connection{tries}: check data.dicomweb.url and the network"


class Credentials:
    """Puts an Authorization header into a request, if there is one; its repr does not show it."""

    def __init__(self, header: str | None) -> None:
        self._header = header

    def __call__(self, request: Any) -> Any:
        """`request` with the header; requests calls this for each."""
        if self._header:
            request.headers["Authorization"] = self._header
        return request


def kind_of_fault(error: Exception) -> Literal["certificate", "timeout", "connection"]:
    """Why requests got no answer: a certificate that is not trusted, too long a silence, or anything else."""
    from requests import exceptions  # noqa: TID251

    if isinstance(error, exceptions.SSLError):
        return "certificate"
    # If the body of an answer stops, requests reports a connection error instead of a timeout.
    if isinstance(error, exceptions.Timeout) or "timed out" in str(error):
        return "timeout"
    return "connection"


def read_secret(name: str | None, environment: Mapping[str, str], key: str) -> str | None:
    """The secret in the environment variable `name`.

    Args:
        name: Its name, or None.
        environment: The variables.
        key: The key of the config that named it.

    Returns:
        The secret, None without a name.

    Raises:
        ConfigError: The variable is not set, or holds characters that no HTTP header may have.
    """
    if name is None:
        return None
    secret = environment.get(name, "").strip()
    if not secret:
        raise ConfigError(f"{key}: the environment has no {name}: set it, or name another variable")
    if not (secret.isascii() and secret.isprintable()):
        raise ConfigError(f"{key}: {name} holds line breaks or characters that no header has: set it again")
    return secret


def archive_error(config: DicomWebConfig, fault: str) -> DataError:
    """An error that names the archive by its host only."""
    return DataError(f"the archive at {host(config.url)} {fault}")


def host(url: str | None) -> str:
    """The host of an archive, with its port if one is given."""
    return urlsplit(url or "").netloc.rpartition("@")[2]


@contextmanager
def suppress_logs() -> Iterator[None]:
    """Suppress what dicomweb-client, its HTTP library and pynetdicom log."""
    loggers = [logging.getLogger(name) for name in LOGGERS]
    before = [logger.disabled for logger in loggers]
    for logger in loggers:
        logger.disabled = True
    try:
        yield
    finally:
        for logger, disabled in zip(loggers, before, strict=True):
            logger.disabled = disabled
