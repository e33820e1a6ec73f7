"""What a report says in words: what its numbers rest on, their limits, and how numbers are spelt."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from typing import Any

from gan_aug.data.manifest import NAMES
from gan_aug.data.splits.internal_test import ORIGIN
from gan_aug.evaluation.arm_catalogue import ARMS

Report = dict[str, Any]

_SATURATED = 0.995
"""An AUC above this has little room left to differ, so it gets a fourth decimal and the accuracy beside it."""
FEW_SEEDS = 3
"""From fewer seeds their spread is hardly known (docs/decisions/0010)."""
UNTRACED = (
    "The provenance of the synthetic images is unknown: nothing says which images their generator was trained on. None "
    "of them equals a validation or test image. {looked} Whether the generator had seen those images, or others of "
    "their patients, cannot be told. If it had, the results of the arms with synthetic images are too good."
)


def looked_alike(report: Report) -> str:
    """Whether images made elsewhere look nearly the same as a held-out one, as a sentence."""
    found = report["provenance"]["look_alikes"]
    if found is None:
        return "Whether one looks nearly the same as those was not checked."
    many = counted(found["of"], "synthetic image")
    if not found["images"]:
        return f"None of the {many} looks nearly the same as one of those."
    shown = "; ".join(
        f"image {pair['synthetic']} like {NAMES[pair['split']]} image {pair['case']} ({pair['correlation']:.2f})"
        for pair in found["pairs"][:3]
    )
    return (
        f"{thousands(found['images'])} of the {many} look nearly the same as one of those, so the results of the arms "
        "with synthetic images may be too good (row numbers in the two manifests, and how far they correlate: "
        f"{shown})."
    )


def digits(report: Report) -> int:
    """How many decimals the report's AUCs get: 3, or 4 if one is so close to 1 that 3 would hide a difference."""
    return 4 if any(arm["auc"]["value"] > _SATURATED for arm in report["arms"].values()) else 3


def share(value: float, decimals: int) -> str:
    """A number in 0..1; one that rounding would make a perfect 1 is shown as `>0.999`."""
    text = f"{value:.{decimals}f}"
    return f">{1 - 10**-decimals:.{decimals}f}" if value < 1 and float(text) == 1 else text


def percent(value: float | None) -> str:
    """A share as a percentage with one decimal, or a dash if there is none."""
    if value is None:
        return "–"
    text = f"{100 * value:.1f}"
    return ">99.9 %" if value < 1 and text == "100.0" else f"{text} %"


def signed(value: float, decimals: int) -> str:
    """A difference with its sign, with a true minus sign; without a sign if it rounds to zero."""
    text = f"{value:+.{decimals}f}"
    return text[1:] if float(text) == 0 else text.replace("-", "−")


def size(value: float, decimals: int) -> str:
    """A size above 0; one that rounds to zero is shown as `<0.001`."""
    text = f"{value:.{decimals}f}"
    return f"<{10**-decimals:.{decimals}f}" if value > 0 and float(text) == 0 else text


def times(ratio: float) -> str:
    """A ratio with two significant digits, as `2.9` or `0.035`; one below a thousandth is shown as `<0.001`."""
    if 0 < ratio < 0.001:
        return "<0.001"
    return f"{ratio:.0f}" if ratio >= 10 else f"{ratio:.2g}"


def interval(ci95: list[float], decimals: int) -> str:
    """An interval of numbers in 0..1, as `0.912 to 0.934`."""
    return f"{share(ci95[0], decimals)} to {share(ci95[1], decimals)}"


def p_number(p: float) -> str:
    """A p-value, as `0.012` or `< 0.001`."""
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def p_text(p: float) -> str:
    """A p-value, as `p = 0.012` or `p < 0.001`."""
    return f"p {p_number(p)}" if p < 0.001 else f"p = {p_number(p)}"


FAR_OFF = 0.05
"""A specificity may miss the one asked for by this much without a remark, even if chance does not explain it."""


