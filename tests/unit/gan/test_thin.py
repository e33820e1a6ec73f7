"""The layers at the image's end compute what PyTorch's do."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.functional import conv2d, conv_transpose2d

from gan_aug.gan.networks.thin import FirstConv2d, LastConvTranspose2d


def derivatives(layer: Callable[[Tensor], Tensor], x: Tensor, *weights: Tensor) -> list[Tensor]:
    """The output, its gradients, and those of a penalty on the gradient with respect to `x`."""
    y = layer(x)
    first = torch.autograd.grad(y.square().sum(), [x, *weights], create_graph=True)
    return [y, *first, *torch.autograd.grad(first[0].pow(3).sum() + y.sum(), [x, *weights])]


def test_the_first_layer_is_a_convolution() -> None:
    layer = FirstConv2d(1, 5).double()
    x = torch.randn(2, 1, 6, 8, dtype=torch.float64, requires_grad=True)
    weights = (layer.weight, layer.bias)
    found = derivatives(layer, x, *weights)  # type: ignore[arg-type]
    expected = derivatives(lambda x: conv2d(x, *weights, stride=2, padding=1), x, *weights)  # type: ignore[arg-type]
    torch.testing.assert_close(found, expected)


def test_the_last_layer_is_a_transposed_convolution() -> None:
    layer = LastConvTranspose2d(5, 1).double()
    x = torch.randn(2, 5, 3, 4, dtype=torch.float64, requires_grad=True)
    plain = conv_transpose2d(x, layer.weight, layer.bias, stride=2, padding=1)
    found, expected = (
        [y, *torch.autograd.grad(y.square().sum(), [x, layer.weight, layer.bias])]  # type: ignore[list-item]
        for y in (layer(x), plain)
    )
    torch.testing.assert_close(found, expected)
    layer.as_first = True
    assert torch.equal(layer(x), plain)
