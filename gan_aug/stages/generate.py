"""The verb `generate`: the synthetic set of the newest checkpoint, and the set for the arms."""

from __future__ import annotations

from gan_aug.compute.environment import record_environment
from gan_aug.config.compare import CompareConfig
from gan_aug.config.gan import SynthesisConfig
from gan_aug.config.stages import TrainRequest
from gan_aug.data.manifest import Manifest
from gan_aug.data.synthetic.shards import SyntheticManifest
from gan_aug.errors import CheckpointError, DataError
from gan_aug.run import layout
from gan_aug.run.stage_requests import check, claim
from gan_aug.run.stores import below
from gan_aug.stages.context import StageContext


def generate(
    context: StageContext, wanted: SynthesisConfig, trained: TrainRequest, manifest: Manifest
) -> SyntheticManifest:
    """Make the synthetic set of the newest checkpoint in `synthetic/`.

    Args:
        context: The run's.
        wanted: How many images of which classes.
        trained: The request that the GAN must have been trained for.
        manifest: The data set.

    Returns:
        The set's manifest.

    Raises:
        CheckpointError: If there is no trained GAN, or it was not trained to the end.
        RunConflict: If the GAN, or a synthetic set in the folder, belongs to another request.
    """
    from gan_aug.gan.state import newest_checkpoint
    from gan_aug.synthesis.plan import plan_labels
    from gan_aug.synthesis.write import write_synthetic_set

    run, storage = context.run, context.storage
    storage.pull_training()
    check(run, layout.TRAIN, trained.to_json())
    checkpoint = newest_checkpoint(run.checkpoints)
    if checkpoint is None:
        raise CheckpointError(f"{run.path} holds no trained GAN: run `gan-aug train` on it first")
    if checkpoint.images < trained.train.images:
        raise CheckpointError(
            f"the GAN in {run.path} has seen {checkpoint.images:,} of {trained.train.images:,} images: "
            "run `gan-aug train` on it to the end first"
        )
    if checkpoint.dataset != manifest.fingerprint:
        raise CheckpointError(f"{checkpoint.path} was made for other data than {run.dataset}: train again in a new run")
    made_of = {"synthesis": wanted.model_dump(mode="json"), "checkpoint": checkpoint.id}
    claim(run, layout.SYNTHETIC, made_of, products=f"{layout.SHARD}*" if storage.place is None else layout.MANIFEST)
    plan = plan_labels(wanted, manifest)
    run.emit("synthetic", "start", f"making {len(plan):,} images")
    noted = False

    def progress(done: int, total: int) -> None:
        nonlocal noted
        if not noted:
            record_environment(storage.synthetic)
        noted = True
        run.emit("synthetic", "progress", done=done, total=total, unit="images")

    synthetic = write_synthetic_set(
        checkpoint,
        plan,
        storage.synthetic,
        context.executor,
        seed=wanted.seed,
        shard_size=wanted.shard,
        device=context.compute.device,
        progress=progress,
        cancelled=run.cancelled,
        stored=storage.checkpoint(checkpoint.path.name),
    )
    if storage.place:  # the manifest in the store was written with the shards
        synthetic.save(run.synthetic / layout.MANIFEST)
    run.emit("synthetic", "finish", f"{len(plan):,} synthetic images in {len(synthetic.shards)} shards")
    return synthetic


def synthetic_for(
    context: StageContext, compare: CompareConfig, wanted: SynthesisConfig, trained: TrainRequest
) -> SyntheticManifest | None:
    """The synthetic set that the arms need, or None if they need none.

    Args:
        context: The run's.
        compare: The arms, and the source of images made elsewhere.
        wanted: The request that the run's own set must have been made for.
        trained: The request that the run's own GAN must have been trained for.

    Returns:
        The set's manifest.

    Raises:
        DataError: If the set is absent.
        RunConflict: If it belongs to another request.
    """
    from gan_aug.evaluation.arm_catalogue import need_synthetic
    from gan_aug.stages.external import check_own

    run = context.run
    if not need_synthetic(compare.arms):
        return None
    if not (run.synthetic / layout.MANIFEST).exists():
        raise DataError(f"{run.path} holds no synthetic set for the arms: run `gan-aug generate` on it first")
    if compare.synthetic is None:
        check_own(run)
        check(run, layout.TRAIN, trained.to_json())
        check(run, layout.SYNTHETIC, {"synthesis": wanted.model_dump(mode="json")})
    return SyntheticManifest.load(below(context.storage.synthetic, layout.MANIFEST))
