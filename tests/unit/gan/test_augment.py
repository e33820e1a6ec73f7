from __future__ import annotations

import numpy as np
import pytest
import torch

from gan_aug.gan.augment import UNIFORMS, AugmentName, augment

NAMES: list[AugmentName] = ["translation", "cutout", "brightness", "contrast"]


def images_and_uniforms(n: int = 6) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(3)
    return torch.rand(n, 3, 16, 24, generator=generator) * 2 - 1, torch.rand(n, UNIFORMS, generator=generator)


@pytest.mark.parametrize("name", NAMES)
def test_an_image_is_augmented_alike_whoever_shares_its_batch(name: AugmentName) -> None:
    images, uniforms = images_and_uniforms()
    together = augment(images, uniforms, (name,))
    alone = torch.cat([augment(images[i : i + 1], uniforms[i : i + 1], (name,)) for i in range(len(images))])
    assert together.shape == images.shape
    assert not torch.equal(together, images)
    np.testing.assert_allclose(together.numpy(), alone.numpy(), atol=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_gradients_flow_through(name: AugmentName) -> None:
    images, uniforms = images_and_uniforms()
    images.requires_grad_()
    augment(images, uniforms, (name,)).square().sum().backward()
    assert images.grad is not None
    assert images.grad.abs().sum() > 0


def test_translation_moves_whole_pixels_and_brings_in_black() -> None:
    image = torch.full((1, 1, 16, 16), 0.5)
    moved = augment(image, torch.zeros(1, UNIFORMS), ("translation",))
    assert moved[0, 0, 2:, 2:].eq(0.5).all()
    assert moved[0, 0, :2].eq(-1).all()
    assert moved[0, 0, :, :2].eq(-1).all()


def test_none_is_the_image_itself() -> None:
    images, uniforms = images_and_uniforms()
    assert augment(images, uniforms, ()) is images
