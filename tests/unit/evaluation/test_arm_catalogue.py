"""The catalogue of arms: config and docs name the same ones in its order, and its rows do not contradict each other."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gan_aug.config.compare import RATIO_ARMS, ArmName
from gan_aug.evaluation.arm_catalogue import ARMS, REFERENCE, SEARCHED, arm_order, known, need_synthetic

GUIDE = Path(__file__).parents[3] / "docs/how-to/arms-and-curves.md"


def test_config_and_catalogue_name_the_same_arms_in_the_same_order() -> None:
    assert list(ARMS) == list(get_args(ArmName))
    assert [arm.name for arm in ARMS.values()] == list(ARMS)
    assert tuple(name for name, arm in ARMS.items() if arm.synthetic == "by ratio") == RATIO_ARMS
    assert next(iter(ARMS)) == REFERENCE
    assert SEARCHED in RATIO_ARMS


@pytest.mark.parametrize("name", ARMS)
def test_the_guide_says_what_each_arm_trains_on(name: str) -> None:
    rows = [line for line in GUIDE.read_text(encoding="utf-8").splitlines() if line.startswith("| `")]
    assert any(f"`{name}`" in row.split("|")[1] for row in rows)


@pytest.mark.parametrize("name", ARMS)
def test_an_arm_has_images_and_its_parts_fit_together(name: str) -> None:
    arm = ARMS[name]
    assert arm.real != "none" or arm.needs_synthetic
    if arm.pretrain:
        assert arm.real != "none"
        assert arm.needs_synthetic
    if arm.is_control:
        assert not arm.needs_synthetic
    if arm.alike:
        plain = {"real": "once", "synthetic": "none", "pretrain": False, "is_control": True, "alike": None}
        assert ARMS[arm.alike] == dataclasses.replace(arm, name=arm.alike, **plain)


@given(st.permutations(list(ARMS)))
def test_arms_are_listed_with_the_reference_first_and_unknown_ones_last(names: list[str]) -> None:
    assert arm_order(["zebra", *names, "aardvark"]) == [*ARMS, "aardvark", "zebra"]


def test_what_is_not_in_the_catalogue_is_left_out() -> None:
    assert known(["zebra", "mixed", "real"]) == [ARMS["mixed"], ARMS["real"]]


@pytest.mark.parametrize(
    ("names", "needed"),
    [(("real", "duplicate", "classic"), False), (("real", "pretrain"), True), (("real", "classic+mixed"), True)],
)
def test_synthetic_images_are_needed_when_one_arm_needs_them(names: tuple[ArmName, ...], needed: bool) -> None:
    assert need_synthetic(names) is needed
