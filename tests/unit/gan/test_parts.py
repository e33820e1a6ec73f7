"""A generator whose batch is computed in parts is the one that computes it as a whole."""

from __future__ import annotations

import pytest
import torch

from gan_aug.gan.networks.catalogue import build_generator
from gan_aug.gan.networks.layers import ConditionalBatchNorm, compute_in_parts
from gan_aug.gan.networks.settings import NetworkName, NetworkSettings


def trained_by(name: NetworkName, size: tuple[int, int], at_once: int | None) -> list[torch.Tensor]:
    """The images of one batch, the gradients of a loss on them, and what the batch norms keep."""
    torch.manual_seed(0)
    generator = build_generator(NetworkSettings((1, *size), 3, width=4, latent=5, network=name)).double()
    for norm in generator.modules():
        if isinstance(norm, ConditionalBatchNorm):
            torch.nn.init.normal_(norm.modulation.weight)
    compute_in_parts(generator, at_once)
    images = generator(torch.randn(7, 5, dtype=torch.float64), torch.eye(3, dtype=torch.float64)[torch.arange(7) % 3])
    images.backward(torch.randn(images.shape, dtype=torch.float64))  # type: ignore[no-untyped-call]
    return [images, *(p.grad for p in generator.parameters() if p.grad is not None), *generator.buffers()]


@pytest.mark.parametrize(("name", "size"), [("dcgan", (16, 16)), ("resize", (17, 20)), ("residual", (16, 19))])
def test_in_parts_is_as_a_whole(name: NetworkName, size: tuple[int, int]) -> None:
    whole, parts = trained_by(name, size, None), trained_by(name, size, 3)
    assert len(whole) == len(parts)
    for expected, found in zip(whole, parts, strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-11)
