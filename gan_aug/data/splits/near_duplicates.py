"""Find images that are nearly the same: one film saved twice, brightened, compressed again or shifted a little.

There are three steps; each is more exact and slower than the one before. First, a 64-bit perceptual hash, from the
lowest frequencies of a thumbnail, rules out most pairs. Second, the thumbnails of the remaining pairs are correlated.
Third, the few best matches of each image are compared in their fine detail, which unrelated films do not share, however
similar they look from a distance; if all of these are copies, so are the next ones that have no pair yet. Images that
correlate almost perfectly as a whole count as copies, too. Mirrored, rotated or cropped copies are not searched for,
nor copies shifted by more than about a fiftieth of their side.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from gan_aug.errors import Cancelled

SMALLEST_SIDE = 24
"""Images with a shorter side in pixels are not searched: images of one kind are then too similar to tell copies."""

THUMB, FREQUENCIES = 16, 8
"""The side of a thumbnail in pixels, and how many of its lowest frequencies per axis the hash uses."""

MAX_DIFFERING_BITS = 8
"""Hashes that differ in more bits rule a pair out."""

MIN_THUMB_CORRELATION = 0.9
"""Thumbnails with a lower correlation rule a pair out."""

MIN_CORRELATION = 0.999
"""The correlation of all pixels from which images count as copies, even if they have hardly any fine detail."""

EXAMINED = 4
"""How many of the most similar images are compared in detail with each image; more if all of these are copies."""

QUERIES, TILE, PAIRS = 128, 8192, 64
"""How many images, hashes and pairs are handled at a time; they bound the memory."""

Images = npt.NDArray[np.uint8]
Rows = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float32]


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


def near_duplicates(
    images: ImagesByRow, first: Rows, second: Rows, *, cancelled: Callable[[], bool] | None = None
) -> list[Pair]:
    """Find the pairs of a row of `first` and a row of `second` whose images are nearly the same.

    If both hold the same rows, each pair comes once, and no row is paired with itself.

    Args:
        images: `(N, C, H, W) uint8`.
        first: Rows of `images`, `(A,) int64`. Each takes 264 bytes of memory.
        second: Rows of `images`, `(B,) int64`.
        cancelled: Says whether to stop, or None.

    Returns:
        The pairs, in the order of their rows.

    Raises:
        Cancelled: If `cancelled` says so.
    """
    if min(images.shape[2:]) < SMALLEST_SIDE or not len(first) or not len(second):
        return []
    thumbs = np.concatenate([_thumbs(images[part]) for part in _blocks(first, 1024)])
    hashes = _hashes(thumbs)
    least = min_detail_correlation(min(images.shape[2:]))
    pairs: list[Pair] = []
    paired = np.zeros(len(first), dtype=bool)
    for part in _blocks(second, QUERIES):
        if cancelled and cancelled():
            raise Cancelled("stopped on request: run it again")
        query, found = _candidates(images[part], thumbs, hashes)
        differ = part[query] != first[found]
        query, found = query[differ], found[differ]
        while len(query):
            best = _rank(query) < EXAMINED
            a, b = first[found[best]], part[query[best]]
            detail, whole = _correlations(images, a, b)
            copies = (detail >= least) | (whole >= MIN_CORRELATION)
            pairs += map(Pair, a[copies].tolist(), b[copies].tolist(), np.maximum(detail, whole)[copies].tolist())
            paired[found[best][copies]] = True
            # If all that were examined are copies there may be more, of which those without a pair are examined.
            crowded = np.bincount(query[best][copies], minlength=len(part)) == EXAMINED
            more = ~best & crowded[query] & ~paired[found]
            query, found = query[more], found[more]
    return _unique(pairs)


def min_detail_correlation(side: int) -> float:
    """The correlation of fine detail from which images count as copies; higher for a small `side`, with less detail."""
    return float(np.interp(side, [28, 64], [0.975, 0.8]))


def _unique(pairs: list[Pair]) -> list[Pair]:
    """Each unordered pair once, in the order of its rows."""
    best = {(min(p.first, p.second), max(p.first, p.second)): p for p in sorted(pairs, key=lambda p: p.correlation)}
    return [best[key] for key in sorted(best)]


def _candidates(images: Images, thumbs: Images, hashes: npt.NDArray[np.uint64]) -> tuple[Rows, Rows]:
    """The positions of the query images and of the thumbnails similar to them, the most similar first."""
    queries, matches, scores = [], [], []
    for shifted in _shifted(images):
        own_thumbs = _thumbs(shifted)
        own_hashes = _hashes(own_thumbs)
        unit = _unit(own_thumbs)
        for start in range(0, len(hashes), TILE):
            differing = np.bitwise_count(own_hashes[:, None] ^ hashes[None, start : start + TILE])
            query, match = np.nonzero(differing <= MAX_DIFFERING_BITS)
            score = np.einsum("ij,ij->i", unit[query], _unit(thumbs[start + match]))
            good = score >= MIN_THUMB_CORRELATION
            queries.append(query[good])
            matches.append(start + match[good])
            scores.append(score[good])
    return _best_first(np.concatenate(queries), np.concatenate(matches), np.concatenate(scores))


def _best_first(queries: Rows, matches: Rows, scores: Floats) -> tuple[Rows, Rows]:
    """The matches of each query, the best first and each once."""
    order = np.lexsort((-scores, matches, queries))
    queries, matches, scores = queries[order], matches[order], scores[order]
    new = np.ones(len(queries), dtype=bool)
    new[1:] = (queries[1:] != queries[:-1]) | (matches[1:] != matches[:-1])
    queries, matches, scores = queries[new], matches[new], scores[new]
    order = np.lexsort((matches, -scores, queries))
    return queries[order], matches[order]


def _rank(queries: Rows) -> Rows:
    """The place of each match among those of its query, from 0; matches of a query stand together."""
    return np.arange(len(queries)) - np.searchsorted(queries, queries)


def _correlations(images: ImagesByRow, first: Rows, second: Rows) -> tuple[Floats, Floats]:
    """The correlations of each pair of rows: of their fine detail, and of all their pixels."""
    detail, whole = np.zeros(len(first), dtype=np.float32), np.zeros(len(first), dtype=np.float32)
    for part in (slice(start, start + PAIRS) for start in range(0, len(first), PAIRS)):
        a, b = images[first[part]], images[second[part]]
        detail[part] = _detail_correlation(a, b)
        whole[part] = np.einsum("ij,ij->i", *(_unit(pixels.reshape(len(pixels), -1)) for pixels in (a, b)))
    return detail, whole


def _shifted(images: Images) -> Iterator[Images]:
    """The images as they are, and shifted by about a thirtieth of their side in each direction."""
    yield images
    for axis in (2, 3):
        step = max(1, round(images.shape[axis] / 30))
        for shift in (step, -step):
            yield np.roll(images, shift, axis=axis)


def _thumbs(images: Images) -> Images:
    """Grey thumbnails of 16 x 16 pixels, `(n, 256) uint8`."""
    from PIL import Image

    grey = images.mean(axis=1).astype(np.uint8) if images.shape[1] > 1 else images[:, 0]
    count, height, width = grey.shape
    if height % THUMB == 0 and width % THUMB == 0:  # blocks of whole pixels: all images at once
        rows = grey.reshape(count, THUMB, height // THUMB, width).sum(axis=2, dtype=np.uint32)
        sums = rows.reshape(count, THUMB, THUMB, width // THUMB).sum(axis=3)
        pixels = (height // THUMB) * (width // THUMB)
        thumbs: Images = ((sums + pixels // 2) // pixels).astype(np.uint8).reshape(count, -1)
        return thumbs
    size = (THUMB, THUMB)
    smaller = [np.asarray(Image.fromarray(image).resize(size, Image.Resampling.BOX)).ravel() for image in grey]
    return np.array(smaller, dtype=np.uint8)


def _hashes(thumbs: Images) -> npt.NDArray[np.uint64]:
    """64 bits per thumbnail: which of its 8 x 8 lowest DCT coefficients are above their median."""
    from scipy.fft import dctn

    squares = thumbs.reshape(-1, THUMB, THUMB).astype(np.float32)
    coefficients = dctn(squares, axes=(1, 2))[:, :FREQUENCIES, :FREQUENCIES].reshape(-1, 64)
    coefficients[:, 0] = 0  # brightness
    bits = np.packbits(coefficients > np.median(coefficients, axis=1, keepdims=True), axis=1)
    return np.ascontiguousarray(bits).view(np.uint64)[:, 0]


def _unit(vectors: npt.NDArray[np.uint8] | Floats) -> Floats:
    """The vectors minus their mean, scaled to length 1; a constant vector becomes zero."""
    values = vectors.astype(np.float32)
    values -= values.mean(axis=1, keepdims=True)
    values /= np.maximum(np.linalg.norm(values, axis=1, keepdims=True), np.float32(1e-3))
    return values


def _detail_correlation(first: Images, second: Images) -> Floats:
    """The correlation of fine detail of each pair, the highest among shifts of up to an eighth of the shorter side."""
    from scipy.fft import irfft2, next_fast_len, rfft2

    height, width = first.shape[2:]
    reach = max(1, min(height, width) // 8)
    # Padded by `reach`, as a shift would otherwise wrap around.
    size = (next_fast_len(height + reach, real=True), next_fast_len(width + reach, real=True))
    product = rfft2(_details(first), size) * np.conj(rfft2(_details(second), size))
    shifts: Floats = np.roll(irfft2(product, size), (reach, reach), axis=(1, 2))[:, : 2 * reach + 1, : 2 * reach + 1]
    best: Floats = shifts.max(axis=(1, 2))
    return best


def _details(images: Images) -> Floats:
    """The grey images minus their smooth part, faded out at the border and scaled to length 1, `(n, H, W)`."""
    from scipy.ndimage import gaussian_filter

    grey = images.mean(axis=1, dtype=np.float32)
    grey -= gaussian_filter(grey, (0, 2, 2))
    fade = [np.sqrt(np.hanning(side + 2)[1:-1]).astype(np.float32) for side in grey.shape[1:]]
    grey *= np.outer(*fade)
    return _unit(grey.reshape(len(grey), -1)).reshape(grey.shape)


def _blocks(rows: Rows, size: int) -> Iterator[Rows]:
    return (rows[start : start + size] for start in range(0, len(rows), size))
