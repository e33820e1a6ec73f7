"""The ground truth of held-out images: their true labels and their patients."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from gan_aug.data.manifest import Manifest, Split
from gan_aug.errors import DataError
from gan_aug.evaluation.statistics.auc import auc_influence, independent_pairs, macro_auc_influence
from gan_aug.evaluation.statistics.uncertainty import BoolArray, FloatArray, Influence, IntArray


@dataclass(frozen=True)
class GroundTruth:
    """The labels and patients of a split's images, in the manifest's order.

    - `labels`: `(N, K) bool`.
    - `positive`: the position of the disease's label if the task has two classes, else None.
    - `patients`: `(N,) int64`; an image whose patient is unknown counts as another patient.
    """

    labels: BoolArray
    names: tuple[str, ...]
    multi_label: bool
    positive: int | None
    patients: IntArray

    @classmethod
    def of(cls, manifest: Manifest, split: Split) -> GroundTruth:
        """The ground truth of a split."""
        rows = manifest.indices(split)
        keys = [manifest.studies[i].patient or f"image {i}" for i in rows]
        patients = np.unique(np.array(keys, dtype=np.str_), return_inverse=True)[1].astype(np.int64)
        two_classes = manifest.task == "multi-class" and len(manifest.labels) == 2
        return cls(
            labels=manifest.label_matrix()[rows].astype(np.bool_),
            names=manifest.labels,
            multi_label=manifest.task == "multi-label",
            positive=manifest.positive_index if two_classes else None,
            patients=patients,
        )

    def only(self, k: int) -> GroundTruth:
        """The ground truth of label `k` alone, as a task with this one label."""
        return GroundTruth(self.labels[:, [k]], (self.names[k],), True, None, self.patients)

    def by_image(self) -> GroundTruth:
        """The ground truth with every image as another patient."""
        return replace(self, patients=np.arange(len(self.patients)))

    @property
    def target_labels(self) -> BoolArray:
        """The labels `(N, K')` for which figures are computed: the positive one of two classes, else all."""
        return self.labels if self.positive is None else self.labels[:, [self.positive]]

    def target_scores(self, scores: FloatArray) -> FloatArray:
        """The columns of scores `(N, K)` that belong to `target_labels`; raises DataError if the shape does not fit."""
        if scores.shape != self.labels.shape:
            raise DataError(
                f"scores have shape {scores.shape}, but the split's labels {self.labels.shape}: they were made for "
                "another data set; remove the run's compare folder and compare again"
            )
        return scores if self.positive is None else scores[:, [self.positive]]

    def auc(self, scores: FloatArray) -> Influence:
        """The AUC of scores `(N, K)`: of the positive label for two classes, else the mean over labels."""
        target_scores = self.target_scores(scores)
        if self.positive is not None:
            return auc_influence(
                self.labels[:, self.positive], target_scores[:, 0], self.names[self.positive], self.patients
            )
        return macro_auc_influence(self.labels, target_scores, self.names, self.patients)

    @property
    def pairs(self) -> int:
        """The number of independent pairs of a positive and a negative image."""
        return independent_pairs(self.target_labels, self.patients)

    @property
    def fewest_cases(self) -> tuple[str, int]:
        """The class of which the fewest patients have an image, and their number; not to have a label is one too."""
        counts = [(len(np.unique(self.patients[column])), name) for column, name in self._classes()]
        count, name = min(counts, key=lambda pair: pair[0])  # the first of equal ones
        return name, count

    def _classes(self) -> Iterator[tuple[BoolArray, str]]:
        for name, column in zip(self.names, self.labels.T, strict=True):
            yield column, name
            if self.multi_label:
                yield ~column, f"not {name}"

    @property
    def patient_count(self) -> int:
        """The number of patients."""
        return len(np.unique(self.patients))
