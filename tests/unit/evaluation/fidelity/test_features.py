from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from gan_aug.config.compare import ClassifierName, CompareConfig, FeaturesName
from gan_aug.errors import Cancelled, CheckpointError, ConfigError
from gan_aug.evaluation.classifiers.networks import (
    ClassifierCard,
    build,
    load_classifier,
    predict_logits,
    save_classifier,
)
from gan_aug.evaluation.fidelity.features import (
    classifier_features,
    images_to_features,
    inception_features,
    inception_file,
    random_features,
)
from gan_aug.evaluation.fidelity.measure import choose_extractor

CPU = torch.device("cpu")
IMAGES = np.random.default_rng(0).integers(0, 256, (21, 1, 16, 16), dtype=np.uint8)


def by(features: FeaturesName) -> CompareConfig:
    return CompareConfig(features=features)


def kept(folder: Path, name: ClassifierName = "cnn") -> Path:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = build(name, (1, 16, 16), 3)
    save_classifier(folder, model, ClassifierCard(name, (1, 16, 16), ("a", "b", "c"), "multi-class", None))
    return folder


@pytest.mark.parametrize(("name", "dimension"), [("cnn", 128), ("small-cnn", 64), ("mlp", 128), ("resnet18", 512)])
def test_a_classifier_gives_what_its_last_layer_sees(tmp_path, name, dimension):
    extractor = choose_extractor(by("classifier"), kept(tmp_path, name), 1, CPU)
    features = images_to_features(extractor, IMAGES, CPU)
    assert extractor.name == f"classifier {name}, last hidden layer"
    assert features.shape == (21, dimension)
    assert features.dtype == np.float64
    model = load_classifier(tmp_path)[0]
    last = [module for module in model.modules() if isinstance(module, torch.nn.Linear)][-1]
    logits = F.linear(torch.from_numpy(features).float(), last.weight, last.bias).detach().numpy()
    assert logits == pytest.approx(predict_logits(model, IMAGES), abs=1e-5)


def test_a_softmax_regression_has_no_features_so_the_random_network_serves(tmp_path):
    assert choose_extractor(by("classifier"), kept(tmp_path, "softmax"), 1, CPU).name == "random-cnn-1"


def test_the_random_network_is_the_same_everywhere():
    before = torch.get_rng_state()
    features = images_to_features(random_features(1, CPU), IMAGES, CPU)
    assert features.shape == (21, 256)
    assert (torch.get_rng_state() == before).all()
    assert (features == images_to_features(random_features(1, CPU), IMAGES, CPU)).all()
    ramp = np.arange(256, dtype=np.uint8).reshape(1, 1, 16, 16)
    pinned = images_to_features(random_features(1, CPU), ramp, CPU)
    assert (float(pinned.sum()), float(pinned.max())) == pytest.approx(PINNED, rel=1e-4)


PINNED = (50.43343, 1.276361)
"""What this recipe gave when it was named `random-cnn-1`."""


@pytest.mark.parametrize("make", ["classifier", "random"])
def test_features_do_not_depend_on_the_batch(tmp_path, make):
    extractor = choose_extractor(by(make), kept(tmp_path), 1, CPU)
    whole = images_to_features(extractor, IMAGES, CPU)
    for batch in (1, 4, 20):
        assert images_to_features(extractor, IMAGES, CPU, batch) == pytest.approx(whole, abs=1e-5)


def test_larger_images_are_averaged_down_for_the_random_network():
    large = IMAGES[:2].repeat(8, axis=2).repeat(8, axis=3)
    small = IMAGES[:2].repeat(4, axis=2).repeat(4, axis=3)
    extractor = random_features(1, CPU)
    assert images_to_features(extractor, large, CPU) == pytest.approx(images_to_features(extractor, small, CPU))


def test_a_request_to_stop_is_heard(tmp_path):
    with pytest.raises(Cancelled):
        images_to_features(random_features(1, CPU), IMAGES, CPU, cancelled=lambda: True)


def test_a_torn_classifier_is_said(tmp_path):
    folder = kept(tmp_path)
    (folder / "classifier.safetensors").write_bytes(b"torn")
    with pytest.raises(CheckpointError, match="run gan-aug compare"):
        classifier_features(folder, CPU)


def test_inception_is_never_downloaded(tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    with pytest.raises(ConfigError, match=r"not on this machine: put torchvision's inception_v3.*\.pth into"):
        inception_file()
    folder = tmp_path / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    (folder / "inception_v3_google-0cc3c7bd.pth").write_bytes(b"torn")
    with pytest.raises(CheckpointError, match="altered or cut short"):
        inception_features(CPU)


@pytest.mark.slow
def test_inception_where_its_weights_are_at_hand(tmp_path, monkeypatch):
    """With weights of the right form: the published ones are no part of the tests."""
    from torchvision.models import inception_v3

    from gan_aug.evaluation.fidelity import features as module

    with torch.random.fork_rng():
        model = inception_v3(weights=None, init_weights=False)
    path = tmp_path / "inception_v3_google-.pth"
    torch.save(model.state_dict(), path)  # noqa: TID251 - as torchvision publishes them
    monkeypatch.setattr(module, "inception_file", lambda: path)
    extractor = inception_features(CPU)
    found = images_to_features(extractor, IMAGES[:2], CPU)
    assert found.shape == (2, 2048)
    assert np.isfinite(found).all()
    assert extractor.filter == "bilinear with antialiasing to 299 px"
