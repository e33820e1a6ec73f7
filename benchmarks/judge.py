"""Checks how often the report's statistics are right, in simulated comparisons with a known truth.

    python -m benchmarks.judge [--trials 1000] [--draws 0] [--only WORD] [--workers 2]

The scores are binormal: the score of a case is the separation of its class (in this arm and seed) plus noise of
variance 1. One part of the noise is the same for the case in all arms and seeds, one part is that of the case in this
arm, and one part is new in every training. A seed shifts the separation; a part of this shift (0.3 of the variance) is
common to all arms, because they start alike. The seeds' variance of an arm's difference is 0, equal to the patients',
or four times as large. Each trial runs `compare_arms` and `estimate_auc` as the report does.

Learning curves are checked too. At each of five sizes, draws of the training images shift an arm's separation as seeds
do; draws and seeds have half of the variance each. There `improves` and `any` (of five sizes, after Holm) are the
claims of `curve_rows`.

The columns, in % of trials:

- `covered`, `covered AUC`: intervals of the difference, and of an arm's AUC, that contain the true value (should be 93
  to 97).
- `improves`: one arm is said to improve although no arm differs; `any`: one of three arms, after Holm (both should be
  at most 5).
- `none fits`: no gain up to an AUC of 1 is called detectable.
- `found`: the arm is found to improve if its true gain is the mean of the gains that the other trials called detectable
  (should be 75 to 85). `at` is this gain; it is nan if most trials call none detectable.
- With `--draws`: intervals of the difference that contain the true value, from resampled patients (`bootstrap`, by
  `crossed_bootstrap`), from patients and seeds resampled together (`drawn seeds`), and from the plain sum of both
  variances (`A + B`), which counts their interaction twice.
"""

from __future__ import annotations

import argparse
import math
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from scipy import stats

from benchmarks.crossed_bootstrap import crossed_bootstrap
from gan_aug.data.splits.subsets import Subset
from gan_aug.evaluation.cells.result import CellResult
from gan_aug.evaluation.learning_curves import curve_rows
from gan_aug.evaluation.statistics.comparison import compare_arms, estimate_auc, estimate_difference
from gan_aug.evaluation.statistics.ground_truth import GroundTruth
from gan_aug.evaluation.statistics.uncertainty import p_value

SHARED = 0.3
SIZES = 5
OTHERS = ("one", "two", "three")
COLUMNS = ("covered", "covered AUC", "improves", "any", "none fits", "found", "at", "bootstrap", "drawn seeds", "A + B")


@dataclass(frozen=True)
class Scenario:
    """One kind of comparison, or with `draws` of learning curve.

    `ratio` is the seeds' variance of an arm's difference, divided by the patients' variance.
    """

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
    draws: int = 0

    def truth(self) -> GroundTruth:
        """The labels, with fixed shares of the classes; all images of a patient have the same label."""
        shares = [1 - self.ill, self.ill] if self.classes == 2 else [1 / self.classes] * self.classes
        ends = np.round(np.cumsum(shares) * self.patients).astype(int)
        label = np.searchsorted(ends, np.arange(self.patients), side="right")
        labels = np.eye(self.classes, dtype=bool)[np.repeat(label, self.images)]
        names = tuple("abcdefgh"[: self.classes])
        patients = np.repeat(np.arange(self.patients), self.images)
        return GroundTruth(labels, names, False, 1 if self.classes == 2 else None, patients)

    def scores(
        self, rng: np.random.Generator, truth: GroundTruth, spread: float, separations: dict[str, float]
    ) -> dict:
        """Draw scores.

        Args:
            rng: The random stream.
            truth: The labels.
            spread: The standard deviation of the separation over seeds.
            separations: The mean separation of each arm.

        Returns:
            For each arm the scores `(N, K)` of its seeds.
        """
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
        """Noise of variance 1; half of the variance is common to the images of a patient who has several."""
        if self.images == 1:
            return rng.normal(size=size)
        of_patients = np.repeat(rng.normal(size=(self.patients, size[1])), self.images, axis=0)
        return math.sqrt(0.5) * (of_patients + rng.normal(size=size))


