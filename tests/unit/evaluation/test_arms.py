"""The training sets of the arms: the images and labels that each takes."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gan_aug.errors import DataError
from gan_aug.evaluation.arms import ArmPlan, plan_arm, shuffle_labels
from tests.support.tiny_sets import MANIFEST, SYNTHETIC


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
