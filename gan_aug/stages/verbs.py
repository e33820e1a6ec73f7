"""The verbs, each a table of contents: what was asked, what is on disk already, what is left to do.

Every verb takes (request, run, executor): what, where the record goes, where it runs. Called again on the same folder
it goes on from what is whole there.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

from gan_aug import config as configs
from gan_aug.compute.executor import Executor
from gan_aug.compute.local.torchrun import TorchrunExecutor
from gan_aug.config import Config
from gan_aug.data.manifest import Manifest
from gan_aug.errors import CheckpointError, ConfigError, GanAugError, RunConflict
from gan_aug.run import layout
from gan_aug.run.files import read_json, write_json
from gan_aug.run.folder import RunDir
from gan_aug.stages.generate import generate, synthetic_for
from gan_aug.stages.ingest import import_studies
from gan_aug.stages.storage import storage_of

Verb = Callable[[Config, RunDir, Executor], Any]


def train_gan(request: Config, run: RunDir, executor: Executor) -> Any:
    """Train the GAN on the training split alone, importing first where needed; returns the last Checkpoint."""
    from gan_aug.stages.train import train

    manifest = import_studies(request, run, executor)
    return train(request, run, manifest, executor)


def compare(request: Config, run: RunDir, executor: Executor) -> dict[str, Any]:
    """Train the arms' classifiers, test them on the same real images, write the report; returns `report.json`."""
    from gan_aug.compute.device import choose_device
    from gan_aug.evaluation.fidelity.own_weights import check_weights
    from gan_aug.evaluation.fidelity.run import run_fidelity
    from gan_aug.stages.compare import run_comparison
    from gan_aug.stages.external import bring_synthetic, check_source
    from gan_aug.stages.report import write_reports

    if request.compare.synthetic:
        check_source(request, run)
    manifest = import_studies(request, run, executor)
    storage = storage_of(run, request.compute.storage)
    if request.compare.synthetic:
        bring_synthetic(request, run, manifest)
    synthetic = synthetic_for(request, run, storage.synthetic)
    if synthetic:
        check_weights(request.compare, manifest.shape[0])
    write_json(run.compare / layout.REQUEST, configs.sections(request, "seed", "classifier", "compare"))
    results, findings = run_comparison(request, run, manifest, synthetic, executor)
    fidelity = None
    if synthetic and request.compare.fidelity:
        run.emit("compare", "note", "measuring fidelity")
        places, device = (run.dataset, storage.synthetic, run.compare), choose_device(request.compute.device)
        fidelity = run_fidelity(*places, results, request.compare, device, cancelled=run.cancelled)
    report = write_reports(request, run, manifest, synthetic, results, findings, fidelity)
    run.emit("compare", "finish", f"report in {run.path / layout.REPORT_PAGE}")
    return report


def redraw(request: Config, run: RunDir) -> dict[str, Any]:
    """Write a finished comparison's report again, training nothing; returns `report.json`.

    Raises CheckpointError where some of what it rests on is not there whole.
    """
    from gan_aug.compute.finished import FinishedOnly

    if not (run.compare / layout.CELLS).exists() or not (run.dataset / layout.MANIFEST).exists():
        raise CheckpointError(f"{run.path} holds no comparison: run `gan-aug compare` on it first")
    with run.locked():
        return compare(request, run, FinishedOnly())


def run_all(request: Config, run: RunDir, executor: Executor) -> dict[str, Any]:
    """All stages in a row, from images to the report; returns `report.json`.

    What would make a later stage refuse is looked for before the GAN is trained. With synthetic images made elsewhere
    (`compare.synthetic`) there is no GAN to train.
    """
    from gan_aug.stages.train import check_size

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
    from gan_aug.evaluation.arm_catalogue import need_synthetic
    from gan_aug.evaluation.cells.plan import check_comparison
    from gan_aug.evaluation.comparison_plan import subsets_of
    from gan_aug.evaluation.fidelity.own_weights import check_weights
    from gan_aug.evaluation.ratio import check_search
    from gan_aug.stages.train import network_settings
    from gan_aug.synthesis.plan import plan_labels

    choose_device(request.compute.device)
    network_settings(request, manifest)
    planned = plan_labels(request.synthesis_wanted, manifest)
    check_comparison(manifest, request)
    if need_synthetic(request.compare.arms):
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
        path = run.path / layout.REQUEST
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
    from gan_aug.stages.train import train_rank

    request = configs.with_ranks(request, executor.size)
    if executor.rank == 0:
        try:
            start(verb, request, run, executor)
        finally:
            executor.release_ranks()
    else:
        executor.join_training(lambda: train_rank(request, run, Manifest.load(run.dataset / layout.MANIFEST)))
