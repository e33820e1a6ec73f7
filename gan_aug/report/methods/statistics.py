"""The statistics in the methods section: what was computed in this report, with its references."""

from __future__ import annotations

from gan_aug.evaluation.arm_catalogue import REFERENCE
from gan_aug.evaluation.statistics.comparison import FEWEST_CASES, rule_of
from gan_aug.evaluation.statistics.uncertainty import FEW, FEW_GANS
from gan_aug.report.words.text import Report, counted, gans_of, listed, metric


class Citations:
    """Numbers references in the order in which they are first cited."""

    def __init__(self) -> None:
        self.cited: list[str] = []

    def __call__(self, *names: str) -> str:
        """The numbers of these references, in brackets."""
        self.cited += [name for name in names if name not in self.cited]
        return f"[{', '.join(str(self.cited.index(name) + 1) for name in names)}]"


def statistics_text(report: Report, cite: Citations) -> str:
    """The paragraph on statistics.

    Args:
        report: The report.
        cite: Numbers what is cited.

    Returns:
        The paragraph.
    """
    parts = [_auc(report, cite), _seeds(report, cite), _comparisons(report, cite), _headline(report, cite)]
    return f"Statistics. {' '.join(part for part in parts if part)}"


def _auc(report: Report, cite: Citations) -> str:
    return (
        f"The primary metric was the area under the ROC curve (AUC) {metric(report).rstrip(',')}. Its variance over "
        f"patients follows DeLong et al. {cite('delong')} by the algorithm of Sun and Xu {cite('sun')}, "
        + (
            "each image counting as a patient of its own. "
            if report["dataset"]["test_patients"] is None
            else f"the images of one patient taken together {cite('clusters')}. "
        )
        + f"Intervals of an AUC are on the logit scale {cite('pepe')}, those of a proportion are Wilson’s "
        f"{cite('wilson')}, and those of a difference are on its own scale."
    )


def _seeds(report: Report, cite: Citations) -> str:
    """How seeds and GANs enter the intervals; empty with one seed."""
    seeds, gans = len(report["arms"]["real"]["seeds"]), gans_of(report)
    if seeds == 1:
        return ""
    rockette = cite("obuchowski")
    hillis = "" if seeds <= FEW else f"the degrees of freedom of Hillis {cite('hillis')}"
    if seeds <= FEW or 1 < gans <= FEW_GANS:
        mean = f"the quantile of Cochran {cite('cochran')}, a mean of those of both variances"
        hillis = f"{hillis} (for arms with a GAN {mean})" if hillis else mean
    text = (
        "Training seeds were treated as the readers of a multi-reader study, with variances after Obuchowski and "
        f"Rockette {rockette} and {hillis}. So the 95 % confidence intervals include both which patients were "
        "tested and how the training happened to run."
    )
    if gans <= 1:
        return text
    own = "Each seed had a GAN of its own" if gans == seeds else "The seeds of one GAN were averaged first"
    held = "so that the intervals include the GAN’s training too"
    return f"{text} {gans} GANs were trained from different seeds. {own}, {held}."


def _comparisons(report: Report, cite: Citations) -> str:
    if not report["comparisons"]:
        return ""
    margin, many = f"{report['comparisons'][0]['margin']:g}", len(report["comparisons"])
    beside: dict[str, list[str]] = {}
    for comparison in report["comparisons"]:
        if comparison["against"] != REFERENCE:
            beside.setdefault(comparison["against"], []).append(f"“{comparison['arm']}”")
    others = "; ".join(f"{listed(arms)} with the arm “{against}” too" for against, arms in beside.items())
    also = f" ({others})" if others else ""
    first_rule = rule_of(report["config"]["compare"]) == 1
    return (
        f"Each arm was compared with the arm “real”{also}, on the same images, seed by seed. Two-sided p-values, "
        f"against no difference, were adjusted after Holm {cite('holm')} for {counted(many, 'comparison')}. An arm "
        "improved if the adjusted p was below 0.05 and its AUC higher. Else it was non-inferior if the interval, "
        f"which is not adjusted, lay above a margin of −{margin} set in the configuration, and inferior if it lay "
        f"below.{_changed(report)} No sample size was planned. From the standard errors seen we report the gain that "
        + (
            "a single comparison would have found with 80 % power."
            if first_rule
            else "a comparison would have found with 80 % power at the level that Holm’s adjustment left for it."
        )
    )


def _changed(report: Report) -> str:
    margins = report["provenance"].get("margins") or []
    if len(margins) < 2:
        return ""
    return f" The margin was {', then '.join(f'{margin:g}' for margin in margins)}, changed after results were there."


def _headline(report: Report, cite: Citations) -> str:
    """How the verdict on the GAN is made; empty if the report has none of its own."""
    found = report.get("headline")
    if not found:
        return ""
    others = listed([f"“{one['arm']}”" for one in found["against"]])
    by = "highest mean AUC" if found["chosen_by"] == "auc" else "lowest mean loss"
    needs = f"No verdict is given from one seed or from fewer than {FEWEST_CASES} test patients of a class."
    power = " Its power was found by simulating this rule with the variances seen." if not found["missing"] else ""
    return (
        f"For the verdict on the GAN, the arm with one that had the {by} on the validation images, “{found['arm']}”, "
        f"was compared with every arm without one ({others}). It is better only if it improves on each (an "
        f"intersection-union test {cite('berger')}). Else it is no worse if it is non-inferior to each that it does "
        f"not improve on, and worse if it is inferior to one with an adjusted p below 0.05. {needs}{power}"
    )
