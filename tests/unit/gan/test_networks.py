from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gan_aug.gan.networks.dcgan import Discriminator, Generator
from gan_aug.gan.networks.settings import NetworkSettings, levels


@pytest.mark.parametrize(
    ("size", "expected"),
    [((28, 28), 2), ((32, 32), 3), ((16, 16), 2), ((64, 64), 4), ((128, 128), 5), ((224, 224), 5), ((48, 96), 4)],
)
def test_levels_halve_to_three_to_eight_pixels(size: tuple[int, int], expected: int) -> None:
    assert levels(size) == expected


@pytest.mark.parametrize("size", [(29, 29), (30, 30), (5, 5), (28, 30), (129, 128)])
def test_a_size_that_cannot_be_halved_names_one_that_can(size: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="use ") as caught:
        levels(size)
    near = [tuple(map(int, part.split("x"))) for part in str(caught.value).split("use ")[1].split(" or ")]
    for side in near:
        assert levels(side) >= 1  # type: ignore[arg-type]


@settings(max_examples=12)
@given(
    size=st.sampled_from([(16, 16), (28, 28), (32, 48), (64, 64), (128, 128)]),
    channels=st.sampled_from([1, 3]),
    classes=st.integers(1, 5),
    width=st.sampled_from([2, 8]),
    spectral=st.booleans(),
)
def test_any_shape_and_number_of_classes(
    size: tuple[int, int], channels: int, classes: int, width: int, spectral: bool
) -> None:
    networks = NetworkSettings((channels, *size), classes, width=width, latent=5, spectral=spectral)
    labels = (torch.rand(3, classes) > 0.5).float()
    images = Generator(networks)(torch.randn(3, 5), labels)
    assert images.shape == (3, channels, *size)
    assert images.abs().max() <= 1
    assert Discriminator(networks)(images, labels).shape == (3,)


def test_the_label_reaches_both_networks() -> None:
    networks = NetworkSettings((1, 16, 16), 2, width=4)
    generator, discriminator = Generator(networks), Discriminator(networks)
    noise = torch.randn(1, networks.latent).repeat(2, 1)
    images = generator(noise, torch.eye(2))
    assert not torch.equal(images[0], images[1])
    scores = discriminator(images[:1].repeat(2, 1, 1, 1), torch.eye(2))
    assert scores[0] != scores[1]
