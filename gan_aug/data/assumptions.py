"""What was assumed to decode an image, where its file contradicts itself or its picture is suspect.

Decoders say it with `assume`; whoever reads an image collects it. It is a set of flags, so that it fits into an entry
of the cache, and no text of a file, which may name a patient, can travel with it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from enum import IntFlag


class Assumed(IntFlag):
    """The assumptions that are found only when an image is decoded."""

    FEW_GREYS = 1
    NOT_FINITE = 2
    EXTRA_BITS = 4
    OTHER_SYNTAX = 8
    OTHER_COLOUR = 16
    SCAN_PARAMETERS = 32
    ALL_PADDING = 64
    OTHER_SHIFT = 128
    NO_END = 256
    MORE_FRAMES = 512
    OTHER_SIGN = 1024


NOTHING = Assumed(0)

WORDS = {
    Assumed.FEW_GREYS: "many stored values became a handful of greys: look at the picture, and at its window",
    Assumed.NOT_FINITE: "pixels are not a number or infinite: the grey range is that of the others",
    Assumed.EXTRA_BITS: "bits above BitsStored (0028,0101) are set: they were cut off",
    Assumed.OTHER_SYNTAX: "its pixel data is not in the transfer syntax that it names: decoded as what it is",
    Assumed.OTHER_COLOUR: "its compressed image has other colours than its header says: those of the image are used",
    Assumed.SCAN_PARAMETERS: "its JPEG scan states parameters that its process forbids: read as the process needs",
    Assumed.ALL_PADDING: "its PixelPaddingValue (0028,0120) would make the whole image padding: ignored",
    Assumed.NO_END: "its compressed image lacks its end marker: a part of the picture may be missing",
    Assumed.MORE_FRAMES: "its pixel data holds more frames than NumberOfFrames (0028,0008) says: the rest is not read",
    Assumed.OTHER_SIGN: "its compressed image holds signed values, its header says unsigned: read as signed",
    Assumed.OTHER_SHIFT: "HighBit (0028,0102) asks for a shift that would lose the values: not shifted",
}


@dataclass
class Collected:
    """What was assumed: `flags` when an image was decoded, `words` when its file's header was read."""

    flags: Assumed = NOTHING
    words: tuple[str, ...] = ()

    def in_words(self) -> tuple[str, ...]:
        """All of it as sentences, each once."""
        return tuple(dict.fromkeys((*self.words, *in_words(self.flags))))


_found: ContextVar[Collected | None] = ContextVar("assumed", default=None)


def assume(what: Assumed | str) -> None:
    """Say that `what` was assumed for the image that is being decoded, or in words for its file's header.

    Words must hold no text of the file.
    """
    found = _found.get()
    if found is None:
        return
    if isinstance(what, str):
        found.words += (what,)
    else:
        found.flags |= what


@contextmanager
def collected() -> Iterator[Collected]:
    """Collect what is assumed within the block."""
    found = Collected()
    token = _found.set(found)
    try:
        yield found
    finally:
        _found.reset(token)


def in_words(flags: Assumed) -> tuple[str, ...]:
    """The sentences for `flags`, in a fixed order."""
    return tuple(words for flag, words in WORDS.items() if flag & flags)