def thousands(number: int) -> str:
    """A whole number with its thousands set apart by a thin space."""
    return f"{number:,}".replace(",", "\u202f")


def duration(seconds: float) -> str:
    """A time as people say it: 39 s, 30 min, 1 h 11 min."""
    if seconds < 99.5:
        return f"{seconds:.0f} s"
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min"


def counted(number: int, noun: str) -> str:
    """A number with its noun, which is in the plural unless the number is 1."""
    return f"{thousands(number)} {noun if number == 1 else noun + 's'}"


def listed(names: Sequence[str]) -> str:
    """Names as a sentence lists them: a, b and c."""
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def splits_from(report: Report) -> str:
    """Where the splits come from, as a sentence; empty if an older version's import did not record it."""
    origin, named = report["dataset"]["splits_from"], report["dataset"]["test_patients"] is not None
    if origin is None:
        return ""
    how = ""
    others = origin.partition(ORIGIN)[0]
    if "drawn at random" not in others and any(character.isdigit() for character in others):
        how = (
            " (each patient in one, labels in proportion; patients with more images first, which puts them into "
            "training more often than chance does)"
            if named
            else " (labels in proportion, at random from the seed)"
        )
    return f"Splits: {origin}{how}."


def patients_apart(report: Report) -> str:
    """Whether each patient is in one split, as sentences that claim no more than the data set tells."""
    data = report["dataset"]
    if data["test_patients"] is None:
        return "The data set names no patients, so each image counts as a patient of its own."
    tested = counted(data["test_patients"], "patient")
    if report["config"]["data"]["patient_scope"] == "split":
        return (
            "Patient numbers restart in each split of the data set, so whether a patient was in two of them could not "
            f"be told. The test images came from {tested}."
        )
    alone = data["without_patient"]
    if alone:
        return (
            f"No patient that is named was in two splits. The test images came from {tested}. Among these, "
            f"{counted(alone, 'image')} without a patient count as one each."
        )
    return f"No patient was in two splits. The test images came from {tested}."


def metric(report: Report) -> str:
    """Which AUC the report has: that of which label, or the mean over how many."""
    data = report["dataset"]
    if data["task"] == "multi-label":
        return f"as the mean over {counted(len(data['labels']), 'label')}"
    if len(data["labels"]) == 2:
        return f"for “{data['positive']}”"
    return f"as the mean over {len(data['labels'])} classes, each against the rest,"


def gans_of(report: Report) -> int:
    """How many GANs the arms were trained with; 1 if it is not recorded, and 0 without one of this run."""
    if report["provenance"]["trained_on"] != "training split":
        return 0
    seeds = [seed for arm in report["arms"].values() for seed in arm["seeds"]]
    return max(1, len({seed.get("gan") for seed in seeds} - {None}))


def basis(report: Report) -> str:
    """What the numbers are means of, and which sources of uncertainty their intervals include."""
    seeds, gans = len(report["arms"]["real"]["seeds"]), gans_of(report)
    if seeds == 1:
        return (
            "One training seed: the 95 % intervals include which patients were tested, but not how another run of the "
            "training would come out."
        )
    if gans > 1:
        return (
            f"Means over {seeds} training seeds, the same in every arm, and {gans} GANs. The 95 % intervals include "
            "three sources of uncertainty: which patients were tested, how the training of the classifier happened to "
            "run, and that of the GAN."
        )
    return (
        f"Means over {seeds} training seeds, the same in every arm. The 95 % intervals include two sources of "
        "uncertainty: which patients were tested and how the training happened to run"
        + (", but not how another training of the GAN would come out." if gans else ".")
    )


