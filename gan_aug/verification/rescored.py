"""Scores validation and test images again with the kept weights of each cell, and compares with the kept scores."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from gan_aug.compute.threads import torch_threads
from gan_aug.data.image_store import open_images
from gan_aug.data.manifest import HELD_OUT, INTERNAL, NAMES, Manifest, Split
from gan_aug.errors import CheckpointError
from gan_aug.evaluation.cells.plan import THREADS
from gan_aug.evaluation.cells.result import CellResult
from gan_aug.evaluation.classifiers.networks import load_classifier, predict_scores
from gan_aug.evaluation.statistics.ground_truth import GroundTruth
from gan_aug.run import layout
from gan_aug.run.artefacts import local_copy
from gan_aug.stages.storage import RunStorage
from gan_aug.verification.chain import Link, broken_link

CELLS = f"{layout.COMPARE}/{layout.CELLS}"

TOLERANCE = 0.05
"""The largest difference of log-odds that counts as none.

On the same processor with the same libraries there is none at all. Other instructions round sums in another order: by
trial, that alters log-odds by less than 0.0001. Convolutions on a GPU keep ten binary digits (TF32): imitated, 0.01.
"""

AUC_TOLERANCE = 0.001
"""The largest difference of a cell's AUC that counts as none: by the same trials, rounding alters it by 0.0001."""

LARGEST_ODDS = 30.0
"""Log-odds beyond it are cut off: the probability then is nearer to 0 or 1 than a sum can show."""

Scores = npt.NDArray[np.float64]
Rows = npt.NDArray[np.int64]
Images = npt.NDArray[np.uint8]
Score = Callable[[str, Path, CellResult], None]
"""Is given the key of a whole cell, the folder that it is in, and its result."""


@dataclass(frozen=True)
class _Again:
    """A cell scored again.

    `odds` and `auc` are the largest differences, `row` is the row of the split called `split` with the largest one,
    `kept` and `made` are its scores. `test` are the new scores of all test images; empty if only some were scored.
    """

    odds: float
    auc: float
    split: str
    row: int
    kept: Scores
    made: Scores
    test: Scores

    @property
    def is_as_kept(self) -> bool:
        return self.odds <= TOLERANCE and self.auc <= AUC_TOLERANCE


class ScoredAgain:
    """The cells of a run, scored again one after the other."""

    def __init__(self, storage: RunStorage, manifest: Manifest, sample: int | None = None) -> None:
        """Open the images; raises DataError if they are not whole.

        `sample` scores so many validation and test images of each cell, drawn anew at each call; None scores all.
        """
        place = local_copy(storage.folder / layout.DATASET, storage.dataset, layout.IMAGES)
        self._images, self._manifest = open_images(place, manifest), manifest
        largest = max(len(manifest.indices(split)) for split in HELD_OUT)
        self._sample = sample if sample is not None and sample < largest else None
        self._broken: list[Link] = []
        self._again: dict[str, _Again] = {}

    def score(self, key: str, folder: Path, kept: CellResult) -> None:
        """Score the images of the whole cell in `folder` again; see `Score`."""
        rows = {split: _drawn(len(self._manifest.indices(split)), self._sample) for split in HELD_OUT}
        try:
            with torch_threads(THREADS):
                self._again[key] = _score(folder, self._manifest, self._images, kept, rows)
        except CheckpointError as error:
            self._broken.append(broken_link(f"{CELLS}/{key}", error))

    def links(self, cells: Mapping[str, CellResult]) -> list[Link]:
        """A link for each cell whose scores do not follow from its weights, and one for all others.

        Args:
            cells: The whole cells, by key.

        Returns:
            The links; none if no cell was scored.
        """
        links = list(self._broken)
        for key, found in self._again.items():
            if not found.is_as_kept:
                says = _difference(key, found, cells)
                links.append(Link(f"{CELLS}/{key}/{layout.CELL_SCORES}", "ALTERED", says, CheckpointError))
        whole = [found for found in self._again.values() if found.is_as_kept]
        if whole:
            links.append(Link(f"{CELLS}/*/{layout.CELL_SCORES}", "ok", _agreement(whole, self._sample)))
        return links


def _drawn(count: int, sample: int | None) -> Rows:
    """All rows of a split, or some that nobody can know in advance, in order."""
    if sample is None or sample >= count:
        return np.arange(count)
    return np.sort(np.random.default_rng(secrets.randbits(64)).choice(count, sample, replace=False))


