"""Canaries: tests of the comparison itself, made along with it. If one fails, the results cannot be relied on."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from gan_aug.config.compare import ClassifierConfig
from gan_aug.config.stages import CompareRequest
from gan_aug.data.manifest import Manifest, Split
from gan_aug.data.synthetic.shards import SyntheticManifest
from gan_aug.errors import LeakageError
from gan_aug.evaluation.arm_catalogue import REFERENCE
from gan_aug.evaluation.arms import ArmPlan
from gan_aug.evaluation.cells.drawn import WatchedTrainingSet, held_out_contents
from gan_aug.evaluation.cells.plan import Cell, cell_request, make_cell
from gan_aug.evaluation.cells.result import CellResult
from gan_aug.evaluation.classifiers.fit import HeldOut, fit
from gan_aug.evaluation.leakage import check_synthetic_images, check_synthetic_set
from gan_aug.evaluation.statistics.comparison import estimate_auc
from gan_aug.evaluation.statistics.ground_truth import GroundTruth

SHUFFLES = 5
"""How often the labels are shuffled. One shuffle may agree with the true labels by chance, also on the test set."""

FURTHER = 10
"""How many more shuffles there are if the first ones are above chance, as in about one of forty correct comparisons."""

STEPS = 100
"""The optimiser steps of each shuffle, at most."""

CHANCE = 0.5


def plan_shuffled(manifest: Manifest, comparison: CompareRequest, *, further: bool = False) -> list[Cell]:
    """The cells of the first canary: the arm `real` with shuffled training labels, trained for a few steps.

    Args:
        manifest: The data set.
        comparison: The request of the comparison.
        further: Return the further shuffles, which decide if the first ones are above chance.
    """
    # One validation, at the end: a choice among several by the true labels would favour weights that predict them.
    changes = {"steps": min(STEPS, comparison.classifier.settled_steps), "epochs": 1}
    short = comparison.model_copy(update={"classifier": comparison.classifier.model_copy(update=changes)})
    return [
        make_cell({**cell_request(manifest, None, short, REFERENCE, seed, 0.0), "shuffled": True})
        for seed in (range(SHUFFLES, SHUFFLES + FURTHER) if further else range(SHUFFLES))
    ]


def shuffled_labels(
    manifest: Manifest,
    comparison: CompareRequest,
    results: Sequence[CellResult],
    compute: Callable[[Sequence[Cell]], Sequence[CellResult]],
) -> dict[str, Any]:
    """The result of the first canary.

    It fails if the 95 % interval of the mean AUC lies above 0.5 for the first shuffles and for the further ones. An
    interval below 0.5 is chance, as labels that leak make an AUC higher.

    Args:
        manifest: The data set.
        comparison: The request of the comparison.
        results: The results of the first shuffles.
        compute: Returns the results of the further shuffles; called if they are needed.

    Returns:
        JSON values: `passed`, `auc`, `shuffles`, `optimizer_steps`, `further`.
    """
    first = _auc_of(manifest, results)
    further = compute(plan_shuffled(manifest, comparison, further=True)) if _is_above_chance(first) else ()
    again = _auc_of(manifest, further) if further else None
    return {
        "passed": again is None or not _is_above_chance(again),
        "auc": first,
        "shuffles": len(results),
        "optimizer_steps": results[0].steps,
        "further": {"auc": again, "shuffles": len(further)} if again else None,
    }


def _auc_of(manifest: Manifest, results: Sequence[CellResult]) -> dict[str, Any]:
    estimate = estimate_auc(GroundTruth.of(manifest, "test"), [result.test_scores for result in results])
    return {"value": estimate.value, "ci95": list(estimate.ci95)}


def _is_above_chance(auc: dict[str, Any]) -> bool:
    return bool(auc["ci95"][0] > CHANCE)


def planted_test_image(
    manifest: Manifest, synthetic: SyntheticManifest | None, image: npt.NDArray[np.uint8]
) -> dict[str, Any]:
    """The result of the second canary: whether the checks of `leakage` refuse a test image.

    It is planted in two ways: among the hashes of the images that the generator was trained on, and among the images
    that it made.

    Args:
        manifest: The data set.
        synthetic: The synthetic set of the comparison; None plants the image in an empty set.
        image: The first test image, `(C, H, W) uint8`.

    Returns:
        JSON values: `passed`, and `refused` {`trained_on`, `content`}.
    """
    planted = next(study.content for study in manifest.studies if study.split == "test")
    if synthetic is None:
        synthetic = SyntheticManifest(
            manifest.labels, manifest.task, manifest.shape, 0, "canary", manifest.fingerprint, (), (), ()
        )
    leaking = dataclasses.replace(synthetic, trained_on=(*synthetic.trained_on, planted))
    refused = {
        "trained_on": _refused(lambda: check_synthetic_set(leaking, manifest)),
        "content": _refused(lambda: check_synthetic_images(image[None], manifest)),
    }
    return {"passed": all(refused.values()), "refused": refused}


def planted_in_training(
    manifest: Manifest, classifier: ClassifierConfig, images: npt.NDArray[np.uint8]
) -> dict[str, bool]:
    """Whether the training of a classifier refuses a held-out image that is planted among its training images.

    It is the training of every cell, with the comparison's classifier, on as many images as one batch holds.

    Args:
        manifest: The data set.
        classifier: The classifier of the comparison.
        images: The stored images, `(N, C, H, W) uint8`.

    Returns:
        Whether it was refused, for a `test` and a `validation` image.
    """
    short = classifier.model_copy(update={"steps": 1, "epochs": 1})
    labels, validation = manifest.label_matrix(), manifest.indices("validation")[:1]
    held_out = HeldOut(images[validation], labels[validation])

    def refused(split: Split) -> bool:
        rows = np.concatenate([manifest.indices("train")[: short.batch - 1], manifest.indices(split)[:1]])
        training = WatchedTrainingSet(ArmPlan(rows, 0, labels[rows]), images, None, None, held_out_contents(manifest))
        return _refused(lambda: fit(short, manifest, training, held_out, seed=0))

    return {"test": refused("test"), "validation": refused("validation")}


def watched_training(refused: dict[str, bool], results: Sequence[CellResult]) -> dict[str, Any]:
    """The result of the third canary: that no cell drew a held-out image, and that one would have been noticed.

    Every cell watches what it draws. Counted are those that every comparison has: not those by which a ratio or a
    number of steps was chosen, and no further shuffles.

    Shuffled labels cannot show this: a classifier learns nothing about test images from labels that are shuffled too.

    Args:
        refused: The result of `planted_in_training`.
        results: The results of the arms' cells, those of subsets too, and of the first shuffles.

    Returns:
        JSON values: `passed`, `refused`, `cells`, how many of them have `recorded` what they drew (versions before this
        canary did not), and the number of `images` that those drew, summed over the cells.
    """
    records = [result.drawn for result in {result.key: result for result in results}.values()]
    recorded = [record for record in records if record]
    images = sum(record["real"] + record["synthetic"] for record in recorded)
    found = {"cells": len(records), "recorded": len(recorded), "images": images}
    return {"passed": all(refused.values()), "refused": refused, **found}


def failures(canaries: dict[str, Any]) -> list[str]:
    """One sentence for each canary that failed."""
    found = []
    shuffles, planted = canaries["shuffled_labels"], canaries["planted_test_image"]
    if not shuffles["passed"]:
        first, again = (
            f"{part['auc']['value']:.3f} (95 % CI {part['auc']['ci95'][0]:.3f} to {part['auc']['ci95'][1]:.3f}) over "
            f"{part['shuffles']} shuffles"
            for part in (shuffles, shuffles["further"])
        )
        found.append(
            f"trained on shuffled labels, the classifier reached an AUC of {first}, and again {again}; both lie above "
            "0.5, which happens by chance in about one of a thousand correct comparisons: test labels probably leak "
            "into the training, so do not rely on any result of this comparison before you have found out why"
        )
    if not planted["passed"]:
        passed = " and ".join(name for name, refused in planted["refused"].items() if not refused)
        found.append(
            f"a planted test image was not refused (checked by {passed}): the synthetic images of this comparison may "
            "include test images, so do not rely on any result of its arms"
        )
    watched = canaries.get("watched_training")  # which versions before it did not have
    if watched and not watched["passed"]:
        passed = " and a ".join(split for split, refused in watched["refused"].items() if not refused)
        found.append(
            f"a {passed} image planted among a classifier's training images was not noticed: the classifiers of this "
            "comparison may have been trained on held-out images, so do not rely on any result"
        )
    return found


def _refused(check: Callable[[], object]) -> bool:
    try:
        check()
    except LeakageError:
        return True
    return False
