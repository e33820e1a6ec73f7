"""The learning curves' GANs: one for each subset of the training split, trained on that subset only.

Each has a folder `sizes/SIZE-DRAW`, a small run folder with `train`, `synthetic` and events. In a store it has a prefix
of that name below the run's prefix.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from gan_aug.compute.local.executor import LocalExecutor
from gan_aug.compute.threads import torch_threads
from gan_aug.config.compute import ComputeConfig
from gan_aug.config.gan import SynthesisConfig
from gan_aug.config.stages import CurveRequest, TrainRequest
from gan_aug.data.manifest import Manifest
from gan_aug.data.splits.subsets import Subset, take_subset
from gan_aug.data.synthetic.shards import SyntheticManifest
from gan_aug.errors import ManifestError
from gan_aug.evaluation.cells.plan import THREADS
from gan_aug.run import layout
from gan_aug.run.artefacts import local_copy
from gan_aug.run.folder import RunDir
from gan_aug.run.stage_requests import check, claim
from gan_aug.run.stores import below
from gan_aug.stages.context import StageContext
from gan_aug.stages.gans.parts import PartDir
from gan_aug.stages.storage import RunStorage
from gan_aug.stages.train import train
from gan_aug.synthesis.plan import plan_labels
from gan_aug.synthesis.write import is_whole, write_synthetic_set


def subset_dir(run: Path, subset: Subset, images: Path | None = None) -> PartDir:
    """The part of a run folder with one subset's GAN; `images` is as for PartDir."""
    return PartDir(run, f"{layout.SIZES}/{subset.name}", images)


def make_synthetic_sets(context: StageContext, request: CurveRequest, subsets: Sequence[Subset]) -> None:
    """Train each subset's GAN and make its synthetic set, spread over the executor, if it is not whole already.

    Args:
        context: The run's.
        request: The request of the GANs.
        subsets: The parts of the training split.

    Raises:
        RunConflict: If a subset's folder holds the results of another request.
        GanAugError: What training and making images raise.
    """
    run, storage = context.run, context.storage
    missing = [subset for subset in subsets if not _is_whole(run, storage, request, subset)]
    if not missing:
        return
    seen = request.train.images
    run.emit("sizes", "start", f"{len(missing)} GANs of {len(subsets)} subsets, {seen:,} images seen by each")
    work = partial(_make_set, request=request, storage=storage, compute=context.compute)
    for done, (index, made) in enumerate(context.executor.map(work, missing, cancelled=run.cancelled), start=1):
        subset = missing[index]
        if storage.place:
            _claim(subset_dir(run.path, subset), request.synthesis, made.checkpoint)
            made.save(subset_dir(run.path, subset).synthetic / layout.MANIFEST)
        message = f"{subset.size} images, draw {subset.draw}"
        run.emit("sizes", "progress", message, done=done, total=len(missing), unit="GANs")
    run.emit("sizes", "finish", f"{len(subsets)} synthetic sets, each of a GAN that saw its subset alone")


def subset_training(request: CurveRequest, subset: Subset) -> TrainRequest:
    """The request of one subset's GAN, with a seed of its own for each draw."""
    return TrainRequest(seed=draw_seed(request.seed, subset.draw), gan=request.gan, train=request.train)


def draw_seed(base: int, draw: int) -> int:
    """The seed of a draw's GANs, below 2**32, so that draws differ in chance as well as in images."""
    return int.from_bytes(hashlib.sha256(f"draw/{base}/{draw}".encode()).digest()[:4])


def _is_whole(run: RunDir, storage: RunStorage, request: CurveRequest, subset: Subset) -> bool:
    """Whether the subset's synthetic set is whole; raises RunConflict if another request made it."""
    own = run.path / layout.SIZES / subset.name / layout.SYNTHETIC / layout.MANIFEST
    if not own.exists():
        return False
    folder = subset_dir(run.path, subset)
    check(folder, layout.TRAIN, subset_training(request, subset).to_json())
    check(folder, layout.SYNTHETIC, {"synthesis": request.synthesis.model_dump(mode="json")})
    try:
        made = SyntheticManifest.load(own)
    except ManifestError:
        return False
    return is_whole(made, below(storage.sizes, f"{subset.name}/{layout.SYNTHETIC}"))


def _make_set(
    state: None,  # noqa: ARG001 - the signature of an executor's work
    subset: Subset,
    *,
    request: CurveRequest,
    storage: RunStorage,
    compute: ComputeConfig,
) -> SyntheticManifest:
    """One worker's share: a GAN and its synthetic set, resumed from an earlier start.

    A host without the run folder fetches the images from the store and saves its results there. One rank trains, with
    the same number of threads on every machine.
    """
    images = local_copy(storage.folder / layout.DATASET, storage.dataset, layout.MANIFEST)
    folder = subset_dir(storage.folder, subset, images)
    alone = compute.model_copy(update={"threads": THREADS, "ranks": 1, "min_ranks": None})
    part = storage.part(f"{layout.SIZES}/{subset.name}")
    context = StageContext(folder, part, LocalExecutor(1), alone)
    manifest = take_subset(Manifest.load(images / layout.MANIFEST), subset, request.seed)
    with torch_threads(THREADS):
        checkpoint = train(context, subset_training(request, subset), manifest)
        _claim(folder, request.synthesis, checkpoint.id)
        return write_synthetic_set(
            checkpoint,
            plan_labels(request.synthesis, manifest),
            context.storage.synthetic,
            context.executor,
            seed=request.synthesis.seed,
            shard_size=request.synthesis.shard,
            lists=True,
            device=compute.device,
            cancelled=folder.cancelled,
        )


def _claim(folder: PartDir, wanted: SynthesisConfig, checkpoint: str) -> None:
    """Save the request of the subset's synthetic set, or check it against the one that was saved before."""
    made_of = {"synthesis": wanted.model_dump(mode="json"), "checkpoint": checkpoint}
    claim(folder, layout.SYNTHETIC, made_of, products=f"{layout.SHARD}*")
