"""The judge: a small classifier by whose features and labels checkpoints are scored.

It is trained once for a data set, on the training split alone, and no choice is made in its training. It is not one of
the comparison's classifiers. Its seed is always the same, so that scores of several GANs and runs on the same data can
be compared.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional as F

from gan_aug.compute.threads import torch_threads
from gan_aug.config.compare import ClassifierConfig
from gan_aug.data.manifest import Manifest
from gan_aug.errors import CheckpointError
from gan_aug.evaluation.arms import ArmPlan, TrainingSet
from gan_aug.evaluation.cells.plan import THREADS
from gan_aug.evaluation.classifiers.fit import HeldOut, fit
from gan_aug.evaluation.classifiers.networks import ClassifierCard, load_classifier, save_classifier

RECIPE = ClassifierConfig(name="small-cnn", steps=150, epochs=1, batch=64)
"""With one epoch its weights are those after the last step, so the validation images choose nothing."""

SEED = 0
SIDE = 64
"""px; larger images are averaged down to this size first, so that the judge costs the same at every size."""

MOST = 4000
"""Training images that it is trained on, at most."""

IMAGES_AT_ONCE = 256


def judge_for(folder: Path, manifest: Manifest, store: npt.NDArray[np.uint8]) -> Path:
    """The folder of the judge for a data set, a classifier's folder; it is trained if it is not there yet.

    Args:
        folder: Where judges are kept, each in a folder named by the fingerprint of its data set.
        manifest: The data set.
        store: All its images, `(N, C, H, W) uint8`.

    Raises:
        StorageError: If the folder cannot be written.
        TrainingDiverged: If its loss is not finite.
    """
    own = folder / manifest.fingerprint[:16]
    with suppress(CheckpointError):
        load_classifier(own)
        return own
    rows = np.random.default_rng(SEED).permutation(manifest.indices("train"))[:MOST]
    images, labels = shrunk(store, rows), manifest.label_matrix()[rows]
    seen = replace(manifest, shape=images.shape[1:])
    plan = ArmPlan(np.arange(len(rows)), 0, labels)
    some = slice(0, RECIPE.batch)  # `fit` wants images to look at; with one epoch they decide nothing
    with torch_threads(THREADS):
        fitted = fit(RECIPE, seen, TrainingSet(plan, images, None), HeldOut(images[some], labels[some]), SEED)
    card = ClassifierCard(RECIPE.name, seen.shape, manifest.labels, manifest.task, manifest.positive)
    save_classifier(own, fitted.model, card)
    return own


def shrunk(store: npt.NDArray[np.uint8], rows: npt.NDArray[np.int64] | None = None) -> npt.NDArray[np.uint8]:
    """Images as the judge sees them: `(N, C, H, W) uint8`, none of their sides longer than SIDE.

    Args:
        store: Images, `(M, C, H, W) uint8`.
        rows: The positions of those wanted; None for all.
    """
    rows = np.arange(len(store)) if rows is None else rows
    longest = max(store.shape[2:])
    if longest <= SIDE:
        return np.asarray(store[rows])
    size = tuple(max(1, round(side * SIDE / longest)) for side in store.shape[2:])
    parts = [
        F.interpolate(torch.from_numpy(store[rows[i : i + IMAGES_AT_ONCE]]).float(), size, mode="area")
        for i in range(0, len(rows), IMAGES_AT_ONCE)
    ]
    return torch.cat(parts).round_().to(torch.uint8).numpy()
