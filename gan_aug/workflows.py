"""The verbs, each a table of contents: what was asked, what is on disk already, what is left to do.

Every verb takes (request, run, executor): what, where the record goes, where it runs. Called again on the same folder
it goes on from what is whole there.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from gan_aug import config as configs
from gan_aug.compute.executor import Executor
from gan_aug.compute.local import cores
from gan_aug.compute.torchrun import TorchrunExecutor
from gan_aug.config import Config
from gan_aug.data.image_cache import user_cache
from gan_aug.data.import_report import REPORT, set_aside
from gan_aug.data.importing import import_dataset
from gan_aug.data.manifest import SPLITS, Manifest
from gan_aug.data.shards import SyntheticManifest
from gan_aug.data.store import open_images
from gan_aug.errors import CheckpointError, ConfigError, DataError, GanAugError, RunConflict
from gan_aug.run import RunDir, read_json, write_json
from gan_aug.run_storage import NAME, RunStorage, storage_of
from gan_aug.stage_requests import check, claim
from gan_aug.storage import Place, below

Verb = Callable[[Config, RunDir, Executor], Any]


def import_studies(request: Config, run: RunDir, executor: Executor) -> Manifest:  # noqa: ARG001 - every verb's shape
    """Import the source into `dataset/`: images, manifest and report; returns the manifest."""
    storage = storage_of(run, request.compute.storage)
    storage.pull_dataset()
    claim(run, "dataset", configs.sections(request, "seed", "data"), products="manifest.json")
    if (run.dataset / "manifest.json").exists():
        manifest = Manifest.load(run.dataset / "manifest.json")
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
    if said := set_aside(read_json(run.dataset / REPORT)):
        run.emit("dataset", "note", said)
    storage.push_dataset()
    run.emit("dataset", "finish", describe(manifest))
    return manifest


def train_gan(request: Config, run: RunDir, executor: Executor) -> Any:
    """Train the GAN on the training split alone, importing first where needed; returns the last Checkpoint."""
    from gan_aug.training import train

    manifest = import_studies(request, run, executor)
    return train(request, run, manifest, executor)


def generate(request: Config, run: RunDir, executor: Executor) -> SyntheticManifest:
    """Make the synthetic set of the newest checkpoint in `synthetic/`; returns its manifest."""
    from gan_aug.gan.state import newest_checkpoint
    from gan_aug.synthesis.plan import plan_labels
    from gan_aug.synthesis.write import write_synthetic_set

    manifest = import_studies(request, run, executor)
    storage = storage_of(run, request.compute.storage)
    storage.pull_training()
    check(run, "train", configs.sections(request, "seed", "gan", "train"))
    checkpoint = newest_checkpoint(run.train / "checkpoints")
    if checkpoint is None:
        raise CheckpointError(f"{run.path} holds no trained GAN: run `gan-aug train` on it first")
    if checkpoint.images < request.train.images:
        raise CheckpointError(
            f"the GAN in {run.path} has seen {checkpoint.images:,} of {request.train.images:,} images: "
            "run `gan-aug train` on it to the end first"
        )
    if checkpoint.dataset != manifest.fingerprint:
        raise CheckpointError(f"{checkpoint.path} was made for other data than {run.dataset}: train again in a new run")
    wanted = request.synthesis_wanted
    made_of = {"synthesis": wanted.model_dump(mode="json"), "checkpoint": checkpoint.id}
    claim(run, "synthetic", made_of, products="shard-*" if storage.place is None else "manifest.json")
    plan = plan_labels(wanted, manifest)
    run.emit("synthetic", "start", f"making {len(plan):,} images")
    synthetic = write_synthetic_set(
        checkpoint,
        plan,
        storage.synthetic,
        executor,
        seed=request.synthesis.seed,
        shard_size=request.synthesis.shard,
        device=request.compute.device,
        progress=lambda done, total: run.emit("synthetic", "progress", done=done, total=total, unit="images"),
        cancelled=run.cancelled,
        stored=storage.checkpoint(checkpoint.path.name),
    )
    if storage.place:  # where the shards are, the manifest is already
        synthetic.save(run.synthetic / "manifest.json")
    run.emit("synthetic", "finish", f"{len(plan):,} synthetic images in {len(synthetic.shards)} shards")
    return synthetic


def compare(request: Config, run: RunDir, executor: Executor) -> dict[str, Any]:
    """Train the arms' classifiers, test them on the same real images, write the report; returns `report.json`."""
    from gan_aug.comparing import run_comparison
    from gan_aug.compute.device import choose_device
    from gan_aug.evaluation.own_weights import check_weights
    from gan_aug.evaluation.run_fidelity import run_fidelity
    from gan_aug.foreign_set import bring_synthetic, check_source
    from gan_aug.reporting import write_reports

    if request.compare.synthetic:
        check_source(request, run)
    manifest = import_studies(request, run, executor)
    storage = storage_of(run, request.compute.storage)
    if request.compare.synthetic:
        bring_synthetic(request, run, manifest)
    synthetic = synthetic_for(request, run, storage.synthetic)
    if synthetic:
        check_weights(request.compare, manifest.shape[0])
    write_json(run.compare / "request.json", configs.sections(request, "seed", "classifier", "compare"))
    results, findings = run_comparison(request, run, manifest, synthetic, executor)
    fidelity = None
    if synthetic and request.compare.fidelity:
        run.emit("compare", "note", "measuring fidelity")
        places, device = (run.dataset, storage.synthetic, run.compare), choose_device(request.compute.device)
        fidelity = run_fidelity(*places, results, request.compare, device, cancelled=run.cancelled)
    report = write_reports(request, run, manifest, synthetic, results, findings, fidelity)
    run.emit("compare", "finish", f"report in {run.path / 'report.html'}")
    return report


