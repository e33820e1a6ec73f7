"""The GANs of a comparison one by one: what their images are worth, and whether one is broken.

No choice may depend on the test images, so a GAN is judged by validation images and by its own images. Three checks,
each with a wide margin, because a false alarm costs trust and a broken GAN is far off (docs/decisions/0021):

- **auc**: the validation AUC of the arms that train on its images alone. Its distance from chance must be at least
  `AUC_SHARE` of the arm real's. It must also be at least `SIBLING_SHARE` of that of the best other GAN, unless the
  difference can be chance.
- **labels**: how often the classifier of the arm real agrees with the labels of its images, as a mean over the classes.
  The distance from chance must be at least `LABELS_SHARE` of that on real validation images.
- **coverage**: the share of real images that have one of its images nearby. It must be at least `COVERAGE_SHARE` of the
  share for other real images. A GAN that makes few different images, or unreal ones, covers little.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from gan_aug.data.manifest import Manifest
from gan_aug.data.synthetic.shards import SyntheticManifest
from gan_aug.evaluation.arm_catalogue import ARMS, REFERENCE
from gan_aug.evaluation.cells.result import CellResult
from gan_aug.evaluation.image_checks import judge
from gan_aug.evaluation.statistics.comparison import estimate_auc
from gan_aug.evaluation.statistics.ground_truth import GroundTruth
from gan_aug.evaluation.statistics.uncertainty import FloatArray, Influence, difference, mean_influence
from gan_aug.evaluation.training_length import has_auc

AUC_SHARE, SIBLING_SHARE, LABELS_SHARE, COVERAGE_SHARE = 0.5, 0.75, 0.5, 0.05
SHOWN = ("kid", "coverage", "label_agreement", "ms_ssim", "memorising", "finest")
"""The fidelity figures of each GAN that a report lists, as far as they were measured."""

CHANCE = 0.5
"""The AUC of a classifier that knows nothing."""

SURE = 3.0
"""So many standard errors make a difference on the validation images more than chance."""

Arms = Mapping[str, Sequence[CellResult]]


def gan_rows(
    manifest: Manifest,
    sets: Sequence[SyntheticManifest],
    arms: Arms,
    fidelity: Sequence[Mapping[str, Any]],
) -> list[dict[str, Any]] | None:
    """What a report says of each GAN.

    Args:
        manifest: The data set.
        sets: The synthetic set of each GAN.
        arms: The results of each arm, by seed.
        fidelity: The fidelity figures of each set; empty if they were not measured.

    Returns:
        One row per GAN, as JSON values: `gan`; `seeds`, the numbers of the seeds that train on its images; `auc` and
        `validation_auc` by arm, each a mean over these seeds, the second empty if the validation images allow no AUC;
        `fidelity` {`kid`, `coverage`, `label_agreement`, `ms_ssim`, `finest`} or None; `checks`, each {`check`,
        `value`, `expected`, `limit`, `passed`}; `broken`, whether one failed; `image_checks`, the result of `judge`,
        absent if it judged nothing. None without synthetic images of the run's own.
    """
    if not sets or not all(synthetic.is_traced for synthetic in sets):
        return None
    test = GroundTruth.of(manifest, "test")
    validation = GroundTruth.of(manifest, "validation") if has_auc(manifest) else None
    own = [
        {arm: cells for arm, of_arm in arms.items() if (cells := [cell for cell in of_arm if cell.gan == gan])}
        for gan in range(len(sets))
    ]
    alone = [_alone(validation, of_gan) if validation else None for of_gan in own]
    rows = []
    for gan, of_gan in enumerate(own):
        measured = fidelity[gan] if fidelity else None
        judged = judge(measured, manifest.task) if measured else None
        others = [one for other, one in enumerate(alone) if other != gan and one]
        checks = [
            *(_auc_checks(validation, alone[gan], arms[REFERENCE], others) if validation else ()),
            *(_fidelity_checks(manifest, measured) if measured else ()),
        ]
        rows.append(
            {
                "gan": gan,
                "seeds": sorted({cell.seed for cells in of_gan.values() for cell in cells}),
                "auc": _aucs(test, {arm: [cell.test_scores for cell in cells] for arm, cells in of_gan.items()}),
                "validation_auc": _aucs(
                    validation, {arm: [cell.validation_scores for cell in cells] for arm, cells in of_gan.items()}
                ),
                "fidelity": measured and {key: measured[key] for key in SHOWN if key in measured},
                "checks": checks,
                "broken": not all(check["passed"] for check in checks),
                **({} if judged is None else {"image_checks": judged}),
            }
        )
    return rows


def _aucs(truth: GroundTruth | None, scores: Mapping[str, Sequence[FloatArray]]) -> dict[str, float]:
    """The mean AUC of each arm; none if the images allow none."""
    return {arm: estimate_auc(truth, of_arm).value for arm, of_arm in scores.items()} if truth else {}


def _alone(truth: GroundTruth, of_gan: Arms) -> Influence | None:
    """The validation AUC of arms without real images, a mean over their cells; None if no such arm runs."""
    cells = [cell for arm, of_arm in of_gan.items() if ARMS[arm].real == "none" for cell in of_arm]
    return mean_influence([truth.auc(cell.validation_scores) for cell in cells]) if cells else None


def _auc_checks(
    truth: GroundTruth, own: Influence | None, real: Sequence[CellResult], others: Sequence[Influence]
) -> list[dict[str, Any]]:
    """The checks of the AUC, against the arm real and against the best other GAN."""
    if own is None:
        return []
    reference = mean_influence([truth.auc(cell.validation_scores) for cell in real])
    checks = []
    for expected, share in [(reference, AUC_SHARE), *([(max(others, key=_value), SIBLING_SHARE)] if others else ())]:
        gap = difference(expected, own)
        by_chance = gap.value <= SURE * math.sqrt(float(gap.cases @ gap.cases))
        checks.append(_check("auc", own.value, expected.value, CHANCE, share, by_chance))
    return checks


def _fidelity_checks(manifest: Manifest, measured: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The checks of labels and coverage; none of a figure for which there were too few images."""
    checks = []
    pairs = [figures["label_agreement"] for figures in measured["per_class"].values()]
    if manifest.task == "multi-class" and all(pairs):
        value, real = (sum(pair[key] for pair in pairs) / len(pairs) for key in ("value", "real"))
        checks.append(_check("labels", value, real, 1 / len(pairs), LABELS_SHARE))
    if coverage := measured["coverage"]:
        checks.append(_check("coverage", coverage["value"], coverage["real"], 0.0, COVERAGE_SHARE))
    return checks


def _check(
    name: str, value: float, expected: float, chance: float, share: float, by_chance: bool = False
) -> dict[str, Any]:
    """A check whose `limit` lies at `share` of the way from chance to what is expected; it passes `by_chance` too."""
    limit = chance + share * max(0.0, expected - chance)
    return {
        "check": name,
        "value": value,
        "expected": expected,
        "limit": limit,
        "passed": by_chance or value >= limit,
    }


def _value(auc: Influence) -> float:
    return auc.value
