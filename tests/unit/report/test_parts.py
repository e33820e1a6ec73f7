"""What stands in the report beside its figures: methods, checklist, files, scores."""

from __future__ import annotations

import csv
import dataclasses
import html
import io
import re
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from sklearn.metrics import roc_auc_score

from gan_aug.evaluation.outcome.files import figure_files, figure_names, scores_csv
from gan_aug.report.methods.checklist import AUTHORS, UNKNOWN, checklist_table
from gan_aug.report.methods.text import methods
from gan_aug.report.pages.html import to_html
from gan_aug.report.pages.markdown import to_markdown
from gan_aug.report.pages.terminal import to_terminal
from gan_aug.report.plots.all import draw_figures
from gan_aug.report.words.headline import opening
from gan_aug.report.words.tables import data_table, sources_table, worst_class
from gan_aug.report.words.text import limits
from gan_aug.report.words.verdict import answer
from tests.support.evaluation_samples import make_cells, make_manifest, make_report, make_synthetic

BINARY = make_manifest()
CELLS = make_cells(BINARY, seeds=2)
REPORT = make_report(BINARY, CELLS, make_synthetic(BINARY))
MANY = make_manifest(("a", "b", "c"), positive=None)
LABELS = make_manifest(("a", "b", "c"), task="multi-label", positive=None)
HOSTILE = make_manifest(("<script>alert(1)</script>", '=b$x_{2}$ & "c"\n| d\x07'), positive='=b$x_{2}$ & "c"\n| d\x07')


def test_every_reference_of_the_methods_is_cited_and_numbered_in_order() -> None:
    paragraphs, references = methods(REPORT)
    cited = [int(number) for group in re.findall(r"\[([\d, ]+)\]", " ".join(paragraphs)) for number in group.split(",")]
    assert list(dict.fromkeys(cited)) == list(range(1, len(references) + 1))
    for name in ("DeLong", "Sun", "Obuchowski", "Holm", "Cochran", "Berger"):
        assert any(reference.startswith(name) for reference in references)
    text = " ".join(paragraphs)
    for said in ("120 training images", "400 optimiser steps", "2 training seeds", "23\u202f456 parameters", "−0.02"):
        assert said in text
    for shown in (to_markdown(REPORT), to_html(REPORT, {}, {}, {})):
        assert "Biometrics 1988;44:837-845" in shown


@pytest.mark.parametrize(
    ("name", "said", "source"),
    [
        ("dcgan", "R1 and R2 gradient penalties of weight 1 every 8 steps", "Radford"),
        ("resize", "The generator enlarged images by repeating pixels and convolution [", "Odena"),
        ("residual", "by linear interpolation in residual blocks [", "Karras"),
    ],
)
def test_the_methods_say_how_the_generator_enlarges(name: str, said: str, source: str) -> None:
    config = {**REPORT["config"], "gan": {**REPORT["config"]["gan"], "network": name}}
    paragraphs, references = methods({**REPORT, "config": config})
    assert said in " ".join(paragraphs)
    assert any(reference.startswith(source) for reference in references)
    assert ("enlarged" in " ".join(paragraphs)) == (name != "dcgan")


@pytest.mark.parametrize(
    ("augment", "said", "source"),
    [
        ("adaptive", "with a probability that rose as long as the discriminator told", "Karras T et al. Training gen"),
        (["cutout", "flip"], "Both losses saw images augmented by cutout, flip [", "Zhao S"),
        ([], "", None),
    ],
)
def test_the_methods_say_how_the_losses_images_were_augmented(
    augment: list[str] | str, said: str, source: str | None
) -> None:
    config = {**REPORT["config"], "gan": {**REPORT["config"]["gan"], "augment": augment}}
    paragraphs, references = methods({**REPORT, "config": config})
    assert said in " ".join(paragraphs)
    assert ("losses saw" in " ".join(paragraphs)) == bool(augment)
    assert source is None or any(reference.startswith(source) for reference in references)


