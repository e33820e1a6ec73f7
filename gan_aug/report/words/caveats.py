"""What limits the verdict: the sentences that stand beside it at the top of every form of the report.

One list, read by the page, the text and the terminal. To add a caveat, write a function from the report to a `Caveat`,
or None if there is nothing to say, and give it a row in `CAVEATS`. A report of an earlier version lacks newer fields:
say nothing of what is not there.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from gan_aug.data.labels import positive_by_default
from gan_aug.evaluation.statistics.comparison import FEWEST_CASES
from gan_aug.evaluation.training_length import default_steps
from gan_aug.report.words.fidelity import fidelity_caveat
from gan_aug.report.words.internal_test import another_distribution
from gan_aug.report.words.leakage import unknown_patients
from gan_aug.report.words.text import Report, counted, digits, gans_of, listed, looked_alike, share, signed, thousands


@dataclass(frozen=True)
class Caveat:
    """One thing that limits the verdict.

    Attributes:
        text: One or two sentences that a physician understands, with the numbers.
        withholds: No verdict can rest on results of which this is true: the box then says that it cannot tell.
    """

    text: str
    withholds: bool = False


def caveats(report: Report) -> list[Caveat]:
    """What limits the report's verdict: first what withholds it, else in the order of `CAVEATS`."""
    found = [caveat for row in CAVEATS if (caveat := row(report))]
    return sorted(found, key=lambda caveat: not caveat.withholds)


def _positive_by_default(report: Report) -> Caveat | None:
    data = report["dataset"]
    return Caveat(positive_by_default(data["labels"], data["positive"])) if data.get("positive_by_default") else None


def _one_seed(report: Report) -> Caveat | None:
    if len(report["arms"]["real"]["seeds"]) > 1:
        return None
    return Caveat(
        "Each classifier was trained once: how much another run would differ is not known. Take three seeds at least "
        "(compare.seeds).",
        withholds=True,
    )


def _few_cases(report: Report) -> Caveat | None:
    of_whom = "patient" if "missing" in report else "image"  # reports of earlier versions do not say
    if of_whom == "patient":
        missing = report["missing"] or {"label": None, "cases": None}
        label, cases = missing["label"], missing["cases"]
    else:
        counts = report["dataset"]["counts_per_label"]["test"]
        label = min(counts, key=counts.__getitem__)
        cases = counts[label] if counts[label] < FEWEST_CASES else None
    if cases is None:
        return None
    return Caveat(
        f"Of the class “{label}” the test has {counted(cases, of_whom)}, too few for a "
        f"verdict: it needs {FEWEST_CASES} of each class at least.",
        withholds=True,
    )


def _trained_too_briefly(report: Report) -> Caveat | None:
    arms, steps = report["arms"], report["arms"]["real"]["optimizer_steps"]
    brief = {name: arm["under_trained"] for name, arm in arms.items() if arm.get("under_trained")}
    if not brief:
        return None
    begun = [f"“{name}”" for name, why in brief.items() if why["hardly_begun"]]
    late = [f"“{name}”" for name, why in brief.items() if not why["hardly_begun"]]
    gained = max((why["late_gain"] for why in brief.values() if not why["hardly_begun"]), default=0.0)
    said = []
    if late:
        said.append(
            f"{listed(late)} still improved when training ended (in the second half of the {thousands(steps)} steps "
            f"the validation loss fell by up to {100 * gained:.0f} % of that of guessing)"
        )
    if begun:
        said.append(f"{listed(begun)} had hardly begun to learn")
    classifier = report["config"]["classifier"]
    enough = max(2 * steps, default_steps(report["dataset"]["counts"]["train"], classifier["batch"]))
    given = classifier["steps"] is not None
    found = report.get("headline")
    judged = {found["arm"], *(one["arm"] for one in found["against"])} if found else set()
    return Caveat(
        f"Trained too briefly: {'; '.join(said)}. No verdict can rest on {'it' if len(brief) == 1 else 'them'}. Set "
        f"classifier.steps to {enough} (now {steps})"
        + (", or leave it out: the number is then chosen and tested." if given else "."),
        withholds=bool(found and found["verdict"] == "inconclusive" and judged & brief.keys()),
    )


