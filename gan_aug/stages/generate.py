"""The verb `generate`: the synthetic sets of the run's GANs, and the sets for the arms."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gan_aug.compute.environment import record_environment
from gan_aug.config.compare import CompareConfig
from gan_aug.config.gan import SynthesisConfig
from gan_aug.config.stages import TrainRequest
from gan_aug.data.manifest import Manifest
from gan_aug.data.synthetic.shards import SyntheticManifest
from gan_aug.errors import CheckpointError, DataError
from gan_aug.run import layout
from gan_aug.run.decisions import training_end
from gan_aug.run.folder import RunDir
from gan_aug.run.stage_requests import check, claim
from gan_aug.run.stores import below
from gan_aug.stages.context import StageContext
from gan_aug.stages.gans.parts import gan_count, gan_part, gan_training

if TYPE_CHECKING:
    from gan_aug.gan.state import Checkpoint


def generate(
    context: StageContext, wanted: SynthesisConfig, trained: TrainRequest, manifest: Manifest, gans: int
) -> list[SyntheticManifest]:
    """Make each GAN's synthetic set: that of GAN 0 in `synthetic/`, those of the others in `gans/N/synthetic/`.

    Args:
        context: The run's.
        wanted: How many images of which classes, the same of every GAN.
        trained: The request that GAN 0 must have been trained for; those of the others follow from it.
        manifest: The data set.
        gans: How many GANs.

    Returns:
        The manifest of each set.

    Raises:
        CheckpointError: If a GAN is absent, or was not trained to the end.
        RunConflict: If a GAN, or a synthetic set in the folder, belongs to another request.
    """
    return [_generate(context, wanted, gan_training(trained, gan), manifest, gan, gans) for gan in range(gans)]


def _generate(
    context: StageContext, wanted: SynthesisConfig, trained: TrainRequest, manifest: Manifest, gan: int, gans: int
) -> SyntheticManifest:
    from gan_aug.synthesis.plan import plan_labels
    from gan_aug.synthesis.write import write_synthetic_set

    run, storage = context.run, context.storage.gan(gan)
    part, checkpoint = _trained(context, trained, manifest, gan)
    made_of = {"synthesis": wanted.model_dump(mode="json"), "checkpoint": checkpoint.id}
    claim(part, layout.SYNTHETIC, made_of, products=f"{layout.SHARD}*" if storage.place is None else layout.MANIFEST)
    plan = plan_labels(wanted, manifest)
    by = f" by GAN {gan}" if gans > 1 else ""
    run.emit("synthetic", "start", f"making {len(plan):,} images{by}", done=gan * len(plan))
    noted = False

    def progress(done: int, total: int) -> None:
        nonlocal noted
        if not noted:
            record_environment(storage.synthetic)
        noted = True
        run.emit("synthetic", "progress", done=gan * total + done, total=gans * total, unit="images")

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
        lists=True,
    )
    if storage.place:  # the manifest in the store was written with the shards
        synthetic.save(part.synthetic / layout.MANIFEST)
    run.emit("synthetic", "finish", f"{len(plan):,} synthetic images{by} in {len(synthetic.shards)} shards")
    return synthetic


def _trained(context: StageContext, trained: TrainRequest, manifest: Manifest, gan: int) -> tuple[RunDir, Checkpoint]:
    """The part of the run folder of a GAN that was trained to the end for this request, and its checkpoint."""
    from gan_aug.gan.chosen import chosen_checkpoint
    from gan_aug.gan.state import newest_checkpoint

    run = context.run
    context.storage.gan(gan).pull_training()
    if not (run.path / layout.gan_folder(gan)).exists():
        raise CheckpointError(f"{run.path} holds no trained GAN {gan}: run `gan-aug train` on it first")
    part = gan_part(run, gan)
    check(part, layout.TRAIN, trained.to_json())
    newest, checkpoint = newest_checkpoint(part.checkpoints), chosen_checkpoint(part.train)
    if newest is None or checkpoint is None:
        which = f"no trained GAN {gan}" if gan else "no trained GAN"
        raise CheckpointError(f"{run.path} holds {which}: run `gan-aug train` on it first")
    if newest.images < (ends := training_end(part.train, trained.train.images)):
        which = f"GAN {gan}" if gan else "the GAN"
        raise CheckpointError(
            f"{which} in {run.path} has seen {newest.images:,} of {ends:,} images: "
            "run `gan-aug train` on it to the end first"
        )
    if checkpoint.dataset != manifest.fingerprint:
        raise CheckpointError(f"{checkpoint.path} was made for other data than {run.dataset}: train again in a new run")
    return part, checkpoint


def synthetic_for(
    context: StageContext, compare: CompareConfig, wanted: SynthesisConfig, trained: TrainRequest
) -> tuple[SyntheticManifest, ...]:
    """The synthetic sets that the arms need, one for each GAN; empty if they need none.

    Args:
        context: The run's.
        compare: The arms, the number of GANs, and the source of images made elsewhere, which are one set.
        wanted: The request that the run's own sets must have been made for.
        trained: The request that the run's GAN 0 must have been trained for.

    Returns:
        The sets' manifests.

    Raises:
        DataError: If a set is absent.
        RunConflict: If it belongs to another request.
    """
    from gan_aug.evaluation.arm_catalogue import need_synthetic
    from gan_aug.stages.external import check_own

    run = context.run
    if not need_synthetic(compare.arms):
        return ()
    if compare.synthetic is None:
        check_own(run)
    sets = []
    for gan in range(gan_count(compare)):
        if not (run.path / layout.gan_folder(gan) / layout.SYNTHETIC / layout.MANIFEST).exists():
            of = f" of GAN {gan}: run `gan-aug train` and `gan-aug generate` on it first, or set compare.gans to {gan}"
            first = " for the arms: run `gan-aug generate` on it first"
            raise DataError(f"{run.path} holds no synthetic set{of if gan else first}")
        if compare.synthetic is None:
            part = gan_part(run, gan)
            check(part, layout.TRAIN, gan_training(trained, gan).to_json())
            check(part, layout.SYNTHETIC, {"synthesis": wanted.model_dump(mode="json")})
        sets.append(SyntheticManifest.load(below(context.storage.gan(gan).synthetic, layout.MANIFEST)))
    return tuple(sets)