def test_the_methods_claim_nothing_that_was_not_done() -> None:
    alone = make_report(BINARY, make_cells(BINARY, ("real",), 1))
    text = " ".join(methods(alone)[0])
    for absent in ("adversarial", "Holm", "Obuchowski and Rockette", "planted", "margin"):
        assert absent not in text
    assert "with one training seed" in text


RATES = [
    ({}, "AdamW on batches of 64, the learning rate falling from 0.001 to 0 along a cosine over the steps"),
    ({}, "decoupled weight decay of 0.01, not on biases and normalisation."),
    ({"optimizer": "sgd"}, "Nesterov momentum of 0.9 on batches of 64, the learning rate falling from 0.02 to 0"),
    ({"optimizer": "adam", "lr": 0.0003}, "Adam on batches of 64, the learning rate falling from 0.0003 to 0"),
    ({"optimizer": "adam", "weight_decay": 0}, "over the steps, and no weight decay."),
]


@pytest.mark.parametrize(("asked", "said"), RATES)
def test_the_methods_hold_what_another_needs_to_train_the_classifier_again(asked: dict[str, Any], said: str) -> None:
    config = {**REPORT["config"], "classifier": {**REPORT["config"]["classifier"], **asked}}
    text = " ".join(methods({**REPORT, "config": config})[0])
    assert said in text
    assert "The weights with the lowest loss on the validation images, evaluated 10 times, were kept" in text
    assert "rotation by" not in text
    assert "begin with synthetic images" not in text


def test_the_methods_hold_the_sizes_of_classic_augmentation_as_they_are_in_the_code() -> None:
    manifest = dataclasses.replace(BINARY, flips=("horizontal",))
    arms = ("real", "classic", "classic+pretrain")
    text = " ".join(methods(make_report(manifest, make_cells(manifest, arms, 1), make_synthetic(manifest)))[0])
    assert (
        "rotation by up to 10° either way together with shifts of up to 5 % of each side and zooms of 0.9 to 1.1; "
        "brightness by up to 10 % of the range; a gamma of 0.8 to 1.25; normal noise with a standard deviation of 2 % "
        "of the range; mirroring (horizontal)." in text
    )
    assert "In arms that begin with synthetic images, these took 50 % of the steps" in text


def test_where_the_splits_come_from_is_said_as_far_as_it_is_known() -> None:
    made = dataclasses.replace(BINARY, splits_from="made here: 0.2 of all for test, 0.1 of the rest for validation")
    said = f"Splits: {made.splits_from} (each patient in one, labels in proportion"
    report = make_report(made, CELLS, make_synthetic(made))
    for text in (methods(report)[0][0], checklist_table(report).rows[18][2], data_table(report).caption):
        assert said in text
    own = make_report(dataclasses.replace(BINARY, splits_from="the set's own"), CELLS, make_synthetic(BINARY))
    assert methods(own)[0][0].endswith("Splits: the set's own.")
    assert "Splits:" not in methods(REPORT)[0][0]


def test_what_a_run_took_and_on_what_is_said_where_it_is_known() -> None:
    rows = dict(sources_table(REPORT).rows)
    assert not {"Computed on", "Time taken"} & rows.keys()
    stages = {"dataset": 39.2, "train": 1788.2, "sizes": 1377.3, "compare": 4281.6}
    environment = {"system": "Linux x86_64", "cores": 2, "gpu": None}
    rows = dict(sources_table({**REPORT, "environment": environment, "timing": {"stages": stages}}).rows)
    assert rows["Computed on"] == "Linux x86_64, 2 cores"
    assert rows["Time taken"].startswith(
        "import 39 s, GAN 30 min, GANs of the learning curves 23 min, comparison 1 h 11 min; wall-clock time"
    )


