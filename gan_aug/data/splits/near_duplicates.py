"""Find images that are nearly the same: one film saved twice, brightened, compressed again or shifted a little.

There are three steps; each is more exact and slower than the one before. First, a 64-bit perceptual hash, from the
lowest frequencies of a thumbnail, rules out most pairs; an index finds the others. Second, the thumbnails of the
remaining pairs are correlated. Third, the few best matches of each image are compared in their fine detail, which
unrelated films do not share, however similar they look from a distance; if all of these are copies, so are the next
ones that have no pair yet. Images that correlate almost perfectly as a whole count as copies, too. Mirrored, rotated
or cropped copies are not searched for, nor copies shifted by more than about a fiftieth of their side.

Large searches are spread over processes. The result does not depend on that.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, NamedTuple, Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from gan_aug.data.splits.detail import detail_correlation, min_detail_correlation
from gan_aug.data.splits.thumbnails import Described, Thumbnails, described, rank, unit
from gan_aug.errors import Cancelled
from gan_aug.run.files import storage_errors

SMALLEST_SIDE = 24
"""Images with a shorter side in pixels are not searched: images of one kind are then too similar to tell copies."""

EXAMINED = 4
"""How many of the most similar images are compared in detail with each image; more if all of these are copies."""

MIN_CORRELATION = 0.999
"""The correlation of all pixels from which images count as copies, even if they have hardly any fine detail."""

QUERIES, DESCRIBED, PAIRS = 128, 1024, 64
"""How many images are searched for, described and compared in detail at a time; they bound the memory."""

SPREAD = 5 * 10**7
"""From so many pairs on processes share the search: before, they would take longer to begin than they save."""

FOLDER = ".near-"
"""How the name of the folder begins that processes share while they search."""

Answer = TypeVar("Answer")
Images = npt.NDArray[np.uint8]
Rows = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float32]
Spread = Callable[[Callable[[Any], Any], Sequence[Any], int], Iterator[Any]]
"""Calls a function with each of several arguments, so many at a time, in processes: yields answers in order, or texts
that say why there is none."""


@dataclass(frozen=True)
class Pair:
    """Two rows of stored images that are nearly the same, and the correlation of their details or of all pixels."""

    first: int
    second: int
    correlation: float


class ImagesByRow(Protocol):
    """Images `(N, C, H, W) uint8` that are read by row: an array, or several one after the other."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Their number, channels, height and width."""

    def __getitem__(self, rows: Rows, /) -> Images:
        """Copies of the images at `rows` `(B,) int64`."""


@dataclass(frozen=True)
class ImageFile:
    """Images in a file, which a process of a search maps into its memory.

    Attributes:
        path: The file.
        offset: Where they begin, in bytes.
        shape: `(N, C, H, W)`.
    """

    path: str
    offset: int
    shape: tuple[int, ...]

    def __getitem__(self, rows: Rows) -> Images:
        """Copies of the images at `rows` `(B,) int64`."""
        return _memory(self)[rows]


@lru_cache(maxsize=1)
def _memory(file: ImageFile) -> Images:
    return np.asarray(np.memmap(file.path, np.uint8, "r", file.offset, file.shape))


class Examined(NamedTuple):
    """What was found for a block of images.

    Attributes:
        queries: Positions in the block.
        found: For each the row of a similar image, the most similar first.
        detail: The correlation of the fine detail of both; only of the EXAMINED best of each position.
        whole: The correlation of all their pixels.
        further_queries: As `queries`, if the best ones of a position are all copies: for all others of it.
        further: As `found`.
    """

    queries: Rows
    found: Rows
    detail: Floats
    whole: Floats
    further_queries: Rows
    further: Rows


