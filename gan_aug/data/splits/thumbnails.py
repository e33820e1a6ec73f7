"""Thumbnails of many images, and which of them are most like the thumbnail of a given image.

Two thumbnails are alike if their perceptual hashes differ in few bits and their pixels correlate. An index finds the
hashes. Which of them correlate most is known from a few frequencies, up to a bound; those that may be among the
wanted ones are then correlated in all pixels.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from gan_aug.data.splits.hash_index import Hashes, HashIndex

THUMB, FREQUENCIES = 16, 8
"""The side of a thumbnail in pixels, and how many of its lowest frequencies per axis the hash uses."""

MIN_THUMB_CORRELATION = 0.9
"""Thumbnails with a lower correlation rule a pair out."""

COARSE = 31
"""How many frequencies of a thumbnail bound its correlation with others."""

SHIFTS = 5
"""As how many moved copies an image is looked for."""

SLACK = 1e-4
"""More than what rounding can do to a bound."""

FRACTION = 22
"""The bits of the fraction of Pillow's weights."""

TILE = 2**14
"""How many pairs of thumbnails are handled at a time; it bounds the memory."""

Images = npt.NDArray[np.uint8]
Rows = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float32]


class Described(NamedTuple):
    """What is kept of each of n images.

    Attributes:
        pixels: Their thumbnails, `(n, 256) uint8`.
        hashes: Their perceptual hashes, `(n,) uint64`.
        coarse: The COARSE lowest frequencies of each thumbnail of length 1, and the length of all others,
            `(n, COARSE + 1) float32`.
    """

    pixels: Images
    hashes: Hashes
    coarse: Floats


def described(images: Images) -> Described:
    """The thumbnails, hashes and lowest frequencies of images `(n, C, H, W) uint8`."""
    from scipy.fft import dctn

    pixels = _thumbs(images)
    squares = pixels.reshape(-1, THUMB, THUMB).astype(np.float32)
    waves = dctn(squares, axes=(1, 2))[:, :FREQUENCIES, :FREQUENCIES].reshape(-1, FREQUENCIES**2)
    return Described(pixels, _hashes(waves), _coarse(waves, pixels))


