from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest

from gan_aug.report.pages.html import to_html
from gan_aug.report.pages.markdown import to_markdown
from gan_aug.report.pages.terminal import to_terminal
from gan_aug.report.plots.all import draw_figures
from gan_aug.report.words.caveats import caveats
from gan_aug.report.words.fidelity import (
    fidelity_caveat,
    fidelity_classes_table,
    fidelity_table,
    fidelity_text,
    looks_table,
)
from gan_aug.report.words.gans import gans_table
from tests.support.evaluation_samples import (
    make_cells,
    make_fidelity,
    make_manifest,
    make_older_fidelity,
    make_report,
    make_synthetic,
)

MANIFEST = make_manifest()
CELLS = make_cells(MANIFEST)


def reported(**changes):
    return make_report(MANIFEST, CELLS, make_synthetic(MANIFEST), {**make_fidelity(MANIFEST), **changes})


def valid(report):
    schema = json.loads(Path("docs/reference/report.schema.json").read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator(schema).validate(report)
    return True


def test_the_schema_knows_the_figures_and_what_lacks():
    assert valid(reported())
    gaps = dict.fromkeys(("fid", "kid", "precision", "recall", "density", "coverage", "ms_ssim", "label_agreement"))
    assert valid(reported(**gaps))
    with pytest.raises(jsonschema.ValidationError):
        valid(reported(fid={"value": -1.0, "real": 0.1}))
    with pytest.raises(jsonschema.ValidationError):
        valid(reported(precision={"value": 0.5}))


def test_each_figure_stands_beside_that_of_real_images():
    rows = {row[0]: row[1:3] for row in fidelity_table(reported()).rows}
    assert rows == {
        "KID": ("0.0120 ± 0.0020", "0.0000 ± 0.0010"),
        "FID": ("0.5200", "0.2500"),
        "Precision": ("80.0 %", "90.0 %"),
        "Recall": ("80.0 %", "90.0 %"),
        "Density": ("0.800", "0.900"),
        "Coverage": ("80.0 %", "90.0 %"),
        "Label agreement": ("97.0 %", "98.5 %"),
        "AUC against the labels": ("0.981 ± 0.004", "0.985 ± 0.006"),
        "MS-SSIM within a class": ("0.610", "0.550"),
    }
    caption = fidelity_table(reported()).caption
    for said in ("classifier cnn, last hidden layer", "128 numbers", "60 images a side", "2 scales", "11 × 11"):
        assert said in caption


def test_classes_with_too_few_images_have_dashes():
    rows = fidelity_classes_table(reported()).rows
    assert rows[0][:4] == ("normal", "30", "0.0120 ± 0.0020 / 0.0000 ± 0.0010", "80 % / 90 %")
    assert rows[1] == ("pneumonia", "2", *["– / –"] * 5, "97 % / 98 %", "– / –")
    head, first = fidelity_classes_table(reported()).head, rows[0]
    assert dict(zip(head, first, strict=True))["Density"] == "0.80 / 0.90"


def test_the_words_say_how_to_read_it_and_that_fid_is_biased():
    judged, first, second, third = fidelity_text(reported())
    assert judged.startswith("The images passed all 15 checks of how they look. A check fails if")
    assert first.startswith("KID 0.0120 ± 0.0020 beside 0.0000 ± 0.0010 between two halves of the real training images")
    assert "biased upwards" in second
    assert "60 images a side" in second
    assert "The random network, which stands beside it, was trained on nothing" in third
    random = {**make_fidelity(MANIFEST)["extractor"], "name": "random-cnn-1"}
    assert len(fidelity_text(reported(extractor=random))) == 3
    assert len(fidelity_text(reported(kid=None, fid=None, extractor=random))) == 1


def test_two_networks_stand_side_by_side_with_the_limits():
    table = looks_table(reported())
    assert table.head[:3] == ("Images", "Finest power", "KID, classifier")
    assert table.head[3:] == ("KID, classifier, blurred", "KID, random", "KID, random, blurred")
    kid = "0.0120 ± 0.0020 / 0.0000 ± 0.0010"
    assert table.rows[0] == ("All", "1.2 ± 0.05 / 1 ± 0.04", *[kid] * 4)
    assert table.rows[2][:2] == ("pneumonia", "–")
    assert table.rows[-1] == ("Fails from", "below 0.26, above 2", "0.1000", "0.1100", "0.1000", "0.1100")
    for said in ("60 images a side", "Gaussian blur of 1 pixel", "8 squared grey values", "random 80.0 % / 90.0 %"):
        assert said in table.caption


def broken(**changes):
    """Figures of grainy images whose classes are told apart too easily, and which are far from real ones by both."""
    figures = make_fidelity(MANIFEST)
    far = {"value": 0.9, "se": 0.01, "real": 0.0, "real_se": 0.01}
    near = {"value": 0.01, "se": 0.01, "real": 0.0, "real_se": 0.01}
    classifier, random = figures["by_features"]
    return {
        **figures,
        "finest": {"value": 2.9, "se": 0.1, "real": 1.0, "real_se": 0.1, "power": 8.0},
        "label_auc": {"value": 0.999, "se": 0.001, "real": 0.95, "real_se": 0.002},
        "by_features": [{**classifier, "kid": far, "kid_blurred": near}, {**random, "kid": far, "kid_blurred": far}],
        **changes,
    }


def test_what_failed_is_said_in_words_at_once_and_in_its_section():
    report = make_report(MANIFEST, CELLS, make_synthetic(MANIFEST), broken())
    (said,) = [text for text in fidelity_text(report) if "do not look like" in text]
    for phrase in (
        "grain at the finest frequencies: 2.9 times the power of real images",
        "easier to tell apart than real ones, as in caricatures: a classifier trained on real images has an AUC of",
        "far from real ones by the classifier’s features (KID 0.9000 beside 0.0000), but not if both are slightly "
        "blurred: it is the finest grain that differs",
        "far from real ones by random features (KID 0.9000 beside 0.0000), also if both are slightly blurred",
    ):
        assert phrase in said
    caveat = fidelity_caveat(report)
    assert caveat.startswith(
        "The synthetic images do not look like the real ones: grain at the finest frequencies: 2.9"
    )
    assert caveat.endswith("; and 1 more.")
    assert [found.text for found in caveats(report)].count(caveat) == 1
    assert caveat in " ".join(to_terminal(report).split())
    assert valid(report)
    assert fidelity_caveat(reported()) is None


def test_a_class_that_fails_alone_is_named():
    figures = make_fidelity(MANIFEST)
    grain = {"value": 0.01, "se": 0.001, "real": 1.0, "real_se": 0.1, "power": 8.0}
    figures["per_class"]["normal"] = {**figures["per_class"]["normal"], "finest": grain}
    report = make_report(MANIFEST, CELLS, make_synthetic(MANIFEST), figures)
    assert "of “normal” too little fine detail: 0.01 times the power of real images at its frequencies" in (
        fidelity_caveat(report) or ""
    )


def test_each_gan_has_its_checks():
    report = make_report(MANIFEST, make_cells(MANIFEST, gans=3), make_synthetic(MANIFEST), broken(), gans=3)
    assert valid(report)
    table = gans_table(report)
    images, power = table.head.index("Images"), table.head.index("Finest power")
    assert table.rows[0][images] == "grain, distance, easy"
    assert table.rows[0][power] == "2.9"
    assert fidelity_caveat(report).startswith("The synthetic images of GANs 0, 1 and 2 (of 3) do not look like")
    assert "GAN 2: grain at the finest frequencies" in fidelity_caveat(report)


def test_a_report_of_an_earlier_version_says_what_it_has():
    report = make_report(MANIFEST, CELLS, make_synthetic(MANIFEST), make_older_fidelity(MANIFEST))
    assert "checks" not in report["fidelity"]
    assert "image_checks" not in report["gans"][0]
    assert looks_table(report) is None
    assert fidelity_caveat(report) is None
    assert len(fidelity_text(report)) == 3
    assert "compare.features set to random" in fidelity_text(report)[-1]
    assert "spectrum" not in draw_figures(report, CELLS, MANIFEST)
    assert "Finest power" not in gans_table(report).head
    assert valid(report)


def test_page_and_markdown_show_it_where_it_was_measured():
    for write in (lambda report: to_html(report, draw_figures(report, CELLS, MANIFEST), {}, {}), to_markdown):
        text = write(reported())
        assert "KID 0.0120 ± 0.0020 beside" in text
        assert "Label agreement" in text
        assert "fidelity of the synthetic images was not measured" not in text
        without = write(make_report(MANIFEST, CELLS, make_synthetic(MANIFEST)))
        assert "KID" not in without
        assert "fidelity of the synthetic images was not measured" in without
