from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest

from gan_aug.report.pages.html import to_html
from gan_aug.report.pages.markdown import to_markdown
from gan_aug.report.plots.all import draw_figures
from gan_aug.report.words.fidelity import fidelity_classes_table, fidelity_table, fidelity_text
from tests.support.evaluation_samples import make_cells, make_fidelity, make_manifest, make_report, make_synthetic

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
    first, second, third = fidelity_text(reported())
    assert first.startswith("KID 0.0120 ± 0.0020 beside 0.0000 ± 0.0010 between two halves of the real training images")
    assert "biased upwards" in second
    assert "60 images a side" in second
    assert "compare.features set to random" in third
    random = {**make_fidelity(MANIFEST)["extractor"], "name": "random-cnn-1"}
    assert len(fidelity_text(reported(extractor=random))) == 2
    assert fidelity_text(reported(kid=None, fid=None, extractor=random)) == []


def test_page_and_markdown_show_it_where_it_was_measured():
    for write in (lambda report: to_html(report, draw_figures(report, CELLS, MANIFEST), {}, {}), to_markdown):
        text = write(reported())
        assert "KID 0.0120 ± 0.0020 beside" in text
        assert "Label agreement" in text
        assert "fidelity of the synthetic images was not measured" not in text
        without = write(make_report(MANIFEST, CELLS, make_synthetic(MANIFEST)))
        assert "KID" not in without
        assert "fidelity of the synthetic images was not measured" in without
