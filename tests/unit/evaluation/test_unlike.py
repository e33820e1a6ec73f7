"""Images that the classifiers were not made for are told, and images like the others seldom are."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest
from sklearn.datasets import load_sample_images

from gan_aug.data.manifest import Manifest, Study
from gan_aug.evaluation.unlike import Likeness, learn_likeness, likeness_again


@pytest.fixture(scope="module")
def likeness(cell_data) -> Likeness:
    return learn_likeness(cell_data.images, cell_data.manifest)


def test_what_was_kept_gives_the_same_again(cell_data, likeness: Likeness) -> None:
    again = likeness_again(cell_data.images, cell_data.manifest, json.loads(json.dumps(likeness.limits())))
    np.testing.assert_array_equal(again.training, likeness.training)
    assert dataclasses.replace(again, training=likeness.training) == likeness


def photos(count: int, side: int) -> np.ndarray:
    """Grey cuttings of the photographs that come with scikit-learn."""
    rng, pictures = np.random.default_rng(0), load_sample_images().images
    cuttings = []
    for k in range(count):
        grey, step = pictures[k % 2].mean(axis=2), 1 + k % 8
        y, x = (int(rng.integers(0, length - side * step)) for length in grey.shape)
        cuttings.append(grey[y : y + side * step : step, x : x + side * step : step])
    return np.stack(cuttings)[:, None].astype(np.uint8)


def test_noise_photographs_inverted_and_blank_images_are_unlike(cell_data, likeness: Likeness) -> None:
    test = cell_data.images[cell_data.manifest.indices("test")]
    rng = np.random.default_rng(1)
    others = {
        "noise": rng.integers(0, 256, (50, 1, 16, 16)).astype(np.uint8),
        "photographs": photos(50, 16),
        "inverted": 255 - test,
        "shuffled pixels": rng.permuted(test.reshape(len(test), -1), axis=1).reshape(test.shape),
        "blank": np.stack([np.full((1, 16, 16), grey, np.uint8) for grey in (0, 127, 255)]),
    }
    told = {name: float((likeness.measure(images).max(axis=1) > 1).mean()) for name, images in others.items()}
    assert min(told.values()) > 0.95, told
    usual = likeness.measure(test).max(axis=1) > 1
    assert float(usual.mean()) == likeness.test_false_alarms < 0.1
    assert f"{100 * likeness.test_false_alarms:.2g} % of the test images" in likeness.describe()


def test_each_measure_tells_its_own_kind(cell_data, likeness: Likeness) -> None:
    test = cell_data.images[cell_data.manifest.indices("test")]
    distance, detail = likeness.measure(255 - test).T
    assert np.median(distance) > 1 > np.median(detail), "an inverted image has the same detail"
    blank = likeness.measure(np.full((1, 1, 16, 16), 90, np.uint8))
    assert blank[0, 1] > 1


def test_the_false_alarms_are_as_few_as_is_said() -> None:
    """Over many splits of one pool, images like the validation images lie beyond the limit as seldom as it says."""
    rng, held_out = np.random.default_rng(2), 30
    seen = []
    for _ in range(60):
        count = 60 + held_out + 200
        images = rng.normal(120, rng.gamma(4, 8, (count, 1, 1, 1)), (count, 1, 8, 8)).clip(0, 255).astype(np.uint8)
        splits = ["train"] * 60 + ["validation"] * held_out + ["test"] * 200
        studies = tuple(Study(str(k), (k % 2,), split, None, "") for k, split in enumerate(splits))  # type: ignore[arg-type]
        found = learn_likeness(images, Manifest("pool", ("a", "b"), "multi-class", (1, 8, 8), studies))
        seen.append(found.test_false_alarms)
    assert found.false_alarms == pytest.approx(1 / (held_out + 1))
    assert found.false_alarms / 1.35 < np.mean(seen) < found.false_alarms * 1.35


def test_large_and_coloured_images_are_measured_too() -> None:
    rng = np.random.default_rng(3)
    ramp = np.linspace(0, 200, 70)[None, None, None, :] + np.zeros((90, 3, 50, 1))
    images = (ramp + rng.normal(0, 9, ramp.shape)).clip(0, 255).astype(np.uint8)
    studies = tuple(Study(str(k), (0,), ("train", "validation", "test")[k % 3], None, "") for k in range(90))  # type: ignore[arg-type]
    manifest = Manifest("ramps", ("a",), "multi-class", (3, 50, 70), studies)
    found = learn_likeness(images, manifest)
    assert found.training.shape == (30, 3 * 16 * 23)
    assert (found.measure(images[:, :, :, ::-1])[:, 0] > 1).all(), "mirrored, the ramp falls"
    assert learn_likeness(images, dataclasses.replace(manifest)).limit == found.limit
