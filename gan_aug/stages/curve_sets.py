"""The learning curves' GANs: for each subset of the training split one that saw no other image, and its synthetic set.

Each has a folder `sizes/SIZE-DRAW` that is a small run folder of its own: `train`, `synthetic` and their record. In a
store it has a prefix of that name below the run's.
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
from gan_aug.run.files import write_json
from gan_aug.run.folder import RunDir
from gan_aug.run.stage_requests import check, claim
from gan_aug.run.stores import below
from gan_aug.stages.context import StageContext
from gan_aug.stages.storage import RunStorage
from gan_aug.stages.train import train
from gan_aug.synthesis.plan import plan_labels
from gan_aug.synthesis.write import is_whole, write_synthetic_set


class SubsetDir(RunDir):
    """The folder of one subset's GAN: it has the images of the run it lies in, and is stopped with it.

    `images` is the folder that holds those on a host without the run's.
    """

    def __init__(self, run: Path, subset: Subset, images: Path | None = None) -> None:
        self._run, self._images = run, images or run / layout.DATASET
        super().__init__(run / layout.SIZES / subset.name)

    @property
    def dataset(self) -> Path:
        """The folder of the images of the run around it."""
        return self._images

    @property
    def cancel_mark(self) -> Path:
        """The mark of the run around it."""
        return self._run / layout.CANCEL


def make_synthetic_sets(context: StageContext, asked: CurveRequest, subsets: Sequence[Subset]) -> None:
    """Train each subset's GAN and make its synthetic set, spread over the executor; whole ones are left as they are.

    Args:
        context: The run's.
        asked: What the GANs are asked.
        subsets: The parts of the training split.

    Raises:
        RunConflict: If a subset's folder holds what another request made.
        GanAugError: What training and making images raise.
    """
    run, storage = context.run, context.storage
    missing = [subset for subset in subsets if not _is_whole(run, storage, asked, subset)]
    if not missing:
        return
    seen = asked.train.images
    run.emit("sizes", "start", f"{len(missing)} GANs of {len(subsets)} subsets, {seen:,} images seen by each")
    work = partial(_make_set, asked=asked, storage=storage, compute=context.compute)
    for done, (index, made) in enumerate(context.executor.map(work, missing, cancelled=run.cancelled), start=1):
        subset = missing[index]
        if storage.place:
            _claim(SubsetDir(run.path, subset), asked.synthesis, made.checkpoint)
            made.save(SubsetDir(run.path, subset).synthetic / layout.MANIFEST)
        message = f"{subset.size} images, draw {subset.draw}"
        run.emit("sizes", "progress", message, done=done, total=len(missing), unit="GANs")
    run.emit("sizes", "finish", f"{len(subsets)} synthetic sets, each of a GAN that saw its subset alone")


def subset_training(asked: CurveRequest, subset: Subset) -> TrainRequest:
    """What is asked of one subset's GAN: another seed in each draw."""
    return TrainRequest(seed=draw_seed(asked.seed, subset.draw), gan=asked.gan, train=asked.train)


def draw_seed(base: int, draw: int) -> int:
    """The seed of a draw's GANs, below 2**32: the training's chance differs between draws as their images do."""
    return int.from_bytes(hashlib.sha256(f"draw/{base}/{draw}".encode()).digest()[:4])


def _is_whole(run: RunDir, storage: RunStorage, asked: CurveRequest, subset: Subset) -> bool:
    """Whether the subset's synthetic set is there with all its shards; raises RunConflict if another one is."""
    own = run.path / layout.SIZES / subset.name / layout.SYNTHETIC / layout.MANIFEST
    if not own.exists():
        return False
    folder = SubsetDir(run.path, subset)
    check(folder, layout.TRAIN, subset_training(asked, subset).to_json())
    check(folder, layout.SYNTHETIC, {"synthesis": asked.synthesis.model_dump(mode="json")})
    try:
        made = SyntheticManifest.load(own)
    except ManifestError:
        return False
    return is_whole(made, below(storage.sizes, f"{subset.name}/{layout.SYNTHETIC}"))


def _make_set(
    state: None,  # noqa: ARG001 - an executor's shape
    subset: Subset,
    *,
    asked: CurveRequest,
    storage: RunStorage,
    compute: ComputeConfig,
) -> SyntheticManifest:
    """One worker's share: a GAN and its synthetic set, from where an earlier start left them.

    A host without the run folder fetches the images from the store, and keeps there what it makes. One rank trains,
    with a number of threads that no machine alters.
    """
    images = local_copy(storage.folder / layout.DATASET, storage.dataset, layout.MANIFEST)
    folder = SubsetDir(storage.folder, subset, images)
    if storage.place:
        write_json(folder.path / layout.STORAGE, {"name": subset.name})
    alone = compute.model_copy(
        update={
            "threads": THREADS,
            "ranks": 1,
            "min_ranks": None,
            "storage": str(storage.sizes) if storage.place else None,
        }
    )
    context = StageContext.of(alone, folder, LocalExecutor(1))
    manifest = take_subset(Manifest.load(images / layout.MANIFEST), subset, asked.seed)
    with torch_threads(THREADS):
        checkpoint = train(context, subset_training(asked, subset), manifest)
        _claim(folder, asked.synthesis, checkpoint.id)
        return write_synthetic_set(
            checkpoint,
            plan_labels(asked.synthesis, manifest),
            context.storage.synthetic,
            context.executor,
            seed=asked.synthesis.seed,
            shard_size=asked.synthesis.shard,
            device=compute.device,
            cancelled=folder.cancelled,
        )


def _claim(folder: SubsetDir, wanted: SynthesisConfig, checkpoint: str) -> None:
    """Save what the subset's synthetic set is made of, or check that the one there is made of the same."""
    made_of = {"synthesis": wanted.model_dump(mode="json"), "checkpoint": checkpoint}
    claim(folder, layout.SYNTHETIC, made_of, products=f"{layout.SHARD}*")
