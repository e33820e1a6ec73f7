"""A GAN that is far off is found among sound ones, and sound ones that differ by chance are left alone."""

from __future__ import annotations

import copy
import dataclasses
from typing import Any

import numpy as np
import pytest

from gan_aug.evaluation.cells.result import CellResult
from gan_aug.evaluation.outcome.figures import group_by_arm
from gan_aug.evaluation.outcome.gans import gan_rows
from gan_aug.evaluation.statistics.auc import auc_influence
from gan_aug.evaluation.statistics.ground_truth import GroundTruth
from gan_aug.report import to_markdown
from gan_aug.report.words.gans import gans_alarm, gans_table, gans_text, memorising_text
from tests.support.evaluation_samples import make_cells, make_fidelity, make_manifest, make_report, make_synthetic

MANIFEST = make_manifest()
SETS = [make_synthetic(MANIFEST)] * 3
CELLS = make_cells(MANIFEST, gans=3)
FIDELITY = make_fidelity(MANIFEST)


def blurred(cells: list[CellResult], gan: int, share: float) -> list[CellResult]:
    """The cells, with `share` of the scores of one GAN's alone replaced by noise."""

    def spoilt(cell: CellResult) -> CellResult:
        if cell.gan != gan or cell.arm != "synthetic":
            return cell
        rng = np.random.default_rng(0)
        scores = cell.validation_scores.copy()
        rows = rng.random(len(scores)) < share
        scores[rows] = rng.dirichlet([1, 1], size=int(rows.sum()))
        return dataclasses.replace(cell, validation_scores=scores)

    return [spoilt(cell) for cell in cells]


def rows_of(cells: list[CellResult], fidelity: list[dict[str, Any]] | None = None) -> list[dict[str, Any]]:
    rows = gan_rows(MANIFEST, SETS, group_by_arm(cells), [FIDELITY] * 3 if fidelity is None else fidelity)
    assert rows
    return rows


def test_each_row_has_the_figures_of_its_own_seeds() -> None:
    truth = GroundTruth.of(MANIFEST, "validation")
    for row in rows_of(make_cells(MANIFEST, seeds=5, gans=3)):
        assert row["seeds"] == [seed for seed in range(5) if seed % 3 == row["gan"]]
        own = [c for c in make_cells(MANIFEST, seeds=5, gans=3) if c.arm == "mixed" and c.seed in row["seeds"]]
        apart = [
            auc_influence(truth.target_labels[:, 0], c.validation_scores[:, 1], "1", truth.patients).value for c in own
        ]
        assert row["validation_auc"]["mixed"] == pytest.approx(np.mean(apart))
        assert not row["broken"]
        assert {check["check"] for check in row["checks"]} == {"auc", "labels", "coverage"}


def test_one_whose_images_teach_little_is_found_and_the_others_are_not() -> None:
    rows = rows_of(blurred(CELLS, 1, 0.95))
    assert [row["broken"] for row in rows] == [False, True, False]
    failed = [check for check in rows[1]["checks"] if not check["passed"]]
    assert {check["check"] for check in failed} == {"auc"}
    assert all(check["value"] < check["limit"] < check["expected"] for check in failed)
    assert not any(row["broken"] for row in rows_of(blurred(CELLS, 1, 0.15)))


def test_images_that_hide_their_label_or_are_all_alike_are_found() -> None:
    blind, alike = copy.deepcopy(FIDELITY), copy.deepcopy(FIDELITY)
    for figures, agreement in zip(blind["per_class"].values(), (0.0, 1.0), strict=True):
        figures["label_agreement"] = {"value": agreement, "real": 0.98}  # all are called the second class
    alike["coverage"] = {"value": 0.03, "real": 0.9}
    rows = rows_of(CELLS, [blind, alike, FIDELITY])
    assert [[check["check"] for check in row["checks"] if not check["passed"]] for row in rows] == [
        ["labels"],
        ["coverage"],
        [],
    ]


