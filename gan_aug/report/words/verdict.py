"""The verdicts in words: what a difference says, as a sentence that can be quoted."""

from __future__ import annotations

import math
from typing import Any

from gan_aug.evaluation.arm_catalogue import ARMS
from gan_aug.evaluation.statistics.comparison import rule_of
from gan_aug.evaluation.statistics.intervals import ALPHA
from gan_aug.report.words.arms import verdict_subject, words_of
from gan_aug.report.words.leakage import images_tested
from gan_aug.report.words.text import (
    Report,
    digits,
    interval,
    listed,
    metric,
    p_text,
    percent,
    share,
    signed,
    size,
)

CLASSIFIERS = {
    "cnn": "A CNN",
    "small-cnn": "A small CNN",
    "softmax": "A softmax regression",
    "mlp": "An MLP",
    "resnet18": "A ResNet-18",
    "densenet121": "A DenseNet-121",
}


def answer(report: Report) -> list[str]:
    """What the comparison found, in a few paragraphs, what is asked most first."""
    comparisons = main_comparisons(report)
    if not comparisons:
        return [f"{_reached_alone(report)} No other arm was run, so nothing is compared."]
    paragraphs: list[str] = []
    for arm in sorted(comparisons, key=lambda arm: words_of(arm).place):
        sentence, words = verdict_sentence(report, comparisons[arm]), words_of(arm)
        if words.level or not paragraphs:
            sentence += f" {_levels(report, comparisons[arm])}"
        row = ARMS.get(arm)
        if row and row.alike and comparisons[arm]["against"] != row.alike:
            sentence += f" {words_of(row.alike).not_run}"
        paragraphs.append(sentence)
    if digits(report) > 3:
        accuracies = [f"{percent(arm['accuracy']['value'])} ({name})" for name, arm in report["arms"].items()]
        paragraphs.append(
            f"An AUC this near 1 leaves little room to differ, so look at the accuracy too: {', '.join(accuracies)}."
        )
    return paragraphs


def main_comparisons(report: Report) -> dict[str, dict[str, Any]]:
    """Of each arm the comparison that says most of its GAN: with an arm that differs by that alone, if there is one.

    That is the arm with the same classic augmentation, or else the reference. The table has all comparisons.
    """
    found: dict[str, dict[str, Any]] = {}
    for comparison in report["comparisons"]:
        row = ARMS.get(comparison["arm"])
        if comparison["arm"] not in found or (row and row.alike == comparison["against"]):
            found[comparison["arm"]] = comparison
    return found


def classifier_of(report: Report) -> str:
    """The classifier as the beginning of a sentence."""
    name = report["config"]["classifier"]["name"]
    return CLASSIFIERS.get(name, f"A classifier ({name})")


def _reached(report: Report, arm: str) -> str:
    auc, decimals = report["arms"][arm]["auc"], digits(report)
    return f"{share(auc['value'], decimals)} (95 % CI {interval(auc['ci95'], decimals)})"


def _reached_alone(report: Report) -> str:
    return (
        f"{classifier_of(report)} trained on real images reached an AUC of {_reached(report, 'real')} {metric(report)} "
        f"on {images_tested(report)}."
    )


def _levels(report: Report, comparison: dict[str, Any]) -> str:
    """The AUCs behind a comparison; of an arm without real images always, of others in the first paragraph alone."""
    arm, against = comparison["arm"], words_of(comparison["against"])
    level = words_of(arm).level
    trained, other = (f" {level}", against.instead) if level else ("", against.alone)
    return (
        f"{classifier_of(report)}{trained} reached an AUC of {_reached(report, arm)} {metric(report)} on "
        f"{images_tested(report)}, and {_reached(report, comparison['against'])} when trained on {other}."
    )


def verdict_sentence(report: Report, comparison: dict[str, Any]) -> str:
    """What one arm did to the AUC: the verdict first, the numbers behind it in brackets.

    Bounds are rounded outwards: what is said to be ruled out lies outside the interval.
    """
    kind = "synthetic" if report["provenance"]["trained_on"] == "unknown" else "GAN"
    done = verdict_subject(comparison["arm"], comparison["against"], kind)
    if is_missing(report):
        return f"{done}: no verdict ({_numbers(comparison, digits(report))})."
    if brief := comparison.get("under_trained"):
        arms = listed([f"“{arm}”" for arm in brief])
        numbers = _numbers(comparison, digits(report))
        return f"{done}: no verdict, as {arms} {'was' if len(brief) == 1 else 'were'} trained too briefly ({numbers})."
    said = {**comparison, "could": _could(report, comparison)}
    return _WORDS[comparison["verdict"]](done, said, digits(report))


