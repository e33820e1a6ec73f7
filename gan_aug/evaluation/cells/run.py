"""Run a cell: the work of one worker, from a planned cell to its folder on disk."""

from __future__ import annotations

import dataclasses
import secrets
import shutil
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from gan_aug.compute import counters
from gan_aug.compute.device import choose_device
from gan_aug.compute.environment import environment
from gan_aug.compute.threads import torch_threads
from gan_aug.config.compare import ClassifierConfig
from gan_aug.data.image_store import open_images
from gan_aug.data.manifest import INTERNAL, Manifest, Split
from gan_aug.data.splits.subsets import Subset, take_subset
from gan_aug.data.synthetic.shards import ShardedImages, SyntheticManifest, open_shards
from gan_aug.data.transforms import ClassicAugmentation
from gan_aug.errors import CheckpointError
from gan_aug.evaluation.arms import plan_arm, shuffle_labels
from gan_aug.evaluation.cells.drawn import WatchedTrainingSet, held_out_contents
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
class SyntheticSet:
    """A synthetic set that may be used: its manifest, and its images `(M, C, H, W) uint8`."""

    manifest: SyntheticManifest
    images: npt.NDArray[np.uint8] | ShardedImages


@dataclass(frozen=True)
class CellContext:
    """What all cells of a comparison share; loaded once per worker.

    Attributes:
        manifest: The data set.
        images: Its stored images, `(N, C, H, W) uint8`.
        sets: The synthetic set of each GAN, or that of a subset's own GAN.
        cells: The folder of the cells.
        device: The device to train on.
        stored_cells: Where the cells are kept in an object store too, or None.
        subset_sets: Where the synthetic sets of the learning curves' subsets are; None if no arm needs them.
        of_subset: The context of the subset in use; it holds at most one.
    """

    manifest: Manifest
    images: npt.NDArray[np.uint8]
    sets: tuple[SyntheticSet, ...]
    cells: Path
    device: torch.device
    stored_cells: Place | None = None
    subset_sets: Place | None = None
    of_subset: dict[Subset, CellContext] = field(default_factory=dict)


def load_context(
    dataset: Path,
    synthetic: Sequence[Place],
    cells: Path,
    device: str = "cpu",
    *,
    subset_sets: Place | None = None,
    stored_dataset: Place | None = None,
    stored_cells: Place | None = None,
) -> CellContext:
    """Open a data set and its synthetic sets, and check that these may be used.

    Args:
        dataset: The dataset folder.
        synthetic: Where the synthetic set of each GAN is.
        cells: The folder of the cells.
        device: `compute.device`, from which each worker chooses its own device.
        subset_sets: Where the synthetic sets of the learning curves' subsets are, or None.
        stored_dataset: Where the data set is in an object store, for hosts without the folder; or None.
        stored_cells: Where the cells are kept in an object store too, or None.

    Raises:
        ManifestError: If a set is absent or altered.
        LeakageError: If a synthetic set may not be used.
    """
    dataset = local_copy(dataset, stored_dataset, layout.MANIFEST)
    manifest = Manifest.load(dataset / layout.MANIFEST)
    images = open_images(dataset, manifest)
    sets = tuple(_load_synthetic(place, manifest) for place in synthetic)
    return CellContext(manifest, images, sets, cells, choose_device(device), stored_cells, subset_sets)


def _load_synthetic(place: Place, manifest: Manifest) -> SyntheticSet:
    generated = SyntheticManifest.load(below(place, layout.MANIFEST))
    check_synthetic_set(generated, manifest)
    pixels = open_shards(place, generated)
    check_synthetic_images(pixels, manifest)
    return SyntheticSet(generated, pixels)


def _context_of(context: CellContext, cell: Cell) -> CellContext:
    """The context for the cell's subset: fewer training images, and the synthetic set of the GAN trained on them."""
    if cell.subset is None:
        return context
    if cell.subset not in context.of_subset:
        manifest = take_subset(context.manifest, cell.subset, cell.request["base_seed"])
        place = below(context.subset_sets, f"{cell.subset.name}/{layout.SYNTHETIC}") if context.subset_sets else None
        sets = (_load_synthetic(place, manifest),) if place else ()
        context.of_subset.clear()  # cells come subset by subset: one set in memory is enough
        context.of_subset[cell.subset] = dataclasses.replace(context, manifest=manifest, sets=sets)
    return context.of_subset[cell.subset]


