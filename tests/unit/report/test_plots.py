from dataclasses import replace

import numpy as np
import pytest
from PIL import Image
from scipy.integrate import trapezoid

from gan_aug.errors import DataError
from gan_aug.evaluation.checkpoints.likeness import Likeness
from gan_aug.evaluation.checkpoints.scores import CheckpointScore, Restart, Scores
from gan_aug.evaluation.statistics.ground_truth import GroundTruth
from gan_aug.evaluation.statistics.roc import roc_band
from gan_aug.report.plots.base import panels_of
from gan_aug.report.plots.curves import history_svg, roc_svg
from gan_aug.report.plots.training import training_curves_png
from gan_aug.report.words.figures import differences_words, forest_rows
from tests.support.evaluation_samples import make_cells, make_manifest, make_report, make_synthetic


@pytest.mark.parametrize("labels", [("a", "b"), ("a", "b", "c")])
def test_the_area_under_the_mean_curve_is_the_mean_auc(labels):
    manifest = make_manifest(labels, positive=None)
    truth = GroundTruth.of(manifest, "test")
    scores = [cell.test_scores for cell in make_cells(manifest, ("synthetic",))]
    band = roc_band(truth, scores)
    expected = np.mean([truth.auc(of_seed).value for of_seed in scores])
    assert trapezoid(band.mean, band.x) == pytest.approx(expected, abs=0.01)
    assert (band.low <= band.mean).all()
    assert (band.mean <= band.high).all()
    assert band.low.min() >= 0
    assert band.high.max() <= 1
    assert (np.diff(band.mean) >= 0).all()


def test_scores_that_say_nothing_give_the_diagonal():
    truth = GroundTruth.of(make_manifest(), "test")
    band = roc_band(truth, [np.full((60, 2), 0.5)])
    np.testing.assert_allclose(band.mean, band.x, atol=1e-12)
    assert "<svg" in roc_svg({"real": band})


def test_arms_without_a_history_have_no_training_curves():
    assert history_svg({"real": {"history": [[]]}}) is None


def test_the_losses_of_the_gan_become_a_picture(tmp_path):
    records = [{"images": 64.0 * i, "loss_d": 1 / i, "loss_g": 2 / i, "steps_per_s": 3.0} for i in range(1, 20)]
    path = tmp_path / "loss.png"
    training_curves_png(records, path)
    first = path.read_bytes()
    training_curves_png(records, path)
    assert path.read_bytes() == first
    with Image.open(path) as image:
        assert image.size == (840, 480)
    with pytest.raises(DataError, match="not taken a step"):
        training_curves_png([], path)


@pytest.mark.parametrize("rule", [1, 2])
def test_the_words_of_the_forest_plot_are_of_every_row_that_is_drawn(rule):
    manifest = make_manifest()
    cells = make_cells(manifest, ("real", "classic", "synthetic", "mixed"))
    report = make_report(manifest, cells, make_synthetic(manifest), rule=rule)
    labels = [row.label for row in forest_rows(report)]
    assert "mixed − classic" in labels
    text = differences_words(report).text
    assert all(f"{label} " in text for label in labels)
    assert text.count(" after Holm, ") == len(labels)


def test_the_scores_of_checkpoints_stand_beside_the_losses(tmp_path):
    real = Likeness(-0.01, 0.02, -0.001, 0.003, 1.0, 0.9, 0.9, 0.95, 0.94)
    rows = tuple(CheckpointScore(10 * i, replace(real, kid=1 / i - 0.3), 0.5, 0.6, 0.5, 0.5) for i in range(1, 5))
    scores = Scores("asked", 100, real, ends=40, best=30, scores=rows, restarts=(Restart(20, 10, 5, "it broke"),))
    records = [{"images": 5.0 * i, "loss_d": 1 / i, "loss_g": 2 / i} for i in range(1, 9)]
    training_curves_png(records, tmp_path / "loss.png", scores)
    with Image.open(tmp_path / "loss.png") as image:
        assert image.size == (1560, 864)


@pytest.mark.parametrize(
    ("count", "most", "expected"), [(1, 3, (1, 1)), (4, 3, (2, 2)), (5, 3, (3, 2)), (8, 3, (3, 3))]
)
def test_panels_fill_their_rows_alike(count, most, expected):
    assert panels_of(count, most) == expected