def spread_of(scenario: Scenario, truth: GroundTruth) -> float:
    """The standard deviation of the separation over seeds for which the ratio is the scenario's."""
    rng = np.random.default_rng(17)
    separations = {"real": scenario.separation, "one": scenario.separation}
    variances = []
    for _ in range(100):
        arms = scenario.scores(rng, truth, 0.0, separations)
        variances.append(estimate_difference(truth, arms["one"], arms["real"]).se ** 2)
    slope = stats.norm.pdf(scenario.separation / math.sqrt(2)) / math.sqrt(2)
    return math.sqrt(scenario.ratio * np.mean(variances) * scenario.seeds / (2 * (1 - SHARED))) / slope


def judge(scenario: Scenario, trials: int, draws: int) -> dict[str, float]:
    """Simulate one scenario.

    Args:
        scenario: What is simulated.
        trials: How many comparisons.
        draws: Draws of the bootstrap; 0 for none.

    Returns:
        The table's row, by columns: shares in %, and the detectable gain.
    """
    if scenario.draws:
        return judge_curves(scenario, trials)
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
        detectable.append(first.smallest_detectable)
        row = [
            first.ci95[0] <= 0 <= first.ci95[1],
            low <= expected <= high,
            first.p < 0.05 and first.difference > 0,
            any(comparison.verdict == "improves" for comparison in comparisons),
            first.smallest_detectable is None,
        ]
        rows.append(row + (references(truth, arms, draws, trial) if draws else []))
    shares = (100 * np.mean(rows, axis=0)).tolist()
    named = [gain for gain in detectable if gain is not None]
    target = float(np.mean(named)) if len(named) > trials / 2 else math.nan
    found = math.nan
    if expected + target < 1:
        separations = {"real": scenario.separation, "one": root * stats.norm.ppf(expected + target)}
        found = 100 * np.mean(
            [is_found(truth, scenario.scores(rng, truth, spread, separations)) for _ in range(trials)]
        )
    return dict(zip(COLUMNS, [*shares[:5], found, target, *shares[5:]], strict=False))


def is_found(truth: GroundTruth, arms: dict) -> bool:
    """Whether the arm `one` is found to improve."""
    estimate = estimate_difference(truth, arms["one"], arms["real"])
    return estimate.value > 0 and p_value(estimate) < 0.05


def judge_curves(scenario: Scenario, trials: int) -> dict[str, float]:
    """The table's row of a learning curve without a difference at any size."""
    truth, rng = scenario.truth(), np.random.default_rng(4)
    # Halves of the variance of a mean over draws and over seeds.
    spread = spread_of(scenario, truth) * math.sqrt(0.5)
    shifts = spread * math.sqrt(scenario.draws / scenario.seeds), spread
    expected = stats.norm.cdf(scenario.separation / math.sqrt(2 + shifts[0] ** 2 + shifts[1] ** 2))
    rows = []
    for _ in range(trials):
        points = {}
        for size in range(100, 100 + SIZES):
            cells = curve_scores(scenario, rng, truth, shifts)
            for draw in range(scenario.draws):
                points[Subset(size, draw)] = [
                    CellResult("", arm, seed, 0, 0, 0.0, 0, {"real": 1, "synthetic": 0}, [], scores, scores)
                    for arm, of_arm in cells.items()
                    for seed, scores in enumerate(of_arm[draw])
                ]
        found = curve_rows(truth, points)
        real, *others = found[0], *(row["difference"] for row in found if row["arm"] != "real")
        first = others[0]
        rows.append(
            [
                first["ci95"][0] <= 0 <= first["ci95"][1],
                real["auc"]["ci95"][0] <= expected <= real["auc"]["ci95"][1],
                first["p"] < 0.05 and first["value"] > 0,
                any(apart["p_adjusted"] < 0.05 and apart["value"] > 0 for apart in others),
            ]
        )
    return dict(zip(COLUMNS, [*(100 * np.mean(rows, axis=0)).tolist(), math.nan, math.nan, math.nan], strict=False))


