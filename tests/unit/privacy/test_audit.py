"""Copies are found, honest images are not, and the verdict follows; the null against all pairs by brute force."""

from __future__ import annotations

import dataclasses

import numpy as np
import numpy.typing as npt
import pytest
import scipy.stats
from scipy import ndimage

from gan_aug.data.manifest import Manifest, Split
from gan_aug.errors import Cancelled, DataError
from gan_aug.privacy.audit import Audit
from gan_aug.privacy.copies import CROWDED, CopySearch, Limits
from tests.unit.privacy.films import film_manifest, films
from tests.unit.privacy.test_nearest import brute_force

TRAINING, HELD_OUT, SIDE = 480, 240, 28


@dataclasses.dataclass
class Films:
    manifest: Manifest
    images: npt.NDArray[np.uint8]
    audit: Audit


@pytest.fixture(scope="module")
def data() -> Films:
    images = films(TRAINING + HELD_OUT, (SIDE, SIDE), seed=7, detail=2)
    splits: list[Split] = ["train" if k < TRAINING else "validation" for k in range(len(images))]
    manifest = film_manifest(images, splits, np.arange(len(images)) // 2 + np.arange(len(images)) % 2 * 1000)
    return Films(manifest, images, Audit(manifest, images))


def labels_of(count: int) -> npt.NDArray[np.float32]:
    return np.eye(2, dtype=np.float32)[np.arange(count) % 2]


def changed(images: npt.NDArray[np.uint8]) -> dict[str, npt.NDArray[np.uint8]]:
    """Copies that were altered in the ways that copies are."""
    chance, values = np.random.default_rng(2), images.astype(np.float64)
    made = {
        "same": values,
        "noise": values + 12 * chance.standard_normal(values.shape),
        "brighter": values * 0.8 + 30,
        "shifted": ndimage.shift(values, (0, 0, 1, -1), order=1, mode="nearest"),
        "mirrored": values[..., ::-1],
        "rotated": ndimage.rotate(values, 4, axes=(2, 3), reshape=False, order=1, mode="nearest"),
    }
    return {name: np.clip(np.rint(each), 0, 255).astype(np.uint8) for name, each in made.items()}


def test_what_is_usual_equals_brute_force() -> None:
    images, patients = films(48, (16, 16), seed=4), np.arange(48) // 3
    copies = CopySearch(images, np.arange(48), patients)
    apart = brute_force(copies.space, images, images, copies.variants).min(axis=1)
    other = patients[:, None] != patients[None]
    own = np.where(other, apart, np.inf).min(axis=1)
    expected = []
    for i, row in enumerate(np.where(other, apart, np.inf).argmin(axis=1)):
        left = apart[row][(patients != patients[row]) & (patients != patients[i])].min()
        expected.append(own[i] / max(left, np.quantile(own, CROWDED)))
    np.testing.assert_allclose(copies.by_chance(), expected, rtol=1e-3)
    np.testing.assert_allclose(copies.apart(np.arange(48)), np.maximum(own, np.quantile(own, CROWDED)), rtol=1e-3)


def test_copies_are_found_and_other_images_are_not(data: Films) -> None:
    limits = data.audit.limits
    chosen = np.arange(0, TRAINING, 12)
    for name, images in changed(data.images[chosen]).items():
        found = data.audit.copies.measure(images, np.arange(len(images)))
        assert (found.ratio < limits.like_a_copy).mean() >= 0.9, name
        assert (found.row == chosen).mean() >= 0.9, name
    held_out = data.audit.copies.measure(data.images, data.audit.held_out)
    assert (held_out.ratio < limits.like_a_copy).sum() <= limits.most(HELD_OUT)
    assert (held_out.ratio > limits.copy).all()
    assert limits.copy <= 0.8 * data.audit.by_chance.min()


def test_honest_set_is_allowed_and_one_with_few_copies_is_not(data: Films) -> None:
    honest = films(400, (SIDE, SIDE), seed=8, detail=2)
    record = data.audit(honest, labels_of(400)).record
    assert record["set"] == {"allowed": True, "reasons": []} == record["model"]
    assert record["membership"]["judged"]
    assert 0.4 < record["membership"]["auc"]["value"] < 0.6

    planted = honest.copy()
    planted[[3, 77, 200, 399]] = data.images[[5, 50, 500 % TRAINING, 300]][..., ::-1]
    record = data.audit(planted, labels_of(400)).record
    assert record["copies"]["confirmed"] == [3, 77, 200, 399]
    assert "copy" in record["set"]["reasons"]
    assert record["model"]["reasons"] == ["confirmed"]
    nearest = record["copies"]["nearest"][:4]
    assert sorted((pair["index"], pair["training"]) for pair in nearest) == [(3, 5), (77, 50), (200, 20), (399, 300)]


def test_memorised_set_is_refused_for_membership_too(data: Films) -> None:
    chance = np.random.default_rng(0)
    chosen = np.arange(TRAINING)
    blurred = data.images[chosen] + 20 * chance.standard_normal((TRAINING, 1, SIDE, SIDE))
    record = data.audit(np.clip(blurred, 0, 255).astype(np.uint8), labels_of(TRAINING)).record
    assert record["membership"]["refused"]
    assert {"copies", "membership"} <= set(record["model"]["reasons"])


def test_what_is_like_a_copy_is_replaced_by_the_next_that_is_not(data: Films) -> None:
    loose = Audit(data.manifest, data.images)
    loose.limits = dataclasses.replace(loose.limits, like_a_copy=float(np.quantile(loose.by_chance, 0.2)), rank=96)
    honest, more = films(200, (SIDE, SIDE), seed=8, detail=2), films(400, (SIDE, SIDE), seed=9, detail=2)
    asked: list[tuple[int, int]] = []

    def redraw(wanted: list[tuple[int, int]]) -> npt.NDArray[np.uint8]:
        asked.extend(wanted)
        return more[[number - 200 for _, number in wanted]]

    found = loose(honest, labels_of(200), redraw)
    dropped = found.record["copies"]["dropped"]
    assert dropped
    assert len(found.replacements) == len(dropped)
    assert [number for _, number in asked] == list(range(200, 200 + len(asked)))
    assert all(one["replaced_by"] >= 200 for one in dropped)
    again = loose.copies.measure(found.replacements, np.arange(len(dropped)))
    assert (again.ratio >= loose.limits.like_a_copy).all()


def test_few_held_out_patients_judge_nothing(data: Films) -> None:
    rows = [*range(TRAINING), *range(TRAINING, TRAINING + 60)]
    fewer = dataclasses.replace(data.manifest, studies=tuple(data.manifest.studies[k] for k in rows))
    record = Audit(fewer, data.images[rows])(films(100, (SIDE, SIDE), seed=8, detail=2), labels_of(100)).record
    assert (record["membership"]["judged"], record["membership"]["because"]) == (False, "few")
    assert record["membership"]["auc"]["smallest"] > 0.6
    with pytest.raises(DataError, match="an audit needs 16 images of 4 patients"):
        Audit(dataclasses.replace(data.manifest, studies=data.manifest.studies[:10]), data.images[:10])
    with pytest.raises(Cancelled):
        Audit(data.manifest, data.images, cancelled=lambda: True)


def test_most_is_the_beta_binomial_limit_counted_in_patients() -> None:
    limits = Limits(images=2000, patients=1000, least=0.6, like_a_copy=0.66, copy=0.4, rank=2)
    assert limits.most(1000) == scipy.stats.betabinom.ppf(0.99, 1000, 1, 1000)
    by_hand = np.random.default_rng(0)
    below = by_hand.binomial(1000, by_hand.beta(1, 1000, 100_000))
    assert np.quantile(below, 0.99) == pytest.approx(limits.most(1000), abs=1)
