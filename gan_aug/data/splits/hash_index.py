"""Hashes of 64 bits that differ from a given one in a few bits: all of them, without a look at every hash.

The bits are parted into three bands. If two hashes differ in at most 8 bits, then they differ in at most 2 bits of at
least one band (pigeonhole principle). So only hashes with nearly the same band are looked at, which a table of each
band finds (multi-index hashing, Norouzi, Punjani and Fleet 2012).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import numpy.typing as npt

MAX_DIFFERING_BITS = 8
"""Hashes that differ in more bits rule a pair out."""

BANDS, BAND_BITS = 3, MAX_DIFFERING_BITS // 3
"""How many bands there are, and in how many bits of one of them two hashes may differ at most."""

WIDTHS = (22, 21, 21)
"""The bits of each band."""

FEWEST_INDEXED = 2**14
"""Of fewer hashes all are looked at, which is faster than to look tables up."""

TILE, EXAMINED_AT_A_TIME = 2**15, 2**17
"""How many pairs of hashes are handled at a time, so that they stay in the processor's cache."""

SAMPLED_HASHES = 2**14
"""From so many hashes it is seen how often each bit is set."""

Hashes = npt.NDArray[np.uint64]
Positions = npt.NDArray[np.int64]


@dataclass(frozen=True)
class HashIndex:
    """Hashes that can be searched.

    Attributes:
        order: The new place of the bits of a hash, `(64,) uint8`: the bits of a band stand together.
        hashes: The hashes with their bits in this order, once for each band and sorted by its value,
            `(BANDS, N) uint64`. Without tables they stand once, as they came, `(1, N)`.
        rows: The position of each of them among the hashes as they came, `(BANDS, N) int32`.
        starts: For each band and each value of it, where hashes with this value begin, `(BANDS, 2**22 + 1) int32`;
            `(0, 0)` if there are so few hashes that all of them are looked at.
    """

    order: npt.NDArray[np.uint8]
    hashes: npt.NDArray[np.uint64]
    rows: npt.NDArray[np.int32]
    starts: npt.NDArray[np.int32]

    @classmethod
    def of(cls, hashes: Hashes) -> HashIndex:
        """The index of `hashes` `(N,) uint64`; without tables if there are fewer than FEWEST_INDEXED."""
        order = _balanced(hashes)
        hashes = _reordered(hashes, order)
        if len(hashes) < FEWEST_INDEXED:
            rows = np.arange(len(hashes), dtype=np.int32)
            return cls(order, hashes[None], rows[None], np.zeros((0, 0), dtype=np.int32))
        sorted_hashes, rows = np.empty((BANDS, len(hashes)), np.uint64), np.empty((BANDS, len(hashes)), np.int32)
        starts = np.zeros((BANDS, 2 ** max(WIDTHS) + 1), dtype=np.int32)
        for band in range(BANDS):
            values = _values(hashes, band)
            rows[band] = np.argsort(values, kind="stable")
            sorted_hashes[band] = hashes[rows[band]]
            starts[band, 1:] = np.cumsum(np.bincount(values, minlength=2 ** max(WIDTHS)))
        return cls(order, sorted_hashes, rows, starts)

    def near(self, own: Hashes) -> tuple[Positions, Positions]:
        """The pairs of one of `own` `(Q,) uint64` and an indexed hash that differ in at most MAX_DIFFERING_BITS bits.

        Returns:
            The positions of both, each pair once, in no particular order.
        """
        own = _reordered(own, self.order)
        parts = [part for band in range(BANDS) for part in self._by_band(own, band)] if len(self.starts) else []
        parts = parts if len(self.starts) else list(self._by_all(own))
        if not parts:
            return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64)
        queries, found = (np.concatenate(column) for column in zip(*parts, strict=True))
        return queries, found

    def _by_all(self, own: Hashes) -> Iterator[tuple[Positions, Positions]]:
        step = max(1, TILE // max(1, len(own)))
        for start in range(0, self.hashes.shape[1], step):
            differing = np.bitwise_count(own[:, None] ^ self.hashes[0, None, start : start + step])
            queries, found = np.nonzero(differing <= MAX_DIFFERING_BITS)
            yield queries, start + found

    def _by_band(self, own: Hashes, band: int) -> Iterator[tuple[Positions, Positions]]:
        """As `near`, of the pairs that this band finds and none before it."""
        starts = self.starts[band]
        probes = _values(own, band)[:, None] ^ _flips(WIDTHS[band])
        firsts = starts.take(probes)
        counts = starts.take(probes + 1) - firsts
        per_query = counts.sum(axis=1)
        for part in _slices(per_query, EXAMINED_AT_A_TIME):
            count = counts[part].ravel()
            ends = np.cumsum(count, dtype=np.int64)
            places = np.repeat(firsts[part].ravel() - (ends - count), count) + np.arange(ends[-1])
            queries = np.repeat(np.arange(part.start, part.stop), per_query[part])
            differing = self.hashes[band].take(places) ^ own.take(queries)
            near = np.flatnonzero(np.bitwise_count(differing) <= MAX_DIFFERING_BITS)
            differing = differing[near]
            new = np.ones(len(near), dtype=bool)
            for before in range(band):
                new &= np.bitwise_count(differing & _mask(before)) > BAND_BITS
            near = near[new]
            yield queries[near], self.rows[band].take(places[near]).astype(np.int64)


def _slices(sizes: npt.NDArray[np.int64], most: int) -> Iterator[slice]:
    """Consecutive positions of `sizes` whose sizes add up to about `most`."""
    ends = np.cumsum(sizes)
    start = 0
    while start < len(sizes):
        before = int(ends[start - 1]) if start else 0
        stop = max(start + 1, int(np.searchsorted(ends, before + most, side="right")))
        if ends[stop - 1] > before:
            yield slice(start, stop)
        start = stop


def _balanced(hashes: Hashes) -> npt.NDArray[np.uint8]:
    """The bits in an order that gives each band as many bits as others that are set in about half of all hashes."""
    sample = hashes[:: max(1, len(hashes) // SAMPLED_HASHES)]
    shares = _bits(sample).sum(axis=0) / max(1, len(sample))
    balanced_first = np.argsort(np.abs(shares - 0.5), kind="stable").astype(np.uint8)
    return np.concatenate([balanced_first[band::BANDS] for band in range(BANDS)])


def _bits(hashes: Hashes) -> npt.NDArray[np.uint8]:
    return np.unpackbits(np.ascontiguousarray(hashes).view(np.uint8).reshape(-1, 8), axis=1)


def _reordered(hashes: Hashes, order: npt.NDArray[np.uint8]) -> Hashes:
    """The hashes with their bits in `order`, the first as the highest."""
    packed = np.ascontiguousarray(np.packbits(_bits(hashes)[:, order], axis=1))
    return packed.view(">u8")[:, 0].astype(np.uint64)


def _values(hashes: Hashes, band: int) -> Positions:
    """The bits of a band as numbers."""
    shift = 64 - sum(WIDTHS[: band + 1])
    return ((hashes >> np.uint64(shift)) & np.uint64(2 ** WIDTHS[band] - 1)).astype(np.int64)


def _mask(band: int) -> np.uint64:
    return np.uint64((2 ** WIDTHS[band] - 1) << (64 - sum(WIDTHS[: band + 1])))


def _flips(width: int) -> Positions:
    """All numbers of `width` bits of which at most BAND_BITS are set."""
    chosen = [bits for count in range(BAND_BITS + 1) for bits in combinations(range(width), count)]
    return np.array([sum(1 << bit for bit in bits) for bits in chosen], dtype=np.int64)