def curve_scores(
    scenario: Scenario, rng: np.random.Generator, truth: GroundTruth, shifts: tuple[float, float]
) -> dict[str, list[list[np.ndarray]]]:
    """Draw the scores of one size of a learning curve.

    Args:
        scenario: What is simulated.
        rng: The random stream.
        truth: The labels.
        shifts: The standard deviations of the separation over draws and over seeds, of which a part is common to the
            arms, as in `Scenario.scores`.

    Returns:
        For each arm the scores `(N, K)` of each draw and seed.
    """
    size = truth.labels.shape
    own = scenario.noise(rng, size) * math.sqrt(1 - scenario.training - scenario.arm)
    counts = (scenario.draws, scenario.seeds)
    common = [shift * math.sqrt(SHARED) * rng.normal(size=n) for shift, n in zip(shifts, counts, strict=True)]
    arms = {}
    for name in ("real", "mixed"):
        held = own + scenario.noise(rng, size) * math.sqrt(scenario.arm)
        of_draws, of_seeds = (
            shared + shift * math.sqrt(1 - SHARED) * rng.normal(size=n)
            for shared, shift, n in zip(common, shifts, counts, strict=True)
        )
        arms[name] = [
            [
                (scenario.separation + of_draw + of_seed) * truth.labels
                + held
                + scenario.noise(rng, size) * math.sqrt(scenario.training)
                for of_seed in of_seeds
            ]
            for of_draw in of_draws
        ]
    return arms


def references(truth: GroundTruth, arms: dict, draws: int, trial: int) -> list[bool]:
    """Compute the intervals of other statistics.

    Args:
        truth: The labels and patients.
        arms: The scores of the arms' seeds.
        draws: How many draws.
        trial: The seed of the draws.

    Returns:
        For each statistic whether its interval contains the true difference of 0.
    """
    boot = crossed_bootstrap(truth, {name: arms[name] for name in ("real", "one")}, draws, seed=trial)
    low, high = boot.difference("one", "real").ci95
    values, resampled = (held["one"] - held["real"] for held in (boot.values, boot.resampled))
    seeds = len(values)
    weights = np.random.default_rng(trial).multinomial(seeds, np.full(seeds, 1 / seeds), size=draws) / seeds
    middle = resampled.mean(axis=1)
    # The variance of seeds drawn from S is too small by the factor (S - 1) / S.
    drawn = middle + ((weights * resampled).sum(axis=1) - middle) * math.sqrt(seeds / (seeds - 1))
    of_seeds = values.var(ddof=1) / seeds
    inside = [bool(low <= 0 <= high)]
    for variance in (drawn.var(ddof=1), middle.var(ddof=1) + of_seeds):
        df = variance**2 * (seeds - 1) / of_seeds**2 if of_seeds > 0 else math.inf
        inside.append(bool(abs(values.mean()) <= stats.t.ppf(0.975, df) * math.sqrt(variance)))
    return inside


def scenarios() -> list[Scenario]:
    """All scenarios: each kind with a seeds' variance of 0, 1 and 4 times the patients'."""
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
        Scenario("learning curve, 3 draws, 3 seeds", 0, seeds=3, draws=3),
        Scenario("learning curve, 2 draws, 3 seeds", 0, seeds=3, draws=2),
    ]
    return [replace(kind, name=f"{kind.name}; seeds {ratio}x", ratio=ratio) for kind in kinds for ratio in (0, 1, 4)]


def main() -> None:
    """Print the table, each row as soon as it is finished."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--trials", type=int, default=1000)
    parser.add_argument("--draws", type=int, default=0)
    parser.add_argument("--only", default="")
    parser.add_argument("--workers", type=int, default=2)
    args = parser.parse_args()
    chosen = [scenario for scenario in scenarios() if args.only in scenario.name]
    columns = COLUMNS if args.draws else COLUMNS[:7]
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
