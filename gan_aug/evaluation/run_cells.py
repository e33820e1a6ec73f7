"""Running the cells: which a comparison asks for, what makes each what it is, and one worker's share of the work."""

from __future__ import annotations

import dataclasses
import hashlib
import secrets
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from gan_aug.compute import counters
from gan_aug.compute.device import choose_device
from gan_aug.config import ArmName, ClassifierConfig, Config
from gan_aug.data.artefacts import at_hand, copy_files, put_files
from gan_aug.data.manifest import Manifest, Split
from gan_aug.data.shards import ShardedImages, SyntheticManifest, open_shards
from gan_aug.data.store import open_images
from gan_aug.errors import CheckpointError, DataError
from gan_aug.evaluation.arms import TrainingSet, accept, accept_images, needs_synthetic, plan_arm
from gan_aug.evaluation.cell_files import FILES, read_cell, write_cell
from gan_aug.evaluation.cells import CellResult
from gan_aug.evaluation.classifier import ClassifierCard, build, predict_scores
from gan_aug.evaluation.features import inception_file
from gan_aug.evaluation.fit import Fitted, HeldOut, fit
from gan_aug.run import json_sha256, storage_errors
from gan_aug.storage import Place, below

RECIPE = 1
"""Raised whenever the same request would give another result: older cells are then computed again."""

THREADS = 1
"""Threads of every cell, so that results do not depend on the machine's cores."""

FEWEST = 2
"""Test images with and without a label that the variance of an AUC needs."""

MANIFEST = "manifest.json"


@dataclass(frozen=True)
class Cell:
    """One arm with one seed; `request` holds everything the result depends on and `key` is its SHA-256."""

    key: str
    arm: ArmName
    seed: int
    request: dict[str, Any]


@dataclass(frozen=True)
class CellContext:
    """What every cell of a comparison shares, loaded once per worker."""

    manifest: Manifest
    images: npt.NDArray[np.uint8]
    synthetic: SyntheticManifest | None
    synthetic_images: npt.NDArray[np.uint8] | ShardedImages | None
    cells: Path
    device: torch.device
    stored_cells: Place | None = None


def plan_cells(manifest: Manifest, synthetic: SyntheticManifest | None, config: Config) -> list[Cell]:
    """The cells of a comparison, one arm after the other within each seed.

    Raises DataError where an arm cannot be made or a split is absent, and LeakageError where `synthetic` may not be
    used, before anything is trained.
    """
    check_comparison(manifest, config)
    if synthetic is not None:
        accept(synthetic, manifest)
    for arm in config.compare.arms:
        plan_arm(arm, manifest, synthetic, config.compare.ratio)
    return [
        _cell(manifest, synthetic, config, arm, seed)
        for seed in range(config.compare.seeds)
        for arm in config.compare.arms
    ]


def check_comparison(manifest: Manifest, config: Config) -> None:
    """Raise DataError where no comparison of this data set can be made, ConfigError where a file it needs is absent."""
    for split in ("validation", "test"):
        if len(manifest.indices(split)) == 0:
            raise DataError(f"{manifest.name} has no {split} images: set data.{split} above 0 in a new run")
    if len(manifest.labels) < 2:
        raise DataError(f"{manifest.name} has one label, a comparison needs two classes: name a second one")
    total = len(manifest.indices("test"))
    for label, count in manifest.counts()["test"].items():
        if min(count, total - count) < FEWEST:
            raise DataError(
                f"the test split has {count} images with the label {label!r} and {total - count} without it; an AUC "
                f"needs {FEWEST} of each: give the test split more, or leave the label out"
            )
    build(config.classifier.name, manifest.shape, len(manifest.labels))
    if config.compare.fidelity and config.compare.features == "inception":
        inception_file()


def load_context(
    dataset: Path,
    synthetic: Place | None,
    cells: Path,
    device: str = "cpu",
    *,
    stored_dataset: Place | None = None,
    stored_cells: Place | None = None,
) -> CellContext:
    """Open a data set's folder and a synthetic set, for cells to be kept in `cells`.

    A host without the folders fetches the data set from `stored_dataset` and keeps its cells in `stored_cells` too.
    `device` is compute.device, which each worker chooses by for itself. Raises ManifestError when one is absent or
    altered, and LeakageError when the synthetic set may not be used.
    """
    dataset = at_hand(dataset, stored_dataset, MANIFEST)
    manifest = Manifest.load(dataset / MANIFEST)
    images = open_images(dataset, manifest)
    if synthetic is None:
        return CellContext(manifest, images, None, None, cells, choose_device(device), stored_cells)
    generated = SyntheticManifest.load(below(synthetic, MANIFEST))
    accept(generated, manifest)
    pixels = open_shards(synthetic, generated)
    accept_images(pixels, manifest)
    return CellContext(manifest, images, generated, pixels, cells, choose_device(device), stored_cells)


