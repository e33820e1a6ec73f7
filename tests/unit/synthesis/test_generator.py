"""A trained generator makes the very images of a synthetic set, and says what it was not trained on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from gan_aug.compute.local.executor import LocalExecutor
from gan_aug.data.synthetic.shards import read_images
from gan_aug.errors import CheckpointError, DataError
from gan_aug.gan.state import Checkpoint, TrainingData, save_checkpoint
from gan_aug.synthesis.generator import TrainedGenerator, load_generator
from gan_aug.synthesis.latents import Latent
from gan_aug.synthesis.write import write_synthetic_set
from tests.support.gan_samples import small_trainer

LABELS = ("low", "middle", "high")


@pytest.fixture(scope="module", params=["multi-class", "multi-label"])
def checkpoint(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Checkpoint:
    trainer = small_trainer(images=32)
    while not trainer.finished:
        trainer.step()
    folder = tmp_path_factory.mktemp("run") / "train" / "checkpoints"
    return save_checkpoint(folder, trainer, TrainingData(LABELS, request.param, "data", 2))


def test_images_are_those_of_the_synthetic_set_to_the_bit(checkpoint: Checkpoint, tmp_path: Path) -> None:
    plan = tuple((k % 3,) for k in range(150))
    made = read_images(
        tmp_path, write_synthetic_set(checkpoint, plan, tmp_path, LocalExecutor(1), seed=5, shard_size=64)
    )
    generator = load_generator(checkpoint.path)
    assert (generator.labels, generator.shape) == (LABELS, (1, 16, 16))
    for number in (0, 1, 62, 63, 64, 127, 128, 149):
        assert np.array_equal(generator.sample(LABELS[number % 3], 1, 5, first=number)[0], made[number])
    many = generator.sample("middle", 150, 5)
    assert many.dtype == np.uint8
    assert np.array_equal(many[1::3], made[1::3])
    assert np.array_equal(generator.sample(1, 100, 5, first=50), many[50:])
    assert generator.sample("middle", 0).shape == (0, 1, 16, 16)
    assert not np.array_equal(generator.sample("middle", 150, 6), many)


def test_truncation_makes_images_less_varied(checkpoint: Checkpoint) -> None:
    generator = TrainedGenerator(checkpoint)
    plain, typical = generator.sample("low", 64), generator.sample("low", 64, truncation=0.0)
    assert plain.std(axis=0).max() > 0
    assert typical.std(axis=0).max() == 0


def test_labels_of_multi_label_are_given_together(checkpoint: Checkpoint) -> None:
    generator = TrainedGenerator(checkpoint)
    if checkpoint.task == "multi-class":
        with pytest.raises(DataError, match="makes images of exactly one label"):
            generator.sample(["low", "high"], 1)
        return
    both = generator.sample(["low", "high"], 4)
    assert np.array_equal(both, generator.sample(("high", "low"), 4))
    assert not np.array_equal(both, generator.sample([], 4))
    assert np.array_equal(generator.sample(["low"], 4), generator.sample("low", 4))


def test_a_walk_has_the_images_of_sample_at_its_ends(checkpoint: Checkpoint) -> None:
    generator = TrainedGenerator(checkpoint)
    start, end = generator.latent("low", 5, first=70), generator.latent("high", 5, first=70)
    walk = generator.between(start, end, 7)
    assert walk.images.shape == (7, 1, 16, 16)
    assert np.array_equal(walk.images[:1], generator.sample("low", 1, 5, first=70))
    assert np.array_equal(walk.images[-1:], generator.sample("high", 1, 5, first=70))
    other = generator.between(start, generator.latent("low", 9, truncation=0.5), 3)
    assert np.array_equal(other.images[-1:], generator.sample("low", 1, 9, truncation=0.5))
    assert np.array_equal(generator.make(other.latents[1:2]).images, other.images[1:2])  # from its point alone
    steps = np.abs(np.diff(walk.images.astype(float), axis=0)).mean(axis=(1, 2, 3))
    whole = np.abs(walk.images[0].astype(float) - walk.images[-1]).mean()
    assert steps.max() < 0.6 * whole, "no step is the whole way"


def test_a_walk_that_cannot_be_made_is_told(checkpoint: Checkpoint) -> None:
    generator = TrainedGenerator(checkpoint)
    start, end = generator.latent("low"), generator.latent("low", 1)
    for steps in (-1, 1, 257):
        with pytest.raises(DataError, match=f"{steps} steps: .* so give 2 to 256"):
            generator.between(start, end, steps)
    with pytest.raises(DataError, match="lies between two images"):
        generator.between(generator.between(start, end, 3).latents[1], end)
    with pytest.raises(DataError, match="weights for other labels"):
        generator.make([Latent((1.0, 0.0), 0)])
    with pytest.raises(DataError, match="seed -1"):
        generator.latent("low", -1)
    with pytest.raises(DataError, match="no label 'lwo'"):
        generator.latent("lwo")


@pytest.mark.parametrize(
    ("arguments", "options", "says"),
    [
        (("lwo", 1), {}, "no label 'lwo': the generator was trained on low, middle, high"),
        ((3, 1), {}, "no label 3"),
        ((-1, 1), {}, "no label -1"),
        (("low", -1), {}, "count -1"),
        (("low", 1, -1), {}, "seed -1"),
        (("low", 1, 2**32), {}, "seed 4294967296"),
        (("low", 1), {"first": -2}, "first -2"),
        (("low", 1), {"first": 2**64}, "first 18446744073709551616"),
        (("low", 1), {"truncation": 1.5}, "truncation 1.5"),
    ],
)
def test_what_cannot_be_made_is_told(checkpoint: Checkpoint, arguments: tuple, options: dict, says: str) -> None:
    with pytest.raises(DataError) as error:
        TrainedGenerator(checkpoint).sample(*arguments, **options)
    assert says in str(error.value)


def test_it_is_found_in_a_run_folder(checkpoint: Checkpoint, tmp_path: Path) -> None:
    assert load_generator(str(checkpoint.path.parents[2])).checkpoint.id == checkpoint.id
    assert "labels: low, middle, high" in repr(load_generator(checkpoint.path))
    with pytest.raises(CheckpointError, match="holds no trained GAN"):
        load_generator(tmp_path)
