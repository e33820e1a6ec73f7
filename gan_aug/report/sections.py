"""The report's sections, in the order in which every form of the report shows them.

To add one, write a function that takes a `Material` and returns blocks, and give it a row in `SECTIONS`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Flag, auto

import yaml

from gan_aug.report.audit import audit_blocks, audit_line
from gan_aug.report.blocks import Alarm, Answer, Block, Code, Facts, Figure, Items, Paragraphs, Verdict
from gan_aug.report.methods.checklist import checklist_table
from gan_aug.report.methods.text import methods
from gan_aug.report.plots.all import described_figures
from gan_aug.report.words.caveats import caveats
from gan_aug.report.words.checks import alarm, canaries_table, curves_answer, curves_table, ratio_table
from gan_aug.report.words.fidelity import fidelity_classes_table, fidelity_table, fidelity_text, looks_table
from gan_aug.report.words.figures import Examples, examples_gallery
from gan_aug.report.words.gans import gans_table, gans_text, memorising_text
from gan_aug.report.words.headline import headline_of, opening
from gan_aug.report.words.internal_test import internal_test_table, internal_test_text
from gan_aug.report.words.tables import (
    arms_table,
    comparisons_table,
    data_table,
    more_figures_table,
    operating_points_table,
    per_class_table,
    sources_table,
)
from gan_aug.report.words.text import Report, basis, limits
from gan_aug.report.words.verdict import answer

Blocks = Sequence[Block | None]


class Medium(Flag):
    """Where a section is shown: on the page, in the text file. A terminal shows `pages.terminal`."""

    PAGE = auto()
    TEXT = auto()


BOTH = Medium.PAGE | Medium.TEXT


@dataclass(frozen=True)
class Material:
    """What sections are made from. A text has the report alone."""

    report: Report
    figures: Mapping[str, Figure] = field(default_factory=dict)
    """The drawn figures by name."""
    real: Examples = field(default_factory=dict)
    synthetic: Examples = field(default_factory=dict)


@dataclass(frozen=True)
class Section:
    """One section of the report.

    Attributes:
        id: its id in the page, unique there.
        heading: its heading; empty for the section at the top.
        blocks: makes its blocks. A block of None is left out, and so is a section without blocks.
        media: where it is shown.
    """

    id: str
    heading: str
    blocks: Callable[[Material], Blocks]
    media: Medium = BOTH


def title(report: Report) -> str:
    """The report's title."""
    return f"{report['dataset']['name']}: trained on real and on synthetic images, tested on real ones"


def filled_sections(material: Material, medium: Medium) -> Iterator[tuple[Section, list[Block]]]:
    """The sections that a medium shows, each with its blocks, in order."""
    for section in SECTIONS:
        if medium in section.media and (blocks := [block for block in section.blocks(material) if block is not None]):
            yield section, blocks


def _answer(material: Material) -> Blocks:
    report = material.report
    shouted, first = tuple(alarm(report)), opening(report)
    found = Answer((*answer(report), *curves_answer(report)), basis(report))
    shouting = Alarm(shouted) if shouted else None
    if first is None:
        limiting = tuple(caveat.text for caveat in caveats(report))
        return [shouting, found, audit_line(report), Items(limiting) if limiting else None]
    beside = material.figures.get("differences")
    return [
        shouting,
        Verdict(first.word, first.sentence, first.numbers, first.limits, beside),
        audit_line(report),
        found,
    ]


def _arms(material: Material) -> Blocks:
    report = material.report
    return [arms_table(report), more_figures_table(report), operating_points_table(report), ratio_table(report)]


def _comparisons(material: Material) -> Blocks:
    beside_the_verdict = headline_of(material.report) is not None
    return [
        None if beside_the_verdict else material.figures.get("differences"),
        comparisons_table(material.report),
    ]


def _internal_test(material: Material) -> Blocks:
    sentences = tuple(internal_test_text(material.report))
    return [Paragraphs(sentences) if sentences else None, internal_test_table(material.report)]


def _learning_curves(material: Material) -> Blocks:
    return [material.figures.get("learning-curves"), curves_table(material.report)]


def _figure_alone(name: str) -> Callable[[Material], Blocks]:
    return lambda material: [material.figures.get(name)]


def _examples(material: Material) -> Blocks:
    return [examples_gallery(material.report, material.real, material.synthetic)]


def _fidelity(material: Material) -> Blocks:
    report, sentences = material.report, tuple(fidelity_text(material.report))
    return [
        Paragraphs(sentences) if sentences else None,
        fidelity_table(report),
        material.figures.get("spectrum"),
        looks_table(report),
        fidelity_classes_table(report),
    ]


def _gans(material: Material) -> Blocks:
    sentences = (*gans_text(material.report), *memorising_text(material.report))
    return [Paragraphs(sentences) if sentences else None, gans_table(material.report)]


def _classes(material: Material) -> Blocks:
    return [material.figures.get("confusion"), per_class_table(material.report)]


def _figure_links(material: Material) -> Blocks:
    return described_figures(material.report)


def _methods(material: Material) -> Blocks:
    paragraphs, references = methods(material.report)
    return [Paragraphs(tuple(paragraphs)), Items(tuple(references), numbered=True)]


def _config(material: Material) -> Blocks:
    summary = "The configuration with its defaults. The methods say what stands for null"
    return [Code(summary, yaml.safe_dump(material.report["config"], sort_keys=False, allow_unicode=True))]


SECTIONS: tuple[Section, ...] = (
    Section("answer", "", _answer),
    Section("arms", "Arms", _arms),
    Section("comparisons", "Comparisons", _comparisons),
    Section("internal-test", "Test and internal test", _internal_test),
    Section("learning-curves", "Learning curves", _learning_curves),
    Section("roc", "ROC curves", _figure_alone("roc"), Medium.PAGE),
    Section("precision-recall", "Precision–recall curves", _figure_alone("precision-recall"), Medium.PAGE),
    Section("examples", "Example images", _examples, Medium.PAGE),
    Section("fidelity", "Fidelity", _fidelity),
    Section("privacy", "Privacy audit", lambda material: audit_blocks(material.report)),
    Section("gans", "The GANs", _gans),
    Section("classes", "Classes", _classes),
    Section("calibration", "Calibration", _figure_alone("calibration"), Medium.PAGE),
    Section("history", "How training went", _figure_alone("history"), Medium.PAGE),
    Section("canaries", "Canaries", lambda material: [canaries_table(material.report)]),
    Section("images", "The images", lambda material: [data_table(material.report)]),
    Section("sources", "Where each number comes from", lambda material: [Facts(sources_table(material.report))]),
    Section("limits", "Limits", lambda material: [Items(tuple(limits(material.report)))]),
    Section("figures", "Figures", _figure_links, Medium.TEXT),
    Section("methods", "Methods, ready to paste", _methods),
    Section("checklist", "CLAIM checklist", lambda material: [checklist_table(material.report)]),
    Section("configuration", "What was asked for", _config, Medium.PAGE),
)
