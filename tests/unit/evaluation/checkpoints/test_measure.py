"""What images of known kinds score: real ones, grain, black ones, copies of training images."""

from __future__ import annotations

import numpy as np
import pytest

from gan_aug.config.compare import ClassifierConfig
from gan_aug.data.image_store import open_images
from gan_aug.evaluation.checkpoints import judge
from gan_aug.evaluation.checkpoints.judge import SIDE, judge_for, shrunk
from gan_aug.evaluation.checkpoints.measure import FEWEST_MADE, Ruler
from tests.support.cell_data import CellData


@pytest.fixture(scope="module")
def ruler(cell_data: CellData, tmp_path_factory: pytest.TempPathFactory) -> Ruler:
    store, folder = open_images(cell_data.dataset, cell_data.manifest), tmp_path_factory.mktemp("judges")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(judge, "RECIPE", ClassifierConfig(name="small-cnn", steps=60, epochs=1, batch=32))
        own = judge_for(folder, cell_data.manifest, store)
        written = (own / "classifier.safetensors").stat().st_mtime_ns
        assert judge_for(folder, cell_data.manifest, store) == own  # it is kept
    assert (own / "classifier.safetensors").stat().st_mtime_ns == written
    return Ruler(cell_data.manifest, store, own)


def test_training_images_are_as_near_as_real_ones_can_be(ruler: Ruler) -> None:
    real = ruler.real
    assert abs(real.kid) < 4 * real.kid_se
    assert abs(real.random_kid) < 4 * real.random_kid_se
    assert real.finest == pytest.approx(1, abs=0.15)
    assert real.recall > 0.8
    assert real.labels > 0.6


def test_grain_is_seen_at_the_finest_frequencies_and_by_random_features(ruler: Ruler) -> None:
    """These digits are enlarged without smoothing, so they have much power there themselves."""
    grain = np.random.default_rng(0).normal(0, 80, ruler.training.shape)
    found = ruler.measure((ruler.training + grain).clip(0, 255).astype(np.uint8), ruler.training_labels)
    assert found.finest > 2 * ruler.real.finest
    assert found.random_kid > 5 * found.random_kid_se


def test_black_images_are_far_by_random_features_and_show_no_label(ruler: Ruler) -> None:
    found = ruler.measure(np.zeros((len(ruler.wanted), 1, 16, 16), dtype=np.uint8), ruler.wanted)
    assert found.random_kid > 0.3
    assert found.labels == pytest.approx(0.1, abs=1e-6)
    assert (found.recall, found.coverage < 0.1) == (0, True)


def test_swapped_labels_are_seen(ruler: Ruler) -> None:
    found = ruler.measure(ruler.training, np.roll(ruler.training_labels, 1, axis=1))
    assert found.labels < 0.2


def test_copies_of_training_images_are_nearer_to_them_than_validation_images(ruler: Ruler) -> None:
    copies, others = ruler.memorised(ruler.training), ruler.memorised(ruler.images)
    assert copies.nearer > 0.95
    assert copies.copy_like > 0.95
    assert others.nearer == pytest.approx(0.5)


def test_few_validation_images_are_asked_for_more_than_once(ruler: Ruler) -> None:
    assert len(ruler.wanted) >= FEWEST_MADE
    assert (ruler.wanted[: len(ruler.labels)] == ruler.labels).all()


def test_large_images_are_averaged_down_and_small_ones_stay() -> None:
    store = np.zeros((3, 1, 2 * SIDE, SIDE), dtype=np.uint8)
    store[:, :, ::2] = 200
    assert shrunk(store).shape == (3, 1, SIDE, SIDE // 2)
    assert (shrunk(store, np.array([1])) == 100).all()
    assert shrunk(store[:, :, :SIDE]).shape == (3, 1, SIDE, SIDE)