@dataclass(frozen=True)
class Thumbnails:
    """Thumbnails that can be searched.

    Attributes:
        rows: The row of each among all images, `(N,) int64`.
        pixels: As in `Described`.
        coarse: As in `Described`.
        index: Finds their hashes.
    """

    rows: Rows
    pixels: Images
    coarse: Floats
    index: HashIndex

    @classmethod
    def of(cls, rows: Rows, images: Described) -> Thumbnails:
        """The thumbnails of `images`, of which those of one grey value alone are left out: they correlate with none."""
        textured = images.pixels.min(axis=1) != images.pixels.max(axis=1)
        return cls(
            rows[textured], images.pixels[textured], images.coarse[textured], HashIndex.of(images.hashes[textured])
        )

    def save(self, folder: Path) -> None:
        """Write all arrays to files in `folder`."""
        for name in ("rows", "pixels", "coarse"):
            np.save(folder / f"{name}.npy", getattr(self, name))
        for field in fields(HashIndex):
            np.save(folder / f"index-{field.name}.npy", getattr(self.index, field.name))

    @classmethod
    def open(cls, folder: Path) -> Thumbnails:
        """The thumbnails that were saved in `folder`, mapped into memory, which all processes of a host share."""

        def mapped(name: str) -> npt.NDArray[np.generic]:
            return np.asarray(np.load(folder / f"{name}.npy", mmap_mode="r", allow_pickle=False))

        index = HashIndex(*(mapped(f"index-{field.name}") for field in fields(HashIndex)))  # type: ignore[arg-type]
        return cls(mapped("rows"), mapped("pixels"), mapped("coarse"), index)  # type: ignore[arg-type]

    def most_alike(self, images: Images, rows: Rows, most: int | None) -> tuple[Rows, Rows]:
        """The thumbnails that are like those of `images`, as they are or moved by about a thirtieth of their side.

        Args:
            images: `(n, C, H, W) uint8`.
            rows: Their rows among all images, `(n,) int64`. An image is not compared with itself.
            most: How many are wanted for each image, or None for all.

        Returns:
            The positions of images and of thumbnails; the most alike of each image first, and each pair once.
        """
        moved = [described(copies) for copies in _shifted(images)]
        coarse = np.concatenate([one.coarse for one in moved])
        copies, found = self.index.near(np.concatenate([one.hashes for one in moved]))
        apart = self.rows.take(found) != rows.take(copies % len(images))
        copies, found, upper = self._likely(copies[apart], found[apart], coarse)
        if most is not None:
            best = self._may_be_best(copies, found, upper, coarse, len(images), most)
            copies, found = copies[best], found[best]
        scores = self._scores(copies, found, unit(np.concatenate([one.pixels for one in moved])))
        good = scores >= MIN_THUMB_CORRELATION
        queries, found = _best_first(copies[good] % len(images), found[good], scores[good])
        wanted = slice(None) if most is None else rank(queries) < most
        return queries[wanted], found[wanted]

    def _likely(self, copies: Rows, found: Rows, coarse: Floats) -> tuple[Rows, Rows, Floats]:
        """The pairs that may correlate enough, each with an upper bound of its correlation."""
        kept = [(copies[:0], found[:0], np.zeros(0, dtype=np.float32))]
        for start in range(0, len(found), TILE):
            a, b = copies[start : start + TILE], found[start : start + TILE]
            # What the other frequencies add is at most the product of their lengths (Cauchy and Schwarz).
            upper = np.einsum("ij,ij->i", coarse.take(a, axis=0), self.coarse.take(b, axis=0))
            likely = upper >= MIN_THUMB_CORRELATION - SLACK
            kept.append((a[likely], b[likely], upper[likely]))
        copies, found, upper = (np.concatenate(column) for column in zip(*kept, strict=True))
        return copies, found, upper

    def _may_be_best(self, copies: Rows, found: Rows, upper: Floats, coarse: Floats, images: int, most: int) -> Rows:
        """The positions of the pairs that may be among the `most` best ones of their image."""
        enough = SHIFTS * (most - 1) + 1  # so many pairs are of `most` thumbnails at least
        image = copies % images
        order = np.argsort(image.astype(np.uint16 if images < 2**16 else np.int64), kind="stable")
        counts = np.bincount(image, minlength=images)
        chosen = [order[:0]]
        for own in np.split(order, np.cumsum(counts)[:-1]):
            if len(own) <= enough:
                chosen.append(own)
                continue
            lower = upper[own] - 2 * coarse[copies[own], -1] * self.coarse[found[own], -1]
            chosen.append(own[upper[own] >= np.partition(lower, -enough)[-enough] - SLACK])
        return np.concatenate(chosen)

    def _scores(self, copies: Rows, found: Rows, units: Floats) -> Floats:
        """The correlation of each pair."""
        scores = np.zeros(len(found), dtype=np.float32)
        for part in (slice(start, start + TILE) for start in range(0, len(found), TILE)):
            scores[part] = np.einsum("ij,ij->i", units[copies[part]], unit(self.pixels[found[part]]))
        return scores


def rank(queries: Rows) -> Rows:
    """The place of each match among those of its query, from 0; `queries` rise, so that those of one stand together."""
    return np.arange(len(queries)) - np.searchsorted(queries, queries)


def _best_first(queries: Rows, matches: Rows, scores: Floats) -> tuple[Rows, Rows]:
    """The matches of each query, the best first and each once."""
    order = np.lexsort((-scores, matches, queries))
    queries, matches, scores = queries[order], matches[order], scores[order]
    new = np.ones(len(queries), dtype=bool)
    new[1:] = (queries[1:] != queries[:-1]) | (matches[1:] != matches[:-1])
    queries, matches, scores = queries[new], matches[new], scores[new]
    order = np.lexsort((matches, -scores, queries))
    return queries[order], matches[order]


def unit(vectors: npt.NDArray[np.uint8] | Floats) -> Floats:
    """The vectors minus their mean, scaled to length 1; a constant vector becomes zero."""
    values = vectors.astype(np.float32)
    values -= values.mean(axis=1, keepdims=True)
    values /= np.maximum(np.linalg.norm(values, axis=1, keepdims=True), np.float32(1e-3))
    return values