@dataclass(frozen=True)
class Search:
    """A search of images that are nearly the same as given ones.

    Attributes:
        images: All images.
        among: The thumbnails of those among which it looks.
    """

    images: ImagesByRow
    among: Thumbnails

    def __call__(self, rows: Rows) -> Examined:
        """The images that are most like those at `rows`, compared with them in detail."""
        images = self.images[rows]
        queries, best = self.among.most_alike(images, rows, EXAMINED)
        found = self.among.rows[best]
        detail, whole = _correlations(self.images, found, rows[queries])
        crowded = np.flatnonzero(_crowded(queries[_are_copies(self.images, detail, whole)], len(rows)))
        if not len(crowded):
            return Examined(queries, found, detail, whole, crowded, crowded)
        again, similar = self.among.most_alike(images[crowded], rows[crowded], None)
        further = rank(again) >= EXAMINED
        return Examined(queries, found, detail, whole, crowded[again[further]], self.among.rows[similar[further]])


def near_duplicates(
    images: ImagesByRow,
    first: Rows,
    second: Rows,
    *,
    cancelled: Callable[[], bool] | None = None,
    progress: Callable[[int, int], None] | None = None,
    spread: Spread | None = None,
) -> list[Pair]:
    """Find the pairs of a row of `first` and a row of `second` whose images are nearly the same.

    If both hold the same rows, each pair comes once, and no row is paired with itself.

    Args:
        images: `(N, C, H, W) uint8`. Only a `numpy.memmap` is searched in other processes.
        first: Rows of `images`, `(A,) int64`. Each takes about 1.1 kB of memory, or of the disk of the images if
            processes share them.
        second: Rows of `images`, `(B,) int64`.
        cancelled: Says whether to stop, or None.
        progress: Is told (images done, images in all).
        spread: Calls a function in other processes, or None to search in this one alone.

    Returns:
        The pairs, in the order of their rows.

    Raises:
        Cancelled: If `cancelled` says so.
        StorageError: If the disk is full or not writable.
    """
    if min(images.shape[2:]) < SMALLEST_SIDE or not len(first) or not len(second):
        return []
    pairs: list[Pair] = []
    paired = np.zeros(images.shape[0], dtype=bool)
    blocks = list(_blocks(second, QUERIES))
    done = 0
    with _examined(images, first, blocks, spread, cancelled) as (search, examined):
        for rows, block in zip(blocks, examined, strict=True):
            pairs += _pairs(search, rows, block, paired)
            done += len(rows)
            if progress:
                progress(done, len(second))
    return _unique(pairs)


@contextmanager
def _examined(
    images: ImagesByRow,
    first: Rows,
    blocks: Sequence[Rows],
    spread: Spread | None,
    cancelled: Callable[[], bool] | None,
) -> Iterator[tuple[Search, Iterator[Examined]]]:
    """The search among `first`, and what it finds for each of `blocks`; the rest is as in `near_duplicates`."""
    parts = list(_blocks(first, DESCRIBED))
    described_here = partial(_described, images)
    if spread is None or not isinstance(images, np.memmap) or len(first) * sum(map(len, blocks)) < SPREAD:
        search = Search(images, Thumbnails.of(first, _mapped(described_here, parts, cancelled)))
        yield search, _mapped(search, blocks, cancelled)
        return
    file = ImageFile(str(images.filename), int(images.offset), images.shape)
    with _folder_beside(Path(file.path)) as folder:
        there = spread(partial(_described, file), parts, 1)
        answers = _answers(there, described_here, parts, cancelled)
        search = Search(images, Thumbnails.of(first, answers, folder))
        yield search, _answers(spread(partial(_searched, file, str(folder)), blocks, 1), search, blocks, cancelled)


@contextmanager
def _folder_beside(path: Path) -> Iterator[Path]:
    """A folder beside a file, for the length of a block; what earlier processes left that were killed is removed."""
    with storage_errors(path.parent):
        for left in path.parent.glob(f"{FOLDER}*"):
            shutil.rmtree(left, ignore_errors=True)
        folder = Path(tempfile.mkdtemp(prefix=FOLDER, dir=path.parent))
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def _mapped(
    work: Callable[[Rows], Answer], parts: Sequence[Rows], cancelled: Callable[[], bool] | None
) -> Iterator[Answer]:
    """The answers of `work`, in this process."""
    for part in parts:
        if cancelled and cancelled():
            raise Cancelled("stopped on request: run it again")
        yield work(part)


