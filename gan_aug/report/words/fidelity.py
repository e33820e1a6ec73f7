"""The fidelity of the synthetic images in words and tables: each metric beside its value for real images.

The checks say in words what failed; `evaluation.image_checks` has their rule.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gan_aug.evaluation.image_checks import RANDOM, failed
from gan_aug.report.blocks import Table
from gan_aug.report.words.gans import rows_of_gans
from gan_aug.report.words.text import Report, counted, listed, percent, share, times

_MINUS = "−"


def fidelity_text(report: Report) -> list[str]:
    """How to read the fidelity metrics, a few paragraphs; empty if none were measured."""
    fidelity = report["fidelity"]
    if fidelity is None:
        return []
    sentences = []
    if len(rows_of_gans(report)) > 1:
        sentences.append("These are the images of GAN 0; the section on the GANs has the main figures of each.")
    sentences += _judged(fidelity)
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
            "They see what matters to the labels and little else."
            + (
                " The random network, which stands beside it, was trained on nothing and prefers nothing."
                if fidelity.get("by_features")
                else " With compare.features set to random, the features prefer nothing."
            )
        )
    return sentences


def failures_of_images(checks: Sequence[dict[str, Any]]) -> list[str]:
    """What failed of the images' checks, each in a phrase: over all images first, then in a class alone."""
    bad = failed(checks)
    labels = list(dict.fromkeys(check["label"] for check in bad))
    return [
        f"of “{label}” {phrase}" if label is not None else phrase
        for label in sorted(labels, key=lambda label: label is not None)
        for phrase in _phrases([check for check in bad if check["label"] == label])
    ]


def fidelity_caveat(report: Report) -> str | None:
    """One sentence if the images of a GAN, or those made elsewhere, failed a check; None if not."""
    fidelity = report["fidelity"]
    rows = [row for row in rows_of_gans(report) if row.get("image_checks")]
    sets = {row["gan"]: row["image_checks"] for row in rows} or {0: (fidelity or {}).get("checks", ())}
    bad = {gan: phrases for gan, checks in sets.items() if (phrases := failures_of_images(checks))}
    if not bad:
        return None
    if len(sets) == 1:
        return f"The synthetic images do not look like the real ones: {_some(bad[0])}."
    which = f"GAN{'s' * (len(bad) > 1)} {listed([str(gan) for gan in bad])} (of {len(sets)})"
    said = "; ".join(f"GAN {gan}: {_some(phrases, most=1)}" for gan, phrases in bad.items())
    return f"The synthetic images of {which} do not look like the real ones. {said}."


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
        *_label_auc_row(fidelity),
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


def looks_table(report: Report) -> Table | None:
    """The images by two networks side by side, raw and blurred, and their finest power; None if not measured."""
    fidelity = report["fidelity"]
    if not fidelity or not fidelity.get("by_features"):
        return None
    networks, classes = fidelity["by_features"], fidelity["per_class"]
    names = [_column(network["extractor"]["name"]) for network in networks]
    rows = [
        ("All", *_looks_row(fidelity)),
        *((label, *_looks_row(own)) for label, own in classes.items()),
        ("Fails from" if fidelity.get("checks") else "", *_limits_row(fidelity)),
    ]
    finest = fidelity["finest"]
    power = f" ({finest['power']:.3g} squared grey values)" if finest else ""
    recalls = "; ".join(
        f"{name.lower()} {_both(_pair(network['recall'], percent))}"
        for name, network in zip(names, networks, strict=True)
        if network["recall"]
    )
    caption = (
        "Synthetic / real, over all images and within each class, from at most "
        f"{counted(fidelity['looked_at'], 'image')} a side. KID of the images as they are, and under a Gaussian blur "
        f"of {fidelity['blur']:g} pixel: what is far apart in the first alone differs in the finest grain. "
        f"Finest power: at the finest frequencies, as a multiple of that of the reference{power}. The last row: from "
        "where on a check fails over all images." + (f" Recall by the same networks: {recalls}." if recalls else "")
    )
    columns = [column for name in names for column in (f"KID, {name}", f"KID, {name}, blurred")]
    return Table(caption, ("Images", "Finest power", *columns), tuple(rows))


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


def _judged(fidelity: dict[str, Any]) -> list[str]:
    """Whether the images look like real ones, and what failed."""
    checks = fidelity.get("checks")
    if not checks:
        return []
    rule = (
        "A check fails if a figure is off by more than chance and by more than matters. Real images in the place of "
        "the synthetic ones hardly ever fail one."
    )
    if phrases := failures_of_images(checks):
        return [f"The images do not look like the real ones: {'; '.join(phrases)}. {rule}"]
    return [f"The images passed all {len(checks)} checks of how they look. {rule}"]


