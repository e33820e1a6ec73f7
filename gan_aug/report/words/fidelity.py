"""The fidelity of the synthetic images in words and tables: each metric beside its value for real images."""

from __future__ import annotations

from typing import Any

from gan_aug.report.blocks import Table
from gan_aug.report.words.gans import rows_of_gans
from gan_aug.report.words.text import Report, counted, percent

_MINUS = "−"


def fidelity_text(report: Report) -> list[str]:
    """How to read the fidelity metrics, a few paragraphs; empty if none were measured."""
    fidelity = report["fidelity"]
    if fidelity is None:
        return []
    sentences = []
    if len(rows_of_gans(report)) > 1:
        sentences.append("These are the images of GAN 0; the section on the GANs has the main figures of each.")
    kid, fid = fidelity["kid"], fidelity["fid"]
    if kid:
        synthetic, real = _kid(kid)
        sentences.append(
            f"KID {synthetic} beside {real} between two halves of the real training images (± standard error). The "
            "closer the first number is to the second, the harder it is to tell synthetic images from real ones by "
            "these features."
        )
    if fid:
        sentences.append(
            "FID is biased upwards if there are few images. Both FIDs here are of "
            f"{counted(fidelity['images'], 'image')} a side: compare them with each other, not with published ones."
        )
    if fidelity["extractor"]["name"].startswith("classifier"):
        sentences.append(
            "The features are those of the classifier that the arm “real” trained on these very images with seed 0. "
            "They see what matters to the labels and little else. With compare.features set to random, the features "
            "prefer nothing."
        )
    return sentences


def fidelity_table(report: Report) -> Table | None:
    """Each metric over all classes beside its value for real images, or None if none were measured."""
    fidelity = report["fidelity"]
    if fidelity is None:
        return None
    rows = [
        ("KID", *_kid(fidelity["kid"]), "0, apart from chance, if they are alike"),
        (
            "FID",
            *_pair(fidelity["fid"], _distance),
            "as for real images if they are alike; far below: look for copies",
        ),
        ("Precision", *_pair(fidelity["precision"], percent), "share of these images that lie among the reference"),
        ("Recall", *_pair(fidelity["recall"], percent), "share of the reference that lies among these images"),
        (
            "Density",
            *_pair(fidelity["density"], _plain),
            "how densely the reference lies around these images; about 1 for real ones",
        ),
        ("Coverage", *_pair(fidelity["coverage"], percent), "share of the reference with one of these images nearby"),
        (
            "Label agreement",
            *_pair(fidelity["label_agreement"], percent),
            "share in which the classifier trained on real images sees the label asked for; real: validation images",
        ),
        (
            "MS-SSIM within a class",
            *_pair(fidelity["ms_ssim"], _plain),
            "similarity of pairs of images; higher than for real images: less variety",
        ),
    ]
    extractor = fidelity["extractor"]
    apart = "" if report["dataset"]["test_patients"] is None else ", no patient in both"
    caption = (
        f"Features: {extractor['name']} ({extractor['dimension']} numbers; resizing: {extractor['filter']}). "
        f"{counted(fidelity['images'], 'image')} a side. The reference is one half of the real training images. "
        f"Real: the other half against it{apart}. MS-SSIM with {_scales(fidelity)}."
    )
    return Table(caption, ("Metric", "Synthetic", "Real", "How to read it"), tuple(rows), text_columns=(0, 3))


def fidelity_classes_table(report: Report) -> Table | None:
    """The metrics of each class, synthetic beside real, or None if none were measured."""
    fidelity = report["fidelity"]
    if fidelity is None:
        return None
    rows = tuple(
        (
            label,
            str(own["images"]),
            *(_both(_kid(own["kid"])),),
            *(_both(_pair(own[name], _whole_percent)) for name in ("precision", "recall")),
            _both(_pair(own["density"], _short)),
            *(_both(_pair(own[name], _whole_percent)) for name in ("coverage", "label_agreement")),
            _both(_pair(own["ms_ssim"], _plain)),
        )
        for label, own in fidelity["per_class"].items()
    )
    caption = (
        "Fidelity of each class, synthetic / real. A dash: too few images. Values of few images scatter, and "
        "precision, recall, density and coverage depend on how many there are. So read each pair, not down the column."
    )
    head = ("Class", "Images a side", "KID", "Precision", "Recall", "Density", "Coverage", "Label agreement", "MS-SSIM")
    return Table(caption, head, rows)


def _scales(fidelity: dict[str, Any]) -> str:
    window = fidelity["ms_ssim_window"]
    return f"{counted(fidelity['ms_ssim_scales'], 'scale')} and a window of {window} × {window} pixels"


def _kid(figure: dict[str, float] | None) -> tuple[str, str]:
    if figure is None:
        return "–", "–"
    value, real = (
        f"{_distance(figure[name])} ± {_distance(figure[error])}"
        for name, error in (("value", "se"), ("real", "real_se"))
    )
    return value, real


def _pair(figure: dict[str, float] | None, spell: Any) -> tuple[str, str]:
    return ("–", "–") if figure is None else (spell(figure["value"]), spell(figure["real"]))


def _both(pair: tuple[str, str]) -> str:
    return " / ".join(pair)


def _distance(value: float) -> str:
    """A distance with decimals that suit its size, with a true minus sign."""
    text = f"{value:.4f}" if abs(value) < 1 else f"{value:.3g}" if abs(value) < 1000 else f"{value:.0f}"
    return text.removeprefix("-") if float(text) == 0 else text.replace("-", _MINUS)


def _plain(value: float) -> str:
    return f"{value:.3f}"


def _short(value: float) -> str:
    return f"{value:.2f}"


def _whole_percent(value: float) -> str:
    return f"{100 * value:.0f} %"
