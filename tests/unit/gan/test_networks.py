"""The networks by name: the sizes that they take, the shapes that they make, and how their layers compute."""

from __future__ import annotations

from itertools import pairwise
from typing import get_args

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gan_aug.config.gan import GanConfig
from gan_aug.gan.networks.catalogue import (
    NETWORKS,
    build_discriminator,
    build_generator,
    default_network,
    default_penalty,
)
from gan_aug.gan.networks.layers import DoublingConv2d, bilinear
from gan_aug.gan.networks.settings import NetworkName, NetworkSettings
from gan_aug.gan.networks.sizes import halved_exactly, halved_rounding_up

ANY_SIZE: tuple[NetworkName, ...] = ("resize", "residual")
SIDES = st.integers(16, 96)


@pytest.mark.parametrize(
    ("size", "expected"),
    [((28, 28), 2), ((32, 32), 3), ((16, 16), 2), ((64, 64), 4), ((128, 128), 5), ((224, 224), 5), ((48, 96), 4)],
)
def test_a_dcgan_halves_to_three_to_eight_pixels(size: tuple[int, int], expected: int) -> None:
    sizes = halved_exactly(size)
    assert len(sizes) == expected + 1
    assert sizes[0] == size
    assert all((2 * h, 2 * w) == finer for finer, (h, w) in pairwise(sizes))


@pytest.mark.parametrize("size", [(29, 29), (30, 30), (5, 5), (28, 30), (129, 128)])
def test_a_size_that_cannot_be_halved_names_one_that_can_and_another_network(size: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="use ") as caught:
        halved_exactly(size)
    near, *other = str(caught.value).split("use ")[1].split(", or ")
    for side in (tuple(map(int, part.split("x"))) for part in near.split(" or ")):
        assert len(halved_exactly(side)) >= 2  # type: ignore[arg-type]
    assert other == (["gan.network=resize, which takes any size"] if min(size) >= 16 else [])


@given(height=st.integers(16, 1024), width=st.integers(16, 1024))
def test_any_size_is_halved_to_three_to_five_pixels(height: int, width: int) -> None:
    sizes = halved_rounding_up((height, width))
    assert sizes[0] == (height, width)
    assert 3 <= min(sizes[-1]) <= 5
    for finer, coarser in pairwise(sizes):
        assert all(big in (2 * small, 2 * small - 1) for big, small in zip(finer, coarser, strict=True))


def test_an_image_of_a_few_pixels_is_refused() -> None:
    with pytest.raises(ValueError, match="15x64 pixels are too few: use at least 16"):
        build_generator(NetworkSettings((1, 15, 64), 2, network="resize"))


@pytest.mark.parametrize(
    ("size", "name"),
    [
        ((8, 8), "dcgan"),
        ((28, 28), "dcgan"),
        ((32, 32), "dcgan"),
        ((29, 29), "resize"),
        ((32, 33), "resize"),
        ((64, 64), "resize"),
        ((16, 255), "resize"),
        ((256, 256), "residual"),
        ((100, 300), "residual"),
    ],
)
def test_the_default_network_is_by_size(size: tuple[int, int], name: NetworkName) -> None:
    assert default_network(size) == name
    NETWORKS[name].sizes(size)


def test_the_default_penalty_is_by_network_pixels_and_batch() -> None:
    assert default_penalty("dcgan", (64, 64), 64) == 1.0
    assert default_penalty("resize", (64, 64), 64) == default_penalty("residual", (32, 64), 32) == 0.0064


def test_the_config_knows_every_network() -> None:
    names = GanConfig.model_fields["network"].annotation
    assert get_args(names) == ("auto", *NETWORKS) == ("auto", *get_args(NetworkName))


def made(networks: NetworkSettings) -> tuple[torch.Tensor, torch.Tensor]:
    """Three images, and the logits of these."""
    labels = (torch.rand(3, networks.classes) > 0.5).float()
    images = build_generator(networks)(torch.randn(3, networks.latent), labels)
    return images, build_discriminator(networks)(images, labels)


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
    images, logits = made(NetworkSettings((channels, *size), classes, width=width, latent=5, spectral=spectral))
    assert images.shape == (3, channels, *size)
    assert images.abs().max() <= 1
    assert logits.shape == (3,)


@pytest.mark.parametrize("name", ANY_SIZE)
@settings(max_examples=12)
@given(
    height=SIDES,
    width=SIDES,
    channels=st.sampled_from([1, 3]),
    classes=st.integers(1, 5),
    base=st.sampled_from([1, 4]),
    spectral=st.booleans(),
)
def test_any_size_and_aspect(
    name: NetworkName, height: int, width: int, channels: int, classes: int, base: int, spectral: bool
) -> None:
    networks = NetworkSettings((channels, height, width), classes, base, 5, spectral, name)
    images, logits = made(networks)
    assert images.shape == (3, channels, height, width)
    assert images.abs().max() <= 1
    assert logits.shape == (3,)
    images.retain_grad()
    logits.sum().backward()  # type: ignore[no-untyped-call]
    assert images.grad is not None
    assert images.grad.isfinite().all()
    assert (images.grad.abs().sum(dim=(0, 1)) > 0).all(), "a pixel that D does not see"


