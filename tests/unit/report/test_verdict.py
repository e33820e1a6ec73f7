"""The verdict in words: each of the four reads as it should, and never says more than its figures."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gan_aug.evaluation.statistics.comparison import holm, verdict
from gan_aug.evaluation.statistics.uncertainty import Estimate
from gan_aug.report.pages.html import to_html
from gan_aug.report.pages.markdown import to_markdown
from gan_aug.report.pages.terminal import to_terminal
from gan_aug.report.plots.all import draw_figures
from gan_aug.report.words.headline import opening
from gan_aug.report.words.tables import comparisons_table
from gan_aug.report.words.verdict import answer, verdict_sentence
from tests.support.evaluation_samples import make_cells, make_manifest, make_report, make_synthetic

BINARY = make_manifest()
REPORT = make_report(BINARY, make_cells(BINARY, ("real", "mixed"), 2), make_synthetic(BINARY))


def compared(said: str, difference: float, low: float, high: float, **changes: Any) -> dict[str, Any]:
    return {
        **REPORT["comparisons"][0],
        "verdict": said,
        "difference": difference,
        "ci95": [low, high],
        "smallest_detectable": 0.016,
        "p_adjusted": 0.2,
        "margin": 0.02,
        **changes,
    }


CASES = [
    (
        compared("non-inferior", 0.002, -0.0064, 0.0104),
        "Adding GAN images did not change the AUC by more than 0.011 either way (difference +0.002, 95 % CI −0.006 to "
        "+0.010; this comparison could have shown a gain of 0.016): a loss of 0.02 or more is ruled out.",
    ),
    (
        compared("improves", 0.021, 0.01, 0.032, p_adjusted=0.002),
        "Adding GAN images raised the AUC by 0.021 (95 % CI +0.010 to +0.032, p = 0.002 after Holm’s adjustment for "
        "the number of comparisons; this comparison could have shown a gain of 0.016).",
    ),
    (
        compared("inferior", -0.05, -0.07, -0.03, p_adjusted=0.0002),
        "Adding GAN images lowered the AUC by 0.050, by more than the margin of 0.02 (95 % CI −0.070 to −0.030, "
        "p < 0.001 after Holm’s adjustment for the number of comparisons; this comparison could have shown a "
        "gain of 0.016).",
    ),
    (
        compared("inferior", -0.2, -0.379, -0.021, p_adjusted=0.287),
        "Adding GAN images lowered the AUC by 0.200, by more than the margin of 0.02 by its own interval, though not "
        "after the adjustment (95 % CI −0.379 to −0.021, p = 0.287 after Holm’s adjustment for the number of "
        "comparisons; this comparison could have shown a gain of 0.016).",
    ),
    (
        compared("inconclusive", -0.01, -0.05, 0.03),
        "Adding GAN images changed the AUC by no more than chance can explain (difference −0.010, 95 % CI −0.050 to "
        "+0.030; this comparison could have shown a gain of 0.016), and a loss of 0.02 can be neither shown nor "
        "ruled out.",
    ),
    (
        compared("inconclusive", -0.02, -0.035, -0.005, p_adjusted=0.03),
        "Adding GAN images lowered the AUC by 0.020 (difference −0.020, 95 % CI −0.035 to −0.005; this comparison "
        "could have shown a gain of 0.016), p = 0.030 after Holm’s adjustment for the number of comparisons; whether "
        "by more than the margin of 0.02 is open.",
    ),
    (
        compared("inconclusive", -0.02, -0.039, -0.001, p_adjusted=0.07),
        "Adding GAN images may have lowered the AUC (difference −0.020, 95 % CI −0.039 to −0.001; this comparison "
        "could have shown a gain of 0.016), but that is not shown (p = 0.070 after Holm’s adjustment for the number of "
        "comparisons); whether by more than the margin of 0.02 is open.",
    ),
    (
        compared("non-inferior", -0.008, -0.015, -0.001, p_adjusted=0.04),
        "Adding GAN images lowered the AUC by 0.008 (difference −0.008, 95 % CI −0.015 to −0.001; this comparison "
        "could have shown a gain of 0.016), p = 0.040 after Holm’s adjustment for the number of comparisons; a loss "
        "of 0.02 or more is ruled out.",
    ),
    (
        compared("non-inferior", 0.03, -0.005, 0.065),
        "Adding GAN images did not lower the AUC by more than 0.005 (difference +0.030, 95 % CI −0.005 to +0.065; this "
        "comparison could have shown a gain of 0.016): a loss of 0.02 or more is ruled out; whether it raised "
        "it is open.",
    ),
    (
        compared("non-inferior", 0.03, 0.001, 0.059, p_adjusted=0.08),
        "Adding GAN images may have raised the AUC (difference +0.030, 95 % CI +0.001 to +0.059; this comparison could "
        "have shown a gain of 0.016), but that is not shown (p = 0.080 after Holm’s adjustment for the number of "
        "comparisons); a loss of 0.02 or more is ruled out.",
    ),
]


@pytest.mark.parametrize(("comparison", "sentence"), CASES, ids=[case["verdict"] for case, _ in CASES])
def test_a_verdict_reads_as_a_sentence(comparison: dict[str, Any], sentence: str) -> None:
    assert verdict_sentence(REPORT, comparison) == sentence


@given(st.floats(-0.3, 0.3), st.floats(0.0005, 0.2), st.floats(0, 1), st.floats(0.005, 0.1))
@settings(max_examples=300)
def test_what_is_said_to_be_ruled_out_lies_outside_the_interval(
    difference: float, half: float, p: float, margin: float
) -> None:
    low, high = difference - half, difference + half
    said = verdict(Estimate(difference, half / 2, 9.0, (low, high), ("patients",), 9), p, margin)
    comparison = compared(said, difference, low, high, p_adjusted=p, margin=margin)
    sentence = verdict_sentence(REPORT, comparison)
    if bound := re.search(r"did not change the AUC by more than ([0-9.]+)", sentence):
        assert max(-low, high) <= float(bound[1]) + 1e-9
        assert max(-low, high) <= margin
    if bound := re.search(r"did not lower the AUC by more than ([0-9.]+)", sentence):
        assert low >= -float(bound[1]) - 1e-9
    assert ("is ruled out" in sentence) == (said == "non-inferior")
    assert ("raised the AUC by" in sentence) == (said == "improves")
    if "lowered the AUC by" in sentence and said != "inferior":
        assert p < 0.05
    assert sentence.endswith(".")


@pytest.mark.parametrize(
    ("manifest", "figure"),
    [
        (BINARY, "for “pneumonia” on 60 real test images"),
        (make_manifest(("a", "b", "c"), positive=None), "as the mean over 3 classes, each against the rest, on 90"),
        (make_manifest(("a", "b", "c"), task="multi-label", positive=None), "as the mean over 3 labels on 90"),
    ],
    ids=["binary", "multi-class", "multi-label"],
)
def test_the_first_sentence_is_the_verdict_on_adding_images_whatever_the_task(manifest: Any, figure: str) -> None:
    report = make_report(manifest, make_cells(manifest, ("real", "synthetic", "mixed"), 2), make_synthetic(manifest))
    first, second, *_ = answer(report)
    assert first.startswith("Adding GAN images ")
    assert figure in first
    assert second.startswith("Training on GAN images alone, instead of real ones, ")
    assert first in to_markdown(report)


ARMS = ("real", "mixed", "classic", "classic+mixed", "classic+pretrain")


def test_what_a_gan_adds_to_classic_augmentation_is_told_from_what_that_does_alone() -> None:
    cells = make_cells(BINARY, ARMS, 2)
    report = make_report(BINARY, cells, make_synthetic(BINARY))
    pairs = {(c["arm"], c["against"]): c for c in report["comparisons"]}
    against_classic = ("mixed", "classic+mixed", "classic+pretrain")
    assert list(pairs) == [*((arm, "real") for arm in ARMS[1:]), *((arm, "classic") for arm in against_classic)]
    aucs = {arm: values["auc"]["value"] for arm, values in report["arms"].items()}
    beside = pairs["classic+mixed", "classic"]
    assert beside["difference"] == pytest.approx(aucs["classic+mixed"] - aucs["classic"])
    assert [c["p_adjusted"] for c in pairs.values()] == pytest.approx(holm([c["p"] for c in pairs.values()]))
    said = answer(report)
    assert sum(sentence.startswith("Beside classic augmentation, adding GAN images ") for sentence in said) == 1
    assert verdict_sentence(report, beside) in " ".join(said)
    assert verdict_sentence(report, pairs["classic+mixed", "real"]) not in " ".join(said)
    figures = draw_figures(report, cells, BINARY)
    for text in (to_markdown(report), to_html(report, figures, {}, {})):
        assert "classic+mixed − classic" in text
        assert "for the 7 comparisons of this table" in text
        assert "“mixed”, “classic+mixed” and “classic+pretrain” with the arm “classic” too" in text
        assert "classic+mixed − classic " in text


def test_classic_augmentation_and_a_gan_together_are_said_to_be_where_neither_was_run_alone() -> None:
    report = make_report(BINARY, make_cells(BINARY, ("real", "classic+mixed"), 2), make_synthetic(BINARY))
    (sentence,) = answer(report)
    assert sentence.startswith("Adding GAN images together with classic augmentation of all images ")
    assert "what classic augmentation does alone was not run" in sentence
    three = make_report(BINARY, make_cells(BINARY, ("real", "classic", "classic+mixed"), 2), make_synthetic(BINARY))
    first, control = answer(three)
    assert first.startswith("Beside classic augmentation, adding GAN images ")
    assert first.endswith("when trained on classic augmentation of the real images alone.")
    assert control.startswith("Classic augmentation, without a GAN (a control), ")


def test_few_seeds_are_a_limit() -> None:
    assert "2 training seeds say little" in to_markdown(REPORT)
    three = make_report(BINARY, make_cells(BINARY, ("real", "mixed"), 3), make_synthetic(BINARY))
    assert "training seeds say little" not in to_markdown(three)


def test_what_could_have_been_shown_fits_below_an_auc_of_1() -> None:
    none = compared("non-inferior", 0.002, -0.0064, 0.0104, smallest_detectable=None)
    arms = {**REPORT["arms"], "real": {**REPORT["arms"]["real"], "auc": {"value": 0.975, "ci95": [0.9, 0.99]}}}
    said = verdict_sentence({**REPORT, "arms": arms}, none)
    assert "no gain could have been shown, as at most 0.025 is left above 0.975)" in said
    config = {**REPORT["config"], "compare": {**REPORT["config"]["compare"], "rule": 1}}
    several = {**REPORT, "comparisons": [none, none], "config": config}
    assert "a single comparison could have shown a gain of 0.016" in verdict_sentence(several, CASES[0][0])
    assert comparisons_table({**REPORT, "comparisons": [none]}).rows[0][-1] == "–"


def with_headline(verdict: str, *against: tuple[str, float, float, float], **changes: Any) -> dict[str, Any]:
    """A report whose headline has this verdict and these differences; the last is from the strongest arm."""
    rows = [
        {"arm": arm, "difference": value, "ci95": [low, high], "p": 0.01, "p_adjusted": 0.03, "verdict": verdict}
        for arm, value, low, high in against
    ]
    found = {
        **REPORT["headline"],
        "arm": "mixed",
        "strongest": against[-1][0],
        "verdict": verdict,
        "against": rows,
        "p": 0.03,
        "margin": 0.02,
        "smallest_detectable": 0.031,
        "power_if_equal": 0.234,
        **changes,
    }
    mixed = REPORT["arms"]["mixed"]
    own = {**mixed, "seeds": [{**seed, "gan": number} for number, seed in enumerate(mixed["seeds"])]}
    return {**REPORT, "headline": found, "arms": {**REPORT["arms"], "mixed": own}}


REAL, CLASSIC = ("real", 0.03, 0.01, 0.05), ("classic", 0.02, 0.004, 0.036)
OPENINGS = [
    (
        with_headline("improves", REAL, CLASSIC),
        "better",
        "Adding GAN images to the real ones gave a better classifier than anything that was tried without a GAN: "
        "compared with classic augmentation, the strongest without a GAN, the AUC changed by +0.020 (95 % CI +0.004 "
        "to +0.036).",
    ),
    (
        with_headline("non-inferior", REAL, ("classic", -0.002, -0.012, 0.008)),
        "no worse",
        "Adding GAN images to the real ones gave no worse a classifier than anything that was tried without a GAN: "
        "compared with classic augmentation, the strongest without a GAN, the AUC changed by −0.002 (95 % CI −0.012 to "
        "+0.008); a loss of 0.02 or more is ruled out, that it is better is not shown.",
    ),
    (
        with_headline("inferior", REAL, ("classic", -0.05, -0.07, -0.03)),
        "worse",
        "Adding GAN images to the real ones gave a worse classifier than classic augmentation, the strongest without a "
        "GAN: the AUC is lower by 0.050 (95 % CI −0.070 to −0.030).",
    ),
    (
        with_headline("inconclusive", ("real", 0.005, -0.03, 0.04)),
        "cannot tell",
        "Whether adding GAN images to the real ones gives a better or a worse classifier than the real images alone "
        "cannot be told: the AUC changed by +0.005 (95 % CI −0.030 to +0.040); a gain is not shown, and a loss of 0.02 "
        "or more is neither shown nor ruled out.",
    ),
]


@pytest.mark.parametrize(("report", "word", "sentence"), OPENINGS, ids=[word for _, word, _ in OPENINGS])
def test_a_report_opens_with_one_word_and_one_sentence(report: dict[str, Any], word: str, sentence: str) -> None:
    first = opening(report)
    assert first is not None
    assert (first.word, first.sentence) == (word, sentence)
    assert first.numbers.endswith("would say “no worse” in 23 % of cases.") == (word == "cannot tell")
    assert first.limits == ()
    text = to_markdown(report)
    assert f"> **{word[0].upper()}{word[1:]}.** {sentence}" in text
    assert sentence in " ".join(to_terminal(report).split())


def test_what_withholds_a_verdict_takes_its_place() -> None:
    one = make_report(BINARY, make_cells(BINARY, ("real", "mixed"), 1), make_synthetic(BINARY))
    first = opening(one)
    assert first is not None
    assert first.word == "cannot tell"
    assert first.sentence.endswith("gives a better or a worse classifier cannot be told from this run.")
    assert first.numbers.startswith("Each classifier was trained once")
    assert first.limits == ("One GAN: how much another training of it would differ is not known.",)
    few = make_manifest(per_label=4)
    first = opening(make_report(few, make_cells(few, ("real", "mixed"), 3), make_synthetic(few)))
    assert first is not None
    assert "Of the class “normal” the test has 4 patients, too few for a verdict" in first.numbers


def test_a_margin_that_was_changed_is_told_at_once() -> None:
    report = {**REPORT, "provenance": {**REPORT["provenance"], "margins": [0.02, 0.05]}}
    said = "The margin was changed after results were there: it was 0.02, then 0.05."
    first = opening(report)
    assert first is not None
    assert any(limit.startswith(said) for limit in first.limits)
    assert "The margin was 0.02, then 0.05, changed after results were there." in to_markdown(report)


def test_a_report_of_an_earlier_version_claims_nothing_of_what_it_did_not_compare() -> None:
    old = {key: value for key, value in REPORT.items() if key != "headline"}
    old["comparisons"] = [{**REPORT["comparisons"][0], "verdict": "improves", "difference": 0.03, "ci95": [0.01, 0.05]}]
    first = opening(old)
    assert first is not None
    assert first.word == "better"  # no other arm without a GAN was run
    arms = {**old["arms"], "classic": old["arms"]["real"]}
    first = opening({**old, "arms": arms})
    assert first is not None
    assert first.word == "cannot tell"
    assert "this report compares it with the real images alone, and not with classic augmentation" in first.sentence
