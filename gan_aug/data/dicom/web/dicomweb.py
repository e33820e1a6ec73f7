"""A DICOMweb archive: search with QIDO-RS and retrieve instances with WADO-RS, with limits on bytes and tries."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from email.message import Message
from functools import partial
from typing import Any

from gan_aug.config.data import DicomWebConfig
from gan_aug.data.dicom.web.http import ArchiveSession, RefusedError, archive_error, suppress_logs
from gan_aug.errors import ConfigError, DataError

ACCEPT = 'multipart/related; type="application/dicom"; transfer-syntax=*'
"""Instances in the transfer syntax in which they are stored: decoding them in the archive would change their hashes."""

STUDY, SERIES, INSTANCE = "0020000D", "0020000E", "00080018"
"""The tags of Study Instance UID, Series Instance UID and SOP Instance UID."""

UID = re.compile(r"[0-9A-Za-z][0-9A-Za-z._-]{0,63}")
"""Wider than the standard, as archives are, but without characters that have a meaning in a URL."""

Uids = tuple[str, str, str]
"""The Study, Series and SOP Instance UIDs of an instance."""


class Archive:
    """The archive that `config` names."""

    def __init__(self, config: DicomWebConfig, token: str | None, cancelled: Callable[[], bool] | None) -> None:
        """Check the settings; nothing is sent yet.

        Args:
            config: The archive and what to search for.
            token: A bearer token, or None.
            cancelled: Says whether to stop, or None.

        Raises:
            ConfigError: If dicomweb-client is not installed, or a setting is missing or not allowed.
        """
        try:
            from dicomweb_client.web import DICOMwebClient  # noqa: TID251
        except ImportError as error:
            raise ConfigError("data.source: dicomweb needs dicomweb-client: pip install 'gan-aug[dicom]'") from error
        _check_search(config)
        self.config = config
        self.url = str(config.url).rstrip("/")
        self.unusable = 0
        """The number of search results without a usable UID."""
        self.session = ArchiveSession(config, token, cancelled)
        self.client: Any = DICOMwebClient(self.url, session=self.session, permissive_uid=True)  # type: ignore[arg-type]
        self.client.set_http_retry_params(retry=False)  # ArchiveSession tries again, also if a connection fails

    def search(self) -> list[Uids]:
        """The UIDs of all instances that match, or of the first `limit` that the archive lists; sorted.

        Raises DataError if the archive cannot be reached, refuses, or does not answer as a DICOMweb service.
        """
        found: set[Uids] = set()
        for uids in self._instances():
            found.add(uids)
            if self.config.limit and len(found) >= self.config.limit:
                break
        return sorted(found)

    def retrieve(self, uids: Uids, limit: int) -> memoryview:
        """The DICOM file of one instance, of at most `limit` bytes.

        Raises RefusedError if the archive does not give this instance, and DataError if it cannot be reached.
        """
        study, series, instance = uids
        url = f"{self.url}/studies/{study}/series/{series}/instances/{instance}"
        # 64 KiB for the multipart headers around the file.
        answer = self.session.fetch(url, {"Accept": ACCEPT}, limit + 2**16)
        part = only_part(answer.headers.get("Content-Type", ""), answer.content)
        if len(part) > limit:
            raise RefusedError("the instance is larger than data.dicom.max_pixels allows")
        return part

    def _instances(self) -> Iterator[Uids]:
        search, level = self.client, self.config.level
        filters = {key: str(value) for key, value in self.config.search.items()}
        if level == "instance":
            yield from self._pages(partial(search.search_for_instances, search_filters=filters), "", "")
        elif level == "series":
            for study, series, _ in self._pages(partial(search.search_for_series, search_filters=filters), "", "", 2):
                yield from self._pages(partial(search.search_for_instances, study, series), study, series)
        else:
            for study, *_ in self._pages(partial(search.search_for_studies, search_filters=filters), "", "", 1):
                yield from self._pages(partial(search.search_for_instances, study), study, "")

    def _pages(self, ask: Callable[..., Any], study: str, series: str, depth: int = 3) -> Iterator[Uids]:
        """Results page by page until a page brings nothing new: archives differ in how they limit and end their pages.

        Some archives find nothing after the first page (Orthanc 1.10, in a search by ModalitiesInStudy). So if a full
        page is followed by nothing new, everything is asked for again with pages twice as large; otherwise studies
        could be missed without any message. `depth` is the number of UIDs that a result gives: 1 for studies, 2 for
        series, 3 for instances.
        """
        seen: set[Uids] = set()
        limit, offset, full = self.config.page, 0, False
        while True:
            page = self._page(partial(ask, limit=limit, offset=offset))
            new = [uids for uids in (self._uids(one, study, series, depth) for one in page) if uids not in seen]
            if new:
                seen.update(new)
                offset, full = offset + len(page), len(page) >= limit
                yield from (uids for uids in new if self._usable(uids[:depth]))
            elif full:
                limit, offset, full = 2 * len(seen), 0, False
            else:
                return

    def _page(self, ask: Callable[[], Any]) -> list[Any]:
        try:
            with suppress_logs():
                page = ask()
        except RefusedError as error:
            way = "check data.dicomweb.url, data.dicomweb.search and your permissions there"
            raise archive_error(self.config, f"refuses the search ({error}): {way}") from error
        except (ValueError, RecursionError) as error:
            raise self._unexpected_answer() from error
        return page if isinstance(page, list) else []

    def _uids(self, found: Any, study: str, series: str, depth: int) -> Uids:
        values = [
            known or self._value(found, tag) if level < depth else ""
            for level, (tag, known) in enumerate(((STUDY, study), (SERIES, series), (INSTANCE, "")))
        ]
        return values[0], values[1], values[2]

    def _usable(self, uids: tuple[str, ...]) -> bool:
        usable = all(UID.fullmatch(uid) for uid in uids)
        self.unusable += not usable
        return usable

    def _value(self, found: Any, tag: str) -> str:
        """The value of `tag` in a search result, which may be empty but must be present."""
        if not isinstance(found, dict) or not isinstance(found.get(tag), dict):
            raise self._unexpected_answer()
        values = found[tag].get("Value")
        return str(values[0]) if isinstance(values, list) and values else ""

    def _unexpected_answer(self) -> DataError:
        return archive_error(
            self.config, "does not answer as a DICOMweb service: check that data.dicomweb.url is its root"
        )


def only_part(content_type: str, body: bytes) -> memoryview:
    """The single file in an answer of the given Content-Type; raises RefusedError if there is not exactly one."""
    head = Message()
    head["Content-Type"] = content_type
    view = memoryview(body)
    if head.get_content_type() == "application/dicom":
        return view
    boundary = head.get_param("boundary")
    if head.get_content_type() != "multipart/related" or not isinstance(boundary, str) or not boundary:
        raise RefusedError("the archive's answer is not a DICOM file")
    mark = b"--" + boundary.encode("latin-1", "replace")
    start = body.find(b"\r\n\r\n", max(0, body.find(mark)))
    end = body.find(b"\r\n" + mark, start)
    if body.find(mark) < 0 or start < 0 or end < start + 4:
        raise RefusedError("the archive's answer is damaged or truncated")
    if body[end + 2 + len(mark) :][:2] != b"--":
        raise RefusedError("the archive's answer holds several files instead of one")
    return view[start + 4 : end]


def _check_search(config: DicomWebConfig) -> None:
    from pydicom.datadict import dictionary_VR, tag_for_keyword  # noqa: TID251

    if config.url is None:
        raise ConfigError("data.dicomweb.url is needed: the root of the archive's DICOMweb service")
    if not config.search and config.limit is None:
        raise ConfigError(
            "data.dicomweb.search is empty, which asks for the whole archive: name what to search for, such as "
            "Modality: CR, or set data.dicomweb.limit"
        )
    for keyword in config.search:
        tag = tag_for_keyword(keyword)
        if tag is None:
            raise ConfigError(f"data.dicomweb.search: {keyword!r} is no DICOM keyword: use one such as Modality")
        if dictionary_VR(tag) == "PN":
            raise ConfigError(
                f"data.dicomweb.search: {keyword} is a person's name, and the run folder records the search: use "
                "another keyword, such as StudyInstanceUID"
            )
