from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
from evaluation_samples import make_cells, make_config, make_manifest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats

from gan_aug.data.subsets import Subset
from gan_aug.evaluation.cells import Findings
from gan_aug.evaluation.learning_curves import crossed_interval, curve_rows, real_equivalent
from gan_aug.evaluation.plots_curves import curves_png, curves_svg
from gan_aug.evaluation.report import build_report
from gan_aug.evaluation.report_checks import curves_answer
from gan_aug.evaluation.report_figures import draw_figures
from gan_aug.evaluation.report_html import to_html
from gan_aug.evaluation.report_markdown import to_markdown
from gan_aug.evaluation.truth import Truth

MANIFEST = make_manifest()
TRUTH = Truth.of(MANIFEST, "test")


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


@settings(deadline=None)
@given(arrays(np.float64, st.tuples(st.integers(1, 4), st.integers(1, 4)), elements=st.floats(0, 1)))
def test_the_band_holds_the_mean_and_turns_with_draws_and_seeds(values):
    interval = crossed_interval(values, 0.0, 1.0)
    if values.size == 1:
        assert interval is None
        return
    low, high = interval
    assert 0 <= low <= values.mean() + 1e-12
    assert values.mean() - 1e-12 <= high <= 1
    assert crossed_interval(values.T, 0.0, 1.0) == pytest.approx(interval)


def test_with_one_draw_the_band_is_student_s_over_seeds():
    values = np.array([[0.90, 0.92, 0.97]])
    expected = stats.t.interval(0.95, 2, values.mean(), values.std(ddof=1) / np.sqrt(3))
    assert crossed_interval(values, 0.0, 1.0) == pytest.approx((expected[0], min(1.0, expected[1])))


@pytest.mark.parametrize(("of_draws", "of_seeds", "of_both"), [(1, 0, 0), (0, 1, 0), (1, 1, 0), (1, 1, 1), (0, 0, 1)])
def test_the_band_covers_the_truth_whatever_the_source_of_chance(of_draws, of_seeds, of_both):
    rng = np.random.default_rng(0)
    covered = 0
    for _ in range(1000):
        values = 0.5 + 0.01 * (
            of_draws * rng.normal(size=(3, 1)) + of_seeds * rng.normal(size=(1, 3)) + of_both * rng.normal(size=(3, 3))
        )
        low, high = crossed_interval(values, 0.0, 1.0)
        covered += low <= 0.5 <= high
    assert covered > 925


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
    report = build_report(MANIFEST, None, cells, make_config(), {}, {}, {}, findings=findings)
    schema = json.loads(Path("docs/reference/report.schema.json").read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator(schema).validate(report)
    for text in (to_markdown(report), to_html(report, draw_figures(report, cells, MANIFEST), {}, {})):
        assert text.index("CANARY FAILED: trained on shuffled labels") < text.index("trained only on synthetic images")
        assert "and again 0.780 (95 % CI 0.700 to 0.860) over 10 shuffles; both lie above 0.5" in text
        assert "0.780 (0.700 to 0.860) over 10 further ones" in text
        assert "Its images beside so many labelled training images (arm “mixed”) changed the AUC at 20 by" in text
        assert "The search kept no score of a test image" in text
    assert curves_svg(report["curves"]) == curves_svg(report["curves"])
    curves_png(report["curves"], tmp_path / "curves.png")
    assert (tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("bands", "draws", "said", "worth"),
    [
        ([(-0.1, 0.1), (-0.1, 0.1)], 1, "With one draw of each size that cannot be told", 0),
        ([(-0.01, 0.03), (-0.02, -0.01)], 2, "None is shown. Its images beside", 0),
        ([(0.01, 0.03), (-0.02, 0.01)], 2, "Some, at 20: more than chance", 1),
        ([(0.01, 0.03), (0.002, 0.01)], 2, "Some, at 20 and 1\u202f000: more than chance", 2),
    ],
)
def test_a_saving_is_claimed_only_where_it_is_more_than_chance(bands, draws, said, worth):
    rows = [
        {
            "arm": "mixed",
            "size": size,
            "draws": draws,
            "auc": {"value": 0.9, "ci95": None},
            "difference": {"value": 0.01, "ci95": band},
            "real_equivalent": {"images": 3456, "bound": "none"},
        }
        for size, band in zip((20, 1000), bands, strict=True)
    ]
    counts = {"counts": {"validation": 522}}
    (text,) = curves_answer({"curves": rows, "dataset": counts, "arms": {"real": {"auc": {"value": 0.9}}}})
    assert said in text
    assert text.count("; worth about 3\u202f500") == worth


def test_what_classic_augmentation_saves_is_not_credited_to_the_gan():
    rows = [{**row, "arm": "classic+mixed"} for row in curve_rows(TRUTH, points()) if row["arm"] == "mixed"]
    counts = {"counts": {"validation": 522}}
    assert curves_answer({"curves": rows, "dataset": counts, "arms": {"real": {"auc": {"value": 0.9}}}}) == []
