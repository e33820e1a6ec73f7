"""What is known of leaks between the splits, as sentences: near copies, and patients that cannot be told apart.

The report begins with `known_leaks`, since no figure can be read without them.
"""

from __future__ import annotations

from typing import Any

from gan_aug.data.splits.near_duplicates import SMALLEST_SIDE
from gan_aug.report.words.text import Report, counted, thousands

PLAIN = 0.01
"""From this share of the test images on, near copies in training make the AUC too good; below, they may do so."""

OLD_NOTE = "of a split nearer to the test: kept"
"""Part of the note about near copies in manifests of versions that did not count them otherwise."""


def known_leaks(report: Report) -> list[str]:
    """The leaks that are known to be there, each as a sentence; empty if there is none."""
    copies, tested = _near_copies(report), report["dataset"]["counts"]["test"]
    if copies is None:
        notes = [note for note in report["dataset"]["notes"] if OLD_NOTE in note]
        return [f"{note.partition(':')[0]}: the AUC may be too good." for note in notes]
    found = []
    if number := copies["test_in_train"]:
        effect = "is" if number >= PLAIN * tested else "may be"
        said = f"{_of_tested(number, tested)} a near copy in training: the AUC {effect} too good."
        found.append(f"{said} Import the data set again with data.near_duplicates: drop to leave these copies out.")
    if number := copies["test_in_validation"]:
        found.append(
            f"{_of_tested(number, tested)} a near copy among the validation images, on which weights and thresholds "
            "were chosen: the figures may be too good."
        )
    return found


def unknown_patients(report: Report) -> str | None:
    """What follows if patients cannot be told apart; None if all can be."""
    data = report["dataset"]
    if data["test_patients"] is None:
        copies = _near_copies(report) or {}
        number = sum(copies.get(key, 0) for key in ("test_in_train", "validation_in_train", "dropped_train"))
        some = f" The near copies that were found ({thousands(number)}) suggest that some have." if number else ""
        return (
            "The data set names no patients, so each image counts as a patient of its own. If patients have several "
            "images, some may be both in training and in the test: the AUC is then too good, and the intervals are too "
            f"narrow.{some}"
        )
    if report["config"]["data"]["patient_scope"] == "split":
        return (
            "Patient numbers restart in each split, so nobody can tell whether a patient is both in training and in "
            "the test. If so, the AUC is too good."
        )
    if (data.get("leakage") or {}).get("patients") == "some":
        which = counted(data["without_patient"], "test image") if data["without_patient"] else "training images"
        return (
            f"The patients of some images are not named ({which} among them), so each of these counts as a patient of "
            "its own. If they have other images in the set, the AUC may be too good, and the intervals too narrow."
        )
    return None


def images_tested(report: Report) -> str:
    """The test images as the end of a clause, with what is known of whether a classifier had seen them."""
    images, copies = counted(report["dataset"]["counts"]["test"], "real test image"), _near_copies(report)
    if known_leaks(report):
        number = copies["test_in_train"] if copies else 0
        return f"{images}, {thousands(number)} of them with a near copy in training" if number else images
    if report["provenance"]["trained_on"] == "unknown":
        return images
    # Earlier versions searched too, and noted what they found.
    if not (copies["searched"] if copies else min(report["dataset"]["shape"][1:]) >= SMALLEST_SIDE):
        return f"{images}, none of them identical to a training image"
    return f"{images} it had never seen"


def near_copies_searched(report: Report) -> str:
    """What a search for near copies across the splits gave, as sentences; empty if that was not recorded."""
    copies = _near_copies(report)
    if copies is None:
        return ""
    if not copies["searched"]:
        return "Images this small are too alike to tell near copies, so none were searched for."
    dropped = [
        counted(number, f"{split} image")
        for split, number in (
            ("training", copies["dropped_train"]),
            ("validation", copies["dropped_validation"]),
            ("internal test", copies.get("dropped_internal_test", 0)),
        )
        if number
    ]
    were = "was" if len(dropped) == 1 and dropped[0].startswith("1 ") else "were"
    done = f"{' and '.join(dropped)} {were} dropped" if dropped else "none was dropped"
    left = [
        f"{counted(number, f'{split} image')} with one among the {other} images stayed"
        for split, number, other in (
            ("test", copies["test_in_train"], "training"),
            ("test", copies["test_in_validation"], "validation"),
            ("validation", copies["validation_in_train"], "training"),
            ("internal test", copies.get("internal_test_in_train", 0), "training"),
            ("internal test", copies.get("internal_test_in_validation", 0), "validation"),
        )
        if number
    ]
    return (
        "Near copies (compressed again, brightened or shifted a little, but not mirrored, rotated or cropped) were "
        f"searched for across the splits: {'; '.join((done, *left))}."
    )


def _near_copies(report: Report) -> dict[str, Any] | None:
    found: dict[str, Any] | None = (report["dataset"].get("leakage") or {}).get("near_copies")
    return found


def _of_tested(number: int, tested: int) -> str:
    return f"{thousands(number)} of {thousands(tested)} test images {'has' if number == 1 else 'have'}"
