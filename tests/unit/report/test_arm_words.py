"""The words of arms: each arm has those it needs, they are found in reports made with it, unknown arms are named."""

from __future__ import annotations

import dataclasses
import re
from functools import cache
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from gan_aug.data.splits.subsets import Subset
from gan_aug.evaluation.arm_catalogue import ARMS, REFERENCE, Arm
from gan_aug.evaluation.arms import plan_arm
from gan_aug.evaluation.learning_curves import curve_rows
from gan_aug.evaluation.statistics.ground_truth import GroundTruth
from gan_aug.report.methods.text import methods
from gan_aug.report.pages.markdown import to_markdown
from gan_aug.report.words.arms import WORDS, ArmWords, saving_arm, training_images, verdict_subject, words_of
from gan_aug.report.words.figures import history_words
from gan_aug.report.words.verdict import answer, verdict_sentence
from tests.support.evaluation_samples import make_cells, make_manifest, make_report, make_synthetic

GUIDE = Path(__file__).parents[3] / "docs/how-to/extend.md"
MANIFEST = make_manifest()
COMPARED_WITH = {REFERENCE, *(arm.alike for arm in ARMS.values() if arm.alike)}


@cache
def report_of(*arms: str) -> dict[str, Any]:
    """A report with these arms beside the reference, and with learning curves of two sizes."""
    names = tuple(dict.fromkeys((REFERENCE, *arms)))
    report = make_report(MANIFEST, make_cells(MANIFEST, names, 2), make_synthetic(MANIFEST), sizes=[20, 60], draws=2)
    points = {
        Subset(size, draw): [
            dataclasses.replace(cell, train_images={kind: count and size for kind, count in cell.train_images.items()})
            for cell in make_cells(MANIFEST, names, 2, size / 60 + draw / 20)
        ]
        for size in (20, 60)
        for draw in (0, 1)
    }
    return {**report, "curves": curve_rows(GroundTruth.of(MANIFEST, "test"), points)}


def test_words_and_catalogue_name_the_same_arms_in_the_same_order() -> None:
    assert list(WORDS) == list(ARMS)


@pytest.mark.parametrize("name", ARMS)
def test_an_arm_has_the_words_that_it_needs_and_no_others(name: str) -> None:
    arm, words = ARMS[name], WORDS[name]
    seen_alone = [other for other in ARMS.values() if other.real == "none"]
    wanted = {
        "trained_on": True,
        "subject": name != REFERENCE,
        "beside": arm.alike is not None,
        "level": arm.real == "none",
        "saving": arm.needs_synthetic and not arm.classic,
        "alone": name in COMPARED_WITH,
        "instead": any(name in (REFERENCE, other.alike) for other in seen_alone),
        "done": arm.needs_synthetic,
        "in_short": not arm.needs_synthetic,
        "not_run": any(other.alike == name for other in ARMS.values()),
    }
    filled = {field.name: bool(getattr(words, field.name)) for field in dataclasses.fields(ArmWords)}
    del filled["place"]
    assert filled == wanted


@pytest.mark.parametrize("name", ARMS)
def test_the_words_of_an_arm_are_found_in_reports_made_with_it(name: str) -> None:
    combinations = [(name,)]
    if also := ARMS[name].alike:
        combinations.append((also, name))
    for other in ARMS.values():
        if name == REFERENCE or other.alike == name:
            combinations += [(other.name,), (name, other.name)]
    if not ARMS[name].needs_synthetic:
        combinations.append((name, "mixed"))
    texts = [to_markdown(report_of(*names)).lower() for names in combinations]
    for field in dataclasses.fields(ArmWords):
        said = getattr(WORDS[name], field.name)
        if isinstance(said, str):
            assert any(said.replace("{kind}", "GAN").lower() in text for text in texts), field.name


def test_images_made_elsewhere_are_not_called_gan_images() -> None:
    assert verdict_subject("mixed", "real", "synthetic") == "Adding synthetic images"
    assert verdict_subject("classic+mixed", "classic", "GAN") == "Beside classic augmentation, adding GAN images"


def test_what_is_asked_most_is_told_first() -> None:
    said = answer(report_of("synthetic", "mixed", "duplicate", "classic", "classic+mixed"))
    assert [start_of(paragraph) for paragraph in said] == [
        "mixed",
        "classic+mixed",
        "synthetic",
        "duplicate",
        "classic",
    ]


