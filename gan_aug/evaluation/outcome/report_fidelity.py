"""What a report says of the synthetic images, as typed values; `report.py` has the whole report.

What is absent in reports of version 0.3 and earlier has a default.
"""

from __future__ import annotations

from typing import Literal

from gan_aug.evaluation.outcome.report_arms import Part


class Pair(Part):
    """A figure of the synthetic images beside the same figure of real ones."""

    value: float
    real: float


class KidPair(Pair):
    """A figure of both with standard errors: the kernel distance, or an AUC."""

    se: float
    real_se: float


class FinestPair(KidPair):
    """The power at the finest frequencies, as a ratio to that of the reference: `power`, in squared grey values."""

    power: float


class Spectrum(Part):
    """The mean power of the three sides at some frequencies, which are in cycles per pixel."""

    frequencies: tuple[float, ...]
    reference: tuple[float, ...]
    real: tuple[float, ...]
    synthetic: tuple[float, ...]


class ClassKids(Part):
    """The distances within a class by one network."""

    kid: KidPair | None
    kid_blurred: KidPair | None


class ReportedExtractor(Part):
    """The network whose features the images are compared by."""

    name: str
    dimension: int
    filter: str
    scaled: bool
    weights: str


class ByFeatures(ClassKids):
    """The distances by one network, how far real images are apart by it, and its recall."""

    extractor: ReportedExtractor
    spread: float | None
    spread_blurred: float | None
    recall: Pair | None


class ImageCheck(Part):
    """One check of the synthetic images: it fails outside its limits."""

    check: Literal["contrast", "grain", "distance", "variety", "labels", "hard", "easy"]
    label: str | None
    """None: over all images."""
    features: str | None
    blurred: bool
    value: float
    expected: float
    low: float | None
    high: float | None
    passed: bool


class ReportedMemorising(Part):
    """Whether the images of a GAN are nearer to its training images than validation images are; see `Memorising`."""

    extractor: str
    training_images: int
    nearer: float
    copy_like: float
    se: float
    synthetic: tuple[float, float, float]
    held_out: tuple[float, float, float]
    images: int
    held_out_images: int


class Likeness(Part):
    """How like the real images the synthetic ones are; None for what too few images allow."""

    images: int
    kid: KidPair | None
    precision: Pair | None
    recall: Pair | None
    density: Pair | None
    coverage: Pair | None
    label_agreement: Pair | None
    label_auc: KidPair | None = None
    ms_ssim: Pair | None
    spectrum: Spectrum | None = None
    finest: FinestPair | None = None


class ClassLikeness(Likeness):
    """The same within one class."""

    by_features: tuple[ClassKids, ...] = ()


class ReportedFidelity(Likeness):
    """The fidelity of the synthetic set, over all images and for each label."""

    extractor: ReportedExtractor
    ms_ssim_scales: int
    ms_ssim_window: int
    fid: Pair | None
    looked_at: int | None = None
    """Images a side of all that follows `blur`, and of the spectrum; None if it was not measured."""
    blur: float | None = None
    by_features: tuple[ByFeatures, ...] = ()
    per_class: dict[str, ClassLikeness]
    checks: tuple[ImageCheck, ...] = ()
    memorising: ReportedMemorising | None = None
    """None also if there are too few validation images."""
