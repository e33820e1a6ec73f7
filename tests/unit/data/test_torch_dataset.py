"""Labelled images as a PyTorch dataset: what is stored, in its order, also in the workers of a loader."""

from __future__ import annotations

import pickle  # noqa: TID251 - how a dataset comes to a loader's workers
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from gan_aug.data.torch_dataset import LabelledImages

IMAGES = np.random.default_rng(0).integers(0, 256, (7, 1, 4, 5), dtype=np.uint8)
ROWS = np.array([5, 0, 3, 6])
MATRIX = np.eye(3, dtype=np.float32)[[2, 0, 1, 1]]
LABELS = ("a", "b", "c")


@pytest.fixture
def stored(tmp_path: Path) -> partial[np.ndarray]:
    np.save(tmp_path / "images.npy", IMAGES)
    return partial(np.load, tmp_path / "images.npy", mmap_mode="r")


def test_items_are_images_and_labels(stored: partial[np.ndarray]) -> None:
    images = LabelledImages(stored, ROWS, MATRIX, LABELS, "multi-class")
    assert len(images) == 4
    assert images.labels == LABELS
    assert images.targets.tolist() == [2, 0, 1, 1]
    for (image, label), row, expected in zip(images, ROWS, (2, 0, 1, 1), strict=True):
        assert image.dtype == torch.uint8
        assert np.array_equal(image.numpy(), IMAGES[row])
        assert label == expected
        assert isinstance(label, int)
    assert torch.equal(images[-1][0], images[3][0])
    for outside in (4, -5):
        with pytest.raises(IndexError, match="the dataset has 4"):
            images[outside]
    image, _ = images[0]
    image.zero_()  # a copy: what is stored stays
    assert np.array_equal(images[0][0].numpy(), IMAGES[5])


def test_a_label_of_multi_label_is_a_vector(stored: partial[np.ndarray]) -> None:
    matrix = np.array([[0, 0, 0], [1, 1, 0], [0, 0, 1], [1, 1, 1]], dtype=np.float32)
    images = LabelledImages(stored, ROWS, matrix, LABELS, "multi-label")
    labels = torch.stack([label for _, label in images])
    assert labels.dtype == torch.float32
    assert np.array_equal(labels.numpy(), matrix)


@pytest.mark.parametrize("workers", [0, 1])
def test_a_loader_with_workers_gives_the_same(stored: partial[np.ndarray], workers: int) -> None:
    images = LabelledImages(stored, ROWS, MATRIX, LABELS, "multi-class")
    images[0]  # opened here already
    context = "spawn" if workers else None
    batches = list(DataLoader(images, batch_size=2, num_workers=workers, multiprocessing_context=context))
    assert np.array_equal(torch.cat([batch for batch, _ in batches]).numpy(), IMAGES[ROWS])
    assert torch.cat([labels for _, labels in batches]).tolist() == [2, 0, 1, 1]


def test_images_do_not_travel_with_the_dataset(tmp_path: Path) -> None:
    np.save(tmp_path / "images.npy", np.zeros((4000, 1, 16, 16), dtype=np.uint8))
    opened = partial(np.load, tmp_path / "images.npy", mmap_mode="r")
    images = LabelledImages(opened, np.arange(4), MATRIX, LABELS, "multi-class")
    images[0]
    sent = pickle.dumps(images)
    assert len(sent) < 10_000
    assert torch.equal(pickle.loads(sent)[1][0], images[1][0])  # noqa: S301 - made here
