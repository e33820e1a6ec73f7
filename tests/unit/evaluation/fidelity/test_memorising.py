from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
import torch

from gan_aug.data.manifest import Manifest, Study
from gan_aug.errors import DataError
from gan_aug.evaluation.fidelity.memorising import Memorising, features_to_memorising, measure_memorising

FloatArray = npt.NDArray[np.float64]


def features(seed: int, count: int, spread: float = 1.0) -> FloatArray:
    return np.random.default_rng(seed).normal(0, spread, (count, 16))


def mean_of(spread: float) -> tuple[list[Memorising], float, float]:
    found = [
        features_to_memorising(features(3 * i, 300), features(3 * i + 1, 60), features(3 * i + 2, 200, spread))
        for i in range(20)
    ]
    return found, float(np.mean([one.nearer for one in found])), float(np.mean([one.copy_like for one in found]))


def test_images_of_the_same_kind_are_as_near_as_held_out_ones() -> None:
    found, nearer, copy_like = mean_of(1.0)
    assert nearer == pytest.approx(0.5, abs=0.03)
    assert copy_like == pytest.approx(0.5, abs=0.03)
    assert np.std([one.nearer for one in found]) == pytest.approx(found[0].se, rel=0.5)
    assert (found[0].images, found[0].held_out_images) == (200, 60)


def test_planted_copies_are_found() -> None:
    training, held_out = features(1, 300), features(2, 60)
    copies = training[:200] + features(3, 200, 0.1)
    found = features_to_memorising(training, held_out, copies)
    assert found.nearer > 0.999
    assert found.copy_like > 0.999
    half = features_to_memorising(training, held_out, np.concatenate([copies[:100], features(4, 100)]))
    assert 0.7 < half.nearer < 0.8
    assert 0.7 < half.copy_like < 0.8
    assert half.synthetic[0] < 0.3 * half.held_out[0]
    exact = features_to_memorising(training, held_out, training[:50])
    assert exact.nearer == exact.copy_like == 1
    assert exact.synthetic == (0, 0, 0)


def test_less_variety_is_nearer_but_no_copy() -> None:
    _, nearer, copy_like = mean_of(0.5)
    assert nearer > 0.9
    assert copy_like < 0.6


def test_distances_are_those_to_the_nearest_training_image() -> None:
    training, held_out, made = features(1, 1500), features(2, 20), features(3, 30)
    found = features_to_memorising(training, held_out, made)
    near = [np.linalg.norm(side[:, None] - training[None], axis=2).min(axis=1) for side in (made, held_out)]
    assert found.synthetic == pytest.approx(np.quantile(near[0], (0.01, 0.1, 0.5)))
    assert found.nearer == pytest.approx(np.mean(near[0][:, None] < near[1][None]))


def test_too_few_or_other_features_are_refused() -> None:
    with pytest.raises(DataError, match="too few"):
        features_to_memorising(features(1, 10), features(2, 1), features(3, 10))
    with pytest.raises(DataError, match="dimensions"):
        features_to_memorising(features(1, 10), features(2, 10)[:, :8], features(3, 10))


def test_images_are_measured_against_the_training_and_validation_split_alone() -> None:
    """Smooth images of random shapes; the planted generator gives training images back with a little noise."""
    coarse = np.random.default_rng(0).integers(40, 216, (160, 1, 4, 4))
    store = np.kron(coarse, np.ones((1, 1, 5, 5), dtype=np.int64)).astype(np.uint8)
    splits = ["train"] * 80 + ["validation"] * 30 + ["test"] * 50
    studies = tuple(Study(f"{row:064}", (0,), split, None, "") for row, split in enumerate(splits))
    manifest = Manifest("shapes", ("a",), "multi-class", (1, 20, 20), studies)
    noise = np.random.default_rng(1).integers(-9, 10, (60, 1, 20, 20))
    copies = (store[:60] + noise).astype(np.uint8)
    found = measure_memorising(manifest, store, copies, torch.device("cpu"))
    assert found is not None
    assert (found["training_images"], found["images"], found["held_out_images"]) == (80, 60, 30)
    assert found["nearer"] > 0.95
    assert found["copy_like"] > 0.95
    others = measure_memorising(manifest, store, store[110:], torch.device("cpu"))
    assert others is not None
    assert abs(others["nearer"] - 0.5) < 3 * others["se"]
    few = Manifest("shapes", ("a",), "multi-class", (1, 20, 20), studies[:85] + studies[110:])
    assert measure_memorising(few, store, copies, torch.device("cpu")) is None
