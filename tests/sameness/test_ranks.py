"""Several ranks train as one process does on the same global batches, to the rounding of sums."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from gan_aug.compute.executor import RankGroup
from gan_aug.compute.local.executor import LocalExecutor
from gan_aug.errors import TrainingDiverged
from gan_aug.gan.adaptive import AdaptiveSettings
from gan_aug.gan.augment import AugmentName
from gan_aug.gan.losses import LossName
from gan_aug.gan.networks.settings import NetworkName
from gan_aug.gan.ranks import Ranks, current_ranks
from gan_aug.gan.state import (
    TrainingData,
    broadcast_state,
    read_checkpoint,
    restore,
    save_checkpoint,
)
from gan_aug.gan.tensors import training_tensors
from gan_aug.gan.trainer import GanTrainer
from tests.support.gan_samples import small_trainer

pytestmark = pytest.mark.slow

ALL: tuple[AugmentName, ...] = ("translation", "cutout", "brightness", "contrast")
SIX: tuple[AugmentName, ...] = (*ALL, "affine", "flip")
RISING = AdaptiveSettings(target=-0.5, rise=360)
"""p rises at most measurements."""


@dataclass(frozen=True)
class Case:
    """One training of STEPS steps: its loss, penalty, augmentation, batch size, images and networks."""

    loss: LossName
    penalty: float = 0.0
    augment: tuple[AugmentName, ...] = ()
    batch: int = 16
    images: int = 320
    spectral: bool = False
    network: NetworkName = "dcgan"
    adaptive: AdaptiveSettings | None = None


CASES = {
    "bce": Case("bce", augment=ALL, spectral=True),
    "bce-penalty": Case("bce", penalty=0.5),
    "hinge": Case("hinge", spectral=True),
    "hinge-penalty": Case("hinge", penalty=0.5, augment=ALL),
    "relativistic": Case("relativistic", augment=ALL),
    "relativistic-penalty": Case("relativistic", penalty=1.0, augment=ALL),
    # A last batch of 8.
    "uneven": Case("relativistic", penalty=1.0, augment=SIX, batch=13, images=19 * 13 + 8, adaptive=RISING),
    "fewer-than-ranks": Case("hinge", penalty=0.5, augment=ALL, batch=8, images=19 * 8 + 1),  # a last batch of 1
    "resize": Case("relativistic", penalty=0.01, batch=6, images=120, network="resize"),
    "residual": Case("relativistic", penalty=0.01, batch=6, images=120, network="residual"),
}
THREE = ("relativistic-penalty", "uneven", "fewer-than-ranks")
DATA = TrainingData(labels=("a", "b", "c"), task="multi-class", dataset="0" * 64, trained_images=0)
STEPS, WARM, SINGLE_STEPS = 20, 20, 5


def make_trainer(case: Case, ranks: Ranks, dtype: str, images: int) -> GanTrainer:
    return small_trainer(
        case.spectral,
        ranks=ranks,
        dtype=getattr(torch, dtype),
        loss=case.loss,
        penalty=case.penalty,
        penalty_every=3,
        augment=case.augment,
        adaptive=case.adaptive,
        batch=case.batch,
        images=images,
        network=case.network,
    )


def train_on(trainer: GanTrainer, steps: int) -> list[tuple[float, float, float, float]]:
    reports = [trainer.step() for _ in range(steps)]
    return [(report.loss_d, report.loss_g, report.real, report.fake) for report in reports]


def train_cases(folder: Path) -> None:
    """What each rank does; every rank writes what it saw and what it holds in the end."""
    torch.set_num_threads(1)
    ranks = current_ranks(torch.device("cpu"))
    shown = {}
    for name, case in CASES.items():
        if ranks.size == 3 and name not in THREE:
            continue
        whole = make_trainer(case, ranks, "float64", case.images)
        double = train_on(whole, STEPS)
        statistics = [value.tolist() for key, value in whole.generator.state_dict().items() if "running" in key]
        single = make_trainer(case, ranks, "float32", 100 * case.batch)
        restore(single, read_checkpoint(folder / name / f"{WARM * case.batch:010d}"))
        shown[name] = (double, train_on(single, SINGLE_STEPS), statistics, digest(whole) + digest(single))
    (folder / f"{ranks.rank}-of-{ranks.size}.json").write_text(json.dumps(shown))


def digest(trainer: GanTrainer) -> str:
    state = sorted(training_tensors(trainer).items())
    return hashlib.sha256(b"".join(value.contiguous().numpy().tobytes() for _, value in state)).hexdigest()


def together(work: Callable[[Path], None], ranks: int, folder: Path, **changes: Any) -> list[str]:
    """Run `work(folder)` in so many ranks; gives what the launcher said meanwhile."""
    said: list[str] = []
    group = replace(
        RankGroup(ranks=ranks, min_ranks=ranks, retries=0, threads=1, gpus=0, shared_folder=folder), **changes
    )
    LocalExecutor(1).train(partial(work, folder), group, said.append)
    return [sentence for sentence in said if sentence]


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> dict[int, list[dict[str, Any]]]:
    """What each of 1, 2 and 3 ranks saw.

    The trainings in float32 go on from a checkpoint: Adam divides a gradient by its own size, so that on the first
    steps one that is nothing but rounding moves its weight as far as any other.
    """
    folder = tmp_path_factory.mktemp("ranks")
    for name, case in CASES.items():
        trainer = make_trainer(case, Ranks(), "float32", 100 * case.batch)
        train_on(trainer, WARM)
        save_checkpoint(folder / name, trainer, DATA)
    for size in (1, 2, 3):
        together(train_cases, size, folder)
    return {n: [json.loads((folder / f"{rank}-of-{n}.json").read_text()) for rank in range(n)] for n in (1, 2, 3)}


def farthest(one: list[list[float]], other: list[list[float]], columns: int | None = None) -> float:
    """The largest difference between two tables, in their first `columns` columns."""
    first, second = (np.array([value for row in table for value in row[:columns]]) for table in (one, other))
    assert np.isfinite(first).all()
    return float(np.abs(first - second).max())


@pytest.mark.parametrize(("name", "size"), [(name, 2) for name in CASES] + [(name, 3) for name in THREE])
def test_ranks_are_one_process(shown: dict[int, list[dict[str, Any]]], name: str, size: int) -> None:
    double, single, statistics, _ = shown[1][0][name]
    for rank in shown[size]:
        assert len(rank[name][0]) == STEPS
        assert farthest(double, rank[name][0]) < 1e-9
        assert farthest(statistics, rank[name][2]) < 1e-9
        # The losses: a relativistic one does not see a shift of all logits, which rounding alone then moves.
        assert farthest(single, rank[name][1], columns=2) < 1e-5


@pytest.mark.parametrize("size", [2, 3])
def test_all_ranks_hold_the_same_bits(shown: dict[int, list[dict[str, Any]]], size: int) -> None:
    first, *others = shown[size]
    assert others
    assert all(other == first for other in others)


def diverge(folder: Path) -> None:
    """One rank alone comes upon what is not finite."""
    ranks = current_ranks(torch.device("cpu"))
    trainer = small_trainer(ranks=ranks)
    trainer.step()
    if ranks.rank == 1:
        with torch.no_grad():
            trainer.discriminator.features.bias.fill_(math.nan)
    before = digest_of_weights(trainer)
    try:
        trainer.step()
    except TrainingDiverged:
        (folder / f"{ranks.rank}").write_text(str(before == digest_of_weights(trainer)))
        ranks.any(True)  # the first to leave ends the others
        raise


def digest_of_weights(trainer: GanTrainer) -> list[float]:
    return [float(parameter.nan_to_num().sum()) for parameter in trainer.discriminator.parameters()]


def test_what_is_not_finite_on_one_rank_stops_all_before_the_update(tmp_path: Path) -> None:
    with pytest.raises(TrainingDiverged, match="after 16 images: lower train.lr"):
        together(diverge, 2, tmp_path)
    assert [(tmp_path / rank).read_text() for rank in "01"] == ["True", "True"]


def follow(folder: Path) -> None:
    ranks = current_ranks(torch.device("cpu"))
    trainer = small_trainer(ranks=ranks, seed=ranks.rank)
    if ranks.rank == 0:
        trainer = small_trainer(ranks=Ranks())
        train_on(trainer, 2)
        trainer.ranks = ranks
    broadcast_state(trainer)
    (folder / f"{ranks.rank}").write_text(f"{trainer.images} {digest(trainer)}")


def test_all_begin_where_rank_0_is(tmp_path: Path) -> None:
    together(follow, 2, tmp_path)
    assert (tmp_path / "0").read_text() == (tmp_path / "1").read_text()
    assert (tmp_path / "1").read_text().startswith("32 ")
