"""Running the cells: one worker's share of the work, from a planned cell to its folder on disk."""

from __future__ import annotations

import dataclasses
import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from gan_aug.config import ClassifierConfig
from gan_aug.data.manifest import Manifest, Split
from gan_aug.data.shards import SyntheticManifest, read_images
from gan_aug.data.store import open_images
from gan_aug.data.subsets import Subset, take
from gan_aug.data.transforms import ClassicAugmentation
from gan_aug.errors import CheckpointError
from gan_aug.evaluation.arms import TrainingSet, accept, accept_images, plan_arm, shuffled
from gan_aug.evaluation.cell_files import read_cell, write_cell
from gan_aug.evaluation.cell_plan import THREADS, Cell, cell_seed
from gan_aug.evaluation.cells import CellResult
from gan_aug.evaluation.classifier import ClassifierCard, predict_scores
from gan_aug.evaluation.fit import Fitted, HeldOut, fit
from gan_aug.run import storage_errors

MANIFEST = "manifest.json"
SYNTHETIC = "synthetic"


@dataclass(frozen=True)
class CellContext:
    """What every cell of a comparison shares, loaded once per worker.

    `sizes` is the folder of the learning curves' subsets; `narrowed` holds the context of the subset at work.
    """

    manifest: Manifest
    images: npt.NDArray[np.uint8]
    synthetic: SyntheticManifest | None
    synthetic_images: npt.NDArray[np.uint8] | None
    cells: Path
    device: torch.device
    sizes: Path | None = None
    narrowed: dict[Subset, CellContext] = field(default_factory=dict)


def load_context(
    dataset: Path, synthetic: Path | None, cells: Path, device: str = "cpu", sizes: Path | None = None
) -> CellContext:
    """Open a data set's folder and a synthetic set's, for cells to be kept in `cells`.

    Raises ManifestError when one is absent or altered, and LeakageError when the synthetic set may not be used.
    """
    manifest = Manifest.load(dataset / MANIFEST)
    images = open_images(dataset, manifest)
    generated, pixels = _load_synthetic(synthetic, manifest) if synthetic else (None, None)
    return CellContext(manifest, images, generated, pixels, cells, torch.device(device), sizes)


def _load_synthetic(folder: Path, manifest: Manifest) -> tuple[SyntheticManifest, npt.NDArray[np.uint8]]:
    generated = SyntheticManifest.load(folder / MANIFEST)
    accept(generated, manifest)
    pixels = read_images(folder, generated)
    accept_images(pixels, manifest)
    return generated, pixels


def _context_of(context: CellContext, cell: Cell) -> CellContext:
    """The context as the cell's subset sees it: fewer training images, and synthetic ones of their own GAN."""
    if cell.subset is None:
        return context
    if cell.subset not in context.narrowed:
        manifest = take(context.manifest, cell.subset, cell.request["base_seed"])
        folder = context.sizes / cell.subset.name / SYNTHETIC if context.sizes else None
        made = folder is not None and (folder / MANIFEST).exists()
        generated, pixels = _load_synthetic(folder, manifest) if folder and made else (None, None)
        context.narrowed.clear()  # cells come subset by subset, and one set in memory is enough
        context.narrowed[cell.subset] = dataclasses.replace(
            context, manifest=manifest, synthetic=generated, synthetic_images=pixels
        )
    return context.narrowed[cell.subset]


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
    if _is_done(folder):
        return cell.key
    with storage_errors(folder):
        for left in context.cells.glob(f"*{cell.key}*"):  # torn or altered, or half of it from a killed process
            shutil.rmtree(left)
    with torch_threads(THREADS):
        train = partial(fit, device=context.device, progress=progress, cancelled=cancelled)
        result, model = _compute(_context_of(context, cell), cell, train)
    temporary = context.cells / f".{cell.key}.{os.getpid()}.tmp"
    manifest = context.manifest
    card = ClassifierCard(
        cell.request["classifier"]["name"], manifest.shape, manifest.labels, manifest.task, manifest.positive
    )
    write_cell(temporary, cell.request, result, model, card)
    with storage_errors(folder):
        temporary.rename(folder)
    return cell.key


def _is_done(folder: Path) -> bool:
    try:
        read_cell(folder)
    except CheckpointError:
        return False
    return True


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
    seed = cell_seed(request["base_seed"], cell.seed)
    training = _training_set(context, cell, seed)
    validation = _held_out(context, "validation")
    fitted = train(config, manifest, training, validation, seed, pretrain=request.get("pretrain", 0.0))
    result = CellResult(
        key=cell.key,
        arm=cell.arm,
        seed=cell.seed,
        steps=fitted.steps,
        best_step=fitted.best_step,
        seconds=0.0,
        parameters=sum(p.numel() for p in fitted.model.parameters()),
        train_images=training.plan.counts,
        history=fitted.history,
        validation_scores=predict_scores(fitted.model, validation.images, manifest.task),
        test_scores=_test_scores(context, cell, fitted.model),
    )
    return dataclasses.replace(result, seconds=time.perf_counter() - start), fitted.model


def _training_set(context: CellContext, cell: Cell, seed: int) -> TrainingSet:
    manifest, request = context.manifest, cell.request
    plan = plan_arm(cell.arm, manifest, context.synthetic, request["ratio"] or 0.0)
    if request.get("shuffled"):
        plan = shuffled(plan, seed)
    augmentation = ClassicAugmentation(manifest.shape, tuple(request["flips"])) if plan.classic else None
    return TrainingSet(plan, context.images, context.synthetic_images, augmentation)


def _test_scores(context: CellContext, cell: Cell, model: torch.nn.Module) -> npt.NDArray[np.float64]:
    """Scores `(N, K)` of the test images; none where a ratio is searched: nobody can choose by what is not there."""
    manifest = context.manifest
    if cell.request.get("search"):
        return np.empty((0, len(manifest.labels)))
    return predict_scores(model, _held_out(context, "test").images, manifest.task)


def _held_out(context: CellContext, split: Split) -> HeldOut:
    rows = context.manifest.indices(split)
    return HeldOut(context.images[rows], context.manifest.label_matrix()[rows])