def _still_gaining(report: Report) -> Caveat | None:
    steps = report.get("steps")
    if not steps or not steps["tried"] or steps["value"] != steps["tried"][-1]["steps"]:
        return None
    gain, value = steps["tried"][-1]["gain"], steps["value"]
    return Caveat(
        f"The last doubling of the training, to {thousands(value)} steps, still raised the AUC on the validation "
        f"images by {gain:.3f}, and it was not doubled again. Set classifier.steps to {2 * value} to see whether more "
        "helps."
    )


def _margin_changed(report: Report) -> Caveat | None:
    margins = report["provenance"].get("margins") or []
    if len(margins) < 2:
        return None
    first, *then = (f"{margin:g}" for margin in margins)
    return Caveat(
        f"The margin was changed after results were there: it was {first}, then {', then '.join(then)}. A margin has "
        "to be fixed beforehand."
    )


def _another_distribution(report: Report) -> Caveat | None:
    said = another_distribution(report)
    return Caveat(said) if said else None


def _patients(report: Report) -> Caveat | None:
    said = unknown_patients(report)
    return Caveat(said) if said else None


def _images_failed(report: Report) -> Caveat | None:
    said = fidelity_caveat(report)
    return Caveat(said) if said else None


def _one_gan(report: Report) -> Caveat | None:
    if gans_of(report) != 1:
        return None
    return Caveat("One GAN: how much another training of it would differ is not known.")


def _unknown_origin(report: Report) -> Caveat | None:
    if report["provenance"]["trained_on"] != "unknown":
        return None
    alike = report["provenance"]["look_alikes"]
    found = f" {looked_alike(report)}" if alike and alike["images"] else ""
    return Caveat(f"What the generator of the synthetic images had seen is unknown: see the limits.{found}")


def _started_elsewhere(report: Report) -> Caveat | None:
    before = report["provenance"].get("started_from")
    if not before or not before["elsewhere"]:
        return None
    return Caveat(
        f"The GAN started from one that had seen {counted(before['elsewhere'], 'other image')}. None of them is a "
        "validation or test image, but nothing says whether they show patients of the test set."
    )


def _not_above_the_baseline(report: Report) -> Caveat | None:
    baseline = report.get("baseline")
    if not baseline or baseline["real_above"]["ci95"][0] > 0:
        return None
    decimals, above = digits(report), baseline["real_above"]
    low, high = (signed(end, decimals) for end in above["ci95"])
    real, floor = (share(part["auc"]["value"], decimals) for part in (report["arms"]["real"], baseline))
    apart = f"difference {signed(above['value'], decimals)}, 95 % CI {low} to {high}"
    if above["ci95"][1] < 0:
        return Caveat(
            f"The classifier is worse than a cheap baseline: trained on the real images it reached an AUC of {real}, "
            f"and a logistic regression on their principal components {floor} ({apart}). What holds for classifiers as "
            "bad as this need not hold for good ones: train longer (classifier.steps) or take another one "
            "(classifier.name)."
        )
    return Caveat(
        f"The classifier is not clearly better than a cheap baseline: trained on the real images it reached an AUC of "
        f"{real}, and a logistic regression on their principal components {floor} ({apart})."
    )


CAVEATS: tuple[Callable[[Report], Caveat | None], ...] = (
    _positive_by_default,
    _one_seed,
    _few_cases,
    _trained_too_briefly,
    _still_gaining,
    _margin_changed,
    _images_failed,
    _another_distribution,
    _patients,
    _one_gan,
    _unknown_origin,
    _started_elsewhere,
    _not_above_the_baseline,
)
"""One row for each caveat, in the order in which a reader needs them."""
