"""The one way to a DICOMweb archive: bounded answers, bounded tries, no redirects, no word of the token."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import BytesIO
from typing import Any
from urllib.parse import urlsplit

from gan_aug.config.data import DicomWebConfig
from gan_aug.errors import Cancelled, ConfigError, DataError

SEARCH_LIMIT = 64 * 2**20
"""Bytes that one page of search results may have."""

PAUSE = 0.5
"""Seconds before the second try; they double from try to try."""

BUSY = {429, 502, 503, 504}
"""Answers that are worth another try."""

TALKATIVE = ("dicomweb_client.web", "urllib3.connection", "urllib3.connectionpool")
"""Loggers that quote addresses, which hold UIDs and what was searched for."""


class RefusedError(Exception):
    """The archive does not give this one thing; the message is the reason, fit for a report."""


class Door:
    """Stands in for a `requests.Session`, so that dicomweb-client goes this way too."""

    def __init__(self, config: DicomWebConfig, token: str | None, cancelled: Callable[[], bool] | None) -> None:
        """`token` goes into the header of every request and nowhere else."""
        import requests  # noqa: TID251

        self.config = config
        self.cancelled = cancelled
        self.session = requests.Session()
        # Also without a token: otherwise requests looks for a password of the user's in ~/.netrc.
        self.session.auth = _Bearer(token)

    def get(self, url: str, headers: dict[str, str] | None = None, **_: Any) -> Any:
        """What dicomweb-client calls for a search."""
        kept = {name: value for name, value in (headers or {}).items() if name != "Host"}
        return self.fetch(url, kept, SEARCH_LIMIT)

    def fetch(self, url: str, headers: dict[str, str], limit: int) -> Any:
        """The whole answer, of `limit` bytes at most, as a `requests.Response`.

        Raises RefusedError with the reason where the archive answers and does not give it, DataError where it does not
        answer or asks who we are, and Cancelled.
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
            time.sleep(min(8.0, PAUSE * 2**tried))
            tried += 1

    def _once(self, url: str, headers: dict[str, str], limit: int) -> Any:
        import requests  # noqa: TID251

        with (
            silent(),
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
                        raise RefusedError("the archive's answer is larger than is allowed")
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
                f"the token in {self.config.token_env} is wrong or has run out: renew it"
                if self.config.token_env
                else "name the environment variable that holds a token in data.dicomweb.token_env"
            )
            raise archive_error(self.config, f"wants to know who asks (401): {way}")
        if answer.status_code in BUSY:
            raise archive_error(self.config, f"is not ready (it answers {answer.status_code}): try again later")
        if not 200 <= answer.status_code < 300:
            raise RefusedError(f"the archive answers {answer.status_code}")
        return answer

    def _fault(self, error: Exception) -> str:
        from requests import exceptions  # noqa: TID251

        if isinstance(error, exceptions.SSLError):
            return "shows a certificate that is not trusted: name your authority's file in REQUESTS_CA_BUNDLE"
        tries = f", tried {self.config.retries + 1} times" if self.config.retries else ""
        # requests reports a body that stops coming as a broken connection.
        if isinstance(error, exceptions.Timeout) or "timed out" in str(error):
            return (
                f"gives no answer within {self.config.timeout:g} seconds{tries}: try again later, or raise "
                "data.dicomweb.timeout"
            )
        return f"cannot be reached, or breaks off{tries}: check data.dicomweb.url and the network"


class _Bearer:
    """Puts the token into a request; its representation shows nothing."""

    def __init__(self, token: str | None) -> None:
        self._token = token

    def __call__(self, request: Any) -> Any:
        if self._token:
            request.headers["Authorization"] = f"Bearer {self._token}"
        return request


def read_token(name: str | None, environment: Any) -> str | None:
    """The token in the variable `name`; raises ConfigError where it is unset, or holds what no header may."""
    if name is None:
        return None
    token = str(environment.get(name, "")).strip()
    if not token:
        raise ConfigError(f"data.dicomweb.token_env: the environment has no {name}: set it to the archive's token")
    if not (token.isascii() and token.isprintable()):
        raise ConfigError(
            f"data.dicomweb.token_env: {name} holds line breaks or letters that no token has: set it anew"
        )
    return token


def archive_error(config: DicomWebConfig, fault: str) -> DataError:
    """An error that names the archive by its host alone."""
    return DataError(f"the archive at {host(config)} {fault}")


def host(config: DicomWebConfig) -> str:
    """The host of the archive, and its port where one is given."""
    return urlsplit(config.url or "").netloc.rpartition("@")[2]


@contextmanager
def silent() -> Iterator[None]:
    """Hold back what the client and its HTTP library log."""
    loggers = [logging.getLogger(name) for name in TALKATIVE]
    before = [logger.disabled for logger in loggers]
    for logger in loggers:
        logger.disabled = True
    try:
        yield
    finally:
        for logger, disabled in zip(loggers, before, strict=True):
            logger.disabled = disabled
