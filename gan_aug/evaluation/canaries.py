"""Canaries: tests of the comparison itself, made along with it. One that dies says that its figures mean nothing."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from gan_aug.config import Config
from gan_aug.data.manifest import Manifest
from gan_aug.data.shards import SyntheticManifest
from gan_aug.errors import LeakageError
from gan_aug.evaluation.arms import accept, accept_images
from gan_aug.evaluation.cell_plan import Cell, cell_request, make_cell
from gan_aug.evaluation.cells import CellResult
from gan_aug.evaluation.comparison import estimate_auc
from gan_aug.evaluation.truth import Truth

SHUFFLES = 5
"""Shuffles of the labels. One would not do: what it is called by chance, a class may be called on the test set too."""

STEPS = 100
"""Optimiser steps of each, at most."""

CHANCE = 0.5


def plan_shuffled(manifest: Manifest, config: Config) -> list[Cell]:
    """The cells of the first canary: the arm real with its training labels shuffled, a few steps, several shuffles."""
    # One validation point, at the end: to choose among several by real labels would favour weights that got them right.
    changes = {"steps": min(STEPS, config.classifier.steps), "epochs": 1}
    short = config.model_copy(update={"classifier": config.classifier.model_copy(update=changes)})
    return [
        make_cell({**cell_request(manifest, None, short, "real", seed, 0.0), "shuffled": True})
        for seed in range(SHUFFLES)
    ]


def shuffled_labels(manifest: Manifest, results: Sequence[CellResult]) -> dict[str, Any]:
    """What the shuffled cells showed, as JSON values: it passed where the interval of their mean AUC holds 0.5."""
    truth = Truth.of(manifest, "test")
    estimate = estimate_auc(truth, [result.test_scores for result in results])
    low, high = estimate.ci95
    return {
        "passed": bool(low <= CHANCE <= high),
        "auc": {"value": estimate.value, "ci95": [low, high]},
        "shuffles": len(results),
        "optimizer_steps": results[0].steps,
    }


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
        auc = shuffles["auc"]
        found.append(
            f"trained on shuffled labels, the classifier reached an AUC of {auc['value']:.3f} (95 % CI "
            f"{auc['ci95'][0]:.3f} to {auc['ci95'][1]:.3f}), which leaves out 0.5: test labels reach the training "
            "somewhere, so believe no figure of this comparison before that is found"
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
