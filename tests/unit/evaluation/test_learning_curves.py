from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.figure import Figure

from gan_aug.config import reported
from gan_aug.data.splits.subsets import Subset
from gan_aug.evaluation.cells.result import Findings
from gan_aug.evaluation.learning_curves import curve_rows, real_equivalent
from gan_aug.evaluation.outcome.figures import build_report
from gan_aug.evaluation.statistics.comparison import compare_arms, estimate_auc, holm
from gan_aug.evaluation.statistics.ground_truth import GroundTruth
from gan_aug.evaluation.statistics.uncertainty import Influence, mean_over_draws, mean_over_seeds
from gan_aug.report.pages.html import to_html
from gan_aug.report.pages.markdown import to_markdown
from gan_aug.report.plots.all import draw_figures
from gan_aug.report.plots.learning_curves import curves_png, curves_svg, draw_curves
from gan_aug.report.words.checks import canaries_table, curves_answer, curves_table
from gan_aug.report.words.figures import curves_words
from tests.support.evaluation_samples import make_cells, make_config, make_manifest, make_report, make_synthetic

MANIFEST = make_manifest()
TRUTH = GroundTruth.of(MANIFEST, "test")


def points(sizes=(20, 60), draws=2, seeds=3):
    found = {}
    for size in sizes:
        for draw in range(draws):
            cells = make_cells(MANIFEST, seeds=seeds, sharpness=size / 60 + 0.05 * draw)
            found[Subset(size, draw)] = [
                dataclasses.replace(c, train_images={k: n and size for k, n in c.train_images.items()}) for c in cells
            ]
    found[None] = make_cells(MANIFEST, seeds=seeds, sharpness=1.5)
    return found


def test_the_rows_hold_every_arm_at_every_size_and_the_mean_of_its_cells():
    found = points()
    rows = curve_rows(TRUTH, found)
    assert [(row["size"], row["arm"]) for row in rows] == [
        (size, arm) for size in (20, 60, 120) for arm in ("real", "synthetic", "mixed")
    ]
    assert [(row["draws"], row["seeds"]) for row in rows[::3]] == [(2, 3), (2, 3), (1, 3)]
    mixed = rows[2]
    aucs = [TRUTH.auc(c.test_scores).value for d in range(2) for c in found[Subset(20, d)] if c.arm == "mixed"]
    assert mixed["auc"]["value"] == pytest.approx(np.mean(aucs))
    assert mixed["difference"]["value"] == pytest.approx(mixed["auc"]["value"] - rows[0]["auc"]["value"])
    assert rows[0]["difference"] is None
    assert mixed["train_images"] == {"real": 20, "synthetic": 20}


@pytest.mark.parametrize("gans", [1, 2, 3])
def test_the_point_of_all_images_is_the_comparison_with_its_gans(gans):
    cells = make_cells(MANIFEST, seeds=3, sharpness=1.5, gans=gans)
    rows = {row["arm"]: row for row in curve_rows(TRUTH, {**points(draws=1), None: cells}) if row["size"] == 120}
    compared = make_report(MANIFEST, cells, make_synthetic(MANIFEST), gans=gans)
    for arm, figures in compared["arms"].items():
        assert rows[arm]["auc"]["ci95"] == pytest.approx(figures["auc"]["ci95"])
        assert rows[arm]["accuracy"]["ci95"] == pytest.approx(figures["accuracy"]["ci95"])
    for one in compared["comparisons"]:
        if one["against"] == "real":
            assert rows[one["arm"]]["difference"]["ci95"] == pytest.approx(one["ci95"])
            assert rows[one["arm"]]["difference"]["p"] == pytest.approx(one["p"])


@pytest.mark.parametrize("gans", [1, 3])
def test_the_words_say_whether_the_intervals_include_gans(gans):
    cells = make_cells(MANIFEST, seeds=3, sharpness=1.5, gans=gans)
    report = make_report(MANIFEST, cells, make_synthetic(MANIFEST), gans=gans, sizes=[20, 60, "all"])
    report["curves"] = curve_rows(TRUTH, {**points(), None: cells})
    assert ("with all images the GANs too" in curves_table(report).caption) == (gans > 1)
    assert ("with all images over the GANs" in curves_words(report).reading) == (gans > 1)


def influences(values, cases):
    return [[Influence(float(v), c) for v, c in zip(*row, strict=True)] for row in zip(values, cases, strict=True)]


@given(st.integers(1, 4), st.integers(1, 4), st.integers(0, 1000))
def test_the_mean_over_draws_turns_with_draws_and_seeds_and_is_that_over_seeds_where_one_is_single(draws, seeds, seed):
    rng, patients = np.random.default_rng(seed), np.arange(50)
    values, cases = 0.8 + 0.05 * rng.random((draws, seeds)), 0.01 * rng.normal(size=(draws, seeds, 50))
    estimate = mean_over_draws(influences(values, cases), patients, 20, "identity")
    turned = mean_over_draws(influences(values.T, cases.transpose(1, 0, 2)), patients, 20, "identity")
    assert (turned.se, turned.df) == pytest.approx((estimate.se, estimate.df))
    assert estimate.value == pytest.approx(values.mean())
    assert ("draws" in estimate.sources) == (draws > 1)
    assert ("seeds" in estimate.sources) == (seeds > 1)
    if draws == 1:
        alone = mean_over_seeds(influences(values, cases)[0], patients, 20, "identity")
        assert (alone.se, alone.df, alone.ci95) == (estimate.se, estimate.df, estimate.ci95)


