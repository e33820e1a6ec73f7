"""Checks how often the report's verdict is right, in simulated comparisons with a known truth.

    python -m benchmarks.judge [--trials 200] [--only WORD] [--workers 1]

Each trial goes the report's own way: `outcome.headline` chooses arms and pairs, and judges the table. The scores are
binormal: the score of a case is the separation of its class (in this arm, seed and GAN) plus noise of variance 1.
One part of the noise is the same for the case in all arms and seeds, one part is that of the case in this arm, and one
part is new in every training. A seed shifts the separation; a part of this shift (0.3 of the variance) is common to all
arms, because they start alike. The seeds' variance of an arm's difference is 0, equal to the patients', or four times
as large. A GAN shifts the separation of `mixed` in all seeds that train on its images, with the standard deviation
that a seed's shift has.

The columns, in % of trials:

- `covered`, `covered AUC`: intervals of the difference mixed - real, and of the AUC of `mixed`, that contain the true
  value (should be 93 to 97).
- `improves`: the headline says so although `mixed` is exactly as good as `classic`, the other arms without a GAN are
  equal too; `worst`: the same if the others are far below, so that only one opponent is left (both at most 5).
- `any`: some comparison of the table says "improves" although no arm differs (at most 5).
- `none`: no verdict is given, because of one seed or few cases.
- `at`, `found`: the mean of the gains that the first trials called detectable, and how often the headline says
  "improves" if that is the true gain of `mixed` over all others (should be 75 to 85). A dash: more than a fifth of the
  trials name none, and those that name one underrate the noise.
- `equal`, `said`: how often the first trials say that the headline would be "non-inferior" or better if the arms were
  equal, and how often it is.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from scipy import stats

from gan_aug.evaluation.cells.result import CellResult
from gan_aug.evaluation.outcome.headline import choose, joint_verdict, judged_pairs, own_rows
from gan_aug.evaluation.statistics.comparison import (
    estimate_difference,
    gans_of_pair,
    holm,
    missing_for_verdict,
    paired,
    verdict,
)
from gan_aug.evaluation.statistics.ground_truth import GroundTruth
from gan_aug.evaluation.statistics.power import Study
from gan_aug.evaluation.statistics.uncertainty import Influence, mean_over_seeds, p_value

SHARED = 0.3
MARGIN = 0.03
WITHOUT = ("real", "duplicate", "classic")
COLUMNS = ("covered", "covered AUC", "improves", "worst", "any", "none", "at", "found", "equal", "said")
NAMED = 30
"""So many trials say what they could have shown, which takes longer than the rest."""
LOWER = 0.8
"""By how much the separation of the other arms is lower in the column `worst`."""


@dataclass(frozen=True)
class Scenario:
    """One kind of comparison; `ratio` is the seeds' variance of an arm's difference, divided by the patients'."""

    name: str
    ratio: float = 1.0
    patients: int = 200
    images: int = 1
    classes: int = 2
    ill: float = 0.5
    separation: float = 1.3
    seeds: int = 5
    gans: int = 5
    others: tuple[str, ...] = ()
    training: float = 0.2
    arm: float = 0.1

    def truth(self, patients: int) -> GroundTruth:
        """The labels, with fixed shares of the classes; all images of a patient have the same label."""
        shares = [1 - self.ill, self.ill] if self.classes == 2 else [1 / self.classes] * self.classes
        ends = np.round(np.cumsum(shares) * patients).astype(int)
        label = np.searchsorted(ends, np.arange(patients), side="right")
        labels = np.eye(self.classes, dtype=bool)[np.repeat(label, self.images)]
        names = tuple("abcdefgh"[: self.classes])
        owners = np.repeat(np.arange(patients), self.images)
        return GroundTruth(labels, names, False, 1 if self.classes == 2 else None, owners)

    def behind(self) -> dict[str, list[int]]:
        """The GAN behind each seed of each arm that has one."""
        return {name: [seed % self.gans for seed in range(self.seeds)] for name in ("mixed", *self.others)}


class Row(NamedTuple):
    """What a `Comparison` has, as far as the headline asks."""

    arm: str
    against: str
    difference: float
    ci95: tuple[float, float]
    p: float
    p_adjusted: float
    verdict: str


@dataclass(frozen=True)
class Trial:
    """One simulated comparison: the table's rows, and the arm with a GAN that validation chose."""

    aucs: dict[str, list[Influence]]
    arm: str
    rows: list[Row]
    missing: bool

    @property
    def verdict(self) -> str:
        """The headline's verdict."""
        return joint_verdict(own_rows(self.rows, self.arm))

    @property
    def any_improves(self) -> bool:
        """Whether some comparison of the table says so."""
        return any(row.verdict == "improves" for row in self.rows)