def run_cell(
    context: CellContext,
    cell: Cell,
    *,
    progress: Callable[[int], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> str:
    """Train and score one cell unless a whole one is there already; gives its key, the name of its folder.

    `progress` and `cancelled` are fit's. Raises TrainingDiverged when a loss is not finite, Cancelled when `cancelled`
    says so, StorageError when the cell cannot be written.
    """
    folder = context.cells / cell.key
    if _find_cell(folder, context.stored_cells) is None:
        _make_cell(context, cell, partial(fit, progress=progress, cancelled=cancelled))
    if context.stored_cells is not None:
        put_files(below(context.stored_cells, cell.key), {name: folder / name for name in FILES})
    return cell.key


def _make_cell(context: CellContext, cell: Cell, train: Callable[..., Fitted]) -> None:
    """Compute a cell and put it in its folder, whole."""
    folder = context.cells / cell.key
    with storage_errors(folder):
        for left in context.cells.glob(f"*{cell.key}*"):  # torn or altered, or half of it from a killed process
            shutil.rmtree(left)
    with torch_threads(THREADS):
        result, model = _compute(context, cell, train)
    temporary = context.cells / f".{cell.key}.{secrets.token_hex(4)}.tmp"
    manifest = context.manifest
    card = ClassifierCard(
        cell.request["classifier"]["name"], manifest.shape, manifest.labels, manifest.task, manifest.positive
    )
    write_cell(temporary, cell.request, result, model, card)
    with storage_errors(folder):
        temporary.rename(folder)
    counters.count("cells")


def cell_seed(base: int, seed: int) -> int:
    """The number that all randomness of seed `seed` comes from, the same in every arm, below 2**63."""
    return int.from_bytes(hashlib.sha256(f"cell/{base}/{seed}".encode()).digest()[:8]) >> 1


def _cell(manifest: Manifest, synthetic: SyntheticManifest | None, config: Config, arm: ArmName, seed: int) -> Cell:
    request = {
        "recipe": RECIPE,
        "dataset": manifest.fingerprint,
        "synthetic": synthetic.fingerprint if synthetic is not None and needs_synthetic(arm) else None,
        "arm": arm,
        "ratio": config.compare.ratio if arm == "mixed" else None,
        "base_seed": config.seed,
        "seed": seed,
        "classifier": config.classifier.model_dump(mode="json"),
        "threads": THREADS,
    }
    return Cell(json_sha256(request), arm, seed, request)


def _find_cell(folder: Path, stored: Place | None) -> CellResult | None:
    """The finished cell in `folder`, fetched from `stored` where it is only there; None where it is to be computed."""
    with suppress(CheckpointError):
        return finished_cell(folder, stored)
    return None


def finished_cell(folder: Path, stored: Place | None) -> CellResult:
    """The finished cell in `folder`, fetched from `stored` where it is only there; else raises CheckpointError."""
    try:
        return read_cell(folder)
    except CheckpointError:
        if stored is None or not copy_files(below(stored, folder.name), folder):
            raise
    return read_cell(folder)


@contextmanager
def torch_threads(count: int) -> Iterator[None]:
    """Run a block with `count` torch threads: a loop of cells shares its process with whoever called it."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _compute(context: CellContext, cell: Cell, train: Callable[..., Fitted]) -> tuple[CellResult, torch.nn.Module]:
    start = time.perf_counter()
    manifest, request = context.manifest, cell.request
    config = ClassifierConfig.model_validate(request["classifier"])
    plan = plan_arm(cell.arm, manifest, context.synthetic, request["ratio"] or 0.0)
    training = TrainingSet(plan, context.images, context.synthetic_images)
    validation, test = (_held_out(context, split) for split in ("validation", "test"))
    seed = cell_seed(request["base_seed"], cell.seed)
    fitted = train(config, manifest, training, validation, seed, device=context.device)
    result = CellResult(
        key=cell.key,
        arm=cell.arm,
        seed=cell.seed,
        steps=config.steps,
        best_step=fitted.best_step,
        seconds=0.0,
        parameters=sum(p.numel() for p in fitted.model.parameters()),
        train_images=plan.counts,
        history=fitted.history,
        validation_scores=predict_scores(fitted.model, validation.images, manifest.task),
        test_scores=predict_scores(fitted.model, test.images, manifest.task),
    )
    return dataclasses.replace(result, seconds=time.perf_counter() - start), fitted.model


def _held_out(context: CellContext, split: Split) -> HeldOut:
    rows = context.manifest.indices(split)
    return HeldOut(context.images[rows], context.manifest.label_matrix()[rows])
