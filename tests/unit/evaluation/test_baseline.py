"""The cheap baseline: it reaches what scikit-learn's own parts reach, always the same, on images of any kind."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from gan_aug.data.manifest import Manifest
from gan_aug.evaluation.baseline import STRENGTH, baseline_figures, score_test_images
from gan_aug.evaluation.statistics.ground_truth import GroundTruth
from tests.support.evaluation_samples import make_cells, make_manifest


def images_of(manifest: Manifest, strength: float = 12.0) -> np.ndarray:
    """Noise, with a patch for each label that an image has."""
    rng = np.random.default_rng(3)
    channels, height, width = manifest.shape
    values = rng.normal(128, 30, (len(manifest.studies), channels, height, width))
    step = height // (len(manifest.labels) + 1)
    for image, labels in zip(values, manifest.label_matrix(), strict=True):
        for k in np.flatnonzero(labels):
            image[:, k * step : (k + 1) * step, : width // 3] += strength
    return np.clip(values, 0, 255).astype(np.uint8)


def shaped(manifest: Manifest, *shape: int) -> Manifest:
    return dataclasses.replace(manifest, shape=shape)


@pytest.mark.parametrize("labels", [("normal", "pneumonia"), ("a", "b", "c")])
def test_it_reaches_what_scikit_learns_own_parts_reach(labels: tuple[str, ...]) -> None:
    manifest = make_manifest(labels=labels, per_label=60, positive=labels[-1])
    images = images_of(manifest)
    scores, components, used = score_test_images(manifest, images)
    assert (components, used) == (50, 120 * len(labels))
    flat, held = images.reshape(len(images), -1) / 255, manifest.label_matrix().argmax(axis=1)
    train, test = manifest.indices("train"), manifest.indices("test")
    parts = (StandardScaler(), PCA(50, whiten=True, svd_solver="full"), LogisticRegression(C=STRENGTH, tol=1e-9))
    theirs = make_pipeline(*parts).fit(flat[train], held[train]).predict_proba(flat[test])
    truth = GroundTruth.of(manifest, "test")
    ours = truth.auc(scores).value
    if len(labels) == 2:
        expected = roc_auc_score(held[test], theirs[:, 1])
    else:
        expected = roc_auc_score(held[test], theirs, multi_class="ovr")
    assert 0.6 < ours < 1
    assert ours == pytest.approx(expected, abs=2e-3)  # whitening divides by n here, and by n - 1 there
    np.testing.assert_allclose(scores.sum(axis=1), 1)


def test_it_is_the_same_whatever_the_threads_around_it() -> None:
    manifest = shaped(make_manifest(per_label=20), 1, 28, 28)
    images = images_of(manifest)
    with threadpool_limits(1):
        once = score_test_images(manifest, images)[0]
    with threadpool_limits(2):
        again = score_test_images(manifest, images)[0]
    assert np.array_equal(once, again)


@pytest.mark.parametrize("shape", [(3, 40, 64), (1, 50, 50), (3, 8, 8)])
def test_larger_and_coloured_images_are_reduced(shape: tuple[int, int, int]) -> None:
    manifest = shaped(make_manifest(per_label=20), *shape)
    scores, components, _ = score_test_images(manifest, images_of(manifest, 40.0))
    assert components == 50
    assert GroundTruth.of(manifest, "test").auc(scores).value > 0.9


def test_several_labels_at_once_have_a_regression_each() -> None:
    manifest = make_manifest(labels=("a", "b", "c"), task="multi-label", per_label=40, positive=None)
    # No training image has the label c: it cannot be told from the others.
    studies = [
        dataclasses.replace(study, labels=tuple(k for k in study.labels if k != 2)) if study.split == "train" else study
        for study in manifest.studies
    ]
    manifest = dataclasses.replace(manifest, studies=tuple(studies))
    scores, _, _ = score_test_images(manifest, images_of(manifest, 40.0))
    truth = GroundTruth.of(manifest, "test")
    assert truth.only(0).auc(scores[:, [0]]).value > 0.8
    assert set(scores[:, 2]) == {0.0}


def test_images_that_are_all_alike_are_at_chance() -> None:
    manifest = make_manifest(per_label=10)
    scores, components, _ = score_test_images(manifest, np.full((len(manifest.studies), 1, 28, 28), 7, np.uint8))
    assert components == 1
    assert GroundTruth.of(manifest, "test").auc(scores).value == 0.5


def test_the_arm_real_is_compared_with_it_over_its_seeds() -> None:
    manifest = make_manifest(per_label=60)
    images, cells = images_of(manifest), make_cells(manifest)
    figures = baseline_figures(manifest, images, cells)
    truth = GroundTruth.of(manifest, "test")
    real = np.mean([truth.auc(cell.test_scores).value for cell in cells if cell.arm == "real"])
    assert figures["real_above"]["value"] == pytest.approx(real - figures["auc"]["value"])
    low, high = figures["real_above"]["ci95"]
    assert low < figures["real_above"]["value"] < high
    assert figures == baseline_figures(manifest, images, cells)
