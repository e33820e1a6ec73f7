"""Micro-batches give the whole batch's gradients."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from gan_aug.gan.augment import UNIFORMS, AugmentName
from gan_aug.gan.losses import LossName
from gan_aug.gan.networks.catalogue import build_discriminator
from gan_aug.gan.networks.settings import NetworkName, NetworkSettings
from gan_aug.gan.ranks import Ranks
from gan_aug.gan.updates import Losses, Pairs
from tests.support.gan_samples import NETWORKS

ALL: tuple[AugmentName, ...] = ("translation", "cutout", "brightness", "contrast")


def gradients(losses: Losses, networks: NetworkSettings, pairs: Pairs) -> list[torch.Tensor]:
    """Everything that one step computes with D: gradients, values, and what D itself keeps."""
    torch.manual_seed(0)
    discriminator = build_discriminator(networks).double()
    values = losses.discriminator_gradient(discriminator, pairs, losses.penalty > 0)
    loss, images = losses.images_gradient(discriminator, pairs)
    assert all(parameter.requires_grad for parameter in discriminator.parameters())
    held = [parameter.grad for parameter in discriminator.parameters() if parameter.grad is not None]
    return [values, loss, images, *held, *discriminator.buffers()]


@pytest.mark.parametrize(("spectral", "network"), [(True, "dcgan"), (False, "dcgan"), (False, "resize")])
@pytest.mark.parametrize("penalty", [0.0, 4.0])
@pytest.mark.parametrize("name", ["bce", "hinge", "relativistic"])
def test_micro_batches_give_the_whole_batchs_gradient(
    name: LossName, penalty: float, spectral: bool, network: NetworkName
) -> None:
    stream = torch.Generator().manual_seed(1)
    real, fake = torch.rand(2, 7, 1, 16, 16, generator=stream, dtype=torch.float64) * 2 - 1  # no number of whole groups
    uniforms = torch.rand(4, 7, UNIFORMS, generator=stream, dtype=torch.float64)
    pairs = Pairs(real, fake, torch.eye(3, dtype=torch.float64)[torch.arange(7) % 3], uniforms, 7)
    networks = replace(NETWORKS, spectral=spectral, network=network)
    whole = gradients(Losses(name, ALL, penalty), networks, pairs)
    micro = gradients(Losses(name, ALL, penalty, at_once=3), networks, pairs)
    assert len(whole) == len(micro) > 8
    for expected, found in zip(whole, micro, strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize(("images", "most", "sizes"), [(8, None, [8]), (8, 3, [2, 3, 3]), (8, 9, [8]), (0, 3, [0])])
def test_parts_are_even_and_at_least_one(images: int, most: int | None, sizes: list[int]) -> None:
    rows = torch.arange(images)
    pairs = Pairs(rows, rows, rows, torch.zeros(4, images, 0), max(1, images))
    parts = pairs.parts(most)
    assert [len(part.real) for part in parts] == sizes
    assert torch.equal(torch.cat([part.labels for part in parts]), rows)


def test_parts_and_shares_divide_no_group() -> None:
    rows = torch.arange(10)
    pairs = Pairs(rows, rows, rows, torch.zeros(4, 10, 0), 10)
    assert [len(part.real) for part in pairs.parts(None, group=4)] == [10]
    assert [len(part.real) for part in pairs.parts(9, group=4)] == [4, 6]
    assert [len(part.real) for part in pairs.parts(3, group=4)] == [4, 4, 2]
    shares = []
    for rank in range(3):
        ranks = Ranks()
        ranks.rank, ranks.size = rank, 3
        shares.append(ranks.share(100, 30, group=4))
    assert [len(share) for share in shares] == [8, 12, 10]
    assert [index for share in shares for index in share] == list(range(100, 130))
