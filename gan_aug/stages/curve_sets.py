"""The learning curves' GANs: for each subset of the training split one that saw no other image, and its synthetic set.

Each has a folder `sizes/SIZE-DRAW` that is a small run folder of its own: `train`, `synthetic` and their record. In a
store it has a prefix of that name below the run's.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from gan_aug import config as configs
from gan_aug.compute.executor import Executor
from gan_aug.compute.local.executor import LocalExecutor
from gan_aug.compute.threads import torch_threads
from gan_aug.config import Config
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
from gan_aug.stages.storage import RunStorage, storage_of
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


def make_synthetic_sets(request: Config, run: RunDir, subsets: Sequence[Subset], executor: Executor) -> None:
    """Train each subset's GAN and make its synthetic set, spread over the executor; whole ones are left as they are."""
    missing = [subset for subset in subsets if not _is_whole(request, run, subset)]
    if not missing:
        return
    budget = subset_request(request, missing[0]).train.images
    run.emit("sizes", "start", f"{len(missing)} GANs of {len(subsets)} subsets, {budget:,} images seen by each")
    storage = storage_of(run, request.compute.storage)
    work = partial(_make_set, request=request, storage=storage)
    for done, (index, made) in enumerate(executor.map(work, missing, cancelled=run.cancelled), start=1):
        subset = missing[index]
        if storage.place:
            _claim(SubsetDir(run.path, subset), subset_request(request, subset), made.checkpoint)
            made.save(SubsetDir(run.path, subset).synthetic / layout.MANIFEST)
        message = f"{subset.size} images, draw {subset.draw}"
        run.emit("sizes", "progress", message, done=done, total=len(missing), unit="GANs")
    run.emit("sizes", "finish", f"{len(subsets)} synthetic sets, each of a GAN that saw its subset alone")


def subset_request(request: Config, subset: Subset) -> Config:
    """What is asked of one subset's GAN and synthetic set.

    As many images seen as the GAN of all images (`compare.curve_images` says otherwise), as many images made for each
    real one, another seed in each draw, and one rank with a number of threads that no machine alters.
    """
    seen = request.compare.curve_images or request.train.images
    every = {name: min(getattr(request.train, name), seen) for name in ("checkpoint_every", "sample_every")}
    wanted = request.model_copy(update={"synthesis": request.synthesis.model_copy(update={"counts": "like-real"})})
    return request.model_copy(
        update={
            "seed": draw_seed(request.seed, subset.draw),
            "train": request.train.model_copy(update={"images": seen, **every}),
            "synthesis": wanted.synthesis_wanted,
            "compute": request.compute.model_copy(update={"threads": THREADS, "ranks": 1, "min_ranks": None}),
        }
    )


def draw_seed(base: int, draw: int) -> int:
    """The seed of a draw's GANs, below 2**32: the training's chance differs between draws as their images do."""
    return int.from_bytes(hashlib.sha256(f"draw/{base}/{draw}".encode()).digest()[:4])


def _is_whole(request: Config, run: RunDir, subset: Subset) -> bool:
    """Whether the subset's synthetic set is there with all its shards; raises RunConflict where another one is."""
    own = run.path / layout.SIZES / subset.name / layout.SYNTHETIC / layout.MANIFEST
    if not own.exists():
        return False
    folder, asked = SubsetDir(run.path, subset), subset_request(request, subset)
    check(folder, "train", configs.sections(asked, "seed", "gan", "train"))
    check(folder, "synthetic", configs.sections(asked, "synthesis"))
    try:
        made = SyntheticManifest.load(own)
    except ManifestError:
        return False
    place = storage_of(run, request.compute.storage).sizes
    return is_whole(made, below(place, f"{subset.name}/synthetic"))


def _make_set(
    state: None,  # noqa: ARG001 - an executor's shape
    subset: Subset,
    *,
    request: Config,
    storage: RunStorage,
) -> SyntheticManifest:
    """One worker's share: a GAN and its synthetic set, from where an earlier start left them.

    A host without the run folder fetches the images from the store, and keeps there what it makes.
    """
    images = local_copy(storage.folder / layout.DATASET, storage.dataset, layout.MANIFEST)
    folder, asked = SubsetDir(storage.folder, subset, images), subset_request(request, subset)
    if storage.place:
        asked = asked.model_copy(update={"compute": asked.compute.model_copy(update={"storage": str(storage.sizes)})})
        write_json(folder.path / layout.STORAGE, {"name": subset.name})
    own = storage_of(folder, asked.compute.storage)
    manifest = take_subset(Manifest.load(images / layout.MANIFEST), subset, request.seed)
    with torch_threads(THREADS):
        checkpoint = train(asked, folder, manifest, LocalExecutor(1))
        _claim(folder, asked, checkpoint.id)
        return write_synthetic_set(
            checkpoint,
            plan_labels(asked.synthesis, manifest),
            own.synthetic,
            LocalExecutor(1),
            seed=asked.synthesis.seed,
            shard_size=asked.synthesis.shard,
            device=asked.compute.device,
            cancelled=folder.cancelled,
        )


def _claim(folder: SubsetDir, asked: Config, checkpoint: str) -> None:
    """Save what the subset's synthetic set is made of, or check that the one there is made of the same."""
    made_of = configs.sections(asked, "synthesis") | {"checkpoint": checkpoint}
    claim(folder, "synthetic", made_of, products=f"{layout.SHARD}*")
