import re
from html.parser import HTMLParser

import numpy as np
import pytest

from gan_aug.report.pages.html import to_html
from gan_aug.report.plots.all import draw_figures
from tests.support.evaluation_samples import make_cells, make_examples, make_manifest, make_report, make_synthetic

BINARY = make_manifest()


def page(manifest, real=None, synthetic=None, **cells):
    of_cells = make_cells(manifest, **cells)
    report = make_report(manifest, of_cells, make_synthetic(manifest) if synthetic else None)
    return to_html(report, draw_figures(report, of_cells, manifest), real or {}, synthetic or {})


class Reader(HTMLParser):
    """Collects what a browser would: tags, their attributes, and that they are closed in order."""

    VOID = frozenset({"meta", "img", "br", "link", "input", "hr"})

    def __init__(self, text):
        super().__init__()
        self.seen, self.open = [], []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        self.seen.append((tag, dict(attributes)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.seen.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_the_page_needs_nothing_from_anywhere_and_runs_no_script():
    examples = make_examples(BINARY)
    text = page(BINARY, examples, examples)
    seen = Reader(text).seen
    assert not {"script", "link", "iframe", "object"} & {tag for tag, _ in seen}
    addresses = [value for _, attributes in seen for key, value in attributes.items() if key in ("src", "href")]
    assert all(address.startswith("data:image/png;base64,") for address in addresses if not address.startswith("#"))
    assert not re.search(r"url\((?!#)|@import", text)
    identifiers = [attributes["id"] for _, attributes in seen if "id" in attributes]
    assert len(identifiers) == len(set(identifiers))
    assert {address[1:] for address in addresses if address.startswith("#")} <= set(identifiers)


def test_every_figure_has_words_and_every_table_a_caption():
    examples = make_examples(BINARY)
    text = page(BINARY, examples, examples)
    seen = Reader(text).seen
    images = [attributes for tag, attributes in seen if tag == "img"]
    assert len(images) == 2 * 2 * 6
    assert all(image["alt"] for image in images)
    assert (
        text.count("<svg")
        == 6
        == len([1 for _, a in seen if "plot" in a.get("class", "").split() and a.get("aria-label")])
    )
    assert text.count("<caption>") == text.count("<table")
    assert "image-rendering: pixelated" in text
    assert text.index("Adding GAN images") < text.index("A CNN trained only on synthetic images") < text.index("<table")


def test_the_page_is_the_same_each_time():
    examples = make_examples(BINARY)
    assert page(BINARY, examples, examples) == page(BINARY, examples, examples)


def test_a_label_cannot_smuggle_in_a_script():
    manifest = make_manifest(("<script>alert(1)</script>", "b & c"), positive="b & c")
    text = page(manifest, make_examples(manifest), make_examples(manifest))
    Reader(text)
    assert "<script" not in text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text


@pytest.mark.parametrize(
    ("task", "labels", "cells"),
    [
        ("multi-class", ("a", "b"), {"arms": ("real",), "seeds": 1}),
        ("multi-class", ("a", "b"), {"sharpness": 20}),
        ("multi-class", ("a", "b", "c"), {"seeds": 2}),
        ("multi-label", ("a", "b", "c"), {"seeds": 1}),
    ],
    ids=["real alone", "perfect", "three classes", "multi-label"],
)
def test_every_kind_of_report_becomes_a_page(task, labels, cells):
    text = page(make_manifest(labels, task=task, positive=None), **cells)
    Reader(text)
    assert "nan" not in re.sub(r"base64,[^\"]*", "", text).lower().replace("nano", "")
    assert ("Comparisons" in text) == (len(cells.get("arms", (0, 0))) > 1)
    assert "Not chosen by eye" not in text


def test_colour_images_and_large_ones_are_shown_too():
    manifest = make_manifest()
    colour = {"normal": np.zeros((2, 3, 128, 96), dtype=np.uint8)}
    text = page(manifest, colour)
    assert '<th scope="col">Real</th>' in text
    assert '<th scope="col">Synthetic</th>' not in text
    images = [attributes for tag, attributes in Reader(text).seen if tag == "img"]
    assert [(image["width"], image["height"]) for image in images] == [("48", "64")] * 2
