"""The report as one self-contained page: no script, no request to anywhere."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import yaml

from gan_aug.report.plots.all import Figure
from gan_aug.report.words.checklist import checklist_table
from gan_aug.report.words.checks import alarm, canaries_table, curves_answer, curves_table, ratio_table
from gan_aug.report.words.fidelity import fidelity_classes_table, fidelity_table, fidelity_text
from gan_aug.report.words.methods import methods
from gan_aug.report.words.tables import (
    arms_table,
    comparisons_table,
    data_table,
    more_figures_table,
    operating_points_table,
    per_class_table,
    sources_table,
)
from gan_aug.report.words.text import Report, basis, counted, limits
from gan_aug.report.words.verdict import answer

Examples = Mapping[str, npt.NDArray[np.uint8]]

_SHOWN = 6
_TILE = 64


def to_html(
    report: Report,
    figures: Mapping[str, Figure],
    real_examples: Examples,
    synthetic_examples: Examples,
) -> str:
    """The report of `build_report` as an HTML page.

    `figures` are those of `draw_figures`. Examples are images `(n, C, H, W) uint8` by label, of which six are shown;
    the real ones should be training images. Labels without any are left out.
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("gan_aug.report.pages", ""),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    paragraphs, references = methods(report)
    page: str = environment.get_template("report.html.j2").render(
        title=f"{report['dataset']['name']}: trained on real and on synthetic images, tested on real ones",
        alarm=alarm(report),
        answer=answer(report) + curves_answer(report),
        basis=basis(report),
        arms=arms_table(report),
        more=more_figures_table(report),
        operating=operating_points_table(report),
        ratio=ratio_table(report),
        comparisons=comparisons_table(report),
        curves=curves_table(report),
        canaries=canaries_table(report),
        figures=figures,
        gallery=_gallery(report, real_examples, synthetic_examples),
        fidelity=fidelity_table(report),
        fidelity_classes=fidelity_classes_table(report),
        fidelity_text=fidelity_text(report),
        classes=per_class_table(report),
        data=data_table(report),
        sources=sources_table(report),
        config=yaml.safe_dump(report["config"], sort_keys=False, allow_unicode=True),
        limits=limits(report),
        methods=paragraphs,
        references=references,
        checklist=checklist_table(report),
    )
    return page


def _gallery(report: Report, real: Examples, synthetic: Examples) -> dict[str, Any] | None:
    """The kinds of images there are, and a row of strips for each label that has any; None without images."""
    kinds = {
        kind: examples
        for kind, examples in (("real", real), ("synthetic", synthetic))
        if any(len(images) for images in examples.values())
    }
    strips = {
        label: [_strip(examples.get(label), kind, label) for kind, examples in kinds.items()]
        for label in report["dataset"]["labels"]
    }
    rows = [{"label": label, "strips": of_label} for label, of_label in strips.items() if any(of_label)]
    return {"kinds": list(kinds), "rows": rows} if rows else None


def _strip(images: npt.NDArray[np.uint8] | None, kind: str, label: str) -> dict[str, Any] | None:
    """The first images as PNG data URIs with their size on the page, whole multiples of the pixel where small."""
    if images is None or len(images) == 0:
        return None
    shown = images[:_SHOWN]
    height, width = shown.shape[2:]
    scale = round(_TILE / height) if height < _TILE else _TILE / height
    return {
        "uris": [_png_uri(image) for image in shown],
        "width": round(width * scale),
        "height": round(height * scale),
        "pixelated": height < _TILE,
        "text": f"{counted(len(shown), kind + ' image')} of “{label}”",
    }


def _png_uri(image: npt.NDArray[np.uint8]) -> str:
    """One image `(C, H, W) uint8` as a PNG data URI."""
    from PIL import Image

    pixels = image[0] if len(image) == 1 else np.ascontiguousarray(image.transpose(1, 2, 0))
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format="PNG")
    return f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"