@pytest.mark.parametrize("name", ANY_SIZE)
@pytest.mark.parametrize("size", [64, 128, 256])
def test_an_untrained_generator_makes_few_pixels_at_the_ends_of_tanh(name: NetworkName, size: int) -> None:
    """There it has no gradient: a residual one began with a third of its pixels there, and training diverged."""
    torch.manual_seed(0)
    generator = build_generator(NetworkSettings((1, size, size), 2, network=name)).train()
    with torch.no_grad():
        images = generator(torch.randn(8, 64), torch.eye(2)[torch.arange(8) % 2])
    assert (images.abs() > 0.95).float().mean() < 0.1
    assert images.std() > 0.2


@pytest.mark.parametrize("name", NETWORKS)
def test_the_label_reaches_both_networks(name: NetworkName) -> None:
    networks = NetworkSettings((1, 16, 16), 2, width=4, network=name)
    generator, discriminator = build_generator(networks), build_discriminator(networks)
    noise = torch.randn(1, networks.latent).repeat(2, 1)
    images = generator(noise, torch.eye(2))
    assert not torch.equal(images[0], images[1])
    scores = discriminator(images[:1].repeat(2, 1, 1, 1), torch.eye(2))
    assert scores[0] != scores[1]


@pytest.mark.parametrize("name", NETWORKS)
def test_a_rank_without_images_computes_none(name: NetworkName) -> None:
    networks = NetworkSettings((1, 16, 16), 2, width=4, network=name)
    none = torch.zeros(0, 2)
    images = build_generator(networks).eval()(torch.zeros(0, networks.latent), none)
    assert images.shape == (0, 1, 16, 16)
    assert build_discriminator(networks)(images, none).shape == (0,)


@pytest.mark.parametrize("size", [(10, 14), (9, 13)])
def test_doubling_is_repeating_pixels_and_a_convolution(size: tuple[int, int]) -> None:
    layer = DoublingConv2d(3, 4).double()
    torch.nn.init.normal_(layer.bias)
    x = torch.randn(2, 3, 5, 7, dtype=torch.float64)
    repeated = x.repeat_interleave(2, dim=2).repeat_interleave(2, dim=3)
    expected = torch.nn.functional.conv2d(repeated, layer.weight, layer.bias, padding=1)
    assert torch.allclose(layer(x, size), expected[:, :, : size[0], : size[1]])


@pytest.mark.parametrize("size", [(10, 14), (9, 13), (2, 2), (1, 1)])
def test_bilinear_enlargement_is_that_of_torch(size: tuple[int, int]) -> None:
    small = -(-size[0] // 2), -(-size[1] // 2)
    x = torch.randn(2, 3, *small, dtype=torch.float64).contiguous(memory_format=torch.channels_last)
    surrounded = torch.nn.functional.pad(x, (1, 1, 1, 1))
    expected = torch.nn.functional.interpolate(surrounded, scale_factor=2, mode="bilinear")[:, :, 2:-2, 2:-2]
    assert torch.allclose(bilinear(x, size), expected[:, :, : size[0], : size[1]])


@pytest.mark.parametrize(("name", "changed"), [("dcgan", [5]), ("resize", [4, 5, 6, 7]), ("residual", [4, 5, 6, 7])])
def test_a_logit_depends_on_no_image_outside_its_group(name: NetworkName, changed: list[int]) -> None:
    discriminator = build_discriminator(NetworkSettings((1, 16, 16), 2, width=4, spectral=False, network=name))
    images, labels = torch.rand(10, 1, 16, 16, generator=torch.Generator().manual_seed(0)), torch.eye(2)[[0, 1] * 5]
    before = discriminator(images, labels)
    images[5] = -images[5]
    different = (discriminator(images, labels) - before).abs() > 1e-6
    assert different.nonzero()[:, 0].tolist() == changed


def test_no_group_has_images_of_two_sets() -> None:
    discriminator = build_discriminator(NetworkSettings((1, 16, 16), 2, width=4, spectral=False, network="resize"))
    images, labels = torch.rand(12, 1, 16, 16, generator=torch.Generator().manual_seed(0)), torch.eye(2)[[0, 1] * 6]
    apart = [discriminator(images[rows], labels[rows]) for rows in (slice(0, 6), slice(6, 12))]
    assert torch.allclose(discriminator(images, labels, sets=2), torch.cat(apart), atol=1e-6)
    assert discriminator(images[:0], labels[:0], sets=2).shape == (0,)
