"""The verbs. Each lists its stages, in order, and gives each stage a context and the config sections it depends on.

Every verb takes (request, run, executor): the config, the run folder, and where the work runs. Called again on the same
folder, it goes on from what is whole there.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any

from gan_aug import config as configs
from gan_aug.compute.executor import Executor
from gan_aug.compute.local.torchrun import TorchrunExecutor
from gan_aug.config import Config
from gan_aug.config.stages import Verb
from gan_aug.data.manifest import Manifest
from gan_aug.errors import CheckpointError, ConfigError, DataError, GanAugError, RunConflict
from gan_aug.privacy.record import verdict
from gan_aug.run import layout
from gan_aug.run.files import read_json, write_json
from gan_aug.run.folder import RunDir
from gan_aug.run.stage_requests import settled
from gan_aug.stages import generate as generating
from gan_aug.stages.context import StageContext
from gan_aug.stages.gans.parts import gan_count
from gan_aug.stages.ingest import import_studies
from gan_aug.stages.storage import storage_of


def import_images(request: Config, run: RunDir, executor: Executor) -> Manifest:
    """Import the images: read, resize, split, write down; returns the manifest."""
    return import_studies(StageContext.of(request.compute, run, executor), request.dataset_request)


def train_gan(request: Config, run: RunDir, executor: Executor) -> Any:
    """Train the GANs on the training split alone, importing first if needed; returns the last Checkpoint of each."""
    from gan_aug.stages.gans.train import train_gans
    from gan_aug.stages.trained.parent import check_start
    from gan_aug.stages.training.networks import check_size, settled_gan

    check_size(request.gan, request.data.size)
    check_start(run.path, request.train)
    context = StageContext.of(request.compute, run, executor)
    manifest = import_studies(context, request.dataset_request)
    request = settled_gan(request, context.storage, manifest)
    return train_gans(context, request.train_request, manifest, gan_count(request.compare))


def generate(request: Config, run: RunDir, executor: Executor) -> Any:
    """Make the synthetic sets of the trained GANs; returns the SyntheticManifest of each."""
    from gan_aug.stages.training.networks import settled_gan

    context = StageContext.of(request.compute, run, executor)
    manifest = import_studies(context, request.dataset_request)
    request = settled_gan(request, context.storage, manifest)
    gans = gan_count(request.compare)
    return generating.generate(context, request.synthesis_wanted, request.train_request, manifest, gans)


def compare(request: Config, run: RunDir, executor: Executor) -> dict[str, Any]:
    """Train the arms' classifiers, test them on the same real images, write the report; returns `report.json`."""
    from gan_aug.stages.external import check_source

    context = StageContext.of(request.compute, run, executor)
    if request.compare.synthetic:
        check_source(run.path, request.compare.synthetic)
    return _compare(request, context, import_studies(context, request.dataset_request))


def run_all(request: Config, run: RunDir, executor: Executor) -> dict[str, Any]:
    """All stages in a row, from images to the report; returns `report.json`.

    Faults that would stop a later stage are looked for before the GAN is trained. With synthetic images made elsewhere
    (`compare.synthetic`) no GAN is trained.
    """
    from gan_aug.stages.compare import early_cells
    from gan_aug.stages.gans.train import train_gans
    from gan_aug.stages.trained.parent import check_start
    from gan_aug.stages.training.networks import check_size, settled_gan
    from gan_aug.synthesis.plan import plan_labels

    if request.compare.synthetic:
        return compare(request, run, executor)
    check_size(request.gan, request.data.size)
    check_start(run.path, request.train)
    context = StageContext.of(request.compute, run, executor)
    manifest = import_studies(context, request.dataset_request)
    asked, request = request, settled_gan(request, context.storage, manifest)
    preflight(request, manifest)
    gans, cells = gan_count(request.compare), list[Any]()
    if gans > 1:
        planned = plan_labels(request.synthesis_wanted, manifest)
        cells = early_cells(context, request.compare_request, manifest, planned)
    train_gans(context, request.train_request, manifest, gans, meanwhile=cells)
    sets = generating.generate(context, request.synthesis_wanted, request.train_request, manifest, gans)
    _audit_in_run(request, context, manifest, len(sets[0].image_labels))
    return _compare(asked, context, manifest)


