"""What a report says of the internal test: patients that were held out of the training images, beside the test."""

from __future__ import annotations

from gan_aug.report.blocks import Table
from gan_aug.report.words.text import Report, counted, digits, interval, share, signed, thousands


def internal_test_table(report: Report) -> Table | None:
    """The AUC of each arm on the test and on the internal test; None without one."""
    found = report.get("internal_test")
    if not found:
        return None
    decimals, counts = digits(report), report["dataset"]["counts"]
    apart = {one["arm"]: one for one in report["comparisons"] if one["against"] == "real"}
    rows = []
    for name, own in found["arms"].items():
        tested = report["arms"][name]["auc"]
        differences = ("–", "–")
        if own["difference"] and name in apart:
            differences = (
                _difference(apart[name]["difference"], apart[name]["ci95"], decimals),
                _difference(own["difference"]["value"], own["difference"]["ci95"], decimals),
            )
        aucs = (f"{share(auc['value'], decimals)} ({interval(auc['ci95'], decimals)})" for auc in (tested, own["auc"]))
        rows.append((name, *aucs, *differences))
    caption = (
        f"AUC on the test ({counted(counts['test'], 'image')}) and on the internal test "
        f"({counted(counts['internal_test'], 'image')}), with 95 % intervals, and the difference from the arm “real” "
        "on each. No image of the internal test was used to train or to choose anything. Verdicts rest on the test "
        "alone."
    )
    head = ("Arm", "AUC on the test", "AUC on the internal test", "Difference, test", "Difference, internal test")
    return Table(caption, head, tuple(rows))


def _difference(value: float, ci95: list[float], decimals: int) -> str:
    return f"{signed(value, decimals)} ({signed(ci95[0], decimals)} to {signed(ci95[1], decimals)})"


def internal_test_text(report: Report) -> list[str]:
    """What the internal test shows, as sentences; empty without one."""
    found = report.get("internal_test")
    if not found:
        return []
    decimals, gap = digits(report), found["gap"]
    low, high = (signed(limit, decimals) for limit in gap["ci95"])
    apart = f"(difference {signed(gap['value'], decimals)}, 95 % CI {low} to {high})"
    shown = _what_differs(report, apart)
    said = [
        shown or f"{_aucs(report)} {apart}: no sign that the test is of another distribution than the training images."
    ]
    said.append(
        "The internal test was drawn at random from the patients of the training images before anything was trained, "
        "so it is of their distribution."
        if report["dataset"]["test_patients"] is not None
        else "The internal test was drawn at random from the training images before anything was trained."
    )
    copies = (report["dataset"].get("leakage") or {}).get("near_copies") or {}
    if number := copies.get("internal_test_in_train", 0):
        has = "has" if number == 1 else "have"
        said.append(f"{thousands(number)} of its images {has} a near copy in training: the AUC on it may be too good.")
    return said


def another_distribution(report: Report) -> str | None:
    """That the test is of another distribution than the training images, in a sentence; None if that is not shown."""
    return _what_differs(report, "")


def _what_differs(report: Report, beside: str) -> str | None:
    """See `another_distribution`; `beside` stands after the AUCs."""
    found = report.get("internal_test")
    if not found or not found["gap"]["differs"]:
        return None
    aucs = f"{_aucs(report)} {beside}".rstrip()
    # With more than two labels the mean of their AUCs depends on how frequent each is.
    mix = "" if len(report["dataset"]["labels"]) == 2 else ", or its labels are in another mix"
    other = f"the test is of another distribution than the training images{mix}"
    if (report["dataset"].get("leakage") or {}).get("patients") in ("all", "within splits"):
        return f"{other[0].upper()}{other[1:]}. {aucs}."
    return (
        f"{aucs}. Either {other}, or patients have images both in training and in the internal test, whose AUC is then "
        "too good: the data set does not name the patient of each image."
    )


def no_internal_test(report: Report) -> str:
    """Why there is no internal test, as a sentence; empty if there is one, or an earlier version knew none."""
    why = report["dataset"].get("no_internal_test")
    return f"No internal test was held out of the training images: {why}." if why else ""


def _aucs(report: Report) -> str:
    decimals, counts = digits(report), report["dataset"]["counts"]
    tested, own = report["arms"]["real"]["auc"]["value"], report["internal_test"]["arms"]["real"]["auc"]["value"]
    images = counted(counts["internal_test"], "image")
    named = "patients" if report["dataset"]["test_patients"] is not None else "images"
    held = (
        f"{named} held out of the training images ({images})"
        if named == "patients"
        else f"{images} held out of training"
    )
    return f"The arm “real” has an AUC of {share(tested, decimals)} on the test and of {share(own, decimals)} on {held}"
