"""The verb `generate`: the newest checkpoint's synthetic set, and the one that arms take."""

from __future__ import annotations

from gan_aug import config as configs
from gan_aug.compute.executor import Executor
from gan_aug.config import Config
from gan_aug.data.synthetic.shards import SyntheticManifest
from gan_aug.errors import CheckpointError, DataError
from gan_aug.run import layout
from gan_aug.run.folder import RunDir
from gan_aug.run.stage_requests import check, claim
from gan_aug.run.stores import Place, below
from gan_aug.stages.ingest import import_studies
from gan_aug.stages.storage import storage_of


def generate(request: Config, run: RunDir, executor: Executor) -> SyntheticManifest:
    """Make the synthetic set of the newest checkpoint in `synthetic/`; returns its manifest."""
    from gan_aug.gan.state import newest_checkpoint
    from gan_aug.synthesis.plan import plan_labels
    from gan_aug.synthesis.write import write_synthetic_set

    manifest = import_studies(request, run, executor)
    storage = storage_of(run, request.compute.storage)
    storage.pull_training()
    check(run, "train", configs.sections(request, "seed", "gan", "train"))
    checkpoint = newest_checkpoint(run.train / layout.CHECKPOINTS)
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
    claim(run, "synthetic", made_of, products=f"{layout.SHARD}*" if storage.place is None else layout.MANIFEST)
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
        synthetic.save(run.synthetic / layout.MANIFEST)
    run.emit("synthetic", "finish", f"{len(plan):,} synthetic images in {len(synthetic.shards)} shards")
    return synthetic


def synthetic_for(request: Config, run: RunDir, place: Place) -> SyntheticManifest | None:
    """The synthetic set in `place` that the arms need, or None where they need none.

    Raises DataError where it is absent, RunConflict where it was made by another request.
    """
    from gan_aug.evaluation.arm_catalogue import need_synthetic
    from gan_aug.stages.external import check_own

    if not need_synthetic(request.compare.arms):
        return None
    if not (run.synthetic / layout.MANIFEST).exists():
        raise DataError(f"{run.path} holds no synthetic set for the arms: run `gan-aug generate` on it first")
    if request.compare.synthetic is None:
        check_own(run)
        check(run, "train", configs.sections(request, "seed", "gan", "train"))
        check(run, "synthetic", {"synthesis": request.synthesis_wanted.model_dump(mode="json")})
    return SyntheticManifest.load(below(place, layout.MANIFEST))
