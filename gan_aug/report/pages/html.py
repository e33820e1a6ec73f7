"""The report as one self-contained page: no script, no request to anywhere."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from gan_aug.data.pictures.png import png
from gan_aug.report.blocks import Figure, Strip
from gan_aug.report.sections import Material, Medium, filled_sections, title
from gan_aug.report.words.figures import Examples
from gan_aug.report.words.text import Report

_TILE = 64
"""How high an example image is on the page, in pixels, or a little more."""


def to_html(
    report: Report,
    figures: Mapping[str, Figure],
    real_examples: Examples,
    synthetic_examples: Examples,
) -> str:
    """The report of `build_report` as an HTML page.

    Args:
        report: the report.
        figures: its figures by name, from `draw_figures`.
        real_examples: images `(n, C, H, W) uint8` by label, which should be training images. Six of each are shown.
        synthetic_examples: synthetic images, likewise.

    Returns:
        The page, which needs no other file.

    """
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("gan_aug.report.pages", ""),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["tiles"] = _tiles
    material = Material(report, figures, real_examples, synthetic_examples)
    page: str = environment.get_template("report.html.j2").render(
        title=title(report), sections=filled_sections(material, Medium.PAGE)
    )
    return page


def _tiles(strip: Strip) -> dict[str, Any]:
    """The images of a strip as PNG data URIs with their size on the page: small ones in whole multiples."""
    height, width = strip.images.shape[2:]
    scale = round(_TILE / height) if height < _TILE else _TILE / height
    return {
        "uris": [_png_uri(image, strip.made_from) for image in strip.images],
        "width": round(width * scale),
        "height": round(height * scale),
        "pixelated": height < _TILE,
    }


def _png_uri(image: npt.NDArray[np.uint8], made_from: Mapping[str, Any] | None) -> str:
    """One image `(C, H, W) uint8` as a PNG data URI; a synthetic one has the mark of `data.marks`."""
    return f"data:image/png;base64,{base64.b64encode(png(image, made_from=made_from)).decode()}"
