from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from gan_aug.gan.losses import LossName, discriminator_loss, generator_loss, gradient_penalty

NAMES: list[LossName] = ["bce", "hinge", "relativistic"]


def test_bce_is_the_binary_cross_entropy_of_real_and_fake() -> None:
    real, fake = torch.tensor([0.3, -1.2]), torch.tensor([0.8, 2.0])
    logits = torch.cat([real, fake])
    target = torch.tensor([1.0, 1.0, 0.0, 0.0])
    reference = 2 * torch.nn.functional.binary_cross_entropy_with_logits(logits, target)
    assert discriminator_loss("bce", real, fake).item() == pytest.approx(reference.item(), abs=1e-6)


def test_at_zero_logits_the_losses_are_those_of_a_coin() -> None:
    zero = torch.zeros(4)
    assert discriminator_loss("bce", zero, zero).item() == pytest.approx(2 * math.log(2))
    assert discriminator_loss("hinge", zero, zero).item() == 2
    assert discriminator_loss("relativistic", zero, zero).item() == pytest.approx(math.log(2))


@pytest.mark.parametrize("name", NAMES)
@given(real=st.floats(-5, 5), fake=st.floats(-5, 5))
def test_each_network_wants_the_opposite(name: LossName, real: float, fake: float) -> None:
    on_real = torch.tensor([real], requires_grad=True)
    on_fake = torch.tensor([fake], requires_grad=True)
    discriminator_loss(name, on_real, on_fake).backward()
    wants_more_real = on_real.grad is not None and on_real.grad.item() <= 0
    wants_less_fake = on_fake.grad is not None and on_fake.grad.item() >= 0
    assert wants_more_real
    assert wants_less_fake
    on_fake.grad = None
    generator_loss(name, on_real.detach(), on_fake).backward()
    assert on_fake.grad is not None
    assert on_fake.grad.item() < 0


def test_penalty_of_a_linear_discriminator_is_half_its_squared_weight() -> None:
    weight = torch.arange(12.0).view(1, 3, 2, 2)
    images = torch.randn(5, 3, 2, 2, requires_grad=True)
    logits = (images * weight).sum(dim=(1, 2, 3))
    assert gradient_penalty(logits, images).item() == pytest.approx((weight**2).sum().item() / 2)
