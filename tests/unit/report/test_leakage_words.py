"""Leaks between the splits in words: what is known comes first, and nothing is claimed that is not known."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest

from gan_aug.data.manifest import Manifest
from gan_aug.report.pages.html import to_html
from gan_aug.report.pages.markdown import to_markdown
from gan_aug.report.words.caveats import caveats
from gan_aug.report.words.checks import alarm
from gan_aug.report.words.leakage import images_tested, known_leaks, near_copies_searched, unknown_patients
from gan_aug.report.words.verdict import answer
from tests.support.evaluation_samples import make_cells, make_manifest, make_report, make_synthetic

COPIES = {
    "searched": True,
    "test_in_train": 0,
    "test_in_validation": 0,
    "validation_in_train": 0,
    "dropped_train": 0,
    "dropped_validation": 0,
}

WAY_OUT = "Import the data set again with data.near_duplicates: drop to leave these copies out."


def copies(**found: Any) -> Manifest:
    return replace(make_manifest(), near_copies={**COPIES, **found})


def report_of(manifest: Manifest, **changes: Any) -> dict[str, Any]:
    return make_report(manifest, make_cells(manifest, ("real", "mixed"), 2), make_synthetic(manifest), **changes)


def unnamed(manifest: Manifest, every: int = 1) -> Manifest:
    """The data set without the patients of every n-th image."""
    studies = (replace(s, patient=None) if i % every == 0 else s for i, s in enumerate(manifest.studies))
    return replace(manifest, studies=tuple(studies))


def test_near_copies_that_stayed_are_the_first_sentence_of_every_form() -> None:
    report = report_of(copies(test_in_train=14))
    said = f"14 of 60 test images have a near copy in training: the AUC is too good. {WAY_OUT}"
    assert alarm(report)[0] == known_leaks(report)[0] == said
    assert to_markdown(report).split("\n\n")[1] == f"**{said}**"
    page = to_html(report, {}, {}, {})
    assert page.index(said) < page.index("Adding GAN images")
    whole = f"{to_markdown(report)} {page}"
    assert "never seen" not in whole
    assert "on 60 real test images, 14 of them with a near copy in training, and 0." in answer(report)[0]


@pytest.mark.parametrize(
    ("found", "sentence"),
    [
        ({"test_in_train": 1}, f"1 of 60 test images has a near copy in training: the AUC is too good. {WAY_OUT}"),
        (
            {"test_in_validation": 2},
            "2 of 60 test images have a near copy among the validation images, on which weights and thresholds were "
            "chosen: the figures may be too good.",
        ),
    ],
)
def test_one_copy_and_copies_in_validation_are_told_too(found: dict[str, int], sentence: str) -> None:
    report = report_of(copies(**found))
    assert known_leaks(report) == [sentence]
    assert "never seen" not in images_tested(report)


def test_a_copy_in_a_hundred_and_more_does_not_make_the_auc_too_good_for_certain() -> None:
    manifest = replace(make_manifest(per_label=150), near_copies={**COPIES, "test_in_train": 2})
    assert known_leaks(report_of(manifest)) == [
        f"2 of 300 test images have a near copy in training: the AUC may be too good. {WAY_OUT}"
    ]


def test_what_was_dropped_is_in_the_methods_and_no_alarm() -> None:
    report = report_of(copies(dropped_train=12, dropped_validation=1, validation_in_train=3))
    assert alarm(report) == []
    assert images_tested(report) == "60 real test images it had never seen"
    said = (
        "searched for across the splits: 12 training images and 1 validation image were dropped; 3 validation images "
        "with one among the training images stayed."
    )
    assert near_copies_searched(report).endswith(said)
    assert said in to_markdown(report)
    none = near_copies_searched(report_of(copies()))
    assert none == (
        "Near copies (compressed again, brightened or shifted a little, but not mirrored, rotated or cropped) were "
        "searched for across the splits: none was dropped."
    )
    assert "1 training image was dropped." in near_copies_searched(report_of(copies(dropped_train=1)))


def test_images_too_small_to_compare_are_only_said_not_to_be_identical() -> None:
    report = report_of(copies(searched=False))
    assert images_tested(report) == "60 real test images, none of them identical to a training image"
    assert "so none were searched for" in to_markdown(report)
    assert "never seen" not in to_markdown(report)


def test_an_import_of_an_earlier_version_is_taken_at_its_note() -> None:
    note = (
        "49 images look nearly the same as one of a split nearer to the test: kept, so that figures may be too good; "
        "see data.near_duplicates"
    )
    report = report_of(make_manifest(notes=(note,)))
    assert known_leaks(report) == [
        "49 images look nearly the same as one of a split nearer to the test: the AUC may be too good."
    ]
    assert images_tested(report) == "60 real test images"
    quiet = report_of(make_manifest())
    assert known_leaks(quiet) == []
    assert images_tested(quiet) == "60 real test images it had never seen"
    assert near_copies_searched(quiet) == ""
    small = replace(make_manifest(), shape=(1, 20, 20))
    assert images_tested(report_of(small)) == "60 real test images, none of them identical to a training image"


def test_patients_that_cannot_be_told_apart_limit_the_verdict() -> None:
    report = report_of(unnamed(make_manifest()))
    said = unknown_patients(report)
    assert said
    assert re.match(r"The data set names no patients, so each image .* the intervals are too narrow\.", said)
    assert said in [caveat.text for caveat in caveats(report)]
    assert to_markdown(report).index(said) < to_markdown(report).index("## Arms")
    assert report["dataset"]["leakage"]["patients"] == "none"
    found = unknown_patients(report_of(unnamed(copies(dropped_train=46))))
    assert found == f"{said} The near copies that were found (46) suggest that some have."


def test_some_patients_unnamed_or_numbers_that_restart_are_told() -> None:
    said = unknown_patients(report_of(unnamed(make_manifest(), every=3)))
    assert said
    assert said.startswith("The patients of some images are not named (20 test images among them)")
    restarted = report_of(make_manifest())
    assert unknown_patients(restarted) is None
    restarted["config"]["data"]["patient_scope"] = "split"
    said = unknown_patients(restarted)
    assert said
    assert said.startswith("Patient numbers restart in each split, so nobody can tell")