def _score(folder: Path, manifest: Manifest, images: Images, kept: CellResult, rows: Mapping[Split, Rows]) -> _Again:
    """Score the rows of each split again; raises CheckpointError if the cell is not of this data set."""
    model, card = load_classifier(folder)
    if (card.shape, card.labels, card.task) != (manifest.shape, manifest.labels, manifest.task):
        raise CheckpointError("its classifier is for other images or labels than the data set's")
    found: list[_Again] = []
    for split, own in _kept_scores(kept, manifest).items():
        of_split, positions = rows[split], manifest.indices(split)
        if own.shape != (len(positions), len(manifest.labels)):
            count = f"{len(positions)} {NAMES[split]} images"
            raise CheckpointError(f"it holds scores {own.shape} for {count}: compute it again")
        made = predict_scores(model, images[positions[of_split]], manifest.task)
        gaps = _gaps(own[of_split], made).max(axis=1)
        worst = int(gaps.argmax())
        whole = split != "validation" and len(made) == len(own)
        auc = _auc_gap(manifest, split, own, made) if whole else 0.0
        row = int(of_split[worst])
        tested = made if whole and split == "test" else made[:0]
        found.append(_Again(float(gaps[worst]), auc, NAMES[split], row, own[row], made[worst], tested))
    worst_split = max(found, key=lambda again: again.odds)
    return replace(worst_split, auc=max(again.auc for again in found), test=found[-1].test)


def _kept_scores(kept: CellResult, manifest: Manifest) -> dict[Split, Scores]:
    """A cell's scores by split, the test last; raises CheckpointError if those of an internal test are not there.

    A search for a ratio has none but of the validation images.
    """
    if not len(kept.test_scores):
        return {"validation": kept.validation_scores}
    if INTERNAL not in manifest.splits:
        return {"validation": kept.validation_scores, "test": kept.test_scores}
    if kept.internal_scores is None:
        raise CheckpointError("it holds no scores of the internal test: compute it again")
    return {"validation": kept.validation_scores, INTERNAL: kept.internal_scores, "test": kept.test_scores}


def _gaps(kept: Scores, made: Scores) -> Scores:
    """The differences of log-odds, `(N, K)`; infinite for a score that is no probability."""
    valid = (kept >= 0) & (kept <= 1)
    with np.errstate(divide="ignore", invalid="ignore"):
        ours, theirs = (np.log(scores) - np.log1p(-scores) for scores in (made, np.where(valid, kept, 0.5)))
    gaps = np.abs(np.clip(ours, -LARGEST_ODDS, LARGEST_ODDS) - np.clip(theirs, -LARGEST_ODDS, LARGEST_ODDS))
    return np.where(valid, gaps, np.inf)


def _auc_gap(manifest: Manifest, split: Split, kept: Scores, made: Scores) -> float:
    if not np.isfinite(kept).all():
        return float("inf")
    truth = GroundTruth.of(manifest, split)
    return abs(truth.auc(made).value - truth.auc(kept).value)


def _difference(key: str, found: _Again, cells: Mapping[str, CellResult]) -> str:
    """What is wrong with a cell whose scores do not follow from its weights."""
    cell = cells[key]
    says = f"the scores of the arm {cell.arm!r} with seed {cell.seed} do not follow from its weights: "
    if found.odds > TOLERANCE:
        label = int(np.abs(found.kept - found.made).argmax())
        says += (
            f"{found.split} image {found.row} has {found.kept[label]:.4f} for label {label}, and its weights give "
            f"{found.made[label]:.4f}"
        )
    else:
        says += f"by its weights its AUC differs by {found.auc:.4f}"
    for other in cells.values():
        same = other.key != key and other.test_scores.shape == found.test.shape and len(found.test)
        if same and _gaps(other.test_scores, found.test).max() <= TOLERANCE:
            return f"{says}; the weights are those of the arm {other.arm!r} with seed {other.seed} ({other.key[:12]})"
    return says


def _agreement(whole: Sequence[_Again], sample: int | None) -> str:
    """How well the other cells' scores follow from their weights."""
    what = (
        f"{sample} images of each split, drawn at random if it has more, and"
        if sample
        else "all validation and test images, and"
    )
    equal, odds = sum(found.odds == 0 for found in whole), max(found.odds for found in whole)
    if equal == len(whole):
        return f"{len(whole)} cells scored again on {what} every score is equal to the bit"
    auc = "" if sample else f", no AUC by more than {max(found.auc for found in whole):.1g}"
    return (
        f"{len(whole)} cells scored again on {what} the scores follow from the weights: {equal} equal to the bit, "
        f"and log-odds differ by {odds:.1g} at most{auc}, as rounding on other processors does"
    )