def test_without_the_arm_or_the_figures_a_check_is_left_out() -> None:
    rows = rows_of([cell for cell in CELLS if cell.arm != "synthetic"], [])
    assert [(row["checks"], row["broken"], row["fidelity"]) for row in rows] == [([], False, None)] * 3
    assert gan_rows(MANIFEST, [], group_by_arm(CELLS), []) is None
    untold = [dataclasses.replace(made, trained_on=()) for made in SETS]
    assert gan_rows(MANIFEST, untold, group_by_arm(CELLS), []) is None


def test_the_report_names_a_broken_gan_first_and_counts_it_all_the_same() -> None:
    whole = make_report(MANIFEST, CELLS, SETS[0], FIDELITY, gans=3)
    report = make_report(MANIFEST, blurred(CELLS, 1, 0.95), SETS[0], FIDELITY, gans=3)
    for arm, figures in whole["arms"].items():  # validation images alone were altered
        assert (report["arms"][arm]["auc"], report["arms"][arm]["seeds"]) == (figures["auc"], figures["seeds"])
    (said,) = gans_alarm(report)
    assert said.startswith("GAN 1 (of GANs 0 to 2) LOOKS BROKEN: training on its images alone gives a validation AUC")
    assert ", on those of the best other GAN 0." in said
    assert "by seed 1" in said
    text = to_markdown(report)
    assert said in text
    assert text.index(said) < text.index("## ")
    table = gans_table(report)
    assert table
    assert [row[0] for row in table.rows] == ["0", "1", "2", "SD"]
    assert [row[-1] for row in table.rows] == ["passed", "LOOKS BROKEN", "passed", ""]
    assert not gans_alarm(whole)
    assert gans_text(whole)[0].startswith("3 GANs were trained on the same images from different seeds.")


def test_one_gan_is_told_of_too() -> None:
    report = make_report(MANIFEST, make_cells(MANIFEST), SETS[0], FIDELITY)
    assert gans_text(report)[0].startswith("One GAN made all synthetic images")
    table = gans_table(report)
    assert table
    assert len(table.rows) == 1
    assert gans_table(make_report(MANIFEST, make_cells(MANIFEST, arms=("real", "classic")))) is None
    assert gans_table({key: value for key, value in report.items() if key != "gans"}) is None


def remembering(nearer: float, copy_like: float) -> dict[str, Any]:
    figures = {"nearer": nearer, "copy_like": copy_like, "se": 0.02, "synthetic": [0.1, 0.2, 0.3]}
    counts = {"training_images": 300, "images": 400, "held_out_images": 40, "held_out": [0.1, 0.2, 0.3]}
    return {**FIDELITY, "memorising": {"extractor": "random-cnn-1", **figures, **counts}}


def test_a_gan_that_copies_is_told_from_one_with_less_variety() -> None:
    def said(*figures: tuple[float, float]) -> tuple[str, list[str]]:
        fidelity = [remembering(*one) for one in figures]
        report = make_report(MANIFEST, CELLS, SETS[0], fidelity[0])
        report["gans"] = rows_of(CELLS, fidelity * (3 // len(fidelity)))[: len(figures)]
        return " ".join(memorising_text(report)), gans_alarm(report)

    text, alarms = said((0.52, 0.47))
    assert "in 52.0 % of the pairs; 40 validation images that the GAN never saw" in text
    assert "nothing here points to copies, which is no proof" in text
    assert not alarms
    text, alarms = said((0.7, 0.5))
    assert "which points to less variety or detail" in text
    assert not alarms
    text, alarms = said((0.5, 0.5), (0.9, 0.8), (0.5, 0.5))
    assert "in 50.0 %, 90.0 % and 50.0 % of the pairs (by GAN)" in text
    assert "Both are too many for GAN 1, so some images may show real patients." in text
    assert alarms[0].startswith("GAN 1 MAY COPY TRAINING IMAGES")


def test_nothing_is_said_of_what_was_not_measured() -> None:
    report = make_report(MANIFEST, CELLS, SETS[0], FIDELITY)
    assert memorising_text(report) == []
    assert memorising_text(make_report(MANIFEST, CELLS, SETS[0], {**FIDELITY, "memorising": None})) == []
