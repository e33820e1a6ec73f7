"""What refuses a synthetic set: held-out images, their patients, images from elsewhere, another form."""

from __future__ import annotations

import dataclasses

import pytest

from gan_aug.errors import DataError, LeakageError
from gan_aug.evaluation.leakage import check_synthetic_images, check_synthetic_set
from tests.support.tiny_sets import HASHES, IMAGES, MANIFEST, SYNTHETIC


def test_an_image_left_out_of_a_subset_is_foreign_to_it_and_no_leak_of_the_test():
    left_out = (dataclasses.replace(MANIFEST.studies[3], split="unused"),)
    manifest = dataclasses.replace(MANIFEST, studies=MANIFEST.studies[:3] + left_out + MANIFEST.studies[4:])
    with pytest.raises(LeakageError, match="1 of the 4 images .* are not in the training split"):
        check_synthetic_set(SYNTHETIC, manifest)
    check_synthetic_set(dataclasses.replace(SYNTHETIC, trained_on=tuple(HASHES[:3])), manifest)
    check_synthetic_images(IMAGES[3:4], manifest)


def test_a_generator_of_part_of_the_training_split_is_accepted():
    check_synthetic_set(SYNTHETIC, MANIFEST)
    check_synthetic_set(dataclasses.replace(SYNTHETIC, trained_on=tuple(HASHES[:2])), MANIFEST)


@pytest.mark.parametrize(
    ("change", "what"),
    [({"shape": (1, 16, 16)}, "shape"), ({"labels": ("yes", "no")}, "labels"), ({"task": "multi-label"}, "task")],
)
def test_a_synthetic_set_of_other_data_is_refused(change, what):
    with pytest.raises(DataError, match=f"the {what} of the synthetic set"):
        check_synthetic_set(dataclasses.replace(SYNTHETIC, **change), MANIFEST)


@pytest.mark.parametrize("held_out", [4, 7])
def test_a_generator_that_saw_held_out_images_is_refused(held_out):
    synthetic = dataclasses.replace(SYNTHETIC, trained_on=(HASHES[0], HASHES[held_out]))
    with pytest.raises(LeakageError, match=r"1 of the 2 images .* validation or test images .*gan-aug train"):
        check_synthetic_set(synthetic, MANIFEST)


def test_a_generator_of_images_from_elsewhere_is_refused():
    synthetic = dataclasses.replace(SYNTHETIC, trained_on=(HASHES[0], "0" * 64, "1" * 64))
    with pytest.raises(LeakageError, match="2 of the 3 images"):
        check_synthetic_set(synthetic, MANIFEST)


def test_a_generator_that_saw_a_held_out_patient_is_refused():
    studies = list(MANIFEST.studies)
    studies[7] = dataclasses.replace(studies[7], patient="p0")
    with pytest.raises(LeakageError, match="1 of them"):
        check_synthetic_set(SYNTHETIC, dataclasses.replace(MANIFEST, studies=tuple(studies)))


def test_copies_of_held_out_images_are_found_by_content():
    check_synthetic_images(IMAGES[:4], MANIFEST)
    with pytest.raises(LeakageError, match="2 of the 3 synthetic images are copies"):
        check_synthetic_images(IMAGES[[1, 5, 6]], MANIFEST)