def test_the_patients_part_is_the_covariance_of_cells_that_share_neither_draw_nor_seed():
    rng = np.random.default_rng(0)
    values, cases = 0.8 + 0.05 * rng.random((4, 5)), 0.01 * rng.normal(size=(4, 5, 50)) + 0.03 * rng.normal(size=50)
    patients = np.arange(50) // 2
    totals = cases.reshape(4, 5, 25, 2).sum(axis=3)
    apart = [
        totals[d, s] @ totals[e, t] for d in range(4) for e in range(4) for s in range(5) for t in range(5)
        if d != e and s != t
    ]  # fmt: skip
    parts = [(values.mean(axis=1).var(ddof=1) / 4, 3), (values.mean(axis=0).var(ddof=1) / 5, 4)]
    total = sum(part for part, _ in parts) + np.mean(apart)
    estimate = mean_over_draws(influences(values, cases), patients, 20, "identity")
    assert estimate.se**2 == pytest.approx(total)
    assert estimate.df == pytest.approx(total**2 / sum(part**2 / df for part, df in parts))


@pytest.mark.parametrize(("of_draws", "of_seeds", "of_both"), [(1, 0, 0), (0, 1, 0), (1, 1, 0), (1, 1, 1), (0, 0, 1)])
@pytest.mark.parametrize("of_patients", [0, 2])
def test_the_interval_covers_the_truth_whatever_the_source_of_chance(of_draws, of_seeds, of_both, of_patients):
    rng = np.random.default_rng(0)
    patients, covered = np.arange(40), 0
    for _ in range(400):
        noise = of_patients * rng.normal(size=40)
        values = 0.5 + 0.01 * (
            of_draws * rng.normal(size=(3, 1)) + of_seeds * rng.normal(size=(1, 3)) + of_both * rng.normal(size=(3, 3))
        )
        cases = np.broadcast_to(0.01 * (noise - noise.mean()) / np.sqrt(40 * 39), (3, 3, 40)) * np.sqrt(40)
        shifted = values + 0.01 * noise.mean() * np.sqrt(40)
        low, high = mean_over_draws(influences(shifted, cases), patients, 20, "identity").ci95
        covered += low <= 0.5 <= high
    assert covered > 0.925 * 400


def test_the_point_of_all_images_is_the_comparison_s_own():
    found = points()
    scores = {arm: [c.test_scores for c in found[None] if c.arm == arm] for arm in ("real", "mixed")}
    (comparison,) = compare_arms(TRUTH, scores, [("mixed", "real")], 0.02)
    row = next(row for row in curve_rows(TRUTH, found) if (row["size"], row["arm"]) == (120, "mixed"))
    assert row["difference"] == {
        "value": comparison.difference, "ci95": comparison.ci95, "p": comparison.p, "p_adjusted": None
    }  # fmt: skip
    assert row["auc"]["ci95"] == estimate_auc(TRUTH, scores["mixed"]).ci95


def test_the_p_values_are_adjusted_for_the_sizes_of_several_draws():
    rows = [row["difference"] for row in curve_rows(TRUTH, points()) if row["arm"] == "mixed"]
    assert [row["p_adjusted"] for row in rows] == [*holm([row["p"] for row in rows[:2]]), None]


def test_a_band_beyond_the_axis_is_marked():
    rows = [
        {"arm": "real", "size": size, "auc": {"value": value, "ci95": ends}}
        for size, value, ends in ((100, 0.9, (0.7, 0.92)), (200, 0.95, (0.94, 0.96)))
    ]
    axes = Figure().subplots()
    draw_curves(axes, rows)
    marked = {line.get_marker(): len(line.get_xdata()) for line in axes.lines}
    assert (marked["v"], marked["^"]) == (1, 0)


@pytest.mark.parametrize(
    ("auc", "expected"),
    [
        (0.80, (100, "none")),
        (0.85, (200, "none")),
        (0.70, (100, "at most")),
        (0.95, (400, "at least")),
        (0.90, (400, "none")),
    ],
)
def test_a_reading_off_the_real_curve(auc, expected):
    reading = real_equivalent({100: 0.80, 400: 0.90}, {"auc": {"value": auc}})
    assert (reading["images"], reading["bound"]) == expected
    assert real_equivalent({100: 0.80}, {"auc": {"value": auc}}) is None


def test_a_dip_in_the_real_curve_saves_no_image():
    curve = {50: 0.80, 100: 0.75, 200: 0.90}
    assert real_equivalent(curve, {"auc": {"value": 0.78}}) == {"images": 50, "bound": "at most"}
    assert 100 < real_equivalent(curve, {"auc": {"value": 0.85}})["images"] < 200