def _improves(subject: str, comparison: dict[str, Any], decimals: int) -> str:
    return (
        f"{subject} raised the AUC by {_amount(comparison, decimals)} ({_interval(comparison, decimals)}, "
        f"{_holm(comparison)}; {comparison['could']})."
    )


def _non_inferior(subject: str, comparison: dict[str, Any], decimals: int) -> str:
    (low, high), margin = comparison["ci95"], comparison["margin"]
    numbers = f"({_numbers(comparison, decimals)}; {comparison['could']})"
    ruled_out = f"a loss of {margin:g} or more is ruled out"
    if high < 0:
        return f"{_lowered(subject, comparison, decimals)}; {ruled_out}."
    if max(-low, high) <= margin:
        bound = _outwards(max(-low, high), decimals)
        return f"{subject} did not change the AUC by more than {bound} either way {numbers}: {ruled_out}."
    if low > 0:
        return f"{subject} may have raised the AUC {numbers}, but that is not shown ({_holm(comparison)}); {ruled_out}."
    bound = _outwards(-low, decimals)
    return f"{subject} did not lower the AUC by more than {bound} {numbers}: {ruled_out}; whether it raised it is open."


def _lowered(subject: str, comparison: dict[str, Any], decimals: int) -> str:
    """A difference whose interval lies below 0: a loss that is shown, or one that Holm's adjustment leaves open."""
    numbers = f"({_numbers(comparison, decimals)}; {comparison['could']})"
    if comparison["p_adjusted"] < ALPHA:
        return f"{subject} lowered the AUC by {_amount(comparison, decimals)} {numbers}, {_holm(comparison)}"
    return f"{subject} may have lowered the AUC {numbers}, but that is not shown ({_holm(comparison)})"


def _inferior(subject: str, comparison: dict[str, Any], decimals: int) -> str:
    numbers = f"{_interval(comparison, decimals)}, {_holm(comparison)}; {comparison['could']}"
    lowered = f"{subject} lowered the AUC by {_amount(comparison, decimals)}, by more than the margin of"
    if comparison["p_adjusted"] < ALPHA:
        return f"{lowered} {comparison['margin']:g} ({numbers})."
    return f"{lowered} {comparison['margin']:g} by its own interval, though not after the adjustment ({numbers})."


def _inconclusive(subject: str, comparison: dict[str, Any], decimals: int) -> str:
    numbers, margin = f"({_numbers(comparison, decimals)}; {comparison['could']})", f"{comparison['margin']:g}"
    if comparison["ci95"][1] < 0:
        return f"{_lowered(subject, comparison, decimals)}; whether by more than the margin of {margin} is open."
    return (
        f"{subject} changed the AUC by no more than chance can explain {numbers}, and a loss of {margin} can be "
        "neither shown nor ruled out."
    )


_WORDS = {
    "improves": _improves,
    "non-inferior": _non_inferior,
    "inferior": _inferior,
    "inconclusive": _inconclusive,
}


def _holm(comparison: dict[str, Any]) -> str:
    return f"{p_text(comparison['p_adjusted'])} after Holm’s adjustment for the number of comparisons"


def _amount(comparison: dict[str, Any], decimals: int) -> str:
    return size(abs(comparison["difference"]), decimals)


def _outwards(bound: float, decimals: int) -> str:
    """A bound that is not negative, rounded up."""
    scale = 10**decimals
    return f"{max(1, math.ceil(round(bound * scale, 6))) / scale:.{decimals}f}"


def _numbers(comparison: dict[str, Any], decimals: int) -> str:
    return f"difference {signed(comparison['difference'], decimals)}, {_interval(comparison, decimals)}"


def _interval(comparison: dict[str, Any], decimals: int) -> str:
    low, high = (signed(end, decimals) for end in comparison["ci95"])
    return f"95 % CI {low} to {high}"


def is_missing(report: Report) -> bool:
    """Whether something is missing for the verdicts of this report's comparisons, so that they are not given."""
    return bool(report.get("missing")) and rule_of(report["config"]["compare"]) > 1


def _could(report: Report, comparison: dict[str, Any]) -> str:
    """What this comparison could have shown; by rule 1 that was before the adjustment for several."""
    gain, decimals = comparison["smallest_detectable"], digits(report)
    if gain is None:
        reference = report["arms"][comparison["against"]]["auc"]["value"]
        left = f"at most {size(1 - reference, decimals)}" if reference < 1 else "nothing"
        return f"no gain could have been shown, as {left} is left above {share(reference, decimals)}"
    single = len(report["comparisons"]) > 1 and rule_of(report["config"]["compare"]) == 1
    return f"{'a single' if single else 'this'} comparison could have shown a gain of {size(gain, decimals)}"
