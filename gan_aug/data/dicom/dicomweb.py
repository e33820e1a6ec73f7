"""A DICOMweb archive: searched with QIDO-RS, its instances retrieved with WADO-RS, each bounded in bytes and tries."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from email.message import Message
from functools import partial
from typing import Any

from gan_aug.config.data import DicomWebConfig
from gan_aug.data.dicom.http import Door, RefusedError, archive_error, silent
from gan_aug.errors import ConfigError, DataError

ACCEPT = 'multipart/related; type="application/dicom"; transfer-syntax=*'
"""Instances as they are stored: an archive that decodes or re-encodes them would alter what is hashed."""

STUDY, SERIES, INSTANCE = "0020000D", "0020000E", "00080018"
UID = re.compile(r"[0-9A-Za-z][0-9A-Za-z._-]{0,63}")
"""Wider than the standard, as archives are; yet nothing that means something in an address."""

Uids = tuple[str, str, str]
"""The UIDs of study, series and instance."""


class Archive:
    """The archive that `config` names; raises ConfigError where it is not to be had as asked."""

    def __init__(self, config: DicomWebConfig, token: str | None, cancelled: Callable[[], bool] | None) -> None:
        """Check what is asked; nothing is sent yet."""
        try:
            from dicomweb_client.web import DICOMwebClient  # noqa: TID251
        except ImportError as error:
            raise ConfigError("data.source: dicomweb needs dicomweb-client: pip install 'gan-aug[dicom]'") from error
        _check_search(config)
        self.config = config
        self.url = str(config.url).rstrip("/")
        self.unusable = 0
        """Search results without a UID that could be asked for."""
        self.door = Door(config, token, cancelled)
        self.client: Any = DICOMwebClient(self.url, session=self.door, permissive_uid=True)  # type: ignore[arg-type]
        self.client.set_http_retry_params(retry=False)  # the door does that, and connections too

    def search(self) -> list[Uids]:
        """The UIDs of all instances that match, sorted, or of the first `limit` that the archive lists.

        Raises DataError where the archive is away, refuses, or answers nonsense.
        """
        found: set[Uids] = set()
        for uids in self._instances():
            found.add(uids)
            if self.config.limit and len(found) >= self.config.limit:
                break
        return sorted(found)

    def retrieve(self, uids: Uids, limit: int) -> memoryview:
        """The bytes of the file of one instance, no more than `limit`.

        Raises RefusedError for what this instance alone lacks, and DataError where the archive is away.
        """
        study, series, instance = uids
        url = f"{self.url}/studies/{study}/series/{series}/instances/{instance}"
        # The envelope around the file is small.
        answer = self.door.fetch(url, {"Accept": ACCEPT}, limit + 2**16)
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
        """Results page by page until one brings nothing new: archives differ in how they cap and end their pages.

        Some find nothing past the first page (Orthanc 1.10, where the search is for ModalitiesInStudy): after a full
        page all is asked for again at twice the size, lest studies be missed without a word.
        """
        seen: set[Uids] = set()
        limit, offset, full = self.config.page, 0, False
        while True:
            page = self._page(partial(ask, limit=limit, offset=offset))
            fresh = [uids for uids in (self._uids(one, study, series, depth) for one in page) if uids not in seen]
            if fresh:
                seen.update(fresh)
                offset, full = offset + len(page), len(page) >= limit
                yield from (uids for uids in fresh if self._usable(uids[:depth]))
            elif full:
                limit, offset, full = 2 * len(seen), 0, False
            else:
                return

    def _page(self, ask: Callable[[], Any]) -> list[Any]:
        try:
            with silent():
                page = ask()
        except RefusedError as error:
            way = "check data.dicomweb.url, data.dicomweb.search and the rights there"
            raise archive_error(self.config, f"refuses the search ({error}): {way}") from error
        except (ValueError, RecursionError) as error:
            raise self._nonsense() from error
        return page if isinstance(page, list) else []

    def _uids(self, found: Any, study: str, series: str, depth: int) -> Uids:
        values = [
            known or self._value(found, tag) if place < depth else ""
            for place, (tag, known) in enumerate(((STUDY, study), (SERIES, series), (INSTANCE, "")))
        ]
        return values[0], values[1], values[2]

    def _usable(self, uids: tuple[str, ...]) -> bool:
        usable = all(UID.fullmatch(uid) for uid in uids)
        self.unusable += not usable
        return usable

    def _value(self, found: Any, tag: str) -> str:
        """The value of `tag` in a search result, which may be empty and may not be absent."""
        if not isinstance(found, dict) or not isinstance(found.get(tag), dict):
            raise self._nonsense()
        values = found[tag].get("Value")
        return str(values[0]) if isinstance(values, list) and values else ""

    def _nonsense(self) -> DataError:
        return archive_error(self.config, "does not answer as DICOMweb does: check that data.dicomweb.url is its root")


def only_part(kind: str, body: bytes) -> memoryview:
    """The one file in the answer `body` of the content type `kind`; raises RefusedError where there is not just one."""
    head = Message()
    head["Content-Type"] = kind
    view = memoryview(body)
    if head.get_content_type() == "application/dicom":
        return view
    boundary = head.get_param("boundary")
    if head.get_content_type() != "multipart/related" or not isinstance(boundary, str) or not boundary:
        raise RefusedError("the archive answers with something else than a DICOM file")
    mark = b"--" + boundary.encode("latin-1", "replace")
    start = body.find(b"\r\n\r\n", max(0, body.find(mark)))
    end = body.find(b"\r\n" + mark, start)
    if body.find(mark) < 0 or start < 0 or end < start + 4:
        raise RefusedError("the archive's answer is broken or cut short")
    if body[end + 2 + len(mark) :][:2] != b"--":
        raise RefusedError("the archive answers with several files for one")
    return view[start + 4 : end]


def _check_search(config: DicomWebConfig) -> None:
    from pydicom.datadict import dictionary_VR, tag_for_keyword  # noqa: TID251

    if config.url is None:
        raise ConfigError("data.dicomweb.url is needed: the root of the archive's DICOMweb service")
    if not config.search and config.limit is None:
        raise ConfigError(
            "data.dicomweb.search is empty, which means the whole archive: name what to search for, such as "
            "Modality: CR, or set data.dicomweb.limit"
        )
    for keyword in config.search:
        tag = tag_for_keyword(keyword)
        if tag is None:
            raise ConfigError(f"data.dicomweb.search: {keyword!r} is no DICOM keyword: use one such as Modality")
        if dictionary_VR(tag) == "PN":
            raise ConfigError(
                f"data.dicomweb.search: {keyword} is a name, and the run folder records what was searched: use another "
                "keyword, such as StudyInstanceUID"
            )
