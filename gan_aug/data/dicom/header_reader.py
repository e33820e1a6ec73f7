"""Read the headers of many DICOM files, in a pool of processes or from the cache of an earlier import."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial

from gan_aug.config.data import DicomConfig
from gan_aug.data.dicom.files import DicomFile, UnreadError
from gan_aug.data.dicom.grey_scale import PixelPlan
from gan_aug.data.dicom.header import Header, NoImageError, read_header
from gan_aug.data.items import Rejected
from gan_aug.data.patients import IdentityKey
from gan_aug.data.reading.reader import Reader
from gan_aug.errors import DataError

BLOCK = 4096
"""How many files' headers are looked up in the cache, or added to it, at a time; it bounds the memory."""

CHUNK = 32
"""How many files a process gets at a time."""

Found = tuple[DicomFile, Header | Rejected | str]
"""A file with its header, with its rejection, or with the reason why it cannot be read now."""


@dataclass(frozen=True)
class HeaderReader:
    """Reads the header of one file.

    Attributes:
        config: The limits, the kinds of images that are allowed, and the window to use.
        identity: The key that the identifiers are hashed with.
        label_from: The keyword of the attribute that labels are taken from, or None.
    """

    config: DicomConfig
    identity: IdentityKey
    label_from: str | None = None

    def __call__(self, file: DicomFile) -> Header | Rejected | str:
        """The header of `file`, its rejection, or the reason (a text) why it cannot be read now."""
        try:
            return read_header(file, self.config, self.identity, self.label_from)
        except UnreadError as error:
            return str(error)
        except DataError as error:
            return Rejected(file.origin, str(error), counts=not isinstance(error, NoImageError))

    def cache_key(self) -> str:
        """All that a result depends on, besides the file."""
        return json.dumps([self.config.model_dump(mode="json"), self.identity.name, self.label_from])


def read_headers(
    files: Iterable[DicomFile],
    read: HeaderReader,
    reader: Reader,
    progress: Callable[[int, int], None] | None = None,
) -> Iterator[Found]:
    """Read the headers of `files`.

    Args:
        files: The files. If it is not a sequence, each header is read in this process as the file comes.
        read: Reads one header.
        reader: Holds the pool of processes and the cache to use.
        progress: Called with (files done, files in all), if `files` is a sequence.

    Yields:
        Every file in order, with its header or the reason why it cannot be used.
    """
    if not isinstance(files, Sequence):
        yield from ((file, read(file)) for file in files)
        return
    for first in range(0, len(files), BLOCK):
        block = files[first : first + BLOCK]
        for number, found in enumerate(_read_block(block, read, reader), first + 1):
            yield found
            if progress and (number % max(1, len(files) // 100) == 0 or number == len(files)):
                progress(number, len(files))


def _read_block(files: Sequence[DicomFile], read: HeaderReader, reader: Reader) -> Iterator[Found]:
    """As `read_headers`: takes what is in the cache, and adds what is new to it."""
    if reader.cache is None:
        yield from zip(files, reader.map(read, files, CHUNK), strict=True)
        return
    key_of = partial(_key, reader, read.cache_key())
    keys = [key_of(file) for file in files]
    with reader.cache.headers() as cache:
        known = cache.find([key for key in keys if key])
        results: Iterator[Header | Rejected | str] = reader.map(
            read, [file for file, key in zip(files, keys, strict=True) if key not in known], CHUNK
        )
        new: dict[bytes, str] = {}
        for file, key in zip(files, keys, strict=True):
            if key in known:
                yield file, _parsed(known[key], file)
                continue
            result = next(results)
            yield file, result
            # A file that ended its process or could not be read now (a text) is read again by each import.
            if key and not isinstance(result, str) and key == key_of(file):
                new[key] = json.dumps(asdict(result), separators=(",", ":"))
        cache.keep(new)


def _key(reader: Reader, read_key: str, file: DicomFile) -> bytes | None:
    return reader.cache.key(file.path, "header", file.name, str(file.member), read_key) if reader.cache else None


def _parsed(text: str, file: DicomFile) -> Header | Rejected:
    values = json.loads(text)
    if "reason" in values:
        return Rejected(file.origin, values["reason"], counts=values["counts"])
    spacing = tuple(values.pop("spacing") or ()) or None
    plan = values.pop("plan")
    return Header(
        assumed=tuple(values.pop("assumed")), spacing=spacing, plan=PixelPlan.parse(plan) if plan else None, **values
    )
