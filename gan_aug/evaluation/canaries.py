"""Canaries: tests of the comparison itself, made along with it. One that dies says that its figures mean nothing."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from gan_aug.config import Config
from gan_aug.data.manifest import Manifest
from gan_aug.data.synthetic.shards import SyntheticManifest
from gan_aug.errors import LeakageError
from gan_aug.evaluation.arm_catalogue import REFERENCE
from gan_aug.evaluation.arms import accept, accept_images
from gan_aug.evaluation.cells.plan import Cell, cell_request, make_cell
from gan_aug.evaluation.cells.result import CellResult
from gan_aug.evaluation.statistics.comparison import estimate_auc
from gan_aug.evaluation.statistics.ground_truth import GroundTruth

SHUFFLES = 5
"""Shuffles of the labels. One would not do: what it is called by chance, a class may be called on the test set too."""

FURTHER = 10
"""Further ones where the first came out above chance, which they do about once in forty sound comparisons."""

STEPS = 100
"""Optimiser steps of each, at most."""

CHANCE = 0.5


def plan_shuffled(manifest: Manifest, config: Config, *, further: bool = False) -> list[Cell]:
    """The cells of the first canary: the arm real with its training labels shuffled, a few steps, several shuffles.

    `further` ones are those that decide where the first came out above chance.
    """
    # One validation point, at the end: to choose among several by real labels would favour weights that got them right.
    changes = {"steps": min(STEPS, config.classifier.steps), "epochs": 1}
    short = config.model_copy(update={"classifier": config.classifier.model_copy(update=changes)})
    return [
        make_cell({**cell_request(manifest, None, short, REFERENCE, seed, 0.0), "shuffled": True})
        for seed in (range(SHUFFLES, SHUFFLES + FURTHER) if further else range(SHUFFLES))
    ]


def shuffled_labels(
    manifest: Manifest,
    config: Config,
    results: Sequence[CellResult],
    compute: Callable[[Sequence[Cell]], Sequence[CellResult]],
) -> dict[str, Any]:
    """What the shuffled cells showed, as JSON values; `compute` gives the results of further ones where they decide.

    It failed where the interval of the mean AUC lies above 0.5, of the first shuffles and of the further ones too. One
    below 0.5 is chance: labels that leak make an AUC higher.
    """
    first = _auc_of(manifest, results)
    further = compute(plan_shuffled(manifest, config, further=True)) if _is_raised(first) else ()
    again = _auc_of(manifest, further) if further else None
    return {
        "passed": again is None or not _is_raised(again),
        "auc": first,
        "shuffles": len(results),
        "optimizer_steps": results[0].steps,
        "further": {"auc": again, "shuffles": len(further)} if again else None,
    }


def _auc_of(manifest: Manifest, results: Sequence[CellResult]) -> dict[str, Any]:
    estimate = estimate_auc(GroundTruth.of(manifest, "test"), [result.test_scores for result in results])
    return {"value": estimate.value, "ci95": list(estimate.ci95)}


def _is_raised(auc: dict[str, Any]) -> bool:
    return bool(auc["ci95"][0] > CHANCE)


def planted_test_image(
    manifest: Manifest, synthetic: SyntheticManifest | None, image: npt.NDArray[np.uint8]
) -> dict[str, Any]:
    """Whether the gate refuses a test image, `(C, H, W) uint8`, planted in two ways; as JSON values.

    Once among the hashes that a generator says it was trained on, once among the images that it made. `synthetic` is
    the set in use, or None for one without images.
    """
    planted = next(study.content for study in manifest.studies if study.split == "test")
    if synthetic is None:
        synthetic = SyntheticManifest(
            manifest.labels, manifest.task, manifest.shape, 0, "canary", manifest.fingerprint, (), (), ()
        )
    told = dataclasses.replace(synthetic, trained_on=(*synthetic.trained_on, planted))
    refused = {
        "trained_on": _refused(lambda: accept(told, manifest)),
        "content": _refused(lambda: accept_images(image[None], manifest)),
    }
    return {"passed": all(refused.values()), "refused": refused}


def failures(canaries: dict[str, Any]) -> list[str]:
    """What failed, a sentence each; empty where all is well."""
    found = []
    shuffles, planted = canaries["shuffled_labels"], canaries["planted_test_image"]
    if not shuffles["passed"]:
        first, again = (
            f"{said['auc']['value']:.3f} (95 % CI {said['auc']['ci95'][0]:.3f} to {said['auc']['ci95'][1]:.3f}) over "
            f"{said['shuffles']} shuffles"
            for said in (shuffles, shuffles["further"])
        )
        found.append(
            f"trained on shuffled labels, the classifier reached an AUC of {first}, and again {again}; both lie above "
            "0.5, which chance does to about one sound comparison in a thousand: it is likely that test labels reach "
            "the training, so rely on no figure of this comparison before that is looked into"
        )
    if not planted["passed"]:
        let_in = " and ".join(name for name, refused in planted["refused"].items() if not refused)
        found.append(
            f"the gate let a planted test image in (checked by {let_in}): synthetic images of this comparison may "
            "hold test images, so believe no figure of its arms"
        )
    return found


def _refused(gate: Callable[[], None]) -> bool:
    try:
        gate()
    except LeakageError:
        return True
    return False
