import dataclasses
import json
import random
from pathlib import Path

import jsonschema
import pytest

from gan_aug.config import reported
from gan_aug.errors import DataError
from gan_aug.evaluation.outcome.figures import build_report
from gan_aug.report.pages.markdown import to_markdown
from gan_aug.report.words.text import signed, size
from tests.support.evaluation_samples import make_cells, make_config, make_manifest, make_report, make_synthetic

SCHEMA = json.loads(Path("docs/reference/report.schema.json").read_text(encoding="utf-8"))
BINARY = make_manifest()
NAMES = ("a", "b", "c")
MANY = make_manifest(NAMES, positive=None)
LABELS = make_manifest(NAMES, task="multi-label", positive=None)


def valid(report):
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    jsonschema.Draft202012Validator(SCHEMA).validate(report)
    return json.loads(json.dumps(report, allow_nan=False)) == report


@pytest.mark.parametrize("manifest", [BINARY, MANY, LABELS], ids=["binary", "multi-class", "multi-label"])
@pytest.mark.parametrize(("arms", "seeds"), [(("real",), 1), (("real", "synthetic", "mixed"), 3)])
def test_every_kind_of_report_keeps_to_the_schema(manifest, arms, seeds):
    synthetic = make_synthetic(manifest) if len(arms) > 1 else None
    report = make_report(manifest, make_cells(manifest, arms, seeds), synthetic)
    assert valid(report)
    assert list(report["arms"]) == list(arms)
    assert [c["arm"] for c in report["comparisons"]] == list(arms[1:])
    assert report["arms"]["real"]["auc"]["sources"] == (["patients"] if seeds == 1 else ["patients", "seeds"])


def test_the_report_says_what_was_scored_and_on_what():
    synthetic = make_synthetic(BINARY)
    report = make_report(BINARY, make_cells(BINARY), synthetic, margin=0.05)
    assert report["dataset"]["counts"] == {"train": 120, "validation": 60, "test": 60}
    assert (report["dataset"]["positive"], report["dataset"]["test_patients"]) == ("pneumonia", 30)
    assert report["provenance"] == {
        "manifest": BINARY.fingerprint,
        "checkpoint": synthetic.checkpoint,
        "synthetic": synthetic.fingerprint,
        "trained_on": "training split",
        "look_alikes": None,
        "margins": None,
        "made_by": None,
        "started_from": None,
        "trainings": None,
        "gans": [{"gan": 0, "checkpoint": synthetic.checkpoint, "synthetic": synthetic.fingerprint}],
    }
    arm = report["arms"]["mixed"]
    assert arm["train_images"] == {"real": 120, "synthetic": 120}
    assert arm["auc"]["value"] == pytest.approx(sum(seed["auc"] for seed in arm["seeds"]) / 3)
    assert [len(history) for history in arm["history"]] == [10, 10, 10]
    assert [(c["size"], c["margin"]) for c in report["comparisons"]] == [(120, 0.05)] * 2


def test_the_same_report_comes_of_cells_in_any_order_and_holds_no_time_or_path_elsewhere():
    cells = make_cells(BINARY)
    slower = [dataclasses.replace(cell, seconds=cell.seconds * 2) for cell in cells]
    random.Random(1).shuffle(slower)
    first = make_report(BINARY, cells)
    second = build_report(BINARY, [], slower, reported(make_config()), {}, {"total": 1.0}, {"python": "3.12"})
    assert first["timing"]["arms"] == {"real": 37.5, "synthetic": 37.5, "mixed": 37.5}
    for report in (first, second):
        report.pop("environment")
        report.pop("timing")
    assert first == second
    assert "/home" not in json.dumps(first)


@pytest.mark.parametrize("only", [("synthetic",), ()])
def test_without_the_real_arm_there_is_nothing_to_compare_with(only):
    with pytest.raises(DataError, match="not 'real'"):
        make_report(BINARY, make_cells(BINARY, only))


def test_arms_with_other_seeds_or_steps_are_a_fault():
    cells = make_cells(BINARY, ("real", "mixed"))
    with pytest.raises(DataError, match=r"'mixed' has the seeds \[0, 1\]"):
        make_report(BINARY, cells[:-1])
    with pytest.raises(DataError, match="other numbers of steps"):
        make_report(BINARY, [*cells[:-1], dataclasses.replace(cells[-1], steps=1)])
    longer = [dataclasses.replace(cell, steps=401) if cell.arm == "mixed" else cell for cell in cells]
    with pytest.raises(DataError, match=r"'mixed' took .*\(401, 401, 401\) than 'real' \(400\)"):
        make_report(BINARY, longer)


def test_perfect_arms_get_bounds_and_not_points():
    report = make_report(BINARY, make_cells(BINARY, sharpness=20))
    assert valid(report)
    auc = report["arms"]["real"]["auc"]
    assert auc["value"] == 1
    assert 0.5 < auc["ci95"][0] < 1
    assert report["comparisons"][0]["verdict"] == "inconclusive"
    assert "exact binomial bound" in to_markdown(report)


