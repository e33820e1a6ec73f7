from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from gan_aug.gan.seeds import Purpose, image_noise, image_numbers, image_stream


@given(
    seed=st.integers(0, 2**32 - 1),
    purpose=st.sampled_from(Purpose),
    indices=st.lists(st.integers(0, 2**40), max_size=5),
    latent=st.integers(1, 70),
)
def test_a_row_of_noise_is_the_start_of_its_images_own_stream(
    seed: int, purpose: Purpose, indices: list[int], latent: int
) -> None:
    rows = image_noise(seed, purpose, indices, latent)
    assert rows.shape == (len(indices), latent)
    for row, index in zip(rows, indices, strict=True):
        np.testing.assert_array_equal(row, image_stream(seed, purpose, index).standard_normal(latent, dtype=np.float32))


@given(
    seed=st.integers(0, 2**32 - 1),
    indices=st.lists(st.integers(0, 2**40), max_size=4),
    latent=st.integers(1, 70),
    uniforms=st.integers(0, 30),
)
def test_uniform_numbers_follow_the_noise_in_an_images_own_stream(
    seed: int, indices: list[int], latent: int, uniforms: int
) -> None:
    noise, uniform = image_numbers(seed, Purpose.TRAINING, indices, latent, uniforms)
    assert uniform.shape == (len(indices), uniforms)
    for row, index in enumerate(indices):
        stream = image_stream(seed, Purpose.TRAINING, index)
        np.testing.assert_array_equal(noise[row], stream.standard_normal(latent, dtype=np.float32))
        np.testing.assert_array_equal(uniform[row], stream.random(uniforms, dtype=np.float32))
