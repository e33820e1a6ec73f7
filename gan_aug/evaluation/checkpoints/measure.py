"""Scores synthetic images against validation images: what a checkpoint is worth, in a second.

The validation images are the reference, because a GAN can only have copied training images. Each figure stands beside
the same figure of as many training images, which are real: that is what it can reach.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from gan_aug.compute.threads import torch_threads
from gan_aug.data.manifest import Manifest
from gan_aug.evaluation.cells.plan import THREADS
from gan_aug.evaluation.checkpoints.judge import shrunk
from gan_aug.evaluation.checkpoints.likeness import Likeness
from gan_aug.evaluation.classifiers.networks import load_classifier, predict_scores
from gan_aug.evaluation.fidelity.distances import FloatArray, features_to_kid
from gan_aug.evaluation.fidelity.features import classifier_features, images_to_features, random_features
from gan_aug.evaluation.fidelity.measure import label_agreement, scaled_features
from gan_aug.evaluation.fidelity.memorising import Memorising, features_to_memorising
from gan_aug.evaluation.fidelity.neighbours import features_to_neighbourhood
from gan_aug.evaluation.fidelity.spectrum import finest_power

MOST, FEW, PIXELS = 256, 128, 2**25
"""Validation images that checkpoints are scored against, at most: 256, but of large images no more than have 2^25
pixels together, down to 128."""

FEWEST = 16
"""With fewer validation images no checkpoint is scored: chance would decide."""

FEWEST_MADE = 256
"""Synthetic images of a score, at least: with few validation images they are not the ones to add noise."""

SEARCHED = 10_000
"""Training images among which copies are looked for: all, but of larger sets so many at random."""

SEED = 0
CPU = torch.device("cpu")


class Ruler:
    """The validation images by which checkpoints are scored, with their features."""

    def __init__(self, manifest: Manifest, store: npt.NDArray[np.uint8], judge: Path) -> None:
        """Choose the images and compute their features.

        Args:
            manifest: The data set, which has at least FEWEST validation images.
            store: All its images, `(N, C, H, W) uint8`.
            judge: The folder of the judge for it.

        Raises:
            CheckpointError: If there is no judge.
        """
        self._manifest, self._judge = manifest, load_classifier(judge)[0]
        self._features, self._random = classifier_features(judge, CPU), random_features(manifest.shape[0], CPU)
        matrix = manifest.label_matrix()
        chosen = np.sort(np.random.default_rng(SEED).permutation(manifest.indices("validation"))[: _most(manifest)])
        self.images, self.labels = np.asarray(store[chosen]), matrix[chosen]
        with torch_threads(THREADS):
            self._by_judge, self._by_random = self._seen(self.images)
            self._finest = finest_power(self.images)
        shuffled = np.random.default_rng(SEED).permutation(manifest.indices("train"))
        rows = np.sort(shuffled[: len(chosen)])
        with torch_threads(THREADS):
            self._trained_on = images_to_features(self._features, shrunk(store, np.sort(shuffled[:SEARCHED])), CPU)
        self.training, self.training_labels = np.asarray(store[rows]), matrix[rows]
        self.real = self.measure(self.training, self.training_labels)
        """The same figures of training images."""

    @property
    def wanted(self) -> npt.NDArray[np.float32]:
        """The labels `(M, K) float32` of the synthetic images to score: those of the validation images, repeated."""
        repeats = -(-FEWEST_MADE // len(self.labels))
        return np.tile(self.labels, (repeats, 1))

    def measure(self, images: npt.NDArray[np.uint8], labels: npt.NDArray[np.float32]) -> Likeness:
        """Measure images `(M, C, H, W) uint8` made for the labels `(M, K)`, on one thread."""
        with torch_threads(THREADS):
            by_judge, by_random = self._seen(images)
            scores = predict_scores(self._judge, shrunk(images), self._manifest.task)
            finest = finest_power(images)
        kid, random_kid = (
            features_to_kid(*scaled_features(reference, seen))
            for reference, seen in ((self._by_judge, by_judge), (self._by_random, by_random))
        )
        count = min(len(self.images), len(images))  # nearest neighbours depend on the number of images
        around = features_to_neighbourhood(self._by_judge[:count], by_judge[:count])
        agreed = [share for share in label_agreement(scores, labels, self._manifest.task)[1] if share is not None]
        return Likeness(
            kid.value,
            kid.se,
            random_kid.value,
            random_kid.se,
            finest / max(self._finest, 1e-12),
            around.precision,
            around.recall,
            around.coverage,
            sum(agreed) / max(1, len(agreed)),
        )

    def memorised(self, images: npt.NDArray[np.uint8]) -> Memorising:
        """Whether images `(M, C, H, W)` are nearer to the training images than validation images are, by the judge.

        Every second one of both is looked at: the search costs as much as all other figures.
        """
        with torch_threads(THREADS):
            seen = images_to_features(self._features, shrunk(images[::2]), CPU)
        return features_to_memorising(self._trained_on, self._by_judge[::2], seen)

    def _seen(self, images: npt.NDArray[np.uint8]) -> tuple[FloatArray, FloatArray]:
        return (
            images_to_features(self._features, shrunk(images), CPU),
            images_to_features(self._random, images, CPU),
        )


def _most(manifest: Manifest) -> int:
    """How many validation images a score takes at most."""
    _, height, width = manifest.shape
    return min(MOST, max(FEW, PIXELS // (height * width)))