def test_markdown_answers_first_and_then_says_where_figures_come_from():
    synthetic = make_synthetic(BINARY)
    text = to_markdown(make_report(BINARY, make_cells(BINARY), synthetic))
    title, verdict, numbers, _, _, privacy, first, second, *_ = text.split("\n\n")
    assert title.startswith("# sample films")
    assert verdict.startswith("> **Cannot tell.** Whether adding GAN images to the real ones gives a better")
    assert numbers.startswith("Difference in AUC of the arm “mixed”: from the real images alone ")
    assert privacy.startswith("Privacy: the synthetic images had not been audited when this report was written")
    assert first.startswith("Adding GAN images ")
    assert "no gain could have been shown, as at most 0.025 is left above 0.975" in first
    assert "on 60 real test images it had never seen, and 0." in first
    assert second.startswith("Training on GAN images alone, instead of real ones, ")
    assert "A CNN trained only on synthetic images reached an AUC of 0." in second
    assert synthetic.fingerprint in text
    assert "one generator, trained once" in text


def test_markdown_of_one_arm_and_one_seed_claims_no_more_than_it_knows():
    text = to_markdown(make_report(LABELS, make_cells(LABELS, ("real",), 1)))
    assert "No other arm was run, so nothing is compared." in text
    assert "One training seed" in text
    assert "Comparisons" not in text
    assert "as the mean over 3 labels on 90 real test images" in text


def test_notes_of_the_data_set_are_repeated():
    manifest = make_manifest(notes=("7 images were dropped.",))
    assert "About the data set: 7 images were dropped." in to_markdown(make_report(manifest, make_cells(manifest)))


def test_images_per_patient_and_shares_of_labels_are_given_for_each_split():
    studies = [
        dataclasses.replace(s, patient="test-one") if s.patient == "test-patient0" else s for s in BINARY.studies
    ]
    joined = {"test-patient0": "test-one", "test-patient1": "test-one"}
    studies = [dataclasses.replace(s, patient=joined.get(s.patient, s.patient)) for s in BINARY.studies]
    manifest = dataclasses.replace(BINARY, studies=tuple(studies[:-1]))
    report = make_report(manifest, make_cells(manifest))
    assert valid(report)
    data = report["dataset"]
    assert data["images_per_patient"]["train"] == {"mean": 2.0, "median": 2.0, "most": 2, "patients_with_one": 0}
    assert data["images_per_patient"]["test"] == {
        "mean": pytest.approx(59 / 29),
        "median": 2.0,
        "most": 4,
        "patients_with_one": 1,
    }
    assert data["prevalence"]["test"] == pytest.approx({"normal": 30 / 59, "pneumonia": 29 / 59})
    assert "| Images per patient | 2.00, at most 2 | 2.00, at most 2 | 2.03, at most 4 |" in to_markdown(report)


def test_what_rounds_to_zero_is_said_as_such() -> None:
    assert [signed(value, 3) for value in (0.0104, -0.0104, -0.0001, 0.0)] == ["+0.010", "−0.010", "0.000", "0.000"]
    assert [size(value, 3) for value in (0.0104, 0.0001, 0.0)] == ["0.010", "<0.001", "0.000"]


def test_a_set_that_names_no_training_images_is_unknown_not_proven():
    synthetic = dataclasses.replace(make_synthetic(BINARY), trained_on=())
    report = make_report(BINARY, make_cells(BINARY), synthetic)
    assert report["provenance"]["trained_on"] == "unknown"
    text = to_markdown(report)
    assert "which images its generator was trained on is unknown" in text
    assert "The provenance of the synthetic images is unknown" in text
    assert "trained on the training images alone" not in text


@pytest.mark.parametrize("count", [None, 0, 2])
def test_images_made_elsewhere_that_look_like_test_images_are_a_limit_and_said_at_the_top(count):
    synthetic = dataclasses.replace(make_synthetic(BINARY), trained_on=())
    pairs = [{"synthetic": 7 + k, "case": 200, "split": "test", "correlation": 0.991} for k in range(count or 0)]
    found = None if count is None else {"images": count, "of": 60, "pairs": pairs}
    cells = make_cells(BINARY, seeds=1)
    report = build_report(BINARY, [synthetic], cells, reported(make_config()), {"look_alikes": found}, {}, {})
    assert valid(report)
    text = to_markdown(report)
    limits = text[text.index("## Limits") : text.index("## Figures")]
    said = {
        None: "Whether one looks nearly the same as those was not checked.",
        0: "None of the 60 synthetic images looks nearly the same as one of those.",
        2: "2 of the 60 synthetic images look nearly the same as one of those",
    }[count]
    assert said in limits
    assert said in text[text.index("## Methods") :]
    assert (said in text[: text.index("## Arms")]) == bool(count)
    if count:
        assert "image 7 like test image 200 (0.99); image 8 like test image 200 (0.99)" in limits
