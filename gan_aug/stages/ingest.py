"""The verb `import`: from a source to `dataset/`."""

from __future__ import annotations

from gan_aug import config as configs
from gan_aug.compute.executor import Executor
from gan_aug.compute.local.parent import cores
from gan_aug.config import Config
from gan_aug.data.image_store import open_images
from gan_aug.data.importing.dataset import import_dataset
from gan_aug.data.importing.report import describe_rejected
from gan_aug.data.manifest import SPLITS, Manifest
from gan_aug.data.reading.image_cache import user_cache
from gan_aug.run import layout
from gan_aug.run.files import read_json
from gan_aug.run.folder import RunDir
from gan_aug.run.stage_requests import claim
from gan_aug.stages.storage import storage_of


def import_studies(request: Config, run: RunDir, executor: Executor) -> Manifest:  # noqa: ARG001 - every verb's shape
    """Import the source into `dataset/`: images, manifest and report; returns the manifest."""
    storage = storage_of(run, request.compute.storage)
    storage.pull_dataset()
    claim(run, "dataset", configs.sections(request, "seed", "data"), products=layout.MANIFEST)
    if (run.dataset / layout.MANIFEST).exists():
        manifest = Manifest.load(run.dataset / layout.MANIFEST)
        open_images(run.dataset, manifest)
        storage.push_dataset()
        return manifest
    run.emit("dataset", "start", f"importing {request.data.source}")

    manifest = import_dataset(
        request.data,
        request.seed,
        run.dataset,
        progress=lambda unit, done, total: run.emit("dataset", "progress", done=done, total=total, unit=unit),
        cancelled=run.cancelled,
        # Where the files are, and by processes that may die: no work for an executor, which may be far away.
        workers=request.compute.workers or cores(),
        cache=user_cache(request.compute.cache),
    )
    if said := describe_rejected(read_json(run.dataset / layout.IMPORT_REPORT)):
        run.emit("dataset", "note", said)
    storage.push_dataset()
    run.emit("dataset", "finish", describe(manifest))
    return manifest


def describe(manifest: Manifest) -> str:
    """A data set in one line: images per split, size and classes."""
    counts = ", ".join(f"{len(manifest.indices(split)):,} {split}" for split in SPLITS)
    channels, height, width = manifest.shape
    colour = "grey" if channels == 1 else "colour"
    return f"{len(manifest.studies):,} {colour} images of {height}x{width} ({counts}), {len(manifest.labels)} classes"
