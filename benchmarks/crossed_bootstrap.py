"""The crossed bootstrap of AUCs: patients are drawn with replacement, with all images, for all arms and seeds alike.

It replaces DeLong's formula by resampling, and nothing else: the covariance over patients of the seeds' AUCs is that of
their resampled values, and `uncertainty.crossed_estimate` computes the interval from it, which includes the seeds.
Resampling the seeds too would only add noise. The variance of S seeds drawn from S is known: it is too small by the
factor (S-1)/S and has S - 1 degrees of freedom. Drawn together with the patients, it counts their interaction three
times (Owen, Ann. Appl. Stat. 1:386, 2007).

A draw is a whole number for each patient: how often the patient is drawn. The cases are sorted by score and cut into
runs of negatives followed by positives. Then the AUC depends only on the weights of both classes in each run, which are
a sparse matrix times the draws; the matrix is made once for each score vector. All sums are of multiples of 1/2 below
2^53, so the result is exact and does not depend on how the draws are grouped.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

import numpy as np
import numpy.typing as npt
from scipy import sparse

from gan_aug.errors import DataError
from gan_aug.evaluation.statistics.auc import auc_influence
from gan_aug.evaluation.statistics.ground_truth import GroundTruth
from gan_aug.evaluation.statistics.uncertainty import BoolArray, Estimate, FloatArray, IntArray, crossed_estimate

DRAWS = 10_000
# With fewer patients a draw lacks a class so often that redrawing would distort the distribution (e^-5 is 0.7 %).
_FEWEST_PATIENTS = 5
_TOGETHER = 64
Weights = npt.NDArray[np.float32]


@dataclass(frozen=True)
class CrossedBootstrap:
    """The AUCs of arms, on the patients and on draws of them.

    For each arm `values` holds `(S,)` and `resampled` `(B, S)`, for S seeds and B draws; `pairs` is
    `GroundTruth.pairs`.
    """

    values: Mapping[str, FloatArray]
    resampled: Mapping[str, FloatArray]
    pairs: int

    def auc(self, arm: str) -> Estimate:
        """An arm's AUC, the mean over seeds, with its interval over patients and seeds."""
        return crossed_estimate(self.values[arm], _covariance(self.resampled[arm]), self.pairs, "logit")

    def difference(self, arm: str, against: str) -> Estimate:
        """An arm's AUC minus another's, seed i paired with seed i; `uncertainty.p_value` gives its p-value."""
        values, resampled = (held[arm] - held[against] for held in (self.values, self.resampled))
        return crossed_estimate(values, _covariance(resampled), self.pairs, "identity")


def crossed_bootstrap(
    truth: GroundTruth, arms: Mapping[str, Sequence[FloatArray]], draws: int = DRAWS, seed: int = 0, threads: int = 1
) -> CrossedBootstrap:
    """Compute the AUCs of arms on draws of the patients, the same draws for all arms.

    The result does not depend on `threads`, nor on the order of the cases if each keeps its patient's number.

    Args:
        truth: The labels and patients.
        arms: The scores `(N, K)` of each arm's seeds.
        draws: How many draws; one without any case with a label, or without any case lacking it, is drawn again.
        seed: Of the draws.
        threads: How many draws are scored at a time.

    Returns:
        The AUCs.

    Raises:
        DataError: Fewer than five patients have a label or lack it, or a score is not finite.
    """
    targets = truth.target_labels
    if truth.pairs < _FEWEST_PATIENTS:
        raise DataError(
            f"the test split has {truth.pairs} independent pairs of a case with and one without some label, but a "
            f"bootstrap over patients needs {_FEWEST_PATIENTS}: move more patients to the test split"
        )
    vectors = [truth.target_scores(scores) for seeds in arms.values() for scores in seeds]
    labels = range(targets.shape[1])
    means = np.array([np.mean([auc_influence(targets[:, k], held[:, k]).value for k in labels]) for held in vectors])
    runs = [_Runs.of(targets[:, k], held[:, k], truth.patients) for held in vectors for k in labels]
    with ThreadPoolExecutor(threads) as pool:
        blocks = [
            np.array(list(pool.map(partial(_Runs.aucs, weights=weights), runs)))
            for weights in _draw_patients(targets, truth.patients, draws, seed)
        ]
    resampled = np.concatenate(blocks, axis=1).reshape(len(vectors), len(labels), draws).mean(axis=1).T
    ends = np.cumsum([0, *(len(seeds) for seeds in arms.values())])
    columns = {arm: slice(first, last) for arm, first, last in zip(arms, ends, ends[1:], strict=False)}
    return CrossedBootstrap(
        values={arm: means[held] for arm, held in columns.items()},
        resampled={arm: resampled[:, held] for arm, held in columns.items()},
        pairs=truth.pairs,
    )