def _shifted(images: Images) -> Iterator[Images]:
    """The images as they are, and shifted by about a thirtieth of their side in each direction."""
    yield images
    for axis in (2, 3):
        step = max(1, round(images.shape[axis] / 30))
        for shift in (step, -step):
            yield np.roll(images, shift, axis=axis)


def _thumbs(images: Images) -> Images:
    """Grey thumbnails of 16 x 16 pixels, `(n, 256) uint8`."""
    grey = images.mean(axis=1).astype(np.uint8) if images.shape[1] > 1 else images[:, 0]
    count, height, width = grey.shape
    if height % THUMB == 0 and width % THUMB == 0:
        rows = grey.reshape(count, THUMB, height // THUMB, width).sum(axis=2, dtype=np.uint32)
        sums = rows.reshape(count, THUMB, THUMB, width // THUMB).sum(axis=3)
        pixels = (height // THUMB) * (width // THUMB)
        thumbs: Images = ((sums + pixels // 2) // pixels).astype(np.uint8).reshape(count, -1)
        return thumbs
    if height == width:
        across = _averaged(grey, _box(width))
        return np.ascontiguousarray(_averaged(across.swapaxes(1, 2), _box(height)).swapaxes(1, 2)).reshape(count, -1)
    from PIL import Image  # which begins with one axis or the other

    smaller = [np.asarray(Image.fromarray(image).resize((THUMB, THUMB), Image.Resampling.BOX)) for image in grey]
    return np.array(smaller, dtype=np.uint8).reshape(count, -1)


def _averaged(pixels: Images, weights: npt.NDArray[np.float64]) -> Images:
    """The last axis of `pixels` averaged with `weights` `(side, THUMB)`, and rounded as Pillow does."""
    sums = (pixels @ weights).astype(np.int64)  # exact: they are whole numbers below 2**31
    made: Images = ((sums + 2 ** (FRACTION - 1)) >> FRACTION).astype(np.uint8)
    return made


@cache
def _box(side: int) -> npt.NDArray[np.float64]:
    """Pillow's weights of `side` pixels in each of THUMB averages, which have FRACTION bits: `(side, THUMB)`."""
    scale = side / THUMB
    weights = np.zeros((side, THUMB))
    for place in range(THUMB):
        center = (place + 0.5) * scale
        low, high = int(center - scale / 2 + 0.5), min(side, int(center + scale / 2 + 0.5))
        inside = [pixel for pixel in range(low, high) if -0.5 < (pixel - center + 0.5) * (1 / scale) <= 0.5]
        weights[inside, place] = int(0.5 + 2**FRACTION / len(inside))
    return weights


def _hashes(waves: Floats) -> Hashes:
    """64 bits per thumbnail: which of its 8 x 8 lowest DCT coefficients `waves` `(n, 64)` are above their median."""
    waves = waves.copy()
    waves[:, 0] = 0  # brightness
    bits = np.packbits(waves > np.median(waves, axis=1, keepdims=True), axis=1)
    return np.ascontiguousarray(bits).view(np.uint64)[:, 0]


def _coarse(waves: Floats, pixels: Images) -> Floats:
    """The COARSE lowest frequencies of thumbnails of length 1, and the length of all others.

    They come from the DCT coefficients of the thumbnails, `(n, 64)`, in the units of the orthonormal DCT.
    """
    down, across = np.divmod(np.arange(FREQUENCIES**2), FREQUENCIES)
    lowest = np.lexsort((down, down + across))[1 : COARSE + 1]
    scale = (np.where(down == 0, 0.5, 1) * np.where(across == 0, 0.5, 1)) ** 0.5 / (2 * THUMB)
    lengths = np.maximum(THUMB * pixels.std(axis=1), 1e-3)
    found = (waves[:, lowest] * scale[lowest] / lengths[:, None]).astype(np.float32)
    left = np.maximum(1 - np.einsum("ij,ij->i", found, found), 0)
    return np.column_stack([found, np.sqrt(left + np.float32(1e-5))])  # rounded up
