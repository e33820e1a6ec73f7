"""What a report says of the learning curves, the ratio and the canaries: tables and sentences."""

from __future__ import annotations

from typing import Any

from gan_aug.evaluation.arm_catalogue import SEARCHED
from gan_aug.evaluation.canaries import failures
from gan_aug.evaluation.statistics.intervals import ALPHA
from gan_aug.report.blocks import Table
from gan_aug.report.words.arms import saving_arm, words_of
from gan_aug.report.words.gans import gans_alarm
from gan_aug.report.words.leakage import known_leaks
from gan_aug.report.words.text import (
    Report,
    counted,
    digits,
    gans_of,
    interval,
    listed,
    p_number,
    share,
    signed,
    size,
    thousands,
)


def curves_table(report: Report) -> Table | None:
    """The points of the learning curves, or None if none were asked for."""
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
            _adjusted(row["difference"]),
            _equivalent(row["real_equivalent"]),
        )
        for row in rows
    )
    validation = counted(report["dataset"]["counts"]["validation"], "labelled validation image")
    made = report["provenance"]["synthetic"]
    saw = " At every size the GAN saw those images alone." if made else ""
    own = " (each with a GAN of its own)" if made else ""
    draws = ", draws and seeds; at a size of one draw, patients and seeds alone"
    sources = draws if any(row["draws"] > 1 for row in rows) else " and seeds"
    sources += ", and with all images the GANs too" if whole_has_gans(report) else ""
    caption = (
        f"AUC by the number of real training images.{saw} Weights were chosen on all {validation}. Means over draws of "
        f"the images{own} and training seeds. The 95 % intervals include which patients were tested{sources}. p "
        "(Holm): two-sided test of no difference, adjusted for the arm’s sizes of several draws. Worth: the number of "
        "real images with which the arm “real” reaches the same AUC, read off its mean curve to two digits, without "
        "an interval."
    )
    head = ("Real images", "Arm", "Draws × seeds", "AUC (95 % CI)", "Minus “real” (95 % CI)", "p (Holm)", "Worth")
    return Table(caption, head, lines, text_columns=(0, 1))


def whole_has_gans(report: Report) -> bool:
    """Whether the intervals of the learning curves' last points include several GANs."""
    return "all" in report["config"]["compare"]["sizes"] and gans_of(report) > 1


def curves_answer(report: Report) -> list[str]:
    """How many labelled images the GAN saves: a paragraph on the arm that tells it best (`saving_arm`).

    A saving is claimed only if the arm's AUC is higher than that of labelled images alone by more than chance, after
    Holm's adjustment for the sizes.
    """
    rows = report["curves"] or []
    arm = saving_arm(row["arm"] for row in rows)
    if arm is None:
        return []
    question = "How many labelled images does the GAN save?"
    # The size of all images has a single draw. The comparison says what there is to say of it.
    own = [row for row in rows if row["arm"] == arm and row["draws"] > 1]
    if not own:
        return [f"{question} With one draw of each size that cannot be told: ask for several (compare.draws)."]
    decimals = digits(report)
    validation = counted(report["dataset"]["counts"]["validation"], "labelled validation image")
    parts = "; ".join(f"by {_change(row, decimals)}" for row in own)
    return [
        f"{question} {_saved(own, decimals)} {words_of(arm).saving} (arm “{arm}”) changed the AUC {parts}. Every size "
        f"uses all {validation} too."
    ]


def _saved(own: list[dict[str, Any]], decimals: int) -> str:
    """At which sizes a saving is shown, or what the intervals leave open."""
    raised = [thousands(row["size"]) for row in own if _is_raised(row)]
    if raised:
        sizes = f" for {counted(len(own), 'size')}" if len(own) > 1 else ""
        return (
            f"Some, with {listed(raised)} of them: there the AUC is higher by more than chance in patients, draws and "
            f"seeds explains, after Holm’s adjustment{sizes}."
        )
    most = max(row["difference"]["ci95"][1] for row in own)
    return "None is shown." if most <= 0 else f"None is shown; a gain of up to {size(most, decimals)} is not ruled out."


def _is_raised(row: dict[str, Any]) -> bool:
    apart = row["difference"]
    return bool(apart["value"] > 0 and apart["p_adjusted"] < ALPHA)


