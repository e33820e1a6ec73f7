"""The headers of many DICOM files: looked at in processes that may die, or known from an earlier import."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial

from gan_aug.config.data import DicomConfig
from gan_aug.data.dicom.files import DicomFile, UnreadError
from gan_aug.data.dicom.header import Header, NoImageError, read_header
from gan_aug.data.items import Rejected
from gan_aug.data.patients import IdentityKey
from gan_aug.data.reading.reader import Reader
from gan_aug.errors import DataError

BLOCK = 4096
"""Files whose cached headers are asked for, or kept, at a time: what bounds the memory."""

CHUNK = 32
"""Files whose headers go to a process at a time."""

Found = tuple[DicomFile, Header | Rejected | str]
"""A file with its header, or how or why it is set aside."""


@dataclass(frozen=True)
class Look:
    """What is asked of a header: settings, the tag that holds the label, and the key for who it is of."""

    config: DicomConfig
    identity: IdentityKey
    tag: str | None = None

    def __call__(self, file: DicomFile) -> Header | Rejected | str:
        """The header of `file`, or why it is set aside: as it is, or (a text) for now."""
        try:
            return read_header(file, self.config, self.identity, self.tag)
        except UnreadError as error:
            return str(error)
        except DataError as error:
            return Rejected(file.origin, str(error), counts=not isinstance(error, NoImageError))

    def spelt(self) -> str:
        """What a header found in this way depends on, besides its file."""
        return json.dumps([self.config.model_dump(mode="json"), self.identity.name, self.tag])


def look_at(
    files: Iterable[DicomFile], look: Look, reader: Reader, progress: Callable[[int, int], None] | None = None
) -> Iterator[Found]:
    """Every file with its header or the reason why it cannot be used, in order.

    Files that come one by one, as an archive gives them, are looked at here as they come.
    """
    if not isinstance(files, Sequence):
        yield from ((file, look(file)) for file in files)
        return
    for first in range(0, len(files), BLOCK):
        block = files[first : first + BLOCK]
        for number, found in enumerate(_cached(block, look, reader), first + 1):
            yield found
            if progress and (number % max(1, len(files) // 100) == 0 or number == len(files)):
                progress(number, len(files))


def _cached(files: Sequence[DicomFile], look: Look, reader: Reader) -> Iterator[Found]:
    """As `look_at`, taking from the cache what is there and keeping what is new."""
    if reader.cache is None:
        yield from zip(files, reader.map(look, files, CHUNK), strict=True)
        return
    key = partial(_key, reader, look.spelt())
    keys = [key(file) for file in files]
    with reader.cache.headers() as cache:
        known = cache.find([key for key in keys if key])
        fresh: Iterator[Header | Rejected | str] = reader.map(
            look, [file for file, own in zip(files, keys, strict=True) if own not in known], CHUNK
        )
        new: dict[bytes, str] = {}
        for file, own in zip(files, keys, strict=True):
            if own in known:
                yield file, _parsed(known[own], file)
                continue
            found = next(fresh)
            yield file, found
            # What a process died of, or could not read now, is looked at anew each time.
            if own and not isinstance(found, str) and own == key(file):
                new[own] = json.dumps(asdict(found), separators=(",", ":"))
        cache.keep(new)


def _key(reader: Reader, look: str, file: DicomFile) -> bytes | None:
    return reader.cache.key(file.path, "header", file.name, str(file.member), look) if reader.cache else None


def _parsed(text: str, file: DicomFile) -> Header | Rejected:
    values = json.loads(text)
    if "reason" in values:
        return Rejected(file.origin, values["reason"], counts=values["counts"])
    spacing = tuple(values.pop("spacing") or ()) or None
    return Header(assumed=tuple(values.pop("assumed")), spacing=spacing, **values)
