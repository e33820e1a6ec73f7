"""The example images that a report shows, each strip with its words."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from gan_aug.report.blocks import Gallery, Strip
from gan_aug.report.words.gans import rows_of_gans
from gan_aug.report.words.text import Report, counted

Examples = Mapping[str, npt.NDArray[np.uint8]]
"""Images `(n, C, H, W) uint8` by label."""

_SHOWN = 6


def examples_gallery(report: Report, real: Examples, synthetic: Examples) -> Gallery | None:
    """Real beside synthetic images, a row for each label that has any; None if there are no images.

    Args:
        report: the report, for its labels.
        real: training images by label, of which the first six are shown.
        synthetic: synthetic images by label, likewise.

    """
    kinds = {
        kind: examples
        for kind, examples in (("real", real), ("synthetic", synthetic))
        if any(len(images) for images in examples.values())
    }
    rows = [
        (label, tuple(_strip(examples, kind, label, report) for kind, examples in kinds.items()))
        for label in report["dataset"]["labels"]
    ]
    rows = [(label, strips) for label, strips in rows if any(strips)]
    if not rows:
        return None
    caption = (
        "Not chosen by eye. The real images are training images. The synthetic ones are shown as the generator"
        f"{' of GAN 0' if len(rows_of_gans(report)) > 1 else ''} made them, whatever they resemble."
    )
    return Gallery(caption, tuple(kind.capitalize() for kind in kinds), tuple(rows))


def _strip(examples: Examples, kind: str, label: str, report: Report) -> Strip | None:
    images = examples.get(label)
    if images is None or len(images) == 0:
        return None
    shown = images[:_SHOWN]
    text = f"{counted(len(shown), kind + ' image')} of “{label}”"
    made_from = {"checkpoint": report["provenance"]["checkpoint"], "labels": [label]}
    return Strip(shown, text, made_from if kind == "synthetic" else None)
