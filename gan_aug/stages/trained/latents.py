"""Latent tools: a trained GAN and a classifier of its run's comparison, asked together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from gan_aug.compute.threads import torch_threads
from gan_aug.errors import DataError
from gan_aug.evaluation.cells.kept import KeptClassifier, load_kept
from gan_aug.gan.state import Checkpoint
from gan_aug.run.events import Event, Listener
from gan_aug.run.progress import default_listener
from gan_aug.synthesis.cases import CaseSearch, WantedCase
from gan_aug.synthesis.generator import THREADS, TrainedGenerator
from gan_aug.synthesis.latent_images import LatentImages, Scores
from gan_aug.synthesis.latents import Latent


class LatentTools:
    """The generator of a run and a classifier of its comparison: `generator` and `classifier`."""

    def __init__(self, generator: TrainedGenerator, classifier: KeptClassifier) -> None:
        """Raises DataError if the classifier is for images of another shape, or for other labels."""
        check_fit(generator.checkpoint, classifier)
        self.generator, self.classifier = generator, classifier

    def score(self, made: LatentImages) -> LatentImages:
        """The same images with what the classifier says of them."""
        return replace(made, scores=Scores(self.classifier.to_json(), self._probabilities(made)))

    def cases_at(
        self,
        label: str | int | Sequence[str],
        confidence: float,
        *,
        of: str | None = None,
        start: str | int | Sequence[str] | None = None,
        tolerance: float = 0.05,
        count: int = 1,
        seed: int = 0,
        first: int = 0,
        images: int = 256,
        truncation: float = 1.0,
        progress: Listener | None = None,
    ) -> LatentImages:
        """Images of a label for which the classifier gives a certain probability: hard cases, for teaching.

        They are looked for among the images of the seed, then on ways between two of these, then on the way from other
        labels to the wanted ones with the noise unchanged. No two cases come from the same noise.

        Args:
            label: The label of the images, as for `sample`.
            confidence: The probability, above 0 and below 1.
            of: The label whose probability it is; by default that of the images, if they have one alone.
            start: Looks only on the way from this label to `label`, the noise unchanged: the same patient who becomes
                ill, at the moment when the classifier is undecided.
            tolerance: How far from the confidence a case may be, from 0.001 on.
            count: How many cases.
            seed: Whose images are tried.
            first: The first image of the seed to be tried.
            images: How many images of the seed are tried at most.
            truncation: As for `sample`.
            progress: Is called with Events; without it lines are printed on stderr in an interactive session.

        Returns:
            The cases, which may be fewer than asked for; `search` says what was looked for.

        Raises:
            DataError: There is no case, no such label, or a number is out of its range.
        """
        first_one = self.generator.latent(label, seed, first=first, truncation=truncation)
        begin = None if start is None else self.generator.latent(start).weights
        search = CaseSearch(
            wanted_case(self.generator.checkpoint, first_one, of, begin, confidence, tolerance, count, images)
        )
        tell = progress or default_listener()
        tell(
            Event(
                "latent", "start", f"looking for {count} case{'s' * (count > 1)} among {images} images of seed {seed}"
            )
        )
        while search.points:
            search.tell(self._probabilities(self.generator.make(search.points)))
            tell(Event("latent", "progress", "", search.made, max(search.made, images), "images"))
        search.check_found()
        return replace(self.score(self.generator.make(search.cases)), search=search.to_json())

    def _probabilities(self, made: LatentImages) -> npt.NDArray[np.float64]:
        with torch_threads(THREADS):
            return self.classifier.probabilities(made.images)


def wanted_case(
    checkpoint: Checkpoint,
    first: Latent,
    of: str | None,
    start: tuple[float, ...] | None,
    confidence: float,
    tolerance: float,
    count: int,
    images: int,
) -> WantedCase:
    """What is looked for.

    Args:
        checkpoint: The GAN.
        first: The first image to be tried.
        of: The label whose probability is asked for; None is that of the images.
        start: As for `WantedCase`, as the others.
        confidence: The probability.
        tolerance: How far from it a case may be.
        count: How many cases.
        images: How many images of the seed are tried.

    Returns:
        It, checked.

    Raises:
        DataError: A value is out of its range, or the images have no label or several and `of` is None.
    """
    own = [label for label, weight in zip(checkpoint.labels, first.weights, strict=True) if weight]
    if of is None and len(own) != 1:
        raise DataError(
            f"the images have {len(own)} labels, so say of which label the confidence is meant: of, one of "
            f"{', '.join(checkpoint.labels)}"
        )
    multi_label = checkpoint.task == "multi-label"
    return WantedCase(first, checkpoint.labels, of or own[0], confidence, tolerance, count, images, multi_label, start)


def check_fit(checkpoint: Checkpoint, classifier: KeptClassifier) -> None:
    """Check that a classifier is for the images of a GAN; raises DataError if it is not."""
    card = classifier.card
    if card.labels != checkpoint.labels or card.shape != checkpoint.networks.shape:
        raise DataError(
            f"the classifier of the arm {classifier.arm} is for {card.shape} images with the labels "
            f"{', '.join(card.labels)}, but the GAN makes {checkpoint.networks.shape} with "
            f"{', '.join(checkpoint.labels)}: train both on the same data set"
        )


def open_tools(run: Path, generator: TrainedGenerator, arm: str) -> LatentTools:
    """The latent tools of a run folder.

    Args:
        run: The run folder, whose comparison trained the classifier.
        generator: Of a GAN of the run.
        arm: Whose classifier.

    Returns:
        The tools.

    Raises:
        DataError: There is no such classifier, or it is for other images.
    """
    return LatentTools(generator, load_kept(run, arm))
