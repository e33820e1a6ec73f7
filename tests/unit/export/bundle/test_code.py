"""The code that bundles bring along makes the images of gan-aug to the bit, of every network, size and labelling."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from gan_aug.export.bundle.code import about, sampling
from gan_aug.export.bundle.code.seeds import image_noise
from gan_aug.export.bundle.configs import network_arguments
from gan_aug.export.bundle.program import bundled_network
from gan_aug.gan import seeds
from gan_aug.gan.networks.settings import NetworkName
from gan_aug.gan.state import load_generator
from gan_aug.synthesis.generator import TrainedGenerator
from gan_aug.synthesis.sampler import sample
from tests.unit.export.bundle.checkpoints import write_checkpoint

LABELS = ("normal", "7", "肺炎")
FIRST = {"schema": 1, "trained_on": ("a" * 64,), "trained_images": 1}
"""Of version 0.1, whose sums round in another order."""


@pytest.mark.parametrize(
    ("network", "shape", "labels", "values"),
    [
        ("dcgan", (1, 16, 24), LABELS, {}),
        ("dcgan", (3, 28, 28), ("one",), {}),
        ("dcgan", (1, 16, 16), LABELS, FIRST),
        ("dcgan", (3, 16, 16), LABELS, FIRST),
        ("resize", (1, 33, 18), LABELS, {}),
        ("resize", (3, 16, 47), ("one",), {}),
        ("residual", (1, 18, 35), ("one",), {}),
        ("residual", (3, 32, 17), LABELS, {}),
    ],
)
def test_it_makes_our_images(
    network: NetworkName, shape: tuple[int, int, int], labels: tuple[str, ...], values: dict[str, Any], tmp_path: Path
) -> None:
    checkpoint = write_checkpoint(tmp_path, network, shape, labels, **values)
    theirs = bundled_network(checkpoint, network_arguments(checkpoint))
    rows = np.random.default_rng(0).integers(0, 2, (100, len(labels))).astype(np.float32)
    torch.set_num_threads(1)
    ours = sample(load_generator(checkpoint), rows, seed=5)
    assert ours.std() > 10, "a grey image would be equal by chance"
    torch.set_num_threads(2)
    np.testing.assert_array_equal(sampling.make(theirs, rows, 5), ours)
    np.testing.assert_array_equal(sampling.make(theirs, rows[70:81], 5, first=70), ours[70:81])
    assert sampling.make(theirs, rows[:0], 5).shape == (0, *shape)
    assert torch.get_num_threads() == 2


def test_seeds_and_labels_mean_what_they_mean_to_us(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for seed, numbers in ((0, [0, 1, 2**40]), (2**32 - 1, [63]), (3, [])):
        ours = seeds.image_noise(seed, seeds.Purpose.SYNTHESIS, numbers, 5)
        np.testing.assert_array_equal(image_noise(seed, numbers, 5), ours)
    checkpoint = write_checkpoint(tmp_path, "dcgan", (1, 16, 16), LABELS, task="multi-label")
    ours_of, network = TrainedGenerator(checkpoint), bundled_network(checkpoint, network_arguments(checkpoint))
    monkeypatch.setattr(sampling, "LABELS", [*LABELS])
    assert about.LABELS == [], "the package itself is of no model"
    for label, same in ((None, "normal"), (7, "7"), (2, "肺炎"), (["肺炎", 7], ["7", "肺炎"]), ([], [])):
        made = sampling.sample(network, label, 3, seed=4, first=62)  # type: ignore[arg-type]
        np.testing.assert_array_equal(made, ours_of.sample(same, 3, 4, first=62))  # type: ignore[arg-type]
    for wrong in ("absent", 3, -1, ["normal", "x"], True):
        with pytest.raises(ValueError, match="the labels are normal, 7, 肺炎"):
            sampling.sample(network, wrong)  # type: ignore[arg-type]
    for values in ({"count": -1}, {"first": -1}, {"seed": 2**32}):
        with pytest.raises(ValueError, match="seed is from 0 to"):
            sampling.sample(network, "7", **values)
