"""Thumbnails of many images, and which of them are most like the thumbnail of a given image.

Two thumbnails are alike if their perceptual hashes differ in few bits and their pixels correlate. An index finds the
hashes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from gan_aug.data.splits.hash_index import Hashes, HashIndex

THUMB, FREQUENCIES = 16, 8
"""The side of a thumbnail in pixels, and how many of its lowest frequencies per axis the hash uses."""

MIN_THUMB_CORRELATION = 0.9
"""Thumbnails with a lower correlation rule a pair out."""

SHIFTS = 5
"""As how many moved copies an image is looked for."""

FRACTION = 22
"""The bits of the fraction of Pillow's weights."""

TILE = 2**10
"""How many pairs of thumbnails are handled at a time, so that they stay in the processor's cache."""

ROWS, UNITS = "rows.npy", "units.npy"

Images = npt.NDArray[np.uint8]
Rows = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float32]


class Described(NamedTuple):
    """What is kept of each of n images.

    Attributes:
        hashes: Their perceptual hashes, `(n,) uint64`.
        units: Their thumbnails minus their mean, of length 1, `(n, 256) float32`; of one grey value alone, zeros.
    """

    hashes: Hashes
    units: Floats


def described(images: Images) -> Described:
    """The hashes and thumbnails of images `(n, C, H, W) uint8`."""
    thumbs = thumbnails(images)
    return Described(_hashes(thumbs), unit(thumbs))


@dataclass(frozen=True)
class Thumbnails:
    """Thumbnails that can be searched.

    Attributes:
        rows: The row of each among all images, `(N,) int64`.
        units: As in `Described`.
        index: Finds their hashes.
    """

    rows: Rows
    units: Floats
    index: HashIndex

    @classmethod
    def of(cls, rows: Rows, parts: Iterable[Described], folder: Path | None = None) -> Thumbnails:
        """The thumbnails of the images at `rows`, described in `parts`; in files in `folder`, if there is one."""
        shape = (len(rows), THUMB**2)
        units: Floats = (
            np.lib.format.open_memmap(folder / UNITS, "w+", np.float32, shape)
            if folder
            else np.empty(shape, dtype=np.float32)
        )
        hashes, done = np.empty(len(rows), dtype=np.uint64), 0
        for part in parts:
            end = done + len(part.hashes)
            hashes[done:end], units[done:end] = part
            done = end
        made = cls(rows, np.asarray(units), HashIndex.of(hashes))
        if folder:
            np.save(folder / ROWS, made.rows)
            for field in fields(HashIndex):
                np.save(folder / f"index-{field.name}.npy", getattr(made.index, field.name))
        return made

    @classmethod
    def open(cls, folder: Path) -> Thumbnails:
        """The thumbnails in the files in `folder`, mapped into memory, which all processes of a host share."""

        def mapped(name: str) -> Any:
            return np.asarray(np.load(folder / name, mmap_mode="r", allow_pickle=False))

        index = HashIndex(*(mapped(f"index-{field.name}.npy") for field in fields(HashIndex)))
        return cls(mapped(ROWS), mapped(UNITS), index)

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
        hashes, units = (np.concatenate(column) for column in zip(*moved, strict=True))
        textured = np.flatnonzero(units.any(axis=1))  # an image of one grey value is like no other
        copies, found = self.index.near(hashes[textured])
        copies = textured[copies]
        apart = self.rows.take(found) != rows.take(copies % len(images))
        copies, found = copies[apart], found[apart]
        scores = self._scores(copies, found, units)
        good = np.flatnonzero(scores >= MIN_THUMB_CORRELATION)
        queries, found, scores = copies[good] % len(images), found[good], scores[good]
        if most is None:
            return _best_first(queries, found, scores)
        best = _at_least_best(queries, scores, SHIFTS * (most - 1) + 1)  # so many pairs are of `most` thumbnails
        queries, found = _best_first(queries[best], found[best], scores[best])
        wanted = rank(queries) < most
        return queries[wanted], found[wanted]

    def _scores(self, copies: Rows, found: Rows, units: Floats) -> Floats:
        """The correlation of each pair."""
        scores = np.empty(len(found), dtype=np.float32)
        for part in (slice(start, start + TILE) for start in range(0, len(found), TILE)):
            a, b = units.take(copies[part], axis=0), self.units.take(found[part], axis=0)
            scores[part] = np.einsum("ij,ij->i", a, b)
        return scores


def _at_least_best(queries: Rows, scores: Floats, most: int) -> Rows:
    """The positions of the `most` best scores of each query, and of equal ones."""
    order = np.argsort(queries.astype(np.uint16 if queries.max(initial=0) < 2**16 else np.int64), kind="stable")
    ends = np.cumsum(np.bincount(queries))

    def best(own: Rows) -> Rows:
        return own if len(own) <= most else own[scores[own] >= np.partition(scores[own], -most)[-most]]

    return np.concatenate([order[:0], *map(best, np.split(order, ends[:-1]))])


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


def thumbnails(images: Images) -> Images:
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


def _hashes(thumbs: Images) -> Hashes:
    """64 bits per thumbnail: which of its 8 x 8 lowest DCT coefficients are above their median."""
    from scipy.fft import dctn

    squares = thumbs.reshape(-1, THUMB, THUMB).astype(np.float32)
    coefficients = dctn(squares, axes=(1, 2))[:, :FREQUENCIES, :FREQUENCIES].reshape(-1, FREQUENCIES**2)
    coefficients[:, 0] = 0  # brightness
    bits = np.packbits(coefficients > np.median(coefficients, axis=1, keepdims=True), axis=1)
    return np.ascontiguousarray(bits).view(np.uint64)[:, 0]