def audit(request: Config, run: RunDir, executor: Executor) -> list[dict[str, Any]]:
    """Audit the synthetic set of each GAN against its training images; returns what `audit.json` of each says.

    If the run has a report, it is written again with what was found.
    """
    from gan_aug.compute.finished import FinishedOnly
    from gan_aug.stages.audit.sets import audit_set, own_set

    context = StageContext.of(request.compute, run, executor)
    import_studies(context, request.dataset_request)
    found = []
    for gan in range(gan_count(request.compare)):
        place = own_set(context.storage.gan(gan))
        found.append(
            audit_set(
                context.storage,
                place,
                device=request.compute.device,
                progress=partial(_audit_progress, run),
                cancelled=run.cancelled,
            )
        )
        of = f"GAN {gan}: " if gan_count(request.compare) > 1 else ""
        run.emit("audit", "finish", f"{of}{verdict(found[-1])}")
    if (run.path / layout.REPORT).exists():
        compare(request, run, FinishedOnly())
    return found


def _audit_progress(run: RunDir, done: int, total: int) -> None:
    run.emit("audit", "progress", done=done, total=total, unit="images")


def _audit_in_run(request: Config, context: StageContext, manifest: Manifest, images: int) -> None:
    """The audit as a stage of `run`: of the first GAN's set, if it takes little or is asked for."""
    from gan_aug.privacy.record import audit_of
    from gan_aug.stages.audit.sets import audit_set, own_set, takes_little

    run, place = context.run, own_set(context.storage)
    if request.audit.enabled == "auto" and not takes_little(manifest, images):
        run.emit("audit", "note", "not audited, since it would take long: `gan-aug audit` does it, or `gan-aug export`")
        return
    if not request.audit.enabled or audit_of(place.folder, place.manifest.fingerprint):
        return
    run.emit("audit", "start", f"comparing {images:,} images with those of the training")
    try:
        found = audit_set(
            context.storage,
            place,
            device=request.compute.device,
            progress=partial(_audit_progress, run),
            cancelled=run.cancelled,
        )
    except DataError as error:
        run.emit("audit", "note", f"not audited: {error}")
    else:
        run.emit("audit", "finish", verdict(found))


def redraw(request: Config, run: RunDir) -> dict[str, Any]:
    """Write a finished comparison's report again, training nothing; returns `report.json`.

    Raises CheckpointError if a part of the comparison is absent or altered.
    """
    from gan_aug.compute.finished import FinishedOnly

    if not run.cells.exists() or not (run.dataset / layout.MANIFEST).exists():
        raise CheckpointError(f"{run.path} holds no comparison: run `gan-aug compare` on it first")
    with run.locked():
        return compare(request, run, FinishedOnly())


def preflight(request: Config, manifest: Manifest) -> None:
    """Find faults that show without training; raises the errors of the stages: ConfigError, DataError, ComputeError."""
    from gan_aug.compute.device import choose_device
    from gan_aug.evaluation.arm_catalogue import need_synthetic
    from gan_aug.evaluation.cells.plan import check_comparison
    from gan_aug.evaluation.comparison_plan import subsets_of
    from gan_aug.evaluation.fidelity.own_weights import check_weights
    from gan_aug.evaluation.ratio import check_search
    from gan_aug.stages.training.augmentation import check_augment
    from gan_aug.stages.training.networks import network_settings
    from gan_aug.synthesis.plan import plan_labels

    choose_device(request.compute.device)
    network_settings(request.gan, manifest)
    check_augment(request.gan.augment, manifest)
    planned = plan_labels(request.synthesis_wanted, manifest)
    check_comparison(manifest, request.classifier)
    if need_synthetic(request.compare.arms):
        check_weights(request.compare, manifest.shape[0])
    subsets_of(request.compare, manifest)
    if request.compare.ratio == "search":
        check_search(manifest, request.compare.ratios, len(planned))


VERBS: dict[Verb, Callable[[Config, RunDir, Executor], Any]] = {
    "run": run_all,
    "import": import_images,
    "train": train_gan,
    "generate": generate,
    "audit": audit,
    "compare": compare,
}