def test_patients_are_called_apart_only_where_the_data_set_can_tell_them() -> None:
    assert "No patient was in two splits. The test images came from" in methods(REPORT)[0][0]
    some = {**REPORT, "dataset": {**REPORT["dataset"], "without_patient": 7}}
    assert "No patient that is named was in two splits" in methods(some)[0][0]
    assert "7 images without a patient count as one each." in methods(some)[0][0]
    data = {**REPORT["config"]["data"], "patient_scope": "split"}
    restarted = {**REPORT, "config": {**REPORT["config"], "data": data}}
    assert (
        "whether a patient was in two of them could not be told. The test images came from" in methods(restarted)[0][0]
    )
    assert checklist_table(restarted).rows[19][2].startswith("Images alone: patient numbers restart in each split")
    unnamed = {**REPORT, "dataset": {**REPORT["dataset"], "test_patients": None}}
    assert "each image counts as a patient of its own" in methods(unnamed)[0][0]


@pytest.mark.parametrize(
    ("reached", "interval", "validation", "said"),
    [
        (0.30, [0.24, 0.36], 500, True),
        (0.93, [0.90, 0.95], 500, False),  # within five points
        (0.78, [0.60, 0.90], 40, False),  # of five negatives the threshold is chance
    ],
)
def test_thresholds_are_said_not_to_carry_over_only_beyond_chance(
    reached: float, interval: list[float], validation: int, said: bool
) -> None:
    point = {"sensitivity": 0.9, "sensitivity_ci95": [0.8, 1.0], "specificity": reached, "specificity_ci95": interval}
    real = {**REPORT["arms"]["real"], "sensitivity_at_specificity": {"0.90": point}}
    counts = {"validation": {"normal": validation // 8, "pneumonia": validation - validation // 8}}
    data = {**REPORT["dataset"], "counts_per_label": counts, "counts": {"validation": validation}}
    found = limits({**REPORT, "dataset": data, "arms": {**REPORT["arms"], "real": real}})
    assert any("do not carry over" in limit for limit in found) == said


def test_weights_kept_at_the_first_look_are_said_to_be() -> None:
    real = REPORT["arms"]["real"]
    first = min(row["step"] for rows in real["history"] for row in rows)
    early = {**real, "seeds": [{**seed, "best_step": first} for seed in real["seeds"]]}
    assert not any("first validation point" in limit for limit in limits(REPORT))
    found = limits({**REPORT, "arms": {**REPORT["arms"], "real": early}})
    assert any(f"first validation point in the arm “real” (step {first})" in limit for limit in found)


def test_the_checklist_has_every_item_and_says_what_it_does_not_know() -> None:
    table = checklist_table(REPORT)
    assert [row[0] for row in table.rows] == [str(number) for number in range(1, 45)]
    assert all(all(row) for row in table.rows)
    answers = [row[2] for row in table.rows]
    assert answers.count(UNKNOWN) >= 8
    assert answers[0] == answers[43] == AUTHORS
    assert f"{44 - answers.count(UNKNOWN) - answers.count(AUTHORS)} of 44" in table.caption
    assert answers[19].startswith("Patients: none is in two splits")


@pytest.mark.parametrize("manifest", [BINARY, MANY, LABELS, HOSTILE], ids=["binary", "classes", "labels", "hostile"])
def test_figures_are_files_of_their_own_with_their_words_inside(manifest: Any) -> None:
    cells = make_cells(manifest, ("real", "mixed"), 1)
    report = make_report(manifest, cells, make_synthetic(manifest))
    figures = draw_figures(report, cells, manifest)
    assert list(figures) == figure_names(report)
    assert [figure.file for figure in figures.values()] == figure_files(report) == report["files"]["figures"]
    assert ("confusion" in figures) == (manifest.task == "multi-class")
    for figure in figures.values():
        root = ET.fromstring(figure.document)  # noqa: S314 - our own
        assert root.tag.endswith("svg")
        assert root.findtext("{http://www.w3.org/2000/svg}title") == figure.title
        assert root.findtext("{http://www.w3.org/2000/svg}desc")
        assert not re.search(r'(href|src)="(?!#)', figure.document)
    assert "<script" not in "".join(figure.document for figure in figures.values())
    assert draw_figures(report, cells, manifest) == figures


def test_markdown_and_page_say_the_same_and_neither_runs_a_label() -> None:
    cells = make_cells(HOSTILE, ("real", "mixed"), 1)
    report = make_report(HOSTILE, cells, make_synthetic(HOSTILE))
    page, text = to_html(report, draw_figures(report, cells, HOSTILE), {}, {}), to_markdown(report)
    assert "<script" not in page
    assert not re.search(r"(?<!\\)<script", text)
    assert text.count("\n| <") == 0
    report = REPORT
    page, text = to_html(report, draw_figures(report, CELLS, BINARY), {}, {}), to_markdown(report)
    for sentence in answer(report):
        assert sentence in text
        assert html.escape(sentence, quote=False) in page


def test_a_terminal_gets_the_verdict_what_limits_it_and_the_arms() -> None:
    text = to_terminal(REPORT)
    assert len(text) < 3000
    first = opening(REPORT)
    assert first is not None
    flat = " ".join(text.split())
    for said in (f"{first.word.upper()}: {first.sentence}", first.numbers, *first.limits):
        assert said in flat
    for arm in REPORT["arms"]:
        assert f"\n| {arm} " in text
    assert max(len(line) for line in text.splitlines() if not line.startswith("|")) <= 100
    alone = make_report(BINARY, make_cells(BINARY, ("real",), 1))
    assert "nothing is compared" in " ".join(to_terminal(alone).split())


@pytest.mark.parametrize("manifest", [BINARY, MANY, LABELS], ids=["binary", "classes", "labels"])
def test_the_figures_can_be_had_again_from_the_table_of_scores(manifest: Any) -> None:
    cells = make_cells(manifest, ("real", "mixed"), 2)
    report = make_report(manifest, cells, make_synthetic(manifest))
    rows = list(csv.DictReader(io.StringIO(scores_csv(manifest, cells))))
    assert [int(row["case"]) for row in rows] == manifest.indices("test").tolist()
    names = [column.removeprefix("truth/") for column in rows[0] if column.startswith("truth/")]
    for arm in ("real", "mixed"):
        for seed in (0, 1):
            areas = [
                roc_auc_score(
                    [int(row[f"truth/{name}"]) for row in rows], [float(row[f"{arm}/{seed}/{name}"]) for row in rows]
                )
                for name in names
            ]
            assert sum(areas) / len(areas) == pytest.approx(report["arms"][arm]["seeds"][seed]["auc"])


def test_the_table_of_scores_names_no_patient_and_computes_nothing() -> None:
    text = scores_csv(HOSTILE, make_cells(HOSTILE, ("real",), 1))
    assert "-patient" not in text
    for row in csv.reader(io.StringIO(text)):
        assert not any(cell.startswith(("=", "+", "-", "@")) for cell in row)


def test_images_of_one_patient_can_be_told_in_the_table_of_scores_whatever_the_key() -> None:
    def numbers(manifest: Any) -> list[int]:
        text = scores_csv(manifest, make_cells(manifest, ("real",), 1))
        return [int(row["patient"]) for row in csv.DictReader(io.StringIO(text))]

    assert numbers(BINARY) == [k // 2 for k in range(60)]
    keys = {study.patient: f"{k * 7919 % 1000}" for k, study in enumerate(BINARY.studies)}
    other = tuple(dataclasses.replace(study, patient=keys[study.patient]) for study in BINARY.studies)
    assert numbers(dataclasses.replace(BINARY, studies=other)) == numbers(BINARY)
    unnamed = tuple(dataclasses.replace(study, patient=None) for study in BINARY.studies)
    assert numbers(dataclasses.replace(BINARY, studies=unnamed)) == list(range(60))


def test_the_worst_class_is_named() -> None:
    per_class = REPORT["arms"]["real"]["per_class"]
    worst = REPORT["arms"]["real"]["worst_class"]
    assert worst["by"] == "recall"
    assert worst["value"] == min(figures["recall"] for figures in per_class.values())
    assert f"real “{worst['label']}”" in worst_class(REPORT)
    many = make_report(MANY, make_cells(MANY, ("real",), 1))["arms"]["real"]
    assert many["worst_class"]["value"] == min(figures["auc"] for figures in many["per_class"].values())
    assert many["per_class"][many["worst_class"]["label"]]["auc"] == many["worst_class"]["value"]
