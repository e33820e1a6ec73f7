from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gan_aug.data.manifest import Manifest, Study, content_hash
from gan_aug.data.synthetic.shards import SyntheticManifest
from gan_aug.errors import DataError, LeakageError
from gan_aug.evaluation.arms import ArmPlan, plan_arm, shuffle_labels
from gan_aug.evaluation.leakage import check_synthetic_images, check_synthetic_set

IMAGES = np.random.default_rng(0).integers(0, 256, (8, 1, 8, 8), dtype=np.uint8)
SPLITS = ["train"] * 4 + ["validation"] * 2 + ["test"] * 2
HASHES = [content_hash(image) for image in IMAGES]
MANIFEST = Manifest(
    "tiny",
    ("no", "yes"),
    "multi-class",
    (1, 8, 8),
    tuple(Study(HASHES[i], (i % 2,), split, f"p{i}", "") for i, split in enumerate(SPLITS)),
)
SYNTHETIC = SyntheticManifest(
    MANIFEST.labels,
    MANIFEST.task,
    MANIFEST.shape,
    0,
    "c",
    MANIFEST.fingerprint,
    tuple(HASHES[:4]),
    ((1,), (0,)) * 3,
    (),
)


@pytest.mark.parametrize(
    ("arm", "ratio", "counts"),
    [
        ("real", 1.0, {"real": 4, "synthetic": 0}),
        ("synthetic", 0.5, {"real": 0, "synthetic": 6}),
        ("mixed", 0.5, {"real": 4, "synthetic": 2}),
        ("mixed", 9.0, {"real": 4, "synthetic": 6}),
        ("classic", 1.0, {"real": 4, "synthetic": 0}),
        ("classic+mixed", 0.5, {"real": 4, "synthetic": 2}),
        ("pretrain", 0.5, {"real": 4, "synthetic": 6}),
        ("classic+pretrain", 0.5, {"real": 4, "synthetic": 6}),
    ],
)
def test_arms_take_what_they_say(arm, ratio, counts):
    plan = plan_arm(arm, MANIFEST, SYNTHETIC, ratio)
    assert plan.counts == counts
    expected = [0, 1, 0, 1][: counts["real"]] + [1, 0, 1, 0, 1, 0][: counts["synthetic"]]
    assert plan.labels.argmax(axis=1).tolist() == expected


@given(st.floats(0.1, 5), st.booleans())
def test_duplicate_has_as_many_images_as_mixed_and_all_of_them_real(ratio, with_synthetic):
    synthetic = SYNTHETIC if with_synthetic else None
    plan = plan_arm("duplicate", MANIFEST, synthetic, ratio)
    if with_synthetic:
        assert len(plan.labels) == len(plan_arm("mixed", MANIFEST, SYNTHETIC, ratio).labels)
    assert plan.counts == {"real": len(plan.labels), "synthetic": 0}
    copies = np.bincount(plan.real, minlength=4)
    assert copies.max() - copies.min() <= 1
    np.testing.assert_array_equal(plan.labels, MANIFEST.label_matrix()[plan.real])


@pytest.mark.parametrize(
    ("arm", "pretrain", "classic"),
    [
        ("real", False, False),
        ("mixed", False, False),
        ("classic", False, True),
        ("pretrain", True, False),
        ("classic+mixed", False, True),
        ("classic+pretrain", True, True),
    ],
)
def test_a_plan_says_whether_it_comes_in_two_parts_and_whether_it_is_augmented(arm, pretrain, classic):
    plan = plan_arm(arm, MANIFEST, SYNTHETIC, 1.0)
    assert (plan.pretrain, plan.classic) == (pretrain, classic)


@given(st.lists(st.integers(1, 30), min_size=2, max_size=4), st.integers(0, 9))
def test_shuffled_labels_are_dealt_by_chance_and_evenly(counts, seed):
    plan = ArmPlan(np.arange(sum(counts)), 0, np.repeat(np.eye(len(counts), dtype=np.float32), counts, axis=0))
    dealt = shuffle_labels(plan, seed)
    np.testing.assert_array_equal(dealt.labels, shuffle_labels(plan, seed).labels)
    np.testing.assert_array_equal(dealt.real, plan.real)
    assert (dealt.labels.sum(axis=1) == 1).all()
    assert np.ptp(dealt.labels.sum(axis=0)) <= 1


def test_another_seed_deals_other_labels():
    plan = ArmPlan(np.arange(40), 0, np.repeat(np.eye(2, dtype=np.float32), 20, axis=0))
    assert (shuffle_labels(plan, 0).labels != shuffle_labels(plan, 1).labels).any()
    assert abs((shuffle_labels(plan, 0).labels * plan.labels).sum() - 20) < 12


def test_images_of_several_labels_keep_their_combinations_when_shuffled():
    labels = np.array([[1, 1, 0], [0, 0, 0], [1, 0, 1], [0, 1, 0]] * 5, dtype=np.float32)
    dealt = shuffle_labels(ArmPlan(np.arange(20), 0, labels), 0)
    assert sorted(map(tuple, dealt.labels.tolist())) == sorted(map(tuple, labels.tolist()))
    assert (dealt.labels != labels).any()


def test_an_image_left_out_of_a_subset_is_foreign_to_it_and_no_leak_of_the_test():
    left_out = (dataclasses.replace(MANIFEST.studies[3], split="unused"),)
    manifest = dataclasses.replace(MANIFEST, studies=MANIFEST.studies[:3] + left_out + MANIFEST.studies[4:])
    with pytest.raises(LeakageError, match="1 of the 4 images .* are not in the training split"):
        check_synthetic_set(SYNTHETIC, manifest)
    check_synthetic_set(dataclasses.replace(SYNTHETIC, trained_on=tuple(HASHES[:3])), manifest)
    check_synthetic_images(IMAGES[3:4], manifest)


def test_an_arm_without_its_synthetic_set_says_how_to_get_one():
    with pytest.raises(DataError, match="gan-aug generate"):
        plan_arm("mixed", MANIFEST, None, 1.0)


def test_a_class_without_training_images_is_named():
    lacking = dataclasses.replace(SYNTHETIC, image_labels=((0,),) * 6)
    with pytest.raises(DataError, match="'synthetic' has no training image of 'yes' among 6"):
        plan_arm("synthetic", MANIFEST, lacking, 1.0)


def test_a_multi_label_that_every_image_has_is_named():
    studies = tuple(dataclasses.replace(s, labels=(0, 1) if i % 2 else (1,)) for i, s in enumerate(MANIFEST.studies))
    manifest = dataclasses.replace(MANIFEST, task="multi-label", studies=studies)
    with pytest.raises(DataError, match="every training image of the arm 'real' has the label 'yes'"):
        plan_arm("real", manifest, None, 1.0)


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