def run_cell(
    context: CellContext,
    cell: Cell,
    *,
    progress: Callable[[int], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> str:
    """Train and score one cell, unless it is finished already.

    Args:
        context: What the cells share.
        cell: The cell.
        progress: Called with the number of steps done at each validation, or None.
        cancelled: Says whether to stop, or None.

    Returns:
        The key of the cell, which is the name of its folder.

    Raises:
        TrainingDiverged: If a loss is not finite.
        Cancelled: If `cancelled` says so.
        StorageError: If the cell cannot be written.
    """
    folder = context.cells / cell.key
    if _find_cell(folder, context.stored_cells) is None:
        _make_cell(context, cell, partial(fit, progress=progress, cancelled=cancelled))
    if context.stored_cells is not None:
        put_files(below(context.stored_cells, cell.key), {name: folder / name for name in FILES})
    return cell.key


def _make_cell(context: CellContext, cell: Cell, train: Callable[..., Fitted]) -> None:
    """Compute a cell; its folder appears only when it is complete."""
    folder = context.cells / cell.key
    with storage_errors(folder):
        for left in context.cells.glob(f"*{cell.key}*"):  # altered, or left incomplete by a killed process
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
    """The finished cell in `folder`, or else in `stored`; None if it must be computed."""
    with suppress(CheckpointError):
        return finished_cell(folder, stored)
    return None


def finished_cell(folder: Path, stored: Place | None) -> CellResult:
    """The finished cell in `folder`, downloaded from `stored` if it is only there; else raises CheckpointError."""
    try:
        return read_cell(folder)
    except CheckpointError:
        if stored is None or not copy_files(below(stored, folder.name), folder):
            raise
    return read_cell(folder)


def is_finished(folder: Path, stored: Place | None) -> bool:
    """Whether the cell in `folder` is complete, and is in `stored` too if that is not None."""
    try:
        read_cell(folder)
    except CheckpointError:
        return False
    return stored is None or bool(sums_of(below(stored, folder.name)))


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
        internal_scores=_internal_scores(context, cell, fitted.model),
        drawn=training.drawn(),
    )
    taken = time.perf_counter() - start
    return dataclasses.replace(result, seconds=taken, environment=environment()), fitted.model


def _training_set(context: CellContext, cell: Cell, seed: int) -> WatchedTrainingSet:
    manifest, request = context.manifest, cell.request
    own = None if cell.gan is None else context.sets[cell.gan]
    generated, images = (own.manifest, own.images) if own else (None, None)
    plan = plan_arm(cell.arm, manifest, generated, request["ratio"] or 0.0, request.get("images"))
    if request.get("shuffled"):
        plan = shuffle_labels(plan, seed)
    augmentation = ClassicAugmentation(manifest.shape, tuple(request["flips"])) if plan.classic else None
    return WatchedTrainingSet(plan, context.images, images, augmentation, held_out_contents(manifest))


def _test_scores(context: CellContext, cell: Cell, model: torch.nn.Module) -> npt.NDArray[np.float64]:
    """The scores of the test images, `(N, K)`; none in a search for a ratio, so that it cannot choose by them."""
    manifest = context.manifest
    if cell.request.get("search"):
        return np.empty((0, len(manifest.labels)))
    return predict_scores(model, _held_out(context, "test").images, manifest.task)


def _internal_scores(context: CellContext, cell: Cell, model: torch.nn.Module) -> npt.NDArray[np.float64] | None:
    """The scores of the internal test, `(M, K)`; None without one, and in a search for a ratio."""
    if INTERNAL not in context.manifest.splits or cell.request.get("search"):
        return None
    return predict_scores(model, _held_out(context, INTERNAL).images, context.manifest.task)


def _held_out(context: CellContext, split: Split) -> HeldOut:
    rows = context.manifest.indices(split)
    return HeldOut(context.images[rows], context.manifest.label_matrix()[rows])