def test_the_report_shows_curves_ratio_and_canaries_and_shouts_when_one_died(tmp_path):
    import jsonschema

    canaries = {
        "shuffled_labels": {
            "passed": False, "auc": {"value": 0.8, "ci95": [0.7, 0.9]}, "shuffles": 5, "optimizer_steps": 100,
            "further": {"auc": {"value": 0.78, "ci95": [0.7, 0.86]}, "shuffles": 10},
        },
        "planted_test_image": {"passed": True, "refused": {"trained_on": True, "content": True}},
    }  # fmt: skip
    ratio = {"value": 2.0, "searched": [{"ratio": r, "validation_auc": 0.8 + r / 100, "seeds": [0.8]} for r in (1, 2)]}
    findings = Findings(ratio, curve_rows(TRUTH, points()), canaries)
    cells = make_cells(MANIFEST)
    report = build_report(MANIFEST, [], cells, reported(make_config()), {}, {}, {}, findings=findings)
    schema = json.loads(Path("docs/reference/report.schema.json").read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator(schema).validate(report)
    for text in (to_markdown(report), to_html(report, draw_figures(report, cells, MANIFEST), {}, {})):
        assert text.index("CANARY FAILED: trained on shuffled labels") < text.index("trained only on synthetic images")
        assert "and again 0.780 (95 % CI 0.700 to 0.860) over 10 shuffles; both lie above 0.5" in text
        assert "0.780 (0.700 to 0.860) over 10 further ones" in text
        assert "Adding its images to the labelled training images (arm “mixed”) changed the AUC by" in text
        assert "The search kept no score of a test image" in text
    assert curves_svg(report["curves"]) == curves_svg(report["curves"])
    curves_png(report["curves"], tmp_path / "curves.png")
    assert (tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("figures", "draws", "said", "worth"),
    [
        ([(-0.1, 0.1, 0.9), (-0.1, 0.1, 0.9)], 1, "With one draw of each size that cannot be told", 0),
        (
            [(-0.01, 0.03, 0.9), (-0.02, 0.01, 0.9)],
            2,
            "None is shown; a gain of up to 0.030 is not ruled out. Adding",
            0,
        ),
        ([(-0.03, -0.01, 0.01), (-0.03, -0.01, 0.01)], 2, "None is shown. Adding", 0),
        ([(0.001, 0.03, 0.08), (-0.02, 0.01, 0.9)], 2, "None is shown; a gain of up to 0.030 is not", 0),
        ([(0.01, 0.03, 0.01), (-0.02, 0.01, 0.9)], 2, "Some, with 20 of them: there the AUC is higher", 1),
        ([(0.01, 0.03, 0.01), (0.002, 0.01, 0.04)], 2, "Some, with 20 and 1\u202f000 of them: there", 2),
    ],
)
def test_a_saving_is_claimed_only_where_it_is_more_than_chance_after_holm(figures, draws, said, worth):
    rows = [
        {
            "arm": "mixed",
            "size": size,
            "draws": draws,
            "auc": {"value": 0.9, "ci95": (0.88, 0.92)},
            "difference": {"value": (low + high) / 2, "ci95": (low, high), "p": p / 2, "p_adjusted": p},
            "real_equivalent": {"images": 3456, "bound": "none"},
        }
        for size, (low, high, p) in zip((20, 1000), figures, strict=True)
    ]
    counts = {"counts": {"validation": 522}}
    (text,) = curves_answer({"curves": rows, "dataset": counts, "arms": {"real": {"auc": {"value": 0.9}}}})
    assert said in text
    assert text.count("; worth about 3\u202f500") == worth


@pytest.mark.parametrize(("recorded", "which"), [(12, "all"), (3, "3 of 12")])
def test_the_third_canary_names_the_trainings_that_it_counts(recorded, which):
    watched = {"passed": True, "refused": {"test": True}, "cells": 12, "recorded": recorded, "images": 420}
    auc = {"value": 0.5, "ci95": [0.4, 0.6]}
    shuffled = {"passed": True, "auc": auc, "shuffles": 5, "optimizer_steps": 100, "further": None}
    planted = {"passed": True, "refused": {"trained_on": True, "content": True}}
    canaries = {"shuffled_labels": shuffled, "planted_test_image": planted, "watched_training": watched}
    (*_, (_, said, verdict)) = canaries_table({"canaries": canaries}).rows
    assert verdict == "passed"
    assert said == (
        f"a test image: refused; {which} trainings of the arms, at every size, and of the first 5 shuffles compared "
        "what they drew, 420 images in all, none held out"
    )


def test_what_classic_augmentation_saves_is_not_credited_to_the_gan():
    rows = [{**row, "arm": "classic+mixed"} for row in curve_rows(TRUTH, points()) if row["arm"] == "mixed"]
    counts = {"counts": {"validation": 522}}
    assert curves_answer({"curves": rows, "dataset": counts, "arms": {"real": {"auc": {"value": 0.9}}}}) == []
