"""What a report says of learning curves, of the ratio, and of the canaries: tables and sentences."""

from __future__ import annotations

from typing import Any

from gan_aug.evaluation.canaries import failures
from gan_aug.evaluation.report_tables import Table
from gan_aug.evaluation.report_text import Report, counted, digits, interval, listed, share, signed, thousands

_SAVING = ("mixed", "pretrain", "synthetic")
"""Not those with classic augmentation: from the arm “real” it sets them apart too, and that is not the GAN's saving."""


def curves_table(report: Report) -> Table | None:
    """The points of the learning curves, or None where none were asked for."""
    rows = report["curves"]
    if not rows:
        return None
    decimals = digits(report)
    lines = tuple(
        (
            thousands(row["size"]),
            row["arm"],
            f"{row['draws']} × {row['seeds']}",
            _with_interval(row["auc"], decimals),
            _difference(row["difference"], decimals),
            _equivalent(row["real_equivalent"]),
        )
        for row in rows
    )
    validation = counted(report["dataset"]["counts"]["validation"], "labelled validation image")
    made = report["provenance"]["synthetic"]
    saw = "at every size the GAN saw those images alone, and " if made else ""
    own = " (each with a GAN of its own)" if made else ""
    held = "draws and seeds, of all images seeds alone," if any(row["draws"] > 1 for row in rows) else "seeds alone,"
    caption = (
        f"AUC by the number of real training images; {saw}weights were chosen on all {validation}. Means over draws of "
        f"the images{own} and training seeds. The 95 % intervals (Student’s t) hold {held} and not which patients were "
        "tested: those are the same everywhere. Worth: the number of real images with which the arm “real” reaches the "
        "same AUC, read off its mean curve to two digits, without an interval."
    )
    head = ("Real images", "Arm", "Draws × seeds", "AUC (95 % CI)", "Less “real” (95 % CI)", "Worth")
    return Table(caption, head, lines)


def curves_answer(report: Report) -> list[str]:
    """How many labelled images the GAN saves: a paragraph on the first arm that has both kinds of images.

    A number is named only where the arm's AUC is above that of labelled images alone by more than chance.
    """
    rows = report["curves"] or []
    arm = next((arm for arm in _SAVING if any(row["arm"] == arm for row in rows)), None)
    if arm is None:
        return []
    question = "How many labelled images does the GAN save?"
    # The point of all images has a single draw: what is to be said of it, the comparison says.
    own = [row for row in rows if row["arm"] == arm and row["draws"] > 1]
    if not own:
        return [f"{question} With one draw of each size that cannot be told: ask for several (compare.draws)."]
    decimals = digits(report)
    raised = [thousands(row["size"]) for row in own if row["difference"]["ci95"][0] > 0]
    saved = "None is shown"
    if raised:
        saved = f"Some, at {listed(raised)}: more than chance between draws and seeds explains, size by size"
    validation = counted(report["dataset"]["counts"]["validation"], "labelled validation image")
    parts = "; ".join(_at(row, decimals) for row in own)
    did = "Training on its images alone, instead of so many" if arm == "synthetic" else "Its images beside so many"
    return [
        f"{question} {saved}. {did} labelled training images (arm “{arm}”) changed the AUC {parts}. Every size uses "
        f"all {validation} too."
    ]


def _at(row: dict[str, Any], decimals: int) -> str:
    """What the arm did at one size: the difference, and what it is worth where it is more than chance."""
    low, high = row["difference"]["ci95"]
    worth = f"; worth {_equivalent(row['real_equivalent'])}" if low > 0 and row["real_equivalent"] else ""
    return (
        f"at {thousands(row['size'])} by {signed(row['difference']['value'], decimals)} (95 % CI "
        f"{signed(low, decimals)} to {signed(high, decimals)}{worth})"
    )


def ratio_table(report: Report) -> Table | None:
    """What the search for the ratio saw, or None where there was none."""
    ratio = report["ratio"]
    if not ratio or not ratio["searched"]:
        return None
    rows = tuple(
        (f"{row['ratio']:g}", f"{row['validation_auc']:.4f}", "chosen" if row["ratio"] == ratio["value"] else "")
        for row in ratio["searched"]
    )
    caption = (
        "Synthetic images for each real one in the arm “mixed”, chosen by AUC on the validation images, mean over "
        "seeds; of equal ones the smallest. The search kept no score of a test image."
    )
    return Table(caption, ("Ratio", "Validation AUC", ""), rows)


def alarm(report: Report) -> list[str]:
    """What must be said before anything else: the canaries that failed."""
    return [f"CANARY FAILED: {failure}." for failure in failures(report["canaries"])] if report["canaries"] else []


def canaries_table(report: Report) -> Table | None:
    """What the canaries showed, or None where they were turned off."""
    canaries = report["canaries"]
    if not canaries:
        return None
    shuffles, planted = canaries["shuffled_labels"], canaries["planted_test_image"]
    rows = (
        (
            "Training labels shuffled",
            f"AUC {_with_interval(shuffles['auc'], 3)} over {counted(shuffles['shuffles'], 'shuffle')} of "
            f"{counted(shuffles['optimizer_steps'], 'step')}{_further(shuffles['further'])}; chance is 0.5",
            _verdict(shuffles),
        ),
        (
            "A test image planted among the synthetic ones",
            "; ".join(
                f"{what}: {'refused' if refused else 'LET IN'}"
                for what, refused in (
                    ("in what the generator was trained on", planted["refused"]["trained_on"]),
                    ("as an image", planted["refused"]["content"]),
                )
            ),
            _verdict(planted),
        ),
    )
    caption = (
        "Tests of this comparison itself, made along with it. Shuffled labels must not give an AUC above 0.5: where "
        "its interval lies above, as it does by chance about once in forty times, further shuffles are made, and the "
        "canary fails where theirs does too."
    )
    return Table(caption, ("Canary", "What happened", "Verdict"), rows)


def _further(again: dict[str, Any] | None) -> str:
    return f", {_with_interval(again['auc'], 3)} over {again['shuffles']} further ones" if again else ""


def _verdict(canary: dict[str, Any]) -> str:
    return "passed" if canary["passed"] else "FAILED"


def _with_interval(estimate: dict[str, Any], decimals: int) -> str:
    value = share(estimate["value"], decimals)
    return f"{value} ({interval(estimate['ci95'], decimals)})" if estimate["ci95"] else value


def _difference(estimate: dict[str, Any] | None, decimals: int) -> str:
    if estimate is None:
        return "–"
    value = signed(estimate["value"], decimals)
    if not estimate["ci95"]:
        return value
    low, high = (signed(end, decimals) for end in estimate["ci95"])
    return f"{value} ({low} to {high})"


def _equivalent(equivalent: dict[str, Any] | None) -> str:
    if equivalent is None:
        return "–"
    images = equivalent["images"]
    if equivalent["bound"] == "none":  # read off a line between two points: more digits would promise too much
        return f"about {thousands(int(float(f'{images:.1e}')))}"
    return f"{'more' if equivalent['bound'] == 'at least' else 'less'} than {thousands(images)}"
