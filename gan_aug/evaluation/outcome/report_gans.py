"""What a report says of the GANs one by one, as typed values; `report.py` has the whole report."""

from __future__ import annotations

from typing import Literal

from gan_aug.evaluation.outcome.report_arms import Part
from gan_aug.evaluation.outcome.report_fidelity import FinestPair, ImageCheck, KidPair, Pair, ReportedMemorising


class GanFidelity(Part):
    """How like the real images those of one GAN are."""

    kid: KidPair | None
    coverage: Pair | None
    label_agreement: Pair | None
    ms_ssim: Pair | None
    memorising: ReportedMemorising | None = None
    """None if there are too few validation images, and in reports of version 0.3 and earlier."""
    finest: FinestPair | None = None


class GanCheck(Part):
    """One check of a GAN, without test images: it fails below `limit`, unless chance explains that."""

    check: Literal["auc", "labels", "coverage"]
    value: float
    expected: float
    limit: float
    passed: bool


class ReportedGan(Part):
    """One GAN: the AUCs of the arms that train on its images, its fidelity, and whether it looks broken."""

    gan: int
    seeds: tuple[int, ...]
    auc: dict[str, float]
    validation_auc: dict[str, float]
    fidelity: GanFidelity | None
    checks: tuple[GanCheck, ...]
    broken: bool
    image_checks: tuple[ImageCheck, ...] = ()
    """Absent in reports of version 0.3 and earlier."""


class GanProvenance(Part):
    """The checkpoint of one GAN, and the fingerprint of its synthetic set."""

    gan: int
    checkpoint: str
    synthetic: str


class GanRestart(Part):
    """A training broke down after `broke_at` images and went on from its checkpoint after `went_on_from` images."""

    broke_at: int
    went_on_from: int


class GanTraining(Part):
    """How the training of one GAN went, and which of its checkpoints is the GAN.

    `images` is how many training images that one has seen; `ends` is the number with which the training ended. `scored`
    checkpoints were scored on `validation` validation images.
    """

    gan: int
    images: int
    ends: int
    scored: int
    validation: int
    restarts: tuple[GanRestart, ...]


class StartedFrom(Part):
    """What the GANs had seen that those of a comparison started from, and what of it is not in its training split."""

    images: int
    elsewhere: int
