"""The judge judged: how often the report's statistics are right where the truth is known, in simulated comparisons.

    python benchmarks/judge.py [--trials 1000] [--draws 0] [--only WORD] [--workers 2]

Scores are binormal: a case's score is its class's separation (of that arm and seed) plus noise of variance 1, of which
a part is the case's own in every arm and seed, a part its own in that arm, and a part new in every training. A seed
shifts the separation, by a part (0.3 of the variance) that all arms share since they start alike. The seeds' share of
the variance of an arm's difference is set to nothing, as much as the patients', or four times that. Each trial runs
`compare_arms` and `estimate_auc`, as the report does.

Columns, in % of trials: `covered` intervals of the difference and `covered AUC` of an arm that hold the truth (asked:
93-97); `improves` claimed of one arm where no arm differs, and `any of 3` after Holm (at most 5); `found` where the
true difference is the size that the null trials called detectable on average, `at` (75-85; nan where it does not fit
below an AUC of 1). With `--draws` also intervals of the difference from resampled patients, `bootstrap`
(`crossed_bootstrap`), from patients and seeds drawn together, `drawn seeds`; and `A + B`, the plain sum of both
sources' variances, which counts the interaction twice.
"""

from __future__ import annotations

import argparse
import math
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from scipy import stats

from gan_aug.evaluation.bootstrap import crossed_bootstrap
from gan_aug.evaluation.comparison import compare_arms, estimate_auc, estimate_difference
from gan_aug.evaluation.truth import Truth

SHARED = 0.3
OTHERS = ("one", "two", "three")
COLUMNS = ("covered", "covered AUC", "improves", "any of 3", "found", "at", "bootstrap", "drawn seeds", "A + B")


@dataclass(frozen=True)
class Scenario:
    """One kind of comparison; `ratio` is the seeds' variance over the patients', in an arm's difference."""

    name: str
    ratio: float
    patients: int = 200
    images: int = 1
    classes: int = 2
    ill: float = 0.5
    separation: float = 1.3
    seeds: int = 5
    training: float = 0.2
    arm: float = 0.1

    def truth(self) -> Truth:
        """Labels in fixed shares; all images of a patient have its label."""
        shares = [1 - self.ill, self.ill] if self.classes == 2 else [1 / self.classes] * self.classes
        ends = np.round(np.cumsum(shares) * self.patients).astype(int)
        label = np.searchsorted(ends, np.arange(self.patients), side="right")
        labels = np.eye(self.classes, dtype=bool)[np.repeat(label, self.images)]
        names = tuple("abcdefgh"[: self.classes])
        patients = np.repeat(np.arange(self.patients), self.images)
        return Truth(labels, names, False, 1 if self.classes == 2 else None, patients)

    def scores(self, rng: np.random.Generator, truth: Truth, spread: float, separations: dict[str, float]) -> dict:
        """Scores `(N, K)` of every arm's seeds."""
        size = truth.labels.shape
        own = self.noise(rng, size) * math.sqrt(1 - self.training - self.arm)
        common = rng.normal(size=self.seeds) * math.sqrt(SHARED)
        arms = {}
        for name, separation in separations.items():
            held = own + self.noise(rng, size) * math.sqrt(self.arm)
            shifts = spread * (common + rng.normal(size=self.seeds) * math.sqrt(1 - SHARED))
            arms[name] = [
                (separation + shift) * truth.labels + held + self.noise(rng, size) * math.sqrt(self.training)
                for shift in shifts
            ]
        return arms

    def noise(self, rng: np.random.Generator, size: tuple[int, int]) -> np.ndarray:
        """Noise of variance 1; of a patient with several images half of it is common to them."""
        if self.images == 1:
            return rng.normal(size=size)
        of_patients = np.repeat(rng.normal(size=(self.patients, size[1])), self.images, axis=0)
        return math.sqrt(0.5) * (of_patients + rng.normal(size=size))


def spread_of(scenario: Scenario, truth: Truth) -> float:
    """The standard deviation of the separation over seeds that gives the scenario's ratio."""
    rng = np.random.default_rng(17)
    separations = {"real": scenario.separation, "one": scenario.separation}
    variances = []
    for _ in range(100):
        arms = scenario.scores(rng, truth, 0.0, separations)
        variances.append(estimate_difference(truth, arms["one"], arms["real"]).se ** 2)
    slope = stats.norm.pdf(scenario.separation / math.sqrt(2)) / math.sqrt(2)
    return math.sqrt(scenario.ratio * np.mean(variances) * scenario.seeds / (2 * (1 - SHARED))) / slope


