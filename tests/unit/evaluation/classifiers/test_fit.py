from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from gan_aug.config.compare import ClassifierConfig
from gan_aug.data.manifest import Manifest, Study
from gan_aug.data.synthetic.shards import SyntheticManifest
from gan_aug.data.transforms import ClassicAugmentation
from gan_aug.errors import Cancelled, DataError, TrainingDiverged
from gan_aug.evaluation.arms import ArmPlan, TrainingSet, plan_arm
from gan_aug.evaluation.classifiers.fit import HeldOut, fit, image_order, phases, validation_steps
from gan_aug.evaluation.classifiers.networks import predict_scores

RECORD_KEYS = ["epoch", "step", "train_loss", "train_accuracy", "validation_loss", "validation_accuracy"]


def make(task="multi-class", count=60):
    """Images whose brightness tells the label, in two halves: training and validation."""
    labels = [(i % 2,) if task == "multi-class" else tuple(k for k in (0, 1) if i >> k & 1) for i in range(count)]
    images = np.random.default_rng(0).integers(0, 60, (count, 1, 16, 16), dtype=np.uint8)
    for image, present in zip(images, labels, strict=True):
        image[0, :, 8:] += np.uint8(150 * (1 in present))
        image[0, :, :8] += np.uint8(150 * (0 in present))
    studies = tuple(
        Study(str(i), label, "train" if i < count // 2 else "validation", None, "") for i, label in enumerate(labels)
    )
    manifest = Manifest("bright", ("a", "b"), task, (1, 16, 16), studies)
    rows = manifest.indices("validation")
    training = TrainingSet(plan_arm("real", manifest, None, 1.0), images, None)
    return manifest, training, HeldOut(images[rows], manifest.label_matrix()[rows])


def config(**values):
    return ClassifierConfig(**{"name": "small-cnn", "steps": 30, "batch": 8, "epochs": 3, **values})


@pytest.mark.parametrize("task", ["multi-class", "multi-label"])
@pytest.mark.parametrize("optimizer", ["adam", "adamw", "sgd", "rmsprop"])
def test_every_optimiser_learns_an_easy_task(task, optimizer):
    manifest, training, validation = make(task)
    fitted = fit(config(optimizer=optimizer), manifest, training, validation, seed=1)
    scores = predict_scores(fitted.model, validation.images, task)
    assert ((scores > 0.5) == validation.labels).mean() > 0.8


def test_history_has_one_plain_record_per_validation_and_the_best_one_is_kept():
    manifest, training, validation = make()
    seen: list[int] = []
    fitted = fit(config(), manifest, training, validation, seed=1, progress=seen.append)
    assert [list(record) for record in fitted.history] == [RECORD_KEYS] * 4
    assert all(type(value) in (int, float) for record in fitted.history for value in record.values())
    assert seen == [record["step"] for record in fitted.history] == [5, 10, 20, 30]
    best = min(fitted.history, key=lambda record: record["validation_loss"])
    assert fitted.best_step == best["step"]
    scores = predict_scores(fitted.model, validation.images, "multi-class")
    loss = -np.log((scores * validation.labels).sum(axis=1)).mean()
    assert loss == pytest.approx(best["validation_loss"])


def test_a_seed_gives_the_same_bits_and_leaves_the_global_generator_alone():
    manifest, training, validation = make()
    torch.manual_seed(7)
    first = fit(config(), manifest, training, validation, seed=1)
    expected = torch.rand(3)
    torch.manual_seed(7)
    torch.testing.assert_close(torch.rand(3), expected, rtol=0, atol=0)
    second = fit(config(), manifest, training, validation, seed=1)
    other = fit(config(), manifest, training, validation, seed=2)
    assert first.history == second.history
    assert all(torch.equal(a, b) for a, b in zip(first.model.parameters(), second.model.parameters(), strict=True))
    assert first.history != other.history


def test_no_validation_images_is_an_error_that_says_what_to_set():
    manifest, training, validation = make()
    with pytest.raises(DataError, match=r"data\.validation"):
        fit(config(), manifest, training, HeldOut(validation.images[:0], validation.labels[:0]), seed=1)


def test_a_loss_that_is_not_finite_stops_the_training():
    manifest, training, validation = make()
    with pytest.raises(TrainingDiverged, match=r"mlp is .* lower classifier\.lr"):
        fit(config(name="mlp", optimizer="sgd", lr=1e30), manifest, training, validation, seed=1)


def test_cancelled_is_asked_at_each_validation():
    manifest, training, validation = make()
    answers = iter([False, True])
    with pytest.raises(Cancelled):
        fit(config(), manifest, training, validation, seed=1, cancelled=lambda: next(answers))


def test_the_order_is_permutations_cut_into_equal_batches():
    stream = np.concatenate(list(itertools.islice(image_order(10, 4, 0), 5)))
    assert sorted(stream[:10]) == sorted(stream[10:]) == list(range(10))
    assert [len(batch) for batch in itertools.islice(image_order(3, 8, 0), 4)] == [8] * 4


@pytest.mark.parametrize(
    ("steps", "epochs", "start", "points"),
    [
        (10, 4, 0, [2, 5, 7, 10]),
        (3, 20, 0, [1, 2, 3]),
        (700, 1, 0, [700]),
        (400, 4, 0, [6, 12, 25, 50, 100, 200, 300, 400]),
        (400, 4, 230, [100, 200, 236, 242, 255, 280, 300, 400]),
        (400, 4, 380, [100, 200, 300, 386, 392, 400]),
    ],
)
def test_validation_points_are_even_closer_where_real_images_begin_and_end_with_the_last_step(
    steps, epochs, start, points
):
    assert validation_steps(steps, epochs, start) == points


def test_mixed_positions_reach_both_sources():
    store = np.zeros((4, 1, 2, 2), np.uint8) + np.arange(4, dtype=np.uint8)[:, None, None, None]
    plan = ArmPlan(np.array([1, 3]), 2, np.zeros((4, 2), np.float32))
    training = TrainingSet(plan, store, store + 100)
    assert training.images(np.array([3, 0, 2, 1]))[:, 0, 0, 0].tolist() == [101, 1, 100, 3]


def test_pretraining_sees_synthetic_images_and_then_real_ones_in_as_many_steps():
    manifest, training, validation = make()
    synthetic = SyntheticManifest(manifest.labels, manifest.task, manifest.shape, 0, "c", "", (), ((0,), (1,)) * 5, ())
    seen = []

    class Watched(TrainingSet):
        def images(self, positions):
            seen.append(set(positions.tolist()))
            return super().images(positions)

    plan = plan_arm("pretrain", manifest, synthetic, 1.0)
    watched = Watched(plan, training.store, training.store[:10])
    fitted = fit(config(), manifest, watched, validation, seed=1, pretrain=0.7)
    assert fitted.steps == len(seen) == 30
    reals = set(range(len(plan.real)))
    assert [positions <= reals for positions in seen] == [False] * 21 + [True] * 9
    assert not any(positions & reals for positions in seen[:21])
    assert fitted.best_step in (26, 30)  # the points at 10 and 20 lie before any real image


@given(st.integers(1, 50), st.floats(0.01, 0.99), st.booleans())
def test_the_parts_of_a_training_sum_to_its_steps(steps, share, pretrain):
    plan = ArmPlan(np.arange(7), 5, np.zeros((12, 2), np.float32), pretrain=pretrain)
    parts = phases(plan, steps, share)
    assert sum(part[0] for part in parts) == steps
    assert parts[-1][0] >= 1
    assert [part[1:] for part in parts] == ([(7, 5), (0, 7)] if pretrain else [(0, 12)])


def test_classic_images_differ_each_time_they_are_drawn_and_are_the_same_in_another_training():
    manifest, training, validation = make()
    drawn: list[np.ndarray] = []

    class Watched(ClassicAugmentation):
        def __call__(self, images, seed, indices):
            drawn.append(np.array(list(indices)))
            return super().__call__(images, seed, drawn[-1])

    augmented = TrainingSet(training.plan, training.store, None, Watched(manifest.shape))
    first = fit(config(steps=9), manifest, augmented, validation, seed=1)
    assert np.concatenate(drawn).tolist() == list(range(9 * 8))
    second = fit(config(steps=9), manifest, augmented, validation, seed=1)
    plain = fit(config(steps=9), manifest, training, validation, seed=1)
    assert first.history == second.history != plain.history
    assert first.steps == plain.steps == 9