def redraw(request: Config, run: RunDir) -> dict[str, Any]:
    """Write a finished comparison's report again, training nothing; returns `report.json`.

    Raises CheckpointError where some of what it rests on is not there whole.
    """
    from gan_aug.compute.finished import FinishedOnly

    if not (run.compare / "cells").exists() or not (run.dataset / "manifest.json").exists():
        raise CheckpointError(f"{run.path} holds no comparison: run `gan-aug compare` on it first")
    with run.locked():
        return compare(request, run, FinishedOnly())


def synthetic_for(request: Config, run: RunDir, place: Place) -> SyntheticManifest | None:
    """The synthetic set in `place` that the arms need, or None where they need none.

    Raises DataError where it is absent, RunConflict where it was made by another request.
    """
    from gan_aug.evaluation.arms import needs_synthetic
    from gan_aug.foreign_set import check_own

    if not any(needs_synthetic(arm) for arm in request.compare.arms):
        return None
    if not (run.synthetic / "manifest.json").exists():
        raise DataError(f"{run.path} holds no synthetic set for the arms: run `gan-aug generate` on it first")
    if request.compare.synthetic is None:
        check_own(run)
        check(run, "train", configs.sections(request, "seed", "gan", "train"))
        check(run, "synthetic", {"synthesis": request.synthesis_wanted.model_dump(mode="json")})
    return SyntheticManifest.load(below(place, "manifest.json"))


def run_all(request: Config, run: RunDir, executor: Executor) -> dict[str, Any]:
    """All stages in a row, from images to the report; returns `report.json`.

    What would make a later stage refuse is looked for before the GAN is trained. With synthetic images made elsewhere
    (`compare.synthetic`) there is no GAN to train.
    """
    from gan_aug.training import check_size

    if request.compare.synthetic:
        return compare(request, run, executor)
    check_size(request)
    preflight(request, import_studies(request, run, executor))
    train_gan(request, run, executor)
    generate(request, run, executor)
    return compare(request, run, executor)


def preflight(request: Config, manifest: Manifest) -> None:
    """Find what needs no training to be found; raises what the stages would: ConfigError, DataError, ComputeError."""
    from gan_aug.compute.device import choose_device
    from gan_aug.evaluation.arms import needs_synthetic
    from gan_aug.evaluation.cell_plan import check_comparison
    from gan_aug.evaluation.own_weights import check_weights
    from gan_aug.evaluation.ratio import check_search
    from gan_aug.sizes import subsets_of
    from gan_aug.synthesis.plan import plan_labels
    from gan_aug.training import network_settings

    choose_device(request.compute.device)
    network_settings(request, manifest)
    planned = plan_labels(request.synthesis_wanted, manifest)
    check_comparison(manifest, request)
    if any(needs_synthetic(arm) for arm in request.compare.arms):
        check_weights(request.compare, manifest.shape[0])
    subsets_of(request, manifest)
    if request.compare.ratio == "search":
        check_search(manifest, request, len(planned))


VERBS: dict[str, Verb] = {
    "run": run_all,
    "import": import_studies,
    "train": train_gan,
    "generate": generate,
    "compare": compare,
}


def start(verb: str, request: Config, run: RunDir, executor: Executor) -> Any:
    """Run a verb in a run folder held for this process; what was asked is on disk before it starts."""
    with run.locked():
        path = run.path / "request.json"
        before = read_json(path) if path.exists() else None
        write_json(path, {"schema": 1, "verb": verb, "config": configs.dump(request)})
        storage = storage_of(run, request.compute.storage)
        try:
            storage.push_request()
            return VERBS[verb](request, run, executor)
        except (ConfigError, RunConflict):
            if before is not None:
                write_json(path, before)  # a refused request must not take the place of the one `resume` goes on with
                with suppress(GanAugError):
                    storage.push_request()
            raise


def start_together(verb: str, request: Config, run: RunDir, executor: TorchrunExecutor) -> None:
    """As `start`, in one of the processes that torchrun started: rank 0 does all, the others join its training."""
    from gan_aug.training import train_rank

    request = configs.with_ranks(request, executor.size)
    if executor.rank == 0:
        try:
            start(verb, request, run, executor)
        finally:
            executor.dismiss()
    else:
        executor.follow(lambda: train_rank(request, run, Manifest.load(run.dataset / "manifest.json")))


def saved_request(path: Path) -> tuple[str, Config]:
    """The verb and the config that the run folder `path` was last asked for; raises RunConflict where there is none."""
    file = RunDir.existing(path).path / "request.json"
    record = read_json(file)
    try:
        verb, values = record["verb"], record["config"]
    except (KeyError, TypeError) as error:
        raise RunConflict(f"{file} names no verb and config: start the run again with its config") from error
    if verb not in VERBS:
        raise RunConflict(f"{file} names the verb {verb!r}: it is of another version; known are {', '.join(VERBS)}")
    return verb, configs.parse(values, str(file))


def saved_storage(path: Path) -> RunStorage:
    """Where the run in the folder `path` keeps its large files; raises RunConflict where it no longer says so."""
    run, storage = RunDir.existing(path), saved_request(path)[1].compute.storage
    if storage and not (path / NAME).exists():
        raise RunConflict(f"{path} has lost its {NAME}, which names its files in {storage}: put it back")
    return storage_of(run, storage)


def describe(manifest: Manifest) -> str:
    """A data set in one line: images per split, size and classes."""
    counts = ", ".join(f"{len(manifest.indices(split)):,} {split}" for split in SPLITS)
    channels, height, width = manifest.shape
    colour = "grey" if channels == 1 else "colour"
    return f"{len(manifest.studies):,} {colour} images of {height}x{width} ({counts}), {len(manifest.labels)} classes"
