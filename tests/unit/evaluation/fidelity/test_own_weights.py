"""Features of a network whose weights the user has, in the forms in which such files are published."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn
from torch.nn import functional as F

from gan_aug.config import parse
from gan_aug.config.compare import CompareConfig
from gan_aug.errors import ConfigError
from gan_aug.evaluation.classifiers.networks import build, to_input
from gan_aug.evaluation.fidelity.features import images_to_features
from gan_aug.evaluation.fidelity.own_weights import own_features, weights_sha256

CPU = torch.device("cpu")
GREY = np.random.default_rng(0).integers(0, 256, (2, 1, 40, 56), dtype=np.uint8)
SIZE = (224, 224)


def resized(images: np.ndarray) -> torch.Tensor:
    return F.interpolate(to_input(images, CPU), SIZE, mode="bilinear", antialias=True, align_corners=False)


def torchvision(name: str) -> nn.Module:
    from torchvision import models

    with torch.random.fork_rng():
        torch.manual_seed(1)
        model = getattr(models, name)(weights=None)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):  # as trained ones, unlike each other
            nn.init.uniform_(module.running_mean, -0.1, 0.1)
    return model.eval()


def saved(model: nn.Module, path: Path) -> Path:
    torch.save(model.state_dict(), path)  # noqa: TID251 - as they are published
    return path


def asked(name: str, path: Path, **more: object) -> CompareConfig:
    return CompareConfig.model_validate({"features": name, "weights": path, **more})


@pytest.mark.slow
@pytest.mark.parametrize(("name", "dimension"), [("resnet18", 512), ("resnet50", 2048), ("densenet121", 1024)])
def test_torchvisions_weights_give_what_torchvision_computes(tmp_path, name, dimension):
    model = torchvision(name)
    compare = asked(name, saved(model, tmp_path / "weights.pth"))
    extractor = own_features(compare, 1, CPU)
    found = images_to_features(extractor, GREY, CPU)
    head = model.classifier if name == "densenet121" else model.fc
    caught: list[torch.Tensor] = []
    head.register_forward_pre_hook(lambda _, inputs: caught.append(inputs[0]))
    mean, deviation = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    with torch.no_grad():
        model((resized(GREY) / 2 + 0.5 - mean[:, None, None]) / deviation[:, None, None])
    assert found.shape == (2, dimension)
    assert found == pytest.approx(caught[0].numpy(), rel=1e-4, abs=1e-4)
    assert extractor.weights == weights_sha256(compare)
    assert extractor.filter == "bilinear with antialiasing to 224 px, values by ImageNet's mean and deviation"


def test_monais_densenet_of_grey_images_and_values_of_its_own(tmp_path):
    with torch.random.fork_rng():
        torch.manual_seed(1)
        model = build("densenet121", (1, *SIZE), 5).eval()
    path = tmp_path / "model.safetensors"
    save_file(model.state_dict(), path)
    extractor = own_features(asked("densenet121", path, weights_range=[0, 1]), 1, CPU)
    model.class_layers.out = nn.Identity()
    with torch.no_grad():
        wanted = model(resized(GREY) / 2 + 0.5)
    assert images_to_features(extractor, GREY, CPU) == pytest.approx(wanted.numpy(), rel=1e-4, abs=1e-5)
    assert extractor.filter.endswith("values by 0 to 1")
    with pytest.raises(ConfigError, match="is of a network for 1 channel, but the images have 3"):
        own_features(asked("densenet121", path), 3, CPU)


def test_a_backbone_put_into_a_sequence_and_a_checkpoint_around_it_are_the_same_weights(tmp_path):
    """As RadImageNet's ResNet-50 is published: the first nine parts of torchvision's, in `backbone`."""
    model = torchvision("resnet18")
    whole = asked("resnet18", saved(model, tmp_path / "whole.pth"), weights_range=[-1, 1])
    wanted = images_to_features(own_features(whole, 1, CPU), GREY, CPU)
    sequence = nn.Module()
    sequence.backbone = nn.Sequential(*list(model.children())[:9])
    plain = {name: value for name, value in model.state_dict().items() if not name.endswith("num_batches_tracked")}
    for number, content in enumerate(
        (
            sequence.state_dict(),
            {"state_dict": {f"module.model.{name}": value for name, value in plain.items()}, "epoch": 3},
            {"model": plain},
        )
    ):
        path = tmp_path / f"{number}.pt"
        torch.save(content, path)  # noqa: TID251
        found = own_features(asked("resnet18", path, weights_range=[-1, 1]), 1, CPU)
        assert np.array_equal(images_to_features(found, GREY, CPU), wanted)


def test_a_densenet_put_into_a_sequence_is_the_same_too(tmp_path):
    model = torchvision("densenet121")
    sequence = nn.Module()
    sequence.backbone = nn.Sequential(*list(model.children())[:-1])
    plain, inside = (saved(one, tmp_path / f"{k}.pth") for k, one in enumerate((model, sequence)))
    wanted, found = (own_features(asked("densenet121", path), 1, CPU) for path in (plain, inside))
    assert np.array_equal(*(images_to_features(extractor, GREY, CPU) for extractor in (wanted, found)))


@pytest.mark.parametrize("values", [[1, 1], [1, -1], [0, float("inf")], [float("nan"), 1], "grey", [1]])
def test_black_and_white_are_two_finite_numbers(values):
    with pytest.raises(ConfigError, match=r"compare.weights_range"):
        parse({"data": {"source": "digits"}, "compare": {"weights_range": values}}, "a test")


def test_weights_without_their_network_are_no_request():
    with pytest.raises(ConfigError, match="features is classifier, which uses none: set features to one of resnet18"):
        parse({"data": {"source": "digits"}, "compare": {"weights": "net.pth"}}, "a test")


def test_densenets_file_of_old_has_a_dot_more(tmp_path):
    model = torchvision("densenet121")
    wanted = own_features(asked("densenet121", saved(model, tmp_path / "new.pth")), 1, CPU)
    old = {re.sub(r"(denselayer\d+\.(?:norm|conv))(\d)", r"\1.\2", k): v for k, v in model.state_dict().items()}
    assert "features.denseblock1.denselayer1.norm.1.weight" in old
    torch.save(old, tmp_path / "old.pth")  # noqa: TID251
    found = own_features(asked("densenet121", tmp_path / "old.pth"), 1, CPU)
    assert np.array_equal(*(images_to_features(extractor, GREY, CPU) for extractor in (wanted, found)))


def test_what_is_no_such_file_is_said_in_a_sentence(tmp_path):
    model = torchvision("resnet18")
    path = saved(model, tmp_path / "resnet18.pth")
    torch.save(model, tmp_path / "pickled.pth")  # noqa: TID251
    torch.save([1, 2], tmp_path / "list.pth")  # noqa: TID251
    torch.save({"conv1.weight": torch.zeros(64, 3, 7, 7)}, tmp_path / "part.pth")  # noqa: TID251
    (tmp_path / "torn.pth").write_bytes(path.read_bytes()[:1000])
    (tmp_path / "torn.safetensors").write_bytes(b"torn")
    (tmp_path / "table.pth").write_text("a,b\n1,2\n")
    odd = model.state_dict() | {"bn1.weight": torch.full((64,), torch.nan)}
    torch.save(odd, tmp_path / "nan.pth")  # noqa: TID251
    for features, file, says in (
        ("resnet18", None, "compare.features is resnet18, but no weights are named"),
        ("resnet18", "absent.pth", "there is no file .*absent.pth"),
        ("resnet18", "pickled.pth", "pickled.pth is not a state dict"),
        ("resnet18", "list.pth", "list.pth is not a state dict"),
        ("resnet18", "table.pth", "table.pth is not a state dict"),
        ("resnet18", "nan.pth", "nan.pth holds weights that are not finite"),
        ("resnet18", "torn.pth", "torn.pth is not a state dict"),
        ("resnet18", "torn.safetensors", "torn.safetensors is not a state dict"),
        ("resnet18", "part.pth", r"part.pth holds another network than resnet18: .bn1.weight. and \d+ more"),
        ("resnet50", "resnet18.pth", "resnet18.pth holds another network than resnet50"),
        ("densenet121", "resnet18.pth", "resnet18.pth holds no densenet121"),
    ):
        with pytest.raises(ConfigError, match=says):
            own_features(asked(features, tmp_path / file if file else None), 1, CPU)