def start(verb: Verb, request: Config, run: RunDir, executor: Executor) -> Any:
    """Run a verb in a run folder that is held for this process.

    Args:
        verb: One of VERBS.
        request: The config, which is on disk before the verb starts.
        run: The run folder.
        executor: Where the work runs.

    Returns:
        What the verb returns.

    Raises:
        RunConflict: If another process works in the folder, or it holds another request's results.
        GanAugError: What else the verb raises.
    """
    with run.locked():
        request, path = settled(run, request), run.path / layout.REQUEST
        before = read_json(path) if path.exists() else None
        request = configs.settled(request, before.get("config") if isinstance(before, dict) else None)
        write_json(path, {"schema": 1, "verb": verb, "config": configs.dump(request)})
        storage = storage_of(run, request.compute.storage)
        try:
            storage.push_request()
            return VERBS[verb](request, run, executor)
        except (ConfigError, RunConflict):
            if before is not None:
                write_json(path, before)  # `resume` must go on with the last request that was not refused
                with suppress(GanAugError):
                    storage.push_request()
            raise


def start_together(verb: Verb, request: Config, run: RunDir, executor: TorchrunExecutor) -> None:
    """As `start`, in one of the processes that torchrun started: rank 0 does all, the others join its training.

    Args:
        verb: As for `start`.
        request: As for `start`; torchrun decides the number of ranks.
        run: As for `start`.
        executor: The executor of this process.

    Raises:
        GanAugError: As `start`.
    """
    from gan_aug.stages.gans.parts import gan_part, gan_training
    from gan_aug.stages.train import train_rank
    from gan_aug.stages.training.networks import settled_gan

    request = configs.with_ranks(request, executor.size)
    if executor.rank == 0:
        try:
            start(verb, request, run, executor)
        finally:
            executor.release_ranks()
        return

    def join(gan: int) -> None:
        storage, manifest = storage_of(run, request.compute.storage), Manifest.load(run.dataset / layout.MANIFEST)
        settled_request = settled_gan(request, storage, manifest)
        part, asked = gan_part(run, gan), gan_training(settled_request.train_request, gan)
        compute = request.compute
        train_rank(part, storage.gan(gan), asked, manifest, compute.device, compute.cuda_graphs)

    executor.join_trainings(join)


def _compare(request: Config, context: StageContext, manifest: Manifest) -> dict[str, Any]:
    """Compare on an imported data set, and write the report."""
    from gan_aug.compute.device import choose_device
    from gan_aug.evaluation.comparison_plan import ComparisonPlan
    from gan_aug.evaluation.fidelity.own_weights import check_weights
    from gan_aug.evaluation.fidelity.run import run_fidelity
    from gan_aug.evaluation.fidelity.sets import OfReal
    from gan_aug.evaluation.outcome.margins import keep_margin
    from gan_aug.stages.compare import run_comparison
    from gan_aug.stages.external import bring_synthetic
    from gan_aug.stages.report import write_reports
    from gan_aug.stages.training.networks import settled_gan

    asked, request = request, settled_gan(request, context.storage, manifest)
    # A subset has fewer images than the training split, so what suits its number of images is chosen for each.
    curves = request.curve_request.with_own(asked.gan.augment, asked.train.score_every)
    run, comparison, wanted = context.run, request.compare_request, request.synthesis_wanted
    if comparison.compare.synthetic:
        bring_synthetic(context, comparison.compare.synthetic, request.data, request.synthesis.shard, manifest)
    sets = generating.synthetic_for(context, comparison.compare, wanted, request.train_request)
    if sets:
        check_weights(comparison.compare, manifest.shape[0])
    margins = keep_margin(run.compare, comparison.compare.margin)
    if len(margins) > 1:
        said = ", then ".join(f"{margin:g}" for margin in margins)
        run.emit("compare", "note", f"the margin was changed after results were there: {said}")
    write_json(run.compare / layout.REQUEST, comparison.to_json())
    plan = ComparisonPlan(comparison, manifest, sets)
    results, findings = run_comparison(context, plan, curves)
    fidelity = []
    if sets and comparison.compare.fidelity:
        run.emit("compare", "note", "measuring fidelity")
        device, of_real = choose_device(context.compute.device), OfReal()
        for gan in range(len(sets)):
            folders = run.dataset, context.storage.gan(gan).synthetic, run.compare
            fidelity.append(run_fidelity(*folders, results, comparison.compare, device, run.cancelled, of_real))
    report = write_reports(context, plan, configs.reported(request), results, findings, fidelity)
    run.emit("compare", "finish", f"report in {run.path / layout.REPORT_PAGE}")
    return report
