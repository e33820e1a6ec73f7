"""What a report says of an arm, and of one arm beside another, as typed values; `report.py` has the whole report.

Intervals are pairs (low, high). `docs/reference/report.schema.json` says what each figure is.
"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

from gan_aug.evaluation.statistics.comparison import Verdict

Interval = tuple[float, float]
Source = Literal["patients", "seeds", "gans"]


class Part(BaseModel):
    """A part of a report: frozen, and deaf to keys that a later version adds."""

    model_config = ConfigDict(frozen=True, extra="ignore", protected_namespaces=())


class Figure(Part):
    """A figure with its 95 % interval."""

    value: float
    ci95: Interval


class SourcedFigure(Figure):
    """A figure with its 95 % interval and what that holds: patients, seeds, GANs."""

    sources: tuple[Source, ...]


class PartialAuc(Part):
    """The area under the ROC curve up to a false-positive rate."""

    max_false_positive: float
    value: float


class OperatingFigures(Part):
    """What a threshold chosen on the validation images reaches on the test images."""

    sensitivity: float
    sensitivity_ci95: Interval
    specificity: float
    specificity_ci95: Interval
    thresholds: tuple[tuple[float, ...], ...]


class LabelFigures(Part):
    """One label against all others."""

    auc: float
    auc_ci95: Interval
    precision: float | None
    precision_ci95: Interval | None
    recall: float | None
    recall_ci95: Interval | None


class WorstLabel(Part):
    """The label that fares worst, and by which figure."""

    label: str
    by: Literal["auc", "recall"]
    value: float


class CalibrationStep(Part):
    """One step of probability: what was predicted there on average, and how often it was so."""

    predicted: float
    observed: float
    count: int


class ReportedCalibration(Part):
    """How far the probabilities are from the shares that they promise."""

    expected_error: float
    error_if_perfect: float
    curve: tuple[CalibrationStep, ...]


class TrainImages(Part):
    """The images that an arm was trained on."""

    real: int
    synthetic: int


class HistoryPoint(Part):
    """One validation point of a classifier's training."""

    epoch: float
    step: int
    train_loss: float
    train_accuracy: float
    validation_loss: float
    validation_accuracy: float


class SeedFigures(Part):
    """One classifier of an arm."""

    seed: int
    auc: float
    accuracy: float
    best_step: int
    gan: int | None = None
    """The GAN whose images it was trained on, by number; None without synthetic images, and before version 0.3."""


class ReportedUnderTraining(Part):
    """Why an arm counts as trained too briefly, as means over its seeds."""

    late_gain: float
    kept_at: float
    train_loss: float
    validation_loss: float
    hardly_begun: bool


class ReportedArm(Part):
    """The figures of one arm on the test images, means over its seeds."""

    auc: SourcedFigure
    accuracy: SourcedFigure
    average_precision: float
    average_precision_ci95: Interval
    partial_auc: PartialAuc
    sensitivity_at_specificity: dict[str, OperatingFigures | None]
    per_class: dict[str, LabelFigures]
    worst_class: WorstLabel
    brier: float
    brier_ci95: Interval
    calibration: ReportedCalibration
    confusion: tuple[tuple[int, ...], ...] | None
    optimizer_steps: int
    parameters: int
    train_images: TrainImages
    history: tuple[tuple[HistoryPoint, ...], ...]
    seeds: tuple[SeedFigures, ...]
    under_trained: ReportedUnderTraining | None = None
    """None if it was trained long enough, and in reports of version 0.2 and earlier."""


class ReportedComparison(Part):
    """One arm's AUC less that of another, mostly of the arm real, on the same test images."""

    arm: str
    against: str
    size: int
    difference: float
    ci95: Interval
    p: float
    p_adjusted: float
    difference_delong: float
    p_delong: float
    verdict: Verdict
    margin: float
    smallest_detectable: float | None
    sources: tuple[Source, ...]
    under_trained: tuple[str, ...] = ()
    """The arms of the two that were trained too briefly, so that the verdict is withheld."""


class ReportedOpponent(Part):
    """The AUC of the best arm with a GAN less that of one arm without."""

    arm: str
    difference: float
    ci95: Interval
    p: float
    p_adjusted: float
    verdict: Verdict


class ReportedMissing(Part):
    """What a verdict would need more of; None for what there is enough of."""

    seeds: int | None
    label: str | None
    cases: int | None


class ReportedHeadline(Part):
    """The verdict on the GAN: the best arm with one against every arm without."""

    arm: str
    strongest: str
    chosen_by: Literal["auc", "loss"]
    verdict: Verdict
    against: tuple[ReportedOpponent, ...]
    p: float
    margin: float
    missing: ReportedMissing | None
    sources: tuple[Source, ...]
    smallest_detectable: float | None
    power_if_equal: float | None


class InternalTestArm(Part):
    """An arm on the internal test; `difference` is its AUC less that of the arm real, for which it is None."""

    auc: SourcedFigure
    difference: SourcedFigure | None


class TestGap(Part):
    """The AUC of the arm real on the test less that on the internal test; whether the interval lies beside 0."""

    value: float
    ci95: Interval
    differs: bool


class ReportedInternalTest(Part):
    """The arms on patients that were held out of the training images, and how far the test is from these."""

    arms: dict[str, InternalTestArm]
    gap: TestGap
