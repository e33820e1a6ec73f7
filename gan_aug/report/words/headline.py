"""The opening of a report: the verdict in one word and one sentence, for a reader who knows what an AUC is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from gan_aug.evaluation.arm_catalogue import known
from gan_aug.report.words.arms import words_of
from gan_aug.report.words.caveats import caveats
from gan_aug.report.words.text import Report, digits, listed, p_number, signed, size

Word = Literal["better", "no worse", "worse", "cannot tell"]
Found = dict[str, Any]

_STRONGEST = "the strongest without a GAN"


@dataclass(frozen=True)
class Opening:
    """What a report says first.

    Attributes:
        word: The verdict in a word.
        sentence: The verdict in a sentence.
        numbers: What is behind it; first the reason if no verdict can be given.
        limits: What limits it.
    """

    word: Word
    sentence: str
    numbers: str
    limits: tuple[str, ...]


def opening(report: Report) -> Opening | None:
    """The opening of a report; None without an arm with a GAN that was compared."""
    found = headline_of(report)
    if found is None:
        return None
    limiting = caveats(report)
    limits = [caveat.text for caveat in limiting]
    word, say = _SAID[found["verdict"]]
    if not any(caveat.withholds for caveat in limiting):
        return Opening(word, say(report, found), f"{_differences(report, found)}{_power(report, found)}", tuple(limits))
    reason = limits.pop(0)  # what withholds a verdict stands first
    sentence = f"{_question(report, found)} cannot be told from this run."
    return Opening("cannot tell", sentence, f"{reason} {_differences(report, found)}", tuple(limits))


def headline_of(report: Report) -> Found | None:
    """The headline of a report: its own, or for one of version 0.1 or 0.2 what follows from its comparisons.

    Those versions compared most arms with real images alone. `untested` names the arms without a GAN that the headline
    leaves out; if there are some, nothing is said to be better or no worse.
    """
    if "headline" in report:
        own: Found | None = report["headline"]
        return own and {**own, "untested": []}
    arms, compared = known(report["arms"]), {comparison["arm"] for comparison in report["comparisons"]}
    candidates = [arm.name for arm in arms if arm.needs_synthetic and arm.name in compared]
    if not candidates:
        return None
    arm = min(candidates, key=lambda name: words_of(name).place)
    rows = [one for one in report["comparisons"] if one["arm"] == arm]
    tested = [one["against"] for one in rows]
    untested = [other.name for other in arms if not other.needs_synthetic and other.name not in tested]
    verdicts = {one["verdict"] for one in rows}
    verdict = "inferior" if "inferior" in verdicts else rows[0]["verdict"]
    if verdict != "inferior" and (untested or len(verdicts) > 1):
        verdict = "inconclusive"
    return {
        "arm": arm,
        "strongest": tested[-1],
        "verdict": verdict,
        "against": [
            {"arm": one["against"], **{key: one[key] for key in ("difference", "ci95", "p", "p_adjusted", "verdict")}}
            for one in rows
        ],
        "p": max(one["p_adjusted"] for one in rows),
        "margin": rows[0]["margin"],
        "missing": None,
        "smallest_detectable": None,
        "power_if_equal": None,
        "untested": untested,
    }


def _better(report: Report, found: Found) -> str:
    return f"{_subject(report, found)} gave a better classifier than {_others(found)}: {_changed(report, found)}."


def _no_worse(report: Report, found: Found) -> str:
    lower = [_name(one["arm"]) for one in found["against"] if one["ci95"][1] < 0]
    said = f"it is lower than with {listed(lower)}, but by less" if lower else "that it is better is not shown"
    if all(one["ci95"][0] > 0 for one in found["against"]):
        said += ", after adjustment for the number of comparisons"
    return (
        f"{_subject(report, found)} gave no worse a classifier than {_others(found)}: {_changed(report, found)}; a "
        f"loss of {found['margin']:g} or more is ruled out, {said}."
    )


def _worse(report: Report, found: Found) -> str:
    lowest = min(found["against"], key=lambda one: one["ci95"][1])
    low, high = (signed(end, digits(report)) for end in lowest["ci95"])
    strongest = f", {_STRONGEST}" if lowest["arm"] == found["strongest"] and len(found["against"]) > 1 else ""
    return (
        f"{_subject(report, found)} gave a worse classifier than {_name(lowest['arm'])}{strongest}: the AUC is lower "
        f"by {size(abs(lowest['difference']), digits(report))} (95 % CI {low} to {high})."
    )


def _open(report: Report, found: Found) -> str:
    start = _question(report, found)
    if found["untested"]:
        return (
            f"{start} than all that was tried without a GAN cannot be told: this report compares it with "
            f"{_name(found['strongest'])}, and not with {listed([_name(name) for name in found['untested']])}. A "
            "comparison made anew with this version does."
        )
    several = len(found["against"]) > 1
    return (
        f"{start} than {_others(found)} cannot be told: {_changed(report, found)}; a gain"
        f"{' over all of these' if several else ''} is not shown, and a loss of {found['margin']:g} or more"
        f"{' against one of them' if several else ''} is neither shown nor ruled out."
    )


def _question(report: Report, found: Found) -> str:
    return f"Whether {_lower_first(_subject(report, found))} gives a better or a worse classifier"


_SAID: dict[str, tuple[Word, Callable[[Report, Found], str]]] = {
    "improves": ("better", _better),
    "non-inferior": ("no worse", _no_worse),
    "inferior": ("worse", _worse),
    "inconclusive": ("cannot tell", _open),
}


def _differences(report: Report, found: Found) -> str:
    apart = "; ".join(f"from {_name(one['arm'])} {_apart(report, one)}" for one in found["against"])
    return f"Difference in AUC of the arm “{found['arm']}”: {apart}."


def _power(report: Report, found: Found) -> str:
    """The p behind "better", and what the study could have shown."""
    if found["missing"] or found["untested"]:
        return ""
    text = ""
    if found["verdict"] == "improves":
        largest = "The largest p of these" if len(found["against"]) > 1 else "The p"
        text += f" {largest} after Holm’s adjustment: {p_number(found['p'])}."
    best = "the best of them" if len(found["against"]) > 1 else "it"
    gain, likely = found["smallest_detectable"], found["power_if_equal"]
    if gain is not None:
        text += f" A study like this shows a gain of {size(gain, digits(report))} over {best} four times in five."
    elif likely is not None and found["verdict"] in ("non-inferior", "inconclusive"):
        text += f" A study like this shows no gain over {best} four times in five, however large."
    if likely is not None and found["verdict"] == "inconclusive":
        text += f" If all were equally good, it would say “no worse” in {round(100 * likely)} % of cases."
    return text


def _subject(report: Report, found: Found) -> str:
    kind = "synthetic" if report["provenance"]["trained_on"] == "unknown" else "GAN"
    return words_of(found["arm"]).done.replace("{kind}", kind)


def _name(arm: str) -> str:
    return words_of(arm).in_short


def _others(found: Found) -> str:
    several = len(found["against"]) > 1
    return "anything that was tried without a GAN" if several else _name(found["strongest"])


def _changed(report: Report, found: Found) -> str:
    """The difference from the strongest arm without a GAN, with its name if there are several."""
    own = next(one for one in found["against"] if one["arm"] == found["strongest"])
    several = len(found["against"]) > 1
    beside = f"compared with {_name(found['strongest'])}, {_STRONGEST}, " if several else ""
    return f"{beside}the AUC changed by {_apart(report, own)}"


def _apart(report: Report, one: dict[str, Any]) -> str:
    decimals = digits(report)
    low, high = (signed(end, decimals) for end in one["ci95"])
    return f"{signed(one['difference'], decimals)} (95 % CI {low} to {high})"


def _lower_first(text: str) -> str:
    return text[0].lower() + text[1:]
