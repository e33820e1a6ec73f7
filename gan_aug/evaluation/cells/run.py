"""Running the cells: one worker's share of the work, from a planned cell to its folder on disk."""

from __future__ import annotations

import dataclasses
import secrets
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from gan_aug.compute import counters
from gan_aug.compute.device import choose_device
from gan_aug.config.compare import ClassifierConfig
from gan_aug.data.image_store import open_images
from gan_aug.data.manifest import Manifest, Split
from gan_aug.data.splits.subsets import Subset, take_subset
from gan_aug.data.synthetic.shards import ShardedImages, SyntheticManifest, open_shards
from gan_aug.data.transforms import ClassicAugmentation
from gan_aug.errors import CheckpointError
from gan_aug.evaluation.arms import TrainingSet, plan_arm, shuffle_labels
from gan_aug.evaluation.cells.files import FILES, read_cell, write_cell
from gan_aug.evaluation.cells.plan import THREADS, Cell, cell_seed
from gan_aug.evaluation.cells.result import CellResult
from gan_aug.evaluation.classifiers.fit import Fitted, HeldOut, fit
from gan_aug.evaluation.classifiers.networks import ClassifierCard, predict_scores
from gan_aug.evaluation.leakage import check_synthetic_images, check_synthetic_set
from gan_aug.run import layout
from gan_aug.run.artefacts import copy_files, local_copy, put_files, sums_of
from gan_aug.run.files import storage_errors
from gan_aug.run.stores import Place, below


@dataclass(frozen=True)
class CellContext:
    """What every cell of a comparison shares, loaded once per worker.

    `sizes` is where the synthetic sets of the learning curves' subsets are, None where no arm needs them; `narrowed`
    holds the context of the subset at work.
    """

    manifest: Manifest
    images: npt.NDArray[np.uint8]
    synthetic: SyntheticManifest | None
    synthetic_images: npt.NDArray[np.uint8] | ShardedImages | None
    cells: Path
    device: torch.device
    stored_cells: Place | None = None
    sizes: Place | None = None
    narrowed: dict[Subset, CellContext] = field(default_factory=dict)


def load_context(
    dataset: Path,
    synthetic: Place | None,
    cells: Path,
    device: str = "cpu",
    *,
    sizes: Place | None = None,
    stored_dataset: Place | None = None,
    stored_cells: Place | None = None,
) -> CellContext:
    """Open a data set's folder and a synthetic set, for cells to be kept in `cells`.

    `sizes` is CellContext's. A host without the folders fetches the data set from `stored_dataset` and keeps its cells
    in `stored_cells` too. `device` is compute.device, which each worker chooses by for itself. Raises ManifestError
    when one is absent or altered, and LeakageError when the synthetic set may not be used.
    """
    dataset = local_copy(dataset, stored_dataset, layout.MANIFEST)
    manifest = Manifest.load(dataset / layout.MANIFEST)
    images = open_images(dataset, manifest)
    generated, pixels = _load_synthetic(synthetic, manifest) if synthetic else (None, None)
    return CellContext(manifest, images, generated, pixels, cells, choose_device(device), stored_cells, sizes)


def _load_synthetic(place: Place, manifest: Manifest) -> tuple[SyntheticManifest, ShardedImages]:
    generated = SyntheticManifest.load(below(place, layout.MANIFEST))
    check_synthetic_set(generated, manifest)
    pixels = open_shards(place, generated)
    check_synthetic_images(pixels, manifest)
    return generated, pixels


def _context_of(context: CellContext, cell: Cell) -> CellContext:
    """The context as the cell's subset sees it: fewer training images, and synthetic ones of their own GAN."""
    if cell.subset is None:
        return context
    if cell.subset not in context.narrowed:
        manifest = take_subset(context.manifest, cell.subset, cell.request["base_seed"])
        place = below(context.sizes, f"{cell.subset.name}/{layout.SYNTHETIC}") if context.sizes else None
        generated, pixels = _load_synthetic(place, manifest) if place else (None, None)
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
        result, model = _compute(_context_of(context, cell), cell, train)
    temporary = context.cells / f".{cell.key}.{secrets.token_hex(4)}.tmp"
    manifest = context.manifest
    card = ClassifierCard(
        cell.request["classifier"]["name"], manifest.shape, manifest.labels, manifest.task, manifest.positive
    )
    write_cell(temporary, cell.request, result, model, card)
    with storage_errors(folder):
        temporary.rename(folder)
    counters.count("cells")


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


def is_finished(folder: Path, stored: Place | None) -> bool:
    """Whether the cell in `folder` is whole there and, where there is a store, kept in `stored`."""
    try:
        read_cell(folder)
    except CheckpointError:
        return False
    return stored is None or bool(sums_of(below(stored, folder.name)))


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
    pretrain = request.get("pretrain", 0.0)
    fitted = train(config, manifest, training, validation, seed, pretrain=pretrain, device=context.device)
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
        plan = shuffle_labels(plan, seed)
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