class Simulation:
    """Trials of a scenario."""

    def __init__(self, scenario: Scenario) -> None:
        self.scenario = scenario
        self.test, self.validation = scenario.truth(scenario.patients), scenario.truth(max(40, scenario.patients // 2))
        self.gans = scenario.behind()
        self.rng = np.random.default_rng(list(scenario.name.encode()))
        self.spread = self.spread_of_seeds()
        usual = 2 + self.spread**2
        self.expected = float(stats.norm.cdf(scenario.separation / math.sqrt(usual)))
        # The mean AUC of arms whose separation varies more is lower, unless the separation is larger.
        self.factor = math.sqrt((usual + self.spread**2) / usual)

    def spread_of_seeds(self) -> float:
        """The standard deviation of the separation over seeds for which the ratio is the scenario's."""
        equal = dict.fromkeys(("real", "mixed"), self.scenario.separation)
        variances = []
        for _ in range(60):
            scores = self.scores(np.random.default_rng([17, len(variances)]), self.test, equal, None)
            variances.append(estimate_difference(self.test, scores["mixed"], scores["real"]).se ** 2)
        slope = stats.norm.pdf(self.scenario.separation / math.sqrt(2)) / math.sqrt(2)
        share = self.scenario.ratio * np.mean(variances) * self.scenario.seeds / (2 * (1 - SHARED))
        return float(math.sqrt(share) / slope)

    def trial(self, separations: Mapping[str, float]) -> Trial:
        """Train and judge, with these mean separations of the arms."""
        shifts = self.shifts(separations)
        scores = [self.scores(self.rng, truth, separations, shifts) for truth in (self.validation, self.test)]
        cells = {
            name: [
                CellResult("", name, seed, 0, 0, 0.0, 0, {}, [], *pair)
                for seed, pair in enumerate(zip(*(of_split[name] for of_split in scores), strict=True))
            ]
            for name in separations
        }
        choice = choose(self.validation, cells)
        aucs = {name: [self.test.auc(one) for one in of_arm] for name, of_arm in scores[1].items()}
        pairs = judged_pairs(cells, choice)
        estimates = [paired(self.test, aucs[a], aucs[b], gans_of_pair(self.gans, (a, b))) for a, b in pairs]
        p_values = [p_value(one) for one in estimates]
        missing = missing_for_verdict(self.test, self.scenario.seeds)
        rows = [
            Row(a, b, one.value, one.ci95, p, adjusted, "inconclusive" if missing else verdict(one, adjusted, MARGIN))
            for (a, b), one, p, adjusted in zip(pairs, estimates, p_values, holm(p_values), strict=True)
        ]
        return Trial(aucs, choice.arm, rows, bool(missing))

    def shifts(self, separations: Mapping[str, float]) -> dict[str, np.ndarray]:
        """The shift of each arm's separation in each seed: of the seed, and of the GAN."""
        scenario, rng = self.scenario, self.rng
        common = rng.normal(size=scenario.seeds) * math.sqrt(SHARED)
        of_gans = rng.normal(size=scenario.gans)
        found = {}
        for name in separations:
            own = common + rng.normal(size=scenario.seeds) * math.sqrt(1 - SHARED)
            of_gan = of_gans[self.gans[name]] if name in self.gans else 0.0
            found[name] = self.spread * (own + of_gan)
        return found

    def scores(
        self,
        rng: np.random.Generator,
        truth: GroundTruth,
        separations: Mapping[str, float],
        shifts: Mapping[str, np.ndarray] | None,
    ) -> dict[str, list[np.ndarray]]:
        """For each arm the scores `(N, K)` of its seeds."""
        scenario, size = self.scenario, truth.labels.shape
        own = self.noise(rng, size) * math.sqrt(1 - scenario.training - scenario.arm)
        arms = {}
        for name, separation in separations.items():
            held = own + self.noise(rng, size) * math.sqrt(scenario.arm)
            moved = shifts[name] if shifts else np.zeros(scenario.seeds)
            arms[name] = [
                (separation + shift) * truth.labels + held + self.noise(rng, size) * math.sqrt(scenario.training)
                for shift in moved
            ]
        return arms

    def noise(self, rng: np.random.Generator, size: tuple[int, int]) -> np.ndarray:
        """Noise of variance 1; half of the variance is common to the images of a patient who has several."""
        if self.scenario.images == 1:
            return rng.normal(size=size)
        patients = size[0] // self.scenario.images
        of_patients = np.repeat(rng.normal(size=(patients, size[1])), self.scenario.images, axis=0)
        return math.sqrt(0.5) * (of_patients + rng.normal(size=size))

    def separations(self, gain: float = 0.0, lower: float = 0.0) -> dict[str, float]:
        """Separations with which arms with a GAN have a mean AUC higher by `gain` than that of classic.

        The separations of the other arms without a GAN are lower by `lower`.
        """
        usual = self.scenario.separation
        better = usual if not gain else math.sqrt(2 + self.spread**2) * float(stats.norm.ppf(self.expected + gain))
        without = {name: usual - lower * (name != "classic") for name in WITHOUT}
        return {**without, **dict.fromkeys(self.gans, better * self.factor)}

    def covers(self, trial: Trial) -> tuple[bool, bool]:
        """Whether the intervals of mixed - real and of the AUC of `mixed` contain the true values."""
        test, gans = self.test, self.gans["mixed"]
        low, high = paired(test, trial.aucs["mixed"], trial.aucs["real"], gans).ci95
        below, above = mean_over_seeds(trial.aucs["mixed"], test.patients, test.pairs, "logit", gans).ci95
        return low <= 0 <= high, below <= self.expected <= above

    def told(self, trial: Trial) -> tuple[float | None, float]:
        """The gain that a trial calls detectable, and how often it would say "non-inferior" if arms were equal."""
        own = own_rows(trial.rows, trial.arm)
        aucs = [trial.aucs[name] for name in (trial.arm, *(row.against for row in own))]
        beside = [row.p for row in trial.rows if row not in own]
        study = Study.of(aucs, self.test.patients, self.test.pairs, self.gans[trial.arm], beside)
        return study.smallest_gain(), study.no_worse_if_equal(MARGIN)

    def row(self, trials: int) -> dict[str, float]:
        """The table's row, by columns."""
        equal = self.separations()
        gains, powers, rows = [], [], []
        for number in range(trials):
            trial = self.trial(equal)
            if number < NAMED and not trial.missing:
                gain, power = self.told(trial)
                gains.append(gain)
                powers.append(power)
            said = trial.verdict
            flags = said == "improves", said in ("improves", "non-inferior"), trial.missing, trial.any_improves
            rows.append([*self.covers(trial), *flags])
        shares = 100 * np.mean(rows, axis=0)
        known = [gain for gain in gains if gain is not None]
        at = float(np.mean(known)) if known and len(known) >= 0.8 * len(gains) else math.nan
        values = (
            *shares[:3],
            self.improves(self.separations(lower=LOWER), trials),
            shares[5],
            shares[4],
            at,
            self.improves(self.separations(at), trials) if self.expected + at < 1 else math.nan,
            100 * float(np.mean(powers)) if powers else math.nan,
            shares[3] if powers else math.nan,
        )
        return dict(zip(COLUMNS, values, strict=True))

    def improves(self, separations: Mapping[str, float], trials: int) -> float:
        """How often the headline says "improves", in %."""
        return 100 * float(np.mean([self.trial(separations).verdict == "improves" for _ in range(trials)]))


def scenarios() -> list[Scenario]:
    """All scenarios."""
    at = [(f"seeds and GANs {ratio}x", ratio) for ratio in (0, 1, 4)]
    kinds = [
        *(Scenario(f"200 patients, 5 seeds, 5 GANs; {said}", ratio) for said, ratio in at),
        *(Scenario(f"200 patients, 3 seeds, 3 GANs; {said}", ratio, seeds=3, gans=3) for said, ratio in at),
        Scenario("200 patients, 6 seeds, 3 GANs", seeds=6, gans=3),
        Scenario("200 patients, 5 seeds, 3 GANs", gans=3),
        Scenario("200 patients, 6 seeds, 2 GANs", seeds=6, gans=2),
        Scenario("200 patients, 5 seeds, one GAN", gans=1),
        Scenario("200 patients, 3 seeds, one GAN", seeds=3, gans=1),
        Scenario("200 patients, one seed", seeds=1, gans=1),
        *(Scenario(f"{n} positives of 200", seeds=3, gans=3, ill=n / 200) for n in (2, 5, 10, 20)),
        *(Scenario(f"{n} positives of 200, 5 seeds", ill=n / 200) for n in (10, 20)),
        Scenario("100 patients, 30 % ill, AUC .94", patients=100, ill=0.3, separation=2.2),
        Scenario("400 patients", patients=400),
        Scenario("3 classes, 200 patients", classes=3),
        Scenario("200 patients with 2 images each", images=2),
    ]
    several = ("pretrain", "classic+mixed", "classic+pretrain")
    return [*kinds, replace(kinds[2], name="four arms with a GAN; seeds and GANs 4x", others=several)]


def judge(scenario: Scenario, trials: int) -> dict[str, float]:
    """The table's row of a scenario."""
    return Simulation(scenario).row(trials)


def cell_text(column: str, value: Any) -> str:
    """A figure of the table as text."""
    if math.isnan(value):
        return "–"
    return f"{value:.3f}" if column == "at" else f"{value:.1f}"


def main() -> None:
    """Print the table, each row as soon as it is finished."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--trials", type=int, default=200)
    parser.add_argument("--only", default="")
    parser.add_argument("--workers", type=int, default=1)
    args = parser.parse_args()
    chosen = [scenario for scenario in scenarios() if args.only in scenario.name]
    print(f"{args.trials} trials a row; one standard error of 95 % is {100 * math.sqrt(0.0475 / args.trials):.1f}")
    print("| comparison | " + " | ".join(COLUMNS) + " |")
    print("|---" * (len(COLUMNS) + 1) + "|")
    with ProcessPoolExecutor(args.workers) as pool:
        for scenario, row in zip(chosen, pool.map(partial(judge, trials=args.trials), chosen), strict=True):
            print(f"| {scenario.name} | " + " | ".join(cell_text(*pair) for pair in row.items()) + " |", flush=True)


if __name__ == "__main__":
    main()