def start_of(paragraph: str) -> str:
    """The arm whose verdict a paragraph begins with."""
    beginnings = {
        text.replace("{kind}", "GAN"): name
        for name, words in WORDS.items()
        for text in (words.subject, words.beside)
        if text
    }
    return beginnings[max((text for text in beginnings if paragraph.startswith(text)), key=len)]


@pytest.mark.parametrize(
    ("names", "arm"),
    [
        (("real", "synthetic", "mixed", "pretrain"), "mixed"),
        (("real", "synthetic", "pretrain"), "pretrain"),
        (("synthetic", "real"), "synthetic"),
        (("real", "classic", "classic+mixed", "zebra"), None),
    ],
)
def test_the_saving_is_told_by_the_first_arm_with_both_kinds_of_images(names: tuple[str, ...], arm: str | None) -> None:
    assert saving_arm(iter(names)) == arm


@pytest.mark.parametrize(
    ("name", "real", "synthetic", "said"),
    [
        ("real", 120, 0, "120 real"),
        ("synthetic", 0, 1200, "1\u202f200 synthetic"),
        ("mixed", 120, 60, "120 real + 60 synthetic"),
        ("duplicate", 180, 0, "180 real, counting copies"),
        ("classic", 120, 0, "120 real, augmented"),
        ("pretrain", 120, 60, "60 synthetic, then 120 real"),
        ("classic+pretrain", 120, 60, "60 synthetic, then 120 real, augmented"),
        ("zebra", 120, 60, "120 real + 60 synthetic"),
    ],
)
def test_how_many_images_there_were_and_how_they_were_used(name: str, real: int, synthetic: int, said: str) -> None:
    assert training_images(name, {"real": real, "synthetic": synthetic}) == said


def test_an_arm_that_only_another_version_knows_is_called_by_its_name() -> None:
    report = report_of("{zebra}")
    assert "Training as in the arm “{zebra}” " in answer(report)[0]
    assert "{zebra}: as named (120 real + 120 synthetic)" in " ".join(methods(report)[0])
    assert "| {zebra} " in to_markdown(report)
    assert words_of("{zebra}").alone == "the images of the arm “{zebra}”"
    other = {**report["comparisons"][0], "arm": "mixed", "against": "{zebra}"}
    assert verdict_sentence(report, other).startswith("Training as in the arm “mixed”, instead of as in “{zebra}”, ")


def test_the_training_history_says_which_arms_see_no_real_image() -> None:
    reading = history_words(report_of("mixed")).reading
    assert re.search("which are synthetic ones in the arms? “synthetic”.*Solid:", reading)


def test_the_arm_of_the_guide_is_made_and_told_by_its_two_rows_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    section = GUIDE.read_text(encoding="utf-8").partition("## Add an arm\n")[2].partition("\n## ")[0]
    row, words = (dedent(block) for block in re.findall(r"```python\n(.*?)```", section, re.DOTALL))
    arm, told = eval(row, {"Arm": Arm}), eval(words, {"ArmWords": ArmWords})  # noqa: S307 - our own page
    assert list(told) == [arm.name]
    monkeypatch.setitem(ARMS, arm.name, arm)
    monkeypatch.setitem(WORDS, arm.name, told[arm.name])
    instead = re.search(r'`instead="([^"]+)"`', section)[1]
    monkeypatch.setitem(WORDS, "classic", dataclasses.replace(WORDS["classic"], instead=instead))
    plan = plan_arm(arm.name, MANIFEST, make_synthetic(MANIFEST, 50), 1.0)
    assert (plan.counts, plan.classic) == ({"real": 0, "synthetic": 50}, True)
    text = to_markdown(report_of("classic", arm.name))
    for said in (
        f"{arm.name} − classic",
        f"{arm.name}: the synthetic images alone with the same classic augmentation (",
        "Beside classic augmentation, training on GAN images alone, instead of real ones, ",
        "trained only on synthetic images with classic augmentation reached an AUC of ",
        "when trained on the real ones with classic augmentation.",
        f"“{arm.name}” with the arm “classic” too",
    ):
        assert said in text