def _some(phrases: Sequence[str], most: int = 3) -> str:
    left = len(phrases) - most
    return "; ".join(phrases[:most]) + (f"; and {left} more" if left > 0 else "")


def _phrases(checks: Sequence[dict[str, Any]]) -> list[str]:
    """The failed checks of one set of images, those of distance by network."""
    said = {
        "contrast": lambda one: f"{times(one['value'])} times the contrast of real images in all (as a power)",
        "grain": lambda one: (
            f"grain at the finest frequencies: {times(one['value'])} times the power of real images"
            if one["value"] > one["expected"]
            else f"too little fine detail: {times(one['value'])} times the power of real images at its frequencies"
        ),
        "variety": lambda one: (
            f"little variety: {percent(one['value'])} of the real images lie among them by random features, and "
            f"{percent(one['expected'])} among as many other real ones"
        ),
        "labels": lambda one: (
            f"wrong labels: a classifier trained on real images sees the label asked for in {percent(one['value'])}, "
            f"and in {percent(one['expected'])} of real validation images (means over the classes)"
        ),
        "hard": lambda one: f"their classes are harder to tell apart than real ones: {_aucs(one)}",
        "easy": lambda one: f"their classes are easier to tell apart than real ones, as in caricatures: {_aucs(one)}",
    }
    apart = [check for check in checks if check["check"] == "distance"]
    networks = dict.fromkeys(check["features"] for check in apart)
    found = [said[check["check"]](check) for check in checks if check["check"] != "distance"]
    return [*found, *(_far([check for check in apart if check["features"] == name]) for name in networks)]


def _far(checks: Sequence[dict[str, Any]]) -> str:
    """That images are far from real ones by a network; `checks` are those of it that failed, raw or blurred or both."""
    first, soft = checks[0], {check["blurred"] for check in checks}
    figures = f"KID {_distance(first['value'])} beside {_distance(first['expected'])}"
    how = {
        (False,): ", but not if both are slightly blurred: it is the finest grain that differs",
        (True,): ", if both are slightly blurred",
        (False, True): ", also if both are slightly blurred",
    }[tuple(sorted(soft))]
    return f"far from real ones by {_features(first['features'])} ({figures}){how}"


def _aucs(check: dict[str, Any]) -> str:
    value, real = (share(check[key], 3) for key in ("value", "expected"))
    return f"a classifier trained on real images has an AUC of {value} on them, and {real} on real validation images"


def _features(name: str) -> str:
    if name == RANDOM:
        return "random features"
    if name.startswith("classifier"):
        return "the classifier’s features"
    return f"the features of {name.partition(',')[0]}"


def _column(name: str) -> str:
    if name == RANDOM:
        return "random"
    return "classifier" if name.startswith("classifier") else name.partition(",")[0].partition(" with ")[0]


def _label_auc_row(fidelity: dict[str, Any]) -> list[tuple[str, ...]]:
    if "label_auc" not in fidelity:
        return []
    figure = fidelity["label_auc"]
    spelt = [
        f"{share(figure[name], 3)} ± {figure[error]:.3f}" if figure else "–"
        for name, error in (("value", "se"), ("real", "real_se"))
    ]
    return [
        (
            "AUC against the labels",
            *spelt,
            "how well that classifier tells the classes apart; above real ones: caricatures, below: they blur",
        )
    ]


def _looks_row(own: dict[str, Any]) -> list[str]:
    finest = own["finest"]
    ratio = f"{_plus_minus(finest, 'value', 'se')} / {_plus_minus(finest, 'real', 'real_se')}" if finest else "–"
    return [
        ratio,
        *(_both(_kid(network[key])) for network in own["by_features"] for key in ("kid", "kid_blurred")),
    ]


def _limits_row(fidelity: dict[str, Any]) -> list[str]:
    found = {
        (check["check"], check["features"], check["blurred"]): check
        for check in fidelity.get("checks", ())
        if check["label"] is None
    }
    grain = found.get(("grain", None, False))
    below = f"below {times(grain['low'])}, " if grain and grain["low"] > 0 else ""
    limits = [f"{below}above {times(grain['high'])}" if grain else "–"]
    for network in fidelity["by_features"]:
        for soft in (False, True):
            check = found.get(("distance", network["extractor"]["name"], soft))
            limits.append(_distance(check["high"]) if check else "–")
    return limits


def _plus_minus(figure: dict[str, float], name: str, error: str) -> str:
    return f"{times(figure[name])} ± {times(figure[error])}"


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
