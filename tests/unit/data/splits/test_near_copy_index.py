"""The index of near copies finds what a look at every pair finds, in one process or in several."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from multiprocessing.reduction import ForkingPickler
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from scipy.fft import dctn

from gan_aug.data.splits import hash_index
from gan_aug.data.splits import near_duplicates as module
from gan_aug.data.splits.hash_index import HashIndex
from gan_aug.data.splits.near_duplicates import near_duplicates
from gan_aug.data.splits.thumbnails import Thumbnails, described, thumbnails
from gan_aug.errors import Cancelled
from tests.unit.data.splits.test_near_duplicates import film, stored


@given(
    st.lists(st.integers(0, 2**64 - 1), min_size=1, max_size=4),
    st.lists(st.tuples(st.integers(0, 3), st.sets(st.integers(0, 63), max_size=11)), min_size=1, max_size=40),
    st.integers(0, 40),
)
@settings(max_examples=8, deadline=None)
def test_hashes_are_found_if_and_only_if_they_differ_in_at_most_eight_bits(
    bases: list[int], changes: list[tuple[int, set[int]]], split: int
) -> None:
    hashes = [bases[which % len(bases)] ^ sum(1 << bit for bit in bits) for which, bits in changes]
    own, among = hashes[:split], hashes[split:]
    expected = {(i, j) for i, a in enumerate(own) for j, b in enumerate(among) if (a ^ b).bit_count() <= 8}
    for fewest in (0, 1000):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(hash_index, "FEWEST_INDEXED", fewest)
            index = HashIndex.of(np.array(among, dtype=np.uint64))
        queries, found = index.near(np.array(own, dtype=np.uint64))
        pairs = list(zip(queries.tolist(), found.tolist(), strict=True))
        assert len(pairs) == len(set(pairs))
        assert set(pairs) == expected


def by_every_pair(images: Any, rows: Any, among: Any, most: int | None) -> list[list[int]]:
    """The rows of `among` that are like each image, the most alike first: the rule word for word, a pair at a time."""
    small = [np.asarray(Image.fromarray(one[0]).resize((16, 16), Image.Resampling.BOX)) for one in images[among]]
    known = [(bits_of(thumb), thumb.astype(float)) for thumb in small]
    answers = []
    for row in rows:
        scores: dict[int, float] = {}
        step = round(images.shape[2] / 30)
        for axis, shift in ((0, 0), (0, step), (0, -step), (1, step), (1, -step)):
            moved = np.roll(images[row, 0], shift, axis)
            thumb = np.asarray(Image.fromarray(moved).resize((16, 16), Image.Resampling.BOX))
            for place, (bits, other) in enumerate(known):
                if among[place] == row or (bits_of(thumb) != bits).sum() > 8 or not np.ptp(other) or not np.ptp(thumb):
                    continue
                correlation = float(np.corrcoef(thumb.ravel(), other.ravel())[0, 1])
                scores[place] = max(correlation, scores.get(place, -1.0))
        good = sorted((place for place, score in scores.items() if score >= 0.9), key=lambda place: -scores[place])
        answers.append(good[:most])
    return answers


def bits_of(thumb: Any) -> Any:
    low = dctn(thumb.astype(np.float32))[:8, :8].ravel()
    low[0] = 0
    return low > np.median(low)


def films(count: int, copies: int) -> Any:
    """Films of 40 pixels, then copies of the first ones that are noisier and noisier, and blank ones."""
    rng = np.random.default_rng(1)
    own = np.stack([stored(film(n, 40)) for n in range(count)])[..., 4:44, 4:44]
    again = np.stack([own[n % 3] + rng.normal(0, 1 + n / 40, own[0].shape) for n in range(copies)]).clip(0, 255)
    return np.concatenate([own, again.astype(np.uint8), np.zeros((5, *own.shape[1:]), np.uint8)])


@pytest.mark.parametrize("fewest", [0, 1000])
@pytest.mark.parametrize("most", [4, None])
def test_the_most_alike_are_those_that_a_look_at_every_pair_finds(
    fewest: int, most: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    images = films(40, 60)
    monkeypatch.setattr(hash_index, "FEWEST_INDEXED", fewest)
    among, rows = np.arange(0, 100), np.array([3, 41, 44, 70, 99, 104])
    known = Thumbnails.of(among, [described(images[among])])
    queries, found = known.most_alike(images[rows], rows, most)
    assert [known.rows[found[queries == n]].tolist() for n in range(len(rows))] == (
        [among[places].tolist() for places in by_every_pair(images, rows, among, most)]
    )
    assert len(found) >= (15 if most else 40)


@pytest.mark.parametrize("side", [25, 28, 47, 50, 100, 225])
def test_thumbnails_are_those_of_pillow(side: int) -> None:
    images = np.random.default_rng(side).integers(0, 256, (8, 1, side, side), dtype=np.uint8)
    for image, found in zip(images, thumbnails(images), strict=True):
        expected = np.asarray(Image.fromarray(image[0]).resize((16, 16), Image.Resampling.BOX))
        assert found.tolist() == expected.ravel().tolist()


def elsewhere(work: Callable[[Any], Any], items: Sequence[Any], chunk: int) -> Iterator[Any]:
    """As a pool does it: work and items travel, and one process dies."""
    for number, item in enumerate(items):
        yield "died" if number == 1 else ForkingPickler.loads(ForkingPickler.dumps(work))(item)


def test_processes_find_the_same_and_leave_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    images = films(100, 60)
    (tmp_path / "images").write_bytes(b"head" + images.tobytes())
    (tmp_path / f"{module.FOLDER}left by a killed process").mkdir()
    file = np.memmap(tmp_path / "images", np.uint8, "r", 4, images.shape)
    monkeypatch.setattr(module, "QUERIES", 16)
    monkeypatch.setattr(module, "DESCRIBED", 30)
    first, second = np.arange(0, 130), np.arange(60, len(images))
    alone = near_duplicates(images, first, second)
    assert len(alone) > 30
    monkeypatch.setattr(module, "SPREAD", 0)
    told: list[tuple[int, int]] = []
    shared = near_duplicates(file, first, second, spread=elsewhere, progress=lambda *done: told.append(done))
    assert shared == alone
    assert told[-1] == (len(second), len(second))
    assert [path.name for path in tmp_path.iterdir()] == ["images"]
    with pytest.raises(Cancelled):
        near_duplicates(file, first, second, spread=elsewhere, cancelled=lambda: True)
    assert [path.name for path in tmp_path.iterdir()] == ["images"]
