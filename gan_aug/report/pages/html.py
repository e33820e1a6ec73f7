"""The report as one self-contained page: no script, no request to anywhere."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from gan_aug.report.blocks import Figure
from gan_aug.report.sections import Material, Medium, filled_sections, title
from gan_aug.report.words.examples import Examples
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


def _tiles(images: npt.NDArray[np.uint8]) -> dict[str, Any]:
    """Images `(n, C, H, W) uint8` as PNG data URIs with their size on the page: small ones in whole multiples."""
    height, width = images.shape[2:]
    scale = round(_TILE / height) if height < _TILE else _TILE / height
    return {
        "uris": [_png_uri(image) for image in images],
        "width": round(width * scale),
        "height": round(height * scale),
        "pixelated": height < _TILE,
    }


def _png_uri(image: npt.NDArray[np.uint8]) -> str:
    """One image `(C, H, W) uint8` as a PNG data URI."""
    from PIL import Image

    pixels = image[0] if len(image) == 1 else np.ascontiguousarray(image.transpose(1, 2, 0))
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format="PNG")
    return f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"
