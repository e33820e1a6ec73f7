"""`report.json` as typed values, for whoever reads a report by program: `report.arms["mixed"].auc.value`.

Every class here follows a part of `docs/reference/report.schema.json`, which says what each figure is; a test holds
the two together. Intervals are pairs (low, high).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, PrivateAttr

from gan_aug.errors import DataError
from gan_aug.evaluation.outcome.report_arms import (
    Figure,
    Interval,
    Part,
    ReportedArm,
    ReportedComparison,
    ReportedHeadline,
    ReportedInternalTest,
    ReportedMissing,
    TrainImages,
)
from gan_aug.evaluation.outcome.report_fidelity import ReportedFidelity
from gan_aug.evaluation.outcome.report_gans import GanProvenance, GanTraining, ReportedGan, StartedFrom


class Counts(Part):
    """One number for each split."""

    train: int
    validation: int
    test: int
    internal_test: int = 0


class CountsPerLabel(Part):
    """The images of each label in each split."""

    train: dict[str, int]
    validation: dict[str, int]
    test: dict[str, int]
    internal_test: dict[str, int] = Field(default_factory=dict)


class ImagesPerPatient(Part):
    """How many images the patients of a split have."""

    mean: float
    median: float
    most: int
    patients_with_one: int


class NearCopies(Part):
    """How many images look nearly the same as one of another split: those that stayed, and those that were dropped."""

    searched: bool
    test_in_train: int
    test_in_validation: int
    validation_in_train: int
    dropped_train: int
    dropped_validation: int
    internal_test_in_train: int = 0
    internal_test_in_validation: int = 0
    dropped_internal_test: int = 0


class Leakage(Part):
    """What is known of leaks between the splits."""

    near_copies: NearCopies | None
    patients: Literal["all", "some", "within splits", "none"]


class ReportedDataset(Part):
    """The real images that all arms are trained and tested on."""

    name: str
    fingerprint: str
    task: Literal["multi-class", "multi-label"]
    shape: tuple[int, int, int]
    """Channels, height, width."""
    counts: Counts
    counts_per_label: CountsPerLabel
    prevalence: dict[str, dict[str, float | None]] | None = None
    test_patients: int | None
    without_patient: int | None
    patients: dict[str, int] | None
    images_per_patient: dict[str, ImagesPerPatient | None] | None = None
    labels: tuple[str, ...]
    positive: str | None
    positive_by_default: bool = False
    """Whether nobody named it: the second of two labels then counts as the disease."""
    notes: tuple[str, ...]
    splits_from: str | None
    no_internal_test: str | None = None
    """Why there is none, as the rest of a sentence; None if there is one, and in reports of version 0.2 and earlier."""
    flips: tuple[Literal["horizontal", "vertical"], ...]
    leakage: Leakage | None = None


class ReportedBaseline(Part):
    """A logistic regression on principal components of the training images: a floor for the arm real."""

    components: int
    train_images: int
    auc: Figure
    accuracy: Figure
    real_above: Figure
    """The AUC of the arm real less that of the baseline."""


class TriedSteps(Part):
    """What a number of steps reached on the validation images: the arm real with its first seed."""

    steps: int
    validation_auc: float
    gain: float | None
    """Over half as many steps; None for the first."""
    gain_ci95: Interval | None


class ReportedSteps(Part):
    """The optimiser steps of every arm, and how they were chosen if the config does not name them."""

    value: int
    given: bool
    tried: tuple[TriedSteps, ...] | None


class TriedRatio(Part):
    """What a ratio of synthetic to real images reached on the validation images."""

    ratio: float
    validation_auc: float
    seeds: tuple[float, ...]


class ReportedRatio(Part):
    """How many synthetic images `mixed` takes for each real one, and what a search saw."""

    value: float
    searched: tuple[TriedRatio, ...] | None


class CurveDifference(Figure):
    """The AUC of an arm less that of the arm real at one size."""

    p: float
    p_adjusted: float | None


class RealEquivalent(Part):
    """How many real images give the arm real the same AUC."""

    images: int
    bound: Literal["none", "at least", "at most"]


class CurvePoint(Part):
    """One arm at one number of real training images."""

    size: int
    arm: str
    draws: int
    seeds: int
    train_images: TrainImages
    auc: Figure
    accuracy: Figure
    difference: CurveDifference | None
    real_equivalent: RealEquivalent | None


class CanaryAuc(Part):
    """The mean AUC of shuffled labels, with its 95 % interval over patients and shuffles."""

    value: float
    ci95: Interval | None


class FurtherShuffles(Part):
    """The shuffles that decide when the first ones came out above chance."""

    auc: CanaryAuc
    shuffles: int


class ShuffledLabels(Part):
    """The arm real trained on shuffled labels: it should be at chance."""

    passed: bool
    auc: CanaryAuc
    shuffles: int
    optimizer_steps: int
    further: FurtherShuffles | None


class Refused(Part):
    """Which check refused the planted test image."""

    trained_on: bool
    content: bool


class PlantedTestImage(Part):
    """Whether a test image among the synthetic ones is refused."""

    passed: bool
    refused: Refused


class RefusedInTraining(Part):
    """Which planted image the training of a classifier refused."""

    test: bool
    validation: bool


class WatchedTraining(Part):
    """Whether a held-out image would be noticed in a classifier's training; how many cells recorded what they drew.

    `cells` counts the arms', those of subsets too, and the first shuffles.
    """

    passed: bool
    refused: RefusedInTraining
    cells: int
    recorded: int
    images: int


class ReportedCanaries(Part):
    """Tests of the comparison itself."""

    shuffled_labels: ShuffledLabels
    planted_test_image: PlantedTestImage
    watched_training: WatchedTraining | None = None
    """None in reports of version 0.2 and earlier."""


class ReportedFiles(Part):
    """Files beside the report, below the run folder."""

    scores: str
    internal_test_scores: str | None = None
    figures: tuple[str, ...]


class LookAlike(Part):
    """A synthetic image that looks nearly the same as a held-out one."""

    synthetic: int
    case: int
    split: Literal["validation", "test", "internal_test"]
    correlation: float


class LookAlikes(Part):
    """How many synthetic images made elsewhere look nearly the same as held-out ones, and the first of them."""

    images: int
    of: int
    pairs: tuple[LookAlike, ...]


class ReportedProvenance(Part):
    """What the figures rest on: fingerprints of the data set, the checkpoint and the synthetic set, these of GAN 0."""

    manifest: str
    checkpoint: str | None
    synthetic: str | None
    trained_on: Literal["training split", "unknown"] | None
    look_alikes: LookAlikes | None
    margins: tuple[float, ...] | None = None
    results: str | None = None
    """The fingerprint of all figures, scores and weights; None in reports of version 0.2 and earlier."""
    gans: tuple[GanProvenance, ...] = ()
    made_by: Literal["another run"] | None = None
    started_from: StartedFrom | None = None
    trainings: tuple[GanTraining, ...] | None = None
    """None if checkpoints were not scored, and in reports of earlier versions."""


class Report(Part):
    """A comparison's report. `raw` has it as plain JSON values, with the parts that have no type of their own."""

    dataset: ReportedDataset
    arms: dict[str, ReportedArm]
    comparisons: tuple[ReportedComparison, ...]
    internal_test: ReportedInternalTest | None = None
    """None without an internal test, and in reports of version 0.2 and earlier."""
    baseline: ReportedBaseline | None = None
    """None in reports of version 0.2 and earlier."""
    missing: ReportedMissing | None = None
    """What any verdict of this report would need more of; None also in reports of version 0.2 and earlier."""
    headline: ReportedHeadline | None = None
    steps: ReportedSteps | None = None
    """None in reports of version 0.2 and earlier."""
    ratio: ReportedRatio | None
    curves: tuple[CurvePoint, ...] | None
    canaries: ReportedCanaries | None
    fidelity: ReportedFidelity | None
    gans: tuple[ReportedGan, ...] | None = None
    files: ReportedFiles
    provenance: ReportedProvenance
    config: dict[str, Any] = Field(repr=False)
    environment: dict[str, Any] = Field(repr=False)
    timing: dict[str, Any] = Field(repr=False)
    _raw: dict[str, Any] = PrivateAttr(default_factory=dict)

    @property
    def raw(self) -> dict[str, Any]:
        """The report as it stands in `report.json`."""
        return self._raw

    @classmethod
    def load(cls, path: Path) -> Report:
        """Read a `report.json`; raises DataError if it is absent, or no report of this version."""
        try:
            raw = json.loads(path.read_text(encoding="utf-8"))
            report = cls.model_validate(raw)
        except OSError as error:
            raise DataError(f"there is no report at {path}: run `gan-aug compare` first") from error
        except ValueError as error:  # no JSON, or other values than a report has
            raise DataError(f"{path} is no report of this version: run `gan-aug report` to write it again") from error
        report._raw = raw
        return report
