from __future__ import annotations

import json
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
import torch
from torch import nn

from gan_aug.config.compare import ClassifierName
from gan_aug.errors import CheckpointError, DataError
from gan_aug.evaluation.classifiers.networks import (
    ClassifierCard,
    build,
    load_classifier,
    predict_scores,
    save_classifier,
)
from gan_aug.run import layout

CARD = ClassifierCard("small-cnn", (1, 16, 20), ("benign", "malignant"), "multi-class", "malignant")
IMAGES = np.random.default_rng(0).integers(0, 256, (5, 1, 16, 20), dtype=np.uint8)


@pytest.fixture
def model() -> nn.Module:
    return build("small-cnn", (1, 16, 20), 2).eval()


@pytest.mark.parametrize("name", get_args(ClassifierName))
@pytest.mark.parametrize("shape", [(1, 16, 16), (3, 28, 40), (3, 128, 130)])
def test_every_classifier_takes_small_large_and_oblong_images(name, shape):
    model = build(name, shape, 3)
    assert model.eval()(torch.zeros(2, *shape)).shape == (2, 3)


def test_one_class_is_refused():
    with pytest.raises(DataError, match="a comparison needs two classes"):
        build("cnn", (1, 28, 28), 1)


def test_images_of_a_few_pixels_are_refused():
    with pytest.raises(DataError, match=r"4x28 px .* data\.size"):
        build("cnn", (1, 4, 28), 2)


def test_multi_class_scores_sum_to_one_whatever_the_batch(model):
    scores = predict_scores(model, IMAGES, "multi-class", batch=2)
    assert scores.shape == (5, 2)
    assert scores.dtype == np.float64
    np.testing.assert_allclose(scores.sum(axis=1), 1)
    np.testing.assert_allclose(scores, predict_scores(model, IMAGES, "multi-class"), rtol=1e-5)


def test_multi_label_scores_are_independent_sigmoids(model):
    scores = predict_scores(model, IMAGES, "multi-label")
    logits = np.log(scores / (1 - scores))
    softmax = predict_scores(model, IMAGES, "multi-class")
    np.testing.assert_allclose(np.log(softmax[:, 0] / softmax[:, 1]), logits[:, 0] - logits[:, 1], rtol=1e-6)


def test_scoring_reads_a_read_only_memory_map(tmp_path: Path, model):
    np.save(tmp_path / "x.npy", IMAGES)
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    model.train()
    scores = predict_scores(model, mapped, "multi-class")
    assert model.training
    np.testing.assert_array_equal(scores, predict_scores(model, IMAGES, "multi-class"))


@pytest.mark.parametrize("name", get_args(ClassifierName))
def test_a_kept_classifier_scores_as_before(tmp_path: Path, name):
    model = build(name, CARD.shape, 2)
    card = ClassifierCard(name, CARD.shape, CARD.labels, CARD.task, CARD.positive)
    save_classifier(tmp_path, model, card)
    state = torch.get_rng_state()
    loaded, read = load_classifier(tmp_path)
    assert read == card
    assert not loaded.training
    assert torch.equal(state, torch.get_rng_state())
    for key, value in model.state_dict().items():
        assert torch.equal(value, loaded.state_dict()[key])


@pytest.mark.parametrize("harm", ["absent", "no weights", "torn weights", "not json", "other schema", "other weights"])
def test_a_harmed_classifier_is_not_believed(tmp_path: Path, model, harm):
    if harm != "absent":
        save_classifier(tmp_path, model, CARD)
    record = tmp_path / layout.CLASSIFIER
    if harm == "no weights":
        (tmp_path / layout.CLASSIFIER_WEIGHTS).unlink()
    elif harm == "torn weights":
        (tmp_path / layout.CLASSIFIER_WEIGHTS).write_bytes((tmp_path / layout.CLASSIFIER_WEIGHTS).read_bytes()[:-9])
    elif harm == "not json":
        record.write_text("{")
    elif harm == "other schema":
        record.write_text(json.dumps({**json.loads(record.read_text()), "schema": 99}))
    elif harm == "other weights":
        record.write_text(json.dumps({**json.loads(record.read_text()), "name": "cnn"}))
    with pytest.raises(CheckpointError):
        load_classifier(tmp_path)
