"""The speed of the crossed bootstrap and of DeLong's AUC, beside scikit-learn's roc_auc_score in the same run.

    python -m benchmarks.bootstrap_speed [--draws 10000] [--cases 10000] [--threads 2]

There are six arms of five seeds. The reference is a plain loop that scores each draw of patients with case weights; a
few draws are timed and extrapolated to all, and their results are compared. If other programs use the machine, compare
core seconds rather than seconds. After that, one AUC of a million cases with DeLong's interval is timed.
"""

from __future__ import annotations

import argparse
import time

import numpy as np
from sklearn.metrics import roc_auc_score

from benchmarks.crossed_bootstrap import crossed_bootstrap
from gan_aug.evaluation.statistics.auc import auc
from gan_aug.evaluation.statistics.ground_truth import GroundTruth

ARMS, SEEDS, PLAIN_DRAWS = 6, 5, 3


def main() -> None:
    """Print seconds and ratios."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--draws", type=int, default=10_000)
    parser.add_argument("--cases", type=int, default=10_000)
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    rng, n = np.random.default_rng(0), args.cases
    labels = rng.random(n) < 0.5
    truth = GroundTruth(np.stack([~labels, labels], axis=1), ("well", "ill"), False, 1, np.arange(n))
    arms = {f"arm {i}": [rng.normal(size=(n, 2)) + 1.5 * truth.labels for _ in range(SEEDS)] for i in range(ARMS)}
    start, cpu = time.perf_counter(), time.process_time()
    found = crossed_bootstrap(truth, arms, args.draws, threads=args.threads)
    ours, cpu = time.perf_counter() - start, time.process_time() - cpu

    drawn = np.random.default_rng(0)
    apart, start = 0.0, time.perf_counter()
    for draw in range(PLAIN_DRAWS):
        weights = np.bincount(drawn.integers(n, size=n), minlength=n)
        for arm, seeds in arms.items():
            plain = [roc_auc_score(labels, scores[:, 1], sample_weight=weights) for scores in seeds]
            apart = max(apart, float(np.abs(found.resampled[arm][draw] - plain).max()))
    plain_seconds = (time.perf_counter() - start) / PLAIN_DRAWS * args.draws
    print(f"{args.draws} draws, {n} cases, {SEEDS} seeds, {ARMS} arms: {ours:.1f} s, {cpu:.1f} of a core")
    print(f"scikit-learn's loop, from {PLAIN_DRAWS} draws: {plain_seconds:.0f} s, {plain_seconds / ours:.0f} times")
    print(f"largest difference of an AUC: {apart:.1e}")

    labels = rng.random(1_000_000) < 0.5
    scores = rng.normal(size=len(labels)) + labels
    start = time.perf_counter()
    result = auc(labels, scores)
    ours = time.perf_counter() - start
    start = time.perf_counter()
    plain_auc = roc_auc_score(labels, scores)
    plain_seconds = time.perf_counter() - start
    print(f"a million cases, AUC with DeLong's interval: {ours:.2f} s; scikit-learn's AUC alone: {plain_seconds:.2f} s")
    print(f"they differ by {abs(result.value - plain_auc):.1e}")


if __name__ == "__main__":
    main()