def _answers(
    answers: Iterator[Answer | str],
    here: Callable[[Rows], Answer],
    parts: Sequence[Rows],
    cancelled: Callable[[], bool] | None,
) -> Iterator[Answer]:
    """The answers of other processes; what one of them does not answer, as it died, is computed `here`."""
    for part, answer in zip(parts, answers, strict=True):
        yield from _mapped(here, [part], cancelled) if isinstance(answer, str) else [answer]


def _described(images: ImagesByRow, rows: Rows) -> Described:
    return described(images[rows])


def _searched(file: ImageFile, folder: str, rows: Rows) -> Examined:
    """What a search with the thumbnails in `folder` finds, in another process."""
    return Search(file, _opened(folder))(rows)


@lru_cache(maxsize=1)
def _opened(folder: str) -> Thumbnails:
    return Thumbnails.open(Path(folder))


def _pairs(search: Search, rows: Rows, block: Examined, paired: npt.NDArray[np.bool_]) -> list[Pair]:
    """The pairs of the images at `rows`; `paired` says which rows have a pair already, and is brought up to date."""
    pairs: list[Pair] = []
    queries, found, detail, whole, later_queries, later = block
    while True:
        copies = _are_copies(search.images, detail, whole)
        a, b = found[copies], rows[queries[copies]]
        pairs += map(Pair, a.tolist(), b.tolist(), np.maximum(detail, whole)[copies].tolist())
        paired[a] = True
        # If all that were examined are copies there may be more, of which those without a pair are examined.
        more = _crowded(queries[copies], len(rows))[later_queries] & ~paired[later]
        later_queries, later = later_queries[more], later[more]
        if not len(later):
            return pairs
        best = rank(later_queries) < EXAMINED
        queries, found = later_queries[best], later[best]
        later_queries, later = later_queries[~best], later[~best]
        detail, whole = _correlations(search.images, found, rows[queries])


def _crowded(queries: Rows, count: int) -> npt.NDArray[np.bool_]:
    """Which of `count` positions occur EXAMINED times."""
    crowded: npt.NDArray[np.bool_] = np.bincount(queries, minlength=count) == EXAMINED
    return crowded


def _are_copies(images: ImagesByRow, detail: Floats, whole: Floats) -> npt.NDArray[np.bool_]:
    """Which pairs of `images` with these correlations, of their fine detail and as a whole, count as copies."""
    return (detail >= min_detail_correlation(min(images.shape[2:]))) | (whole >= MIN_CORRELATION)


def _correlations(images: ImagesByRow, first: Rows, second: Rows) -> tuple[Floats, Floats]:
    """The correlations of each pair of rows: of their fine detail, and of all their pixels."""
    detail, whole = np.zeros(len(first), dtype=np.float32), np.zeros(len(first), dtype=np.float32)
    for part in (slice(start, start + PAIRS) for start in range(0, len(first), PAIRS)):
        a, b = images[first[part]], images[second[part]]
        detail[part] = detail_correlation(a, b)
        whole[part] = np.einsum("ij,ij->i", *(unit(pixels.reshape(len(pixels), -1)) for pixels in (a, b)))
    return detail, whole


def _unique(pairs: list[Pair]) -> list[Pair]:
    """Each unordered pair once, in the order of its rows."""
    best = {(min(p.first, p.second), max(p.first, p.second)): p for p in sorted(pairs, key=lambda p: p.correlation)}
    return [best[key] for key in sorted(best)]


def _blocks(rows: Rows, size: int) -> Iterator[Rows]:
    return (rows[start : start + size] for start in range(0, len(rows), size))