def judge(scenario: Scenario, trials: int, draws: int) -> dict[str, float]:
    """The table's row: shares in %, and the detectable difference."""
    truth, rng = scenario.truth(), np.random.default_rng(4)
    spread = spread_of(scenario, truth)
    root = math.sqrt(2 + spread**2)
    expected = stats.norm.cdf(scenario.separation / root)
    rows, detectable = [], []
    for trial in range(trials):
        arms = scenario.scores(rng, truth, spread, dict.fromkeys(("real", *OTHERS), scenario.separation))
        comparisons = compare_arms(truth, arms, "real", 0.02)
        first = comparisons[0]
        low, high = estimate_auc(truth, arms["real"]).ci95
        (alone,) = compare_arms(truth, {"real": arms["real"], "one": arms["one"]}, "real", 0.02)
        detectable.append(first.smallest_detectable)
        row = [
            first.ci95[0] <= 0 <= first.ci95[1],
            low <= expected <= high,
            alone.verdict == "improves",
            any(comparison.verdict == "improves" for comparison in comparisons),
        ]
        rows.append(row + (references(truth, arms, draws, trial) if draws else []))
    shares = (100 * np.mean(rows, axis=0)).tolist()
    target = float(np.mean(detectable))
    found = 0
    separations = {arm: root * stats.norm.ppf(expected + sign * target / 2) for arm, sign in (("real", -1), ("one", 1))}
    for _ in range(trials if target < 2 * (1 - expected) else 0):
        arms = scenario.scores(rng, truth, spread, separations)
        (comparison,) = compare_arms(truth, arms, "real", 0.02)
        found += comparison.verdict == "improves"
    return dict(
        zip(
            COLUMNS,
            [*shares[:4], 100 * found / trials if target < 2 * (1 - expected) else math.nan, target, *shares[4:]],
            strict=False,
        )
    )


def references(truth: Truth, arms: dict, draws: int, trial: int) -> list[bool]:
    """Whether the intervals of other statistics hold the true difference of 0."""
    boot = crossed_bootstrap(truth, {name: arms[name] for name in ("real", "one")}, draws, seed=trial)
    low, high = boot.difference("one", "real").ci95
    values, resampled = (held["one"] - held["real"] for held in (boot.values, boot.resampled))
    seeds = len(values)
    weights = np.random.default_rng(trial).multinomial(seeds, np.full(seeds, 1 / seeds), size=draws) / seeds
    middle = resampled.mean(axis=1)
    # The spread of seeds drawn from S is too small by (S - 1) / S.
    drawn = middle + ((weights * resampled).sum(axis=1) - middle) * math.sqrt(seeds / (seeds - 1))
    of_seeds = values.var(ddof=1) / seeds
    inside = [bool(low <= 0 <= high)]
    for variance in (drawn.var(ddof=1), middle.var(ddof=1) + of_seeds):
        df = variance**2 * (seeds - 1) / of_seeds**2 if of_seeds > 0 else math.inf
        inside.append(bool(abs(values.mean()) <= stats.t.ppf(0.975, df) * math.sqrt(variance)))
    return inside


def scenarios() -> list[Scenario]:
    """Nine kinds of comparison, each with patients alone, both alike and seeds four times the patients."""
    kinds = [
        Scenario("200 patients", 0),
        Scenario("100 patients, 30 % ill, AUC .94", 0, patients=100, ill=0.3, separation=2.2),
        Scenario("400 patients", 0, patients=400),
        Scenario("200 patients, trainings differ a lot", 0, training=0.5, arm=0.0),
        Scenario("3 classes, 200 patients", 0, classes=3),
        Scenario("200 patients with 2 images each", 0, images=2),
        Scenario("200 patients, 4 seeds", 0, seeds=4),
        Scenario("200 patients, 3 seeds", 0, seeds=3),
        Scenario("200 patients, 2 seeds", 0, seeds=2),
    ]
    return [replace(kind, name=f"{kind.name}; seeds {ratio}x", ratio=ratio) for kind in kinds for ratio in (0, 1, 4)]


def main() -> None:
    """Print the table, a row as soon as it is known."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--trials", type=int, default=1000)
    parser.add_argument("--draws", type=int, default=0)
    parser.add_argument("--only", default="")
    parser.add_argument("--workers", type=int, default=2)
    args = parser.parse_args()
    chosen = [scenario for scenario in scenarios() if args.only in scenario.name]
    columns = COLUMNS if args.draws else COLUMNS[:6]
    print(f"{args.trials} trials a row; one standard error of 95 % is {100 * math.sqrt(0.0475 / args.trials):.1f}")
    print("| comparison | " + " | ".join(columns) + " |")
    print("|---" * (len(columns) + 1) + "|")
    with ProcessPoolExecutor(args.workers) as pool:
        rows = pool.map(partial(judge, trials=args.trials, draws=args.draws), chosen)
        for scenario, row in zip(chosen, rows, strict=True):
            cells = [f"{value:.3f}" if column == "at" else f"{value:.1f}" for column, value in row.items()]
            print(f"| {scenario.name} | " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
