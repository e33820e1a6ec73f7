from __future__ import annotations

import numpy as np
import pytest
import torch

from gan_aug.gan.augment import ANGLE, MORE, UNIFORMS, ZOOM, AugmentName, augment, uniforms_needed

NAMES: list[AugmentName] = ["translation", "cutout", "brightness", "contrast", "affine", "flip"]


def images_and_uniforms(n: int = 6) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(3)
    return torch.rand(n, 3, 16, 24, generator=generator) * 2 - 1, torch.rand(n, UNIFORMS + MORE, generator=generator)


@pytest.mark.parametrize("p", [None, 0.5])
@pytest.mark.parametrize("names", [(name,) for name in NAMES] + [tuple(NAMES)])
def test_an_image_is_augmented_alike_whoever_shares_its_batch(names: tuple[AugmentName, ...], p: float | None) -> None:
    images, uniforms = images_and_uniforms()
    together = augment(images, uniforms, names, p)
    alone = torch.cat([augment(images[i : i + 1], uniforms[i : i + 1], names, p) for i in range(len(images))])
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


def test_of_probability_zero_it_changes_nothing_and_of_one_all() -> None:
    images, uniforms = images_and_uniforms()
    assert augment(images, uniforms, tuple(NAMES), 0.0) is images
    assert torch.equal(augment(images, uniforms, tuple(NAMES), 1.0), augment(images, uniforms, tuple(NAMES)))


@pytest.mark.parametrize("p", [0.0, 0.3, 0.7])
def test_a_probability_in_the_memory_of_a_device_is_the_same(p: float) -> None:
    images, uniforms = images_and_uniforms(40)
    expected = augment(images, uniforms, tuple(NAMES), p)
    assert torch.equal(augment(images, uniforms, tuple(NAMES), torch.tensor(p, dtype=torch.float64)), expected)


@pytest.mark.parametrize("name", NAMES)
def test_each_image_is_changed_with_its_probability_and_by_its_own_number(name: AugmentName) -> None:
    generator = torch.Generator().manual_seed(1)
    images, uniforms = torch.rand(400, 1, 16, 16, generator=generator), torch.rand(400, 15, generator=generator)
    changed = [(augment(images, uniforms, (name,), p) != images).flatten(1).any(dim=1) for p in (0.2, 0.6, 1.0)]
    share = float(changed[2].float().mean())  # of those that it does not leave as they are by chance
    assert float(changed[0].float().mean()) == pytest.approx(0.2 * share, abs=0.05)
    assert float(changed[1].float().mean()) == pytest.approx(0.6 * share, abs=0.05)
    assert not (changed[0] & ~changed[1]).any(), "with a larger p the same images and more are changed"
    assert uniforms.shape[1] == uniforms_needed((name,), adaptive=True)


def test_the_first_four_alone_need_the_numbers_that_they_always_had() -> None:
    assert uniforms_needed(("translation", "cutout", "brightness", "contrast"), adaptive=False) == UNIFORMS
    assert uniforms_needed(("flip",), adaptive=False) == UNIFORMS + MORE


def test_affine_turns_and_zooms_as_far_as_it_says() -> None:
    """A bright square off the centre of an image that is not square goes where the formula says."""
    image = torch.full((1, 1, 96, 64), -1.0)
    image[0, 0, 20:29, 44:53] = 1.0  # its centre is 24 rows above and 16.5 columns right of the image's
    for angle, zoom in ((1.0, 0.5), (0.0, 0.5), (0.5, 0.0), (0.5, 1.0)):
        uniforms = torch.full((1, UNIFORMS + MORE), 0.5)
        uniforms[0, UNIFORMS + 1], uniforms[0, UNIFORMS + 2] = zoom, angle
        weight = (augment(image, uniforms, ("affine",))[0, 0] + 1).clamp(min=0).numpy()
        rows, columns = np.mgrid[:96, :64]
        place = np.array([(weight * rows).sum(), (weight * columns).sum()]) / weight.sum() - (47.5, 31.5)
        turn, factor = np.radians((2 * angle - 1) * ANGLE), ZOOM ** (2 * zoom - 1)
        source = np.array([-23.5, 16.5])
        inverse = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]]) / factor
        np.testing.assert_allclose(place, inverse @ source, atol=0.25)


def test_flip_mirrors_left_and_right_alone() -> None:
    images, uniforms = images_and_uniforms()
    flipped = augment(images, uniforms, ("flip",))
    for one, before in zip(flipped, images, strict=True):
        assert torch.equal(one, before) or torch.equal(one, before.flip(2))
