"""Looks for images that a classifier calls as one wishes: among the images of a seed, then on the ways between them.

The search makes no image and knows no classifier: it names points of the latent space, and is told the classifier's
probabilities for their images. So the same search runs alone, and in the service among the requests of others.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from gan_aug.errors import DataError
from gan_aug.synthesis.latents import Latent, walk

PORTION = 64
"""Images of the seed that are asked about together; after each portion the search ends if there are enough cases."""

SECTIONS = 8
"""Into how many parts a way is cut in each round; the case lies in the part at whose ends it is called differently."""

ROUNDS = 6
"""After so many rounds a part is 1/262144 of the way: where the classifier jumps there, there is no case."""

MOST_CASES = 256
"""Cases of one search, at most."""

FINEST = 0.001
"""The smallest tolerance."""

Floats = npt.NDArray[np.float64]
Search = Generator[list[Latent], Floats, list[Latent]]
"""Yields points, is sent the probabilities `(N, K) float64` of each label for their images, returns the cases."""


@dataclass(frozen=True)
class WantedCase:
    """What is looked for: images of a label for which the classifier gives a certain probability.

    Attributes:
        first: The first image to be tried; the others are the next ones of its seed, with its labels.
        labels: The names of all labels.
        of: The label whose probability it is.
        confidence: The probability, above 0 and below 1.
        tolerance: How far from it a case may be, from FINEST on.
        count: How many cases, from 1 to MOST_CASES, each from noise of its own.
        images: How many images of the seed are tried, from 1 on.
        multi_label: Whether an image may have any number of labels.
        start: The labels at the start of the way on which a case is looked for, if it must lie on the way from these
            labels with the noise unchanged; None leaves the choice to the search.
    """

    first: Latent
    labels: tuple[str, ...]
    of: str
    confidence: float
    tolerance: float
    count: int
    images: int
    multi_label: bool
    start: tuple[float, ...] | None = None

    def __post_init__(self) -> None:
        """Check the values; raises DataError for one that is out of its range."""
        if self.of not in self.labels:
            raise DataError(f"there is no label {self.of!r} to be called so: the labels are {', '.join(self.labels)}")
        if not (0 < self.confidence < 1 and FINEST <= self.tolerance < 1):
            raise DataError(
                f"confidence {self.confidence} with tolerance {self.tolerance}: the confidence is above 0 and below 1, "
                f"the tolerance from {FINEST} to below 1"
            )
        if not 1 <= self.count <= MOST_CASES or self.images < 1:
            raise DataError(
                f"{self.count} cases among {self.images} images: ask for 1 to {MOST_CASES}, among at least one image"
            )
        if self.start == self.first.weights:
            raise DataError(
                "the way would lead from the wanted labels to the same ones: name other labels to start from"
            )

    @property
    def column(self) -> int:
        """The position of the label whose probability it is."""
        return self.labels.index(self.of)

    def candidates(self, done: int) -> list[Latent]:
        """The next images of the seed to try, after so many."""
        number = self.first.number + done
        return [replace(self.first, number=number + k) for k in range(min(PORTION, self.images - done))]

    def is_case(self, probability: float) -> bool:
        """Whether a probability is near enough."""
        return abs(probability - self.confidence) <= self.tolerance


class CaseSearch:
    """A search while it goes on: the points whose images are to be made and scored next, none at its end.

    Attributes:
        points: Of which the probabilities are to be told.
        made: Of how many points they were told so far.
        cases: What was found, at the end; maybe fewer than wanted.
    """

    def __init__(self, wanted: WantedCase) -> None:
        """Begin a search."""
        self.wanted, self.made = wanted, 0
        self.cases: list[Latent] = []
        self._lowest, self._highest = 1.0, 0.0
        self._searching = search_cases(wanted)
        self.points = next(self._searching)

    def tell(self, probabilities: Floats) -> None:
        """Tell the probabilities `(N, K)` of the images of `points`, which are others after that."""
        called = probabilities[:, self.wanted.column]
        self.made += len(called)
        self._lowest, self._highest = min(self._lowest, called.min()), max(self._highest, called.max())
        try:
            self.points = self._searching.send(probabilities)
        except StopIteration as ended:
            self.points, self.cases = [], ended.value

    def check_found(self) -> None:
        """Raise DataError if nothing was found; it says what the images were called."""
        wanted = self.wanted
        if not self.cases:
            raise DataError(
                f"no image was called {wanted.of!r} with {wanted.confidence:g} ± {wanted.tolerance:g}: the classifier "
                f"gave {self._lowest:.3f} to {self._highest:.3f} to {self.made} images; try more images, another seed, "
                "a wider tolerance, or the classifier of another arm"
            )

    def to_json(self) -> dict[str, Any]:
        """What was looked for and how much was found, as JSON values."""
        wanted = self.wanted
        named = {name: getattr(wanted, name) for name in ("of", "confidence", "tolerance", "count", "images")}
        start = wanted.start and dict(zip(wanted.labels, wanted.start, strict=True))
        return named | {"start": start, "found": len(self.cases), "made": self.made}


@dataclass
class _Bracket:
    """A part of the way between two images of which one is called higher, the other lower than wanted."""

    start: Latent
    end: Latent
    low: tuple[float, float]
    high: tuple[float, float]
    """At which position of the way it begins and ends, and what the image there is called."""
    case: Latent | None = None

    def positions(self) -> npt.NDArray[np.float64]:
        """Where it is cut."""
        inner: npt.NDArray[np.float64] = np.linspace(self.low[0], self.high[0], SECTIONS + 1)[1:-1]
        return inner

    def narrow(self, wanted: WantedCase, called: Floats) -> None:
        """Take the nearest case, if there is one, else the first part that has the wanted value between its ends."""
        positions = self.positions()
        nearest = int(np.abs(called - wanted.confidence).argmin())
        if wanted.is_case(float(called[nearest])):
            (self.case,) = walk(self.start, self.end, [positions[nearest]])
            return
        for low, high in pairwise([self.low, *zip(positions.tolist(), called.tolist(), strict=True), self.high]):
            if _straddles(low[1], high[1], wanted.confidence):
                self.low, self.high = low, high
                return


def search_cases(wanted: WantedCase) -> Search:
    """Look for cases.

    First among the images of the seed as they are. If these are too few, on the ways between two of them, of which one
    is called higher and the other lower than wanted. If those are too few, on the way from other labels to the wanted
    ones, the noise unchanged. If `wanted.start` names the other labels, only there.

    Args:
        wanted: What is looked for.

    Returns:
        The generator. It returns the cases, which may be fewer than wanted, the nearest first within each kind.
    """
    if wanted.start is not None:
        return (yield from _along_labels(wanted, wanted.start))
    tried: list[tuple[Latent, float]] = []
    everything: list[Floats] = []
    while len(tried) < wanted.images and len(_hits(wanted, tried)) < wanted.count:
        portion = wanted.candidates(len(tried))
        probabilities = yield portion
        everything.append(probabilities)
        tried += zip(portion, probabilities[:, wanted.column].tolist(), strict=True)
    cases = _hits(wanted, tried)[: wanted.count]
    rest = [pair for pair in tried if not wanted.is_case(pair[1])]
    if len(cases) < wanted.count:
        brackets = _pairs(wanted, rest)[: wanted.count - len(cases)]
        cases += yield from _refine(wanted, brackets)
        used = {point for bracket in brackets for point in (bracket.start, bracket.end)}
        rest = [pair for pair in rest if pair[0] not in used]
    if len(cases) < wanted.count and rest:
        more = replace(wanted, count=wanted.count - len(cases))
        cases += yield from _between_labels(more, rest, _other_labels(wanted, np.concatenate(everything)))
    return cases


def _hits(wanted: WantedCase, tried: Sequence[tuple[Latent, float]]) -> list[Latent]:
    """The images that are cases as they are, the nearest first."""
    near = sorted((abs(called - wanted.confidence), k) for k, (_, called) in enumerate(tried) if wanted.is_case(called))
    return [tried[k][0] for _, k in near]


def _pairs(wanted: WantedCase, tried: Sequence[tuple[Latent, float]]) -> list[_Bracket]:
    """The ways between two images that are called lower and higher, each image once, the nearest first."""
    ranked = sorted(tried, key=lambda pair: abs(pair[1] - wanted.confidence))
    lower = [pair for pair in ranked if pair[1] < wanted.confidence]
    higher = [pair for pair in ranked if pair[1] > wanted.confidence]
    return [_Bracket(low[0], high[0], (0.0, low[1]), (1.0, high[1])) for low, high in zip(lower, higher, strict=False)]


def _other_labels(wanted: WantedCase, probabilities: Floats) -> tuple[float, ...]:
    """The labels from which a way to the wanted ones is likely to pass the wanted probability.

    For multi-label, the label in question is taken away or added. Else it is the label in question if the images have
    another one, or the label for which the classifier takes them most often.
    """
    weights = list(wanted.first.weights)
    if wanted.multi_label:
        weights[wanted.column] = 1 - weights[wanted.column]
        return tuple(weights)
    other = wanted.column
    if weights[other]:
        mean = probabilities.mean(axis=0)
        mean[other] = -1
        other = int(mean.argmax())
    return tuple(float(k == other) for k in range(len(weights)))


def _along_labels(wanted: WantedCase, start: tuple[float, ...]) -> Search:
    """The cases on the ways from some labels to the wanted ones, for image after image of the seed."""
    cases: list[Latent] = []
    done = 0
    while done < wanted.images and len(cases) < wanted.count:
        portion = wanted.candidates(done)
        done += len(portion)
        probabilities = yield portion
        called = zip(portion, probabilities[:, wanted.column].tolist(), strict=True)
        more = replace(wanted, count=wanted.count - len(cases))
        cases += yield from _between_labels(more, list(called), start)
    return cases


def _between_labels(wanted: WantedCase, ends: Sequence[tuple[Latent, float]], start: tuple[float, ...]) -> Search:
    """The cases on the ways to some images from other labels and the same noise."""
    cases: list[Latent] = []
    for first in range(0, len(ends), PORTION):
        portion = ends[first : first + PORTION]
        starts = [replace(end, weights=start) for end, _ in portion]
        called = (yield starts)[:, wanted.column].tolist()
        brackets = [
            _Bracket(begin, end, (0.0, at_start), (1.0, at_end))
            for begin, at_start, (end, at_end) in zip(starts, called, portion, strict=True)
            if _straddles(at_start, at_end, wanted.confidence)
        ]
        cases += yield from _refine(wanted, brackets[: wanted.count - len(cases)])
        if len(cases) == wanted.count:
            break
    return cases


def _refine(wanted: WantedCase, brackets: Sequence[_Bracket]) -> Search:
    """The cases within some brackets, all narrowed together."""
    for _ in range(ROUNDS):
        narrowing = [bracket for bracket in brackets if bracket.case is None]
        if not narrowing:
            break
        asked = [walk(bracket.start, bracket.end, bracket.positions()) for bracket in narrowing]
        called = (yield [point for points in asked for point in points])[:, wanted.column]
        for bracket, own in zip(narrowing, called.reshape(len(narrowing), -1), strict=True):
            bracket.narrow(wanted, own)
    return [bracket.case for bracket in brackets if bracket.case is not None]


def _straddles(one: float, other: float, wanted: float) -> bool:
    return min(one, other) <= wanted <= max(one, other)
