"""The verb `import`: from a source to `dataset/`."""

from __future__ import annotations

from gan_aug.compute.cores import cores
from gan_aug.compute.environment import record_environment
from gan_aug.config.stages import DatasetRequest
from gan_aug.data.image_store import open_images
from gan_aug.data.importing.dataset import import_dataset
from gan_aug.data.importing.findings import findings
from gan_aug.data.manifest import Manifest
from gan_aug.data.reading.caches import dataset_cache
from gan_aug.run import layout
from gan_aug.run.files import read_json
from gan_aug.run.stage_requests import claim
from gan_aug.stages.context import StageContext


def import_studies(context: StageContext, request: DatasetRequest) -> Manifest:
    """Import the source into `dataset/` (images, manifest and report), unless it is there; returns the manifest."""
    run, storage = context.run, context.storage
    storage.pull_dataset()
    claim(run, layout.DATASET, request.to_json(), products=layout.MANIFEST)
    if (run.dataset / layout.MANIFEST).exists():
        manifest = Manifest.load(run.dataset / layout.MANIFEST)
        open_images(run.dataset, manifest)
        storage.push_dataset()
        return manifest
    run.emit("dataset", "start", f"importing {request.data.source}")
    record_environment(run.dataset)

    manifest = import_dataset(
        request.data,
        request.seed,
        run.dataset,
        progress=lambda unit, done, total: run.emit("dataset", "progress", done=done, total=total, unit=unit),
        cancelled=run.cancelled,
        # Not by the executor, whose workers may be on machines without the files.
        workers=context.compute.workers or cores(),
        cache=dataset_cache(request.data, context.compute.cache),
    )
    for said in findings(manifest, read_json(run.dataset / layout.IMPORT_REPORT)):
        run.emit("dataset", "note", said)
    storage.push_dataset()
    run.emit("dataset", "finish", describe(manifest))
    return manifest


def describe(manifest: Manifest) -> str:
    """A data set in one line: images per split, size and classes."""
    counts = ", ".join(f"{len(manifest.indices(split)):,} {split.replace('_', ' ')}" for split in manifest.splits)
    channels, height, width = manifest.shape
    colour = "grey" if channels == 1 else "colour"
    return f"{len(manifest.studies):,} {colour} images of {height}x{width} ({counts}), {len(manifest.labels)} classes"