def _change(row: dict[str, Any], decimals: int) -> str:
    """What the arm did at one size: the difference, and what it is worth if it is more than chance."""
    low, high = row["difference"]["ci95"]
    worth = f"; worth {_equivalent(row['real_equivalent'])}" if _is_raised(row) and row["real_equivalent"] else ""
    return (
        f"{signed(row['difference']['value'], decimals)} with {thousands(row['size'])} of them (95 % CI "
        f"{signed(low, decimals)} to {signed(high, decimals)}{worth})"
    )


def ratio_table(report: Report) -> Table | None:
    """What the search for the ratio saw, or None if there was none."""
    ratio = report["ratio"]
    if not ratio or not ratio["searched"]:
        return None
    rows = tuple(
        (f"{row['ratio']:g}", f"{row['validation_auc']:.4f}", "chosen" if row["ratio"] == ratio["value"] else "")
        for row in ratio["searched"]
    )
    caption = (
        f"Synthetic images for each real one in the arm “{SEARCHED}”. Chosen is the ratio with the highest AUC on the "
        "validation images, as the mean over seeds; of equal ones the smallest. The search kept no score of a test "
        "image."
    )
    return Table(caption, ("Ratio", "Validation AUC", ""), rows)


def alarm(report: Report) -> list[str]:
    """What must be said before anything else: known leaks, which canaries failed, which GANs look broken."""
    failed = failures(report["canaries"]) if report["canaries"] else []
    return [*known_leaks(report), *(f"CANARY FAILED: {failure}." for failure in failed), *gans_alarm(report)]


def canaries_table(report: Report) -> Table | None:
    """What the canaries showed, or None if they were turned off."""
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
                    ("in the list of the generator’s training images", planted["refused"]["trained_on"]),
                    ("as one of the images", planted["refused"]["content"]),
                )
            ),
            _verdict(planted),
        ),
        *_watched_row(canaries.get("watched_training"), shuffles["shuffles"]),
    )
    caption = (
        "Tests of this comparison itself, made along with it. Shuffled labels must not give an AUC above 0.5. If its "
        "interval lies above, as it does by chance about once in forty times, further shuffles are made. The canary "
        "fails if their interval lies above 0.5 too. Held-out images are known by their content: one that was saved "
        "anew or brightened is not the same image."
    )
    return Table(caption, ("Canary", "What happened", "Verdict"), rows, text_columns=(0, 1, 2))


def _watched_row(watched: dict[str, Any] | None, shuffles: int) -> list[tuple[str, str, str]]:
    """The row of the canary in training; none in reports of versions before it."""
    if watched is None:
        return []
    refused = "; ".join(
        f"a {split} image: {'refused' if is_refused else 'LET IN'}" for split, is_refused in watched["refused"].items()
    )
    cells = f"{watched['recorded']} of {watched['cells']}" if watched["recorded"] < watched["cells"] else "all"
    drew = (
        f"; {cells} trainings of the arms, at every size, and of the first {shuffles} shuffles compared what they "
        f"drew, {counted(watched['images'], 'image')} in all, none held out"
    )
    return [("A held-out image planted in a classifier’s training", f"{refused}{drew}", _verdict(watched))]


def _further(again: dict[str, Any] | None) -> str:
    return f", {_with_interval(again['auc'], 3)} over {again['shuffles']} further ones" if again else ""


def _verdict(canary: dict[str, Any]) -> str:
    return "passed" if canary["passed"] else "FAILED"


def _with_interval(estimate: dict[str, Any], decimals: int) -> str:
    value = share(estimate["value"], decimals)
    return f"{value} ({interval(estimate['ci95'], decimals)})"


def _difference(estimate: dict[str, Any] | None, decimals: int) -> str:
    if estimate is None:
        return "–"
    low, high = (signed(end, decimals) for end in estimate["ci95"])
    return f"{signed(estimate['value'], decimals)} ({low} to {high})"


def _adjusted(estimate: dict[str, Any] | None) -> str:
    """The p of a difference after Holm, or a dash if there is none."""
    if estimate is None or estimate["p_adjusted"] is None:
        return "–"
    return p_number(estimate["p_adjusted"])


def _equivalent(equivalent: dict[str, Any] | None) -> str:
    if equivalent is None:
        return "–"
    images = equivalent["images"]
    if equivalent["bound"] == "none":  # read off a line between two points, so more digits would say too much
        return f"about {thousands(int(float(f'{images:.1e}')))}"
    return f"{'more' if equivalent['bound'] == 'at least' else 'less'} than {thousands(images)}"