@dataclass(frozen=True)
class _Runs:
    """The L runs of one score vector, in rising order: negatives, then positives; or cases of both with equal scores.

    `members` is `(2 L, P)`: the number of negatives, then of positives, of each patient in each run. `lost` is `(L,)`:
    the share of the pairs within a run that its positives do not win, which is 0, or 1/2 if they are tied.
    """

    members: sparse.csr_matrix
    lost: FloatArray

    @classmethod
    def of(cls, labels: BoolArray, scores: FloatArray, patients: IntArray) -> _Runs:
        order = np.argsort(scores)
        arranged, positive = scores[order], labels[order]
        group = np.concatenate([[0], np.cumsum(arranged[1:] != arranged[:-1])])
        size, positives = np.bincount(group), np.bincount(group, weights=positive)
        all_negative, all_positive = positives == 0, positives == size
        tied = ~(all_negative | all_positive)
        begins = np.ones(len(size), dtype=np.bool_)
        begins[1:] = tied[1:] | tied[:-1] | (all_negative[1:] & all_positive[:-1])
        run = (np.cumsum(begins) - 1)[group]
        count = int(run[-1]) + 1
        rows = np.where(positive, run + count, run)
        shape = (2 * count, int(patients.max()) + 1)
        members = sparse.csr_matrix((np.ones(len(rows), np.float32), (rows, patients[order])), shape=shape)
        return cls(members, np.where(tied[begins], 0.5, 0.0))

    def aucs(self, weights: Weights) -> FloatArray:
        """The AUC under each column of `weights (P, B)`."""
        sums = (self.members @ weights).T
        count = sums.shape[1] // 2
        negatives, positives = sums[:, :count].astype(np.float64, order="C"), sums[:, count:]
        below = np.cumsum(negatives, axis=1)
        everyone = below[:, -1].copy()
        if self.lost.any():
            below -= negatives * self.lost
        won = np.einsum("bl,bl->b", below, positives)
        found: FloatArray = won / (everyone * positives.sum(axis=1, dtype=np.float64))
        return found


def _draw_patients(targets: BoolArray, patients: IntArray, draws: int, seed: int) -> Iterator[Weights]:
    """How often each patient is drawn, `(P, B)` for blocks of draws in which every label occurs and is absent."""
    rng = np.random.default_rng(seed)
    count = int(patients.max()) + 1
    both = np.concatenate([targets, ~targets], axis=1)
    holders = sparse.csr_matrix(both.T.astype(np.float32)) @ _case_of(patients)
    left = draws
    while left:
        together = min(left, _TOGETHER)
        drawn = [np.bincount(rng.integers(count, size=count), minlength=count) for _ in range(together)]
        block = np.stack(drawn, axis=1).astype(np.float32)
        block = block[:, (holders @ block > 0).all(axis=0)]
        left -= block.shape[1]
        yield block


def _case_of(patients: IntArray) -> sparse.csr_matrix:
    """`(N, P)`: 1 if the case is of the patient, else 0."""
    return sparse.csr_matrix((np.ones(len(patients), np.float32), (np.arange(len(patients)), patients)))


def _covariance(resampled: FloatArray) -> FloatArray:
    """The covariance `(S, S)` of the seeds' values over draws `(B, S)`."""
    return np.atleast_2d(np.cov(resampled, rowvar=False))
