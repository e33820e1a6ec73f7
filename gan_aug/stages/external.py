"""Brings the images that `compare.synthetic` names into a run as its synthetic set.

The provenance of images made by another program is unknown. A further set of a GAN of gan-aug keeps its own.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from gan_aug.config.data import DataConfig
from gan_aug.data.manifest import Manifest
from gan_aug.data.reading.raster import Raster
from gan_aug.data.synthetic.external import ExternalImages, open_external, source_sha256
from gan_aug.data.synthetic.shards import ShardedImages, SyntheticManifest, open_shards
from gan_aug.errors import DataError, RunConflict
from gan_aug.evaluation.held_out_copies import check_held_out_copies, find_held_out_copies, save_held_out_copies
from gan_aug.evaluation.leakage import check_synthetic_images, check_synthetic_set
from gan_aug.run import layout
from gan_aug.run.files import read_json
from gan_aug.run.folder import RunDir, is_further_set
from gan_aug.run.stage_requests import claim
from gan_aug.run.stores import below, open_store
from gan_aug.stages.context import StageContext
from gan_aug.synthesis.external import mixed_order, write_external_set

SOURCE = "source"
"""The key, in the request of an imported synthetic set, of the hash of its source."""


def check_source(folder: Path, path: Path) -> None:
    """Check what can be known before the data set is imported.

    Raises DataError if there is nothing at `path`, which is `compare.synthetic`, and RunConflict if the run in `folder`
    holds a synthetic set of its own GAN. The folder may be absent.
    """
    made_of = _made_of(folder)
    if not path.exists() and SOURCE not in made_of:
        raise DataError(
            f"compare.synthetic: there is nothing at {path}: name a folder of class folders, an npz file, or a "
            "further set"
        )
    if made_of and SOURCE not in made_of and (folder / layout.SYNTHETIC / layout.MANIFEST).exists():
        raise RunConflict(
            f"{folder} holds a synthetic set of its own GAN: leave out compare.synthetic, or choose another folder "
            "with --run"
        )


def check_external(path: Path, manifest: Manifest) -> None:
    """Raise what `bring_synthetic` would raise of the images at `path` before it reads them; nothing if they are gone.

    Raises DataError and LeakageError as it does.
    """
    if not path.exists():
        return  # the shards were written before, as `check_source` knows
    if is_further_set(path):
        check_synthetic_set(SyntheticManifest.load(path / layout.MANIFEST), manifest)
    else:
        open_external(path, manifest)


def maker_of(folder: Path, synthetic: SyntheticManifest | None) -> str | None:
    """Who made a run's synthetic set, as its report says it: `another run`, or None for its own GAN or an unknown one.

    Args:
        folder: The folder of the set.
        synthetic: The set's manifest, or None if the run has none.
    """
    path = folder / layout.REQUEST
    if synthetic is None or not synthetic.is_traced or not path.exists():
        return None
    return "another run" if SOURCE in read_json(path) else None


def check_own(run: RunDir) -> None:
    """Raise RunConflict if the run's synthetic set was made elsewhere and the run's own is asked for."""
    if SOURCE in _made_of(run.path):
        raise RunConflict(
            f"{run.path} holds synthetic images made elsewhere: name them in compare.synthetic, or choose another "
            "folder with --run"
        )


def _made_of(folder: Path) -> dict[str, Any]:
    """The request of the synthetic set of the run in `folder`; empty if there is none."""
    path = folder / layout.SYNTHETIC / layout.REQUEST
    return dict(read_json(path)) if path.exists() else {}


def bring_synthetic(context: StageContext, path: Path, data: DataConfig, shard: int, manifest: Manifest) -> None:
    """Write images made elsewhere as shards in `synthetic/`, unless they are there already.

    Args:
        context: The run's.
        path: The source, `compare.synthetic`. Once the shards are written it is not needed any more.
        data: How images are brought to the data set's size. Their grey range is not altered.
        shard: Images per shard.
        manifest: The data set.

    Raises:
        RunConflict: If the run holds another synthetic set.
        DataError: If `open_external` refuses them, or a further set is of other labels or sizes, or altered.
        LeakageError: If an image equals one of validation or test, or many look nearly the same as one; or if the GAN
            of a further set was trained on other images than this training split.
    """
    run = context.run
    if not path.exists():
        return  # the shards were written before, and have their own sums
    if is_further_set(path):
        _bring_set(context, path, manifest)
        return
    external = open_external(path, manifest)
    made_of = {SOURCE: source_sha256(path), "fit": data.fit, "filter": data.filter, "shard": shard}
    claim(run, layout.SYNTHETIC, made_of, products=layout.MANIFEST)
    if (run.synthetic / layout.MANIFEST).exists():
        return
    run.emit("synthetic", "start", f"reading {len(external.labels):,} images made elsewhere, {path.name}")
    place = context.storage.synthetic
    synthetic, fitted = write_external_set(
        external,
        manifest,
        place,
        Raster(*manifest.shape, data.fit, data.filter, "full"),
        run.synthetic,
        shard_size=shard,
        progress=lambda done, total: run.emit("synthetic", "progress", done=done, total=total, unit="images"),
        cancelled=run.cancelled,
    )
    _check_images(run, manifest, synthetic, open_shards(place, synthetic), external)
    if fitted:
        channels, height, width = manifest.shape
        wanted = f"{width}x{height} pixels, {'grey' if channels == 1 else 'colour'}, 8 bit"
        run.emit("synthetic", "note", f"{fitted:,} images were of another size or kind: fitted to {wanted}")
    for folder in dict.fromkeys((place, run.synthetic)):  # last, so that a refused set never counts as whole
        synthetic.save(below(folder, layout.MANIFEST))
    counts = ", ".join(f"{name} {count:,}" for name, count in synthetic.counts().items())
    run.emit("synthetic", "finish", f"{len(external.labels):,} synthetic images of unknown provenance: {counts}")


def _bring_set(context: StageContext, path: Path, manifest: Manifest) -> None:
    """Copy a further set of a trained GAN, with its manifest, which says what that GAN was trained on."""
    run, place = context.run, context.storage.synthetic
    synthetic = SyntheticManifest.load(path / layout.MANIFEST)
    check_synthetic_set(synthetic, manifest)
    claim(run, layout.SYNTHETIC, {SOURCE: synthetic.fingerprint}, products=layout.MANIFEST)
    if (run.synthetic / layout.MANIFEST).exists():
        return
    total = len(synthetic.image_labels)
    run.emit("synthetic", "start", f"copying {total:,} images of the set in {path.name}")
    check_synthetic_images(open_shards(path, synthetic), manifest)
    for shard in synthetic.shards:
        open_store(place).upload(shard.file, path / shard.file)
        run.emit("synthetic", "progress", done=shard.first + shard.count, total=total, unit="images")
    for folder in dict.fromkeys((place, run.synthetic)):
        synthetic.save(below(folder, layout.MANIFEST))
    run.emit("synthetic", "finish", f"{total:,} synthetic images, by the checkpoint {synthetic.checkpoint}")


def _check_images(
    run: RunDir, manifest: Manifest, synthetic: SyntheticManifest, images: ShardedImages, external: ExternalImages
) -> None:
    """Compare the images with those of validation and test; save which look nearly the same."""
    check_synthetic_images(images, manifest)
    run.emit("synthetic", "note", "looking for images nearly the same as a validation or test image")
    found = find_held_out_copies(run.dataset, images, manifest, run.cancelled)
    order = mixed_order(external.labels)
    source = [external.names[order[pair["synthetic"]]] for pair in found["pairs"]] if found else []
    save_held_out_copies(run.synthetic, manifest, synthetic, found, source)
    check_held_out_copies(found, manifest, source)
    if found and found["images"]:
        what = f"{found['images']:,} of {found['of']:,} images look nearly the same as a validation or test image"
        run.emit(
            "synthetic", "note", f"{what}: they are listed in {layout.SYNTHETIC}/{layout.LOOK_ALIKES}, look at them"
        )
