"""Finding images that are nearly the same: one film saved twice, brightened, compressed anew or moved a little.

Three sieves, each finer and dearer than the one before. A 64-bit hash of the coarsest waves tells what could be alike
from what could not; thumbnails are correlated; and the few best of each image are compared in their fine detail, which
unrelated films do not share however alike they look from afar. Mirrored, turned or cropped copies are not looked for,
nor those moved by more than about a fiftieth of their side.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from gan_aug.errors import Cancelled

SMALLEST_SIDE = 24
"""Below this, images of one kind resemble each other too much to tell copies apart."""

THUMB, WAVES = 16, 8
BITS_APART = 8
COARSE = 0.9
EXAMINED = 4
"""How many of the most similar images are examined in detail for each image."""

QUERIES, TILE, PAIRS = 128, 8192, 64

Images = npt.NDArray[np.uint8]
Rows = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Pair:
    """Two rows of the store that look nearly the same, `correlation` being that of their details."""

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
    """The pairs of a row of `first` and one of `second` that look nearly the same; raises Cancelled.

    With the same rows in both, each pair comes once and none with itself. Memory: 264 bytes per image of `first`.
    """
    if min(images.shape[2:]) < SMALLEST_SIDE or not len(first) or not len(second):
        return []
    thumbs = np.concatenate([_thumbs(images[part]) for part in _blocks(first, 1024)])
    hashes = _hashes(thumbs)
    least = sure_correlation(min(images.shape[2:]))
    pairs: list[Pair] = []
    for part in _blocks(second, QUERIES):
        if cancelled and cancelled():
            raise Cancelled("stopped on request: run it again")
        query, found = _candidates(images[part], thumbs, hashes)
        alike = part[query], first[found]
        other = alike[0] != alike[1]
        for start in range(0, int(other.sum()), PAIRS):
            a, b = (rows[other][start : start + PAIRS] for rows in alike)
            sure = _detail_correlation(images[a], images[b])
            pairs += [Pair(int(x), int(y), float(c)) for x, y, c in zip(b, a, sure, strict=True) if c >= least]
    return _once(pairs)


def sure_correlation(side: int) -> float:
    """From which correlation of details images of this side count as copies: small ones have less that tells."""
    return float(np.interp(side, [28, 64], [0.975, 0.8]))


def _once(pairs: list[Pair]) -> list[Pair]:
    """Each unordered pair once, in the order of rows."""
    best = {(min(p.first, p.second), max(p.first, p.second)): p for p in sorted(pairs, key=lambda p: p.correlation)}
    return [best[key] for key in sorted(best)]


def _candidates(images: Images, thumbs: Images, hashes: npt.NDArray[np.uint64]) -> tuple[Rows, Rows]:
    """Positions of the query images and of those most similar to them, a few for each."""
    queries, places, scores = [], [], []
    for moved in _moved(images):
        seen = _thumbs(moved)
        asked = _hashes(seen)
        unit = _unit(seen)
        for start in range(0, len(hashes), TILE):
            apart = np.bitwise_count(asked[:, None] ^ hashes[None, start : start + TILE])
            query, place = np.nonzero(apart <= BITS_APART)
            score = np.einsum("ij,ij->i", unit[query], _unit(thumbs[start + place]))
            good = score >= COARSE
            queries.append(query[good])
            places.append(start + place[good])
            scores.append(score[good])
    return _best(np.concatenate(queries), np.concatenate(places), np.concatenate(scores))


def _best(queries: Rows, places: Rows, scores: Floats) -> tuple[Rows, Rows]:
    """For each query its best few places, each once."""
    order = np.lexsort((-scores, places, queries))
    queries, places, scores = queries[order], places[order], scores[order]
    new = np.ones(len(queries), dtype=bool)
    new[1:] = (queries[1:] != queries[:-1]) | (places[1:] != places[:-1])
    queries, places, scores = queries[new], places[new], scores[new]
    order = np.lexsort((places, -scores, queries))
    queries, places = queries[order], places[order]
    rank = np.arange(len(queries)) - np.searchsorted(queries, queries)
    return queries[rank < EXAMINED], places[rank < EXAMINED]


def _moved(images: Images) -> Iterator[Images]:
    """The images as they are, and moved by about a thirtieth of their side each way."""
    yield images
    for axis in (2, 3):
        step = max(1, round(images.shape[axis] / 30))
        for way in (step, -step):
            yield np.roll(images, way, axis=axis)


def _thumbs(images: Images) -> Images:
    """Grey thumbnails, `(n, 256) uint8`."""
    from PIL import Image

    grey = images.mean(axis=1).astype(np.uint8) if images.shape[1] > 1 else images[:, 0]
    count, height, width = grey.shape
    if height % THUMB == 0 and width % THUMB == 0:  # whole pixels, all images at once
        rows = grey.reshape(count, THUMB, height // THUMB, width).sum(axis=2, dtype=np.uint32)
        sums = rows.reshape(count, THUMB, THUMB, width // THUMB).sum(axis=3)
        pixels = (height // THUMB) * (width // THUMB)
        thumbs: Images = ((sums + pixels // 2) // pixels).astype(np.uint8).reshape(count, -1)
        return thumbs
    size = (THUMB, THUMB)
    smaller = [np.asarray(Image.fromarray(image).resize(size, Image.Resampling.BOX)).ravel() for image in grey]
    return np.array(smaller, dtype=np.uint8)


def _hashes(thumbs: Images) -> npt.NDArray[np.uint64]:
    """64 bits per thumbnail: which of its coarsest waves are stronger than their median."""
    from scipy.fft import dctn

    waves = dctn(thumbs.reshape(-1, THUMB, THUMB).astype(np.float32), axes=(1, 2))[:, :WAVES, :WAVES].reshape(-1, 64)
    waves[:, 0] = 0  # brightness
    bits = np.packbits(waves > np.median(waves, axis=1, keepdims=True), axis=1)
    return np.ascontiguousarray(bits).view(np.uint64)[:, 0]


def _unit(vectors: npt.NDArray[np.uint8] | Floats) -> Floats:
    """Vectors without their mean, of length 1; constant ones are zero."""
    values = vectors.astype(np.float32)
    values -= values.mean(axis=1, keepdims=True)
    values /= np.maximum(np.linalg.norm(values, axis=1, keepdims=True), np.float32(1e-3))
    return values


def _detail_correlation(first: Images, second: Images) -> Floats:
    """The correlation of fine detail, pair by pair, where it is highest among moves of up to an eighth of the side."""
    from scipy.fft import irfft2, next_fast_len, rfft2

    height, width = first.shape[2:]
    reach = max(1, min(height, width) // 8)
    # Room for the move, which would otherwise wrap around.
    size = (next_fast_len(height + reach, real=True), next_fast_len(width + reach, real=True))
    product = rfft2(_details(first), size) * np.conj(rfft2(_details(second), size))
    moves: Floats = np.roll(irfft2(product, size), (reach, reach), axis=(1, 2))[:, : 2 * reach + 1, : 2 * reach + 1]
    best: Floats = moves.max(axis=(1, 2))
    return best


def _details(images: Images) -> Floats:
    """What is left of the images when their smooth part is taken away, faded out at the border, of length 1."""
    from scipy.ndimage import gaussian_filter

    grey = images.mean(axis=1, dtype=np.float32)
    grey -= gaussian_filter(grey, (0, 2, 2))
    fade = [np.sqrt(np.hanning(side + 2)[1:-1]).astype(np.float32) for side in grey.shape[1:]]
    grey *= np.outer(*fade)
    return _unit(grey.reshape(len(grey), -1)).reshape(grey.shape)


def _blocks(rows: Rows, size: int) -> Iterator[Rows]:
    return (rows[start : start + size] for start in range(0, len(rows), size))