def limits(report: Report) -> list[str]:
    """What a reader has to know before relying on the results."""
    data, arms = report["dataset"], report["arms"]
    found = [f"About the data set: {note}" for note in data["notes"]]
    found.append(basis(report))
    if 1 < len(arms["real"]["seeds"]) < FEW_SEEDS:
        found.append(
            f"{len(arms['real']['seeds'])} training seeds say little of how another run comes out. The intervals "
            "allow for that: if trainings differ a lot, they are too wide to show anything. What a comparison could "
            "have shown is hardly known from so few seeds. Take at least three seeds, and five for a claim."
        )
    found += _carried_over(report) + _kept_at_once(report) + _unlike_budgets(report)
    if report["provenance"]["trained_on"] == "unknown":
        found.append(UNTRACED.format(looked=looked_alike(report)))
    elif gans_of(report) == 1:
        found.append(
            "The synthetic images come from one generator, trained once. The intervals do not include how much another "
            "training of it would change the results, nor how other hospitals, devices or years would differ."
        )
    else:
        found.append("The intervals do not include how other hospitals, devices or years would differ.")
    if data["test_patients"] is None:
        found.append(
            "The data set names no patients, so every image counts as a patient of its own. If some patients have "
            "several images, the intervals are too narrow."
        )
    if digits(report) > 3:
        found.append(
            "AUCs this near 1 are saturated: a handful of misranked images decides them, and their intervals are "
            "approximate. The accuracy can show differences that they hide."
        )
    if any(arm["auc"]["value"] == 1 for arm in arms.values()):
        found.append(
            "An AUC of exactly 1 has no measurable variance. Its interval is the exact binomial bound for the number "
            "of independent pairs in the test set."
        )
    found += [
        f"{what} of the synthetic images was not measured in this run."
        for key, what in (("fidelity", "The fidelity"), ("privacy", "The privacy"))
        if report[key] is None and report["provenance"]["synthetic"]
    ]
    return found


def _carried_over(report: Report) -> list[str]:
    """That thresholds set on the validation images do not fit the test images, if chance does not explain it."""
    data = report["dataset"]
    judged = [data["positive"]] if data["positive"] and len(data["labels"]) == 2 else data["labels"]
    negatives = min(data["counts"]["validation"] - data["counts_per_label"]["validation"][label] for label in judged)
    for asked, reached in report["arms"]["real"]["sensitivity_at_specificity"].items():
        if not reached:
            continue
        low, high = reached["specificity_ci95"]
        # Chance in the test images is in the interval. Chance in the threshold comes from the validation images.
        chance = math.hypot((high - low) / 2, 1.96 * math.sqrt(float(asked) * (1 - float(asked)) / negatives))
        if abs(reached["specificity"] - float(asked)) > max(FAR_OFF, chance):
            return [
                f"Thresholds set for {100 * float(asked):.0f} % specificity on the validation images gave "
                f"{percent(reached['specificity'])} on the test images (arm “real”), further off than chance "
                "explains. So the test images differ from the validation images: operating points, accuracy and "
                "calibration do not carry over. The AUC compares rankings alone."
            ]
    return []


def _kept_at_once(report: Report) -> list[str]:
    """That the tested weights are mostly those of the first validation point, if they are."""
    early = []
    for name, arm in report["arms"].items():
        row = ARMS.get(name)
        if row and row.pretrain:
            continue  # its weights can be kept only after the synthetic images
        first = min((point["step"] for points in arm["history"] for point in points), default=None)
        if first is not None and statistics.median(seed["best_step"] for seed in arm["seeds"]) <= first:
            early.append(f"“{name}” (step {first})")
    if not early:
        return []
    return [
        f"The weights tested are mostly those of the first validation point in the arm{'s' * (len(early) > 1)} "
        f"{listed(early)}. Better ones may lie before it: more validation points would show that "
        "(classifier.epochs)."
    ]


def _unlike_budgets(report: Report) -> list[str]:
    """That the GANs of the learning curves' subsets and the GAN of all images saw different numbers of images."""
    compare, whole = report["config"]["compare"], report["config"]["train"]["images"]
    seen = compare["curve_images"]
    if "all" not in compare["sizes"] or seen in (None, whole) or not report["provenance"]["synthetic"]:
        return []
    return [
        f"In the learning curves the GAN of each subset saw {thousands(seen)} images, and the GAN of all images saw "
        f"{thousands(whole)}. So the last step of these curves is one in the length of the GAN’s training too."
    ]
