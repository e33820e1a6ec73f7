"""Further synthetic sets of a trained GAN, each in a folder of its own with its own provenance.

Such a folder holds what `synthetic/` of a run holds: the shards and their manifest, which names the checkpoint and the
data set that it was trained on, and has no hash of an image. `set.json` says what was asked for.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import ValidationError

from gan_aug.compute.executor import Executor
from gan_aug.config.gan import SynthesisConfig
from gan_aug.data.manifest import Manifest
from gan_aug.data.pictures.png import png_grid
from gan_aug.data.synthetic.shards import SyntheticManifest, read_shard
from gan_aug.errors import CheckpointError, ConfigError, RunConflict, StorageError
from gan_aug.gan.chosen import chosen_checkpoint
from gan_aug.gan.state import Checkpoint, newest_checkpoint
from gan_aug.run import layout
from gan_aug.run.decisions import training_end
from gan_aug.run.files import read_json, write_bytes, write_json
from gan_aug.run.folder import RunDir
from gan_aug.run.stage_requests import differences
from gan_aug.run.stores import Place
from gan_aug.stages.storage import RunStorage
from gan_aug.synthesis.bundle import read_bundle
from gan_aug.synthesis.plan import Labels, mixed, plan_labels
from gan_aug.synthesis.write import write_synthetic_set

Counts = Literal["like-real"] | int | Mapping[str, int]
"""Images of each label: one number for all, a number for each label, or as many as in the training split."""

NO_LABEL = "none"
"""How images without a label are called, as in the folders of an export."""

COLUMNS = 10
"""Images of each label in the picture of a set."""

OWN_FILES = {layout.LOCK, layout.EVENTS, layout.CANCEL}


@dataclass(frozen=True)
class FurtherSet:
    """A set that can be made: its plan is known, and its folder may hold it.

    Attributes:
        checkpoint: The trained GAN, in a run folder or in a bundle.
        stored: Where workers that do not see its folder download the checkpoint from.
        synthesis: How many images of which labels, and the seed.
        plan: The labels of each image.
    """

    checkpoint: Checkpoint
    stored: Place | None
    synthesis: SynthesisConfig
    plan: tuple[Labels, ...]

    @property
    def request(self) -> dict[str, Any]:
        """What the set depends on, as JSON values."""
        return {"synthesis": self.synthesis.model_dump(mode="json"), "checkpoint": self.checkpoint.id}

    def check_folder(self, out: Path) -> None:
        """Check that the set can be made in a folder, or is there already.

        Raises RunConflict if it holds another set, and StorageError if it holds other files.
        """
        record = out / layout.SET
        if record.exists():
            if changes := differences(read_json(record), self.request):
                raise RunConflict(
                    f"{out} holds another set ({'; '.join(changes[:3])}): choose another folder with --out"
                )
        elif out.exists() and (not out.is_dir() or {path.name for path in out.iterdir()} - OWN_FILES):
            raise StorageError(f"{out} exists and is not empty: choose another --out")

    def make(self, out: RunDir, executor: Executor, device: str) -> SyntheticManifest:
        """Make the set; shards that are whole in the folder already are kept.

        Args:
            out: The folder of the set.
            executor: Where the work runs.
            device: The value of compute.device.

        Returns:
            The set's manifest.

        Raises:
            RunConflict: The folder holds another set, or another process works in it.
            StorageError: The folder holds other files, or the disk refuses.
            Cancelled: The folder's `cancelled` says so; what is finished is kept.
        """
        plan = self.plan
        self.check_folder(out.path)
        with out.locked():
            write_json(out.path / layout.SET, self.request)
            out.emit("synthetic", "start", f"making {len(plan):,} images of seed {self.synthesis.seed} in {out.path}")
            made = write_synthetic_set(
                self.checkpoint,
                plan,
                out.path,
                executor,
                seed=self.synthesis.seed,
                shard_size=self.synthesis.shard,
                device=device,
                progress=lambda done, total: out.emit("synthetic", "progress", done=done, total=total, unit="images"),
                cancelled=out.cancelled,
                stored=self.stored,
            )
            write_bytes(out.path / layout.SET_PICTURE, _picture(out.path, made))
            out.emit("synthetic", "finish", f"{len(plan):,} synthetic images in {len(made.shards)} shards")
        return made


def plan_further_set(run: RunStorage, trained: RunStorage, counts: Counts, seed: int | None) -> FurtherSet:
    """Plan a further set of a run's GAN.

    Args:
        run: The files of the run.
        trained: Those of the GAN, which are the same if the run has one.
        counts: Images of each label.
        seed: Of the images; None is the first one after the run's own.

    Returns:
        The set. Nothing is made yet.

    Raises:
        CheckpointError: There is no trained GAN, or it was not trained to the end.
        ConfigError: There is no such label, or the seed is that of the run's own set.
        ManifestError: The data set's manifest is absent or altered.
    """
    checkpoint = trained_checkpoint(trained)
    run.pull_dataset()
    manifest = Manifest.load(run.folder / layout.DATASET / layout.MANIFEST)
    synthesis = _synthesis(_counts(counts, manifest), _seed(trained, seed))
    stored = trained.checkpoint(checkpoint.path.name)
    return FurtherSet(checkpoint, stored, synthesis, plan_labels(synthesis, manifest))


def plan_bundle_set(folder: Path, counts: int | Mapping[str, int], seed: int) -> FurtherSet:
    """Plan a set of the generator in a bundle, without the run that trained it.

    Args:
        folder: The bundle.
        counts: Images of each label: one number for all, or a number for each. A bundle of images with several labels
            takes names joined by `+` too, and `none`.
        seed: Of the images.

    Returns:
        The set. Nothing is made yet.

    Raises:
        CheckpointError: It is no whole bundle of gan-aug, or of another version.
        ConfigError: There is no such label, or a number is out of its range.
    """
    checkpoint = read_bundle(folder)
    synthesis = _synthesis(counts if isinstance(counts, int) else dict(counts), seed)
    named = dict.fromkeys(checkpoint.labels, counts) if isinstance(counts, int) else counts
    wanted = Counter[Labels]()
    for name, number in named.items():
        wanted[_labels(checkpoint, name)] += number
    return FurtherSet(checkpoint, None, synthesis, mixed(wanted))


def _labels(checkpoint: Checkpoint, name: str) -> Labels:
    """The positions of the labels that `name` names."""
    if name in checkpoint.labels:
        return (checkpoint.labels.index(name),)
    names = [] if name == NO_LABEL else name.split("+")
    if checkpoint.task == "multi-label" and set(names) <= set(checkpoint.labels):
        return tuple(sorted({checkpoint.labels.index(own) for own in names}))
    raise ConfigError(f"there is no label {name!r}: the GAN was trained on {', '.join(checkpoint.labels)}")


def _synthesis(counts: Any, seed: int) -> SynthesisConfig:
    """How many images of which seed, checked."""
    try:
        return SynthesisConfig.model_validate({"counts": counts, "seed": seed})
    except ValidationError as error:
        raise ConfigError(
            f"counts {counts}, seed {seed}: counts must not be negative, seed is from 0 to 2^32 - 1"
        ) from error


def trained_checkpoint(storage: RunStorage) -> Checkpoint:
    """The GAN of a run, trained to the end; raises CheckpointError if there is none, or it is at work."""
    storage.pull_training()
    train = storage.folder / layout.TRAIN
    newest, checkpoint = newest_checkpoint(train / layout.CHECKPOINTS), chosen_checkpoint(train)
    if newest is None or checkpoint is None:
        raise CheckpointError(f"{storage.folder} holds no trained GAN: run `gan-aug train` on it first")
    asked = training_end(train, read_json(train / layout.REQUEST)["train"]["images"])
    if newest.images < asked:
        raise CheckpointError(
            f"the GAN in {storage.folder} has seen {newest.images:,} of {asked:,} images: `gan-aug resume` trains "
            "it to the end"
        )
    return checkpoint


def _counts(counts: Counts, manifest: Manifest) -> Any:
    """The counts as the config spells them."""
    if isinstance(counts, str | int):
        return counts
    for label in counts:
        if label not in manifest.labels:
            raise ConfigError(f"there is no label {label!r}: the GAN was trained on {', '.join(manifest.labels)}")
    return dict(counts)


def _seed(storage: RunStorage, seed: int | None) -> int:
    """The seed of a further set, which is never that of the GAN's own one."""
    path = storage.folder / layout.SYNTHETIC / layout.REQUEST
    own = read_json(path).get("synthesis", {}).get("seed") if path.exists() else None
    if own is None:  # no set, or one of images made elsewhere
        return seed or 0
    if seed == own:
        raise ConfigError(
            f"seed {seed} is that of the run's own synthetic set, and an image depends on its seed, number and label "
            "alone: these would be the same images again, so choose another seed"
        )
    return (own + 1) % 2**32 if seed is None else seed


def _picture(folder: Path, made: SyntheticManifest) -> bytes:
    """A PNG of the first images of each label, a row for each; of the first shard alone, which has the labels mixed."""
    images, labels = read_shard(folder, made.shards[0]), made.label_matrix()[: made.shards[0].count]
    rows = [images[np.flatnonzero(labels[:, k])[:COLUMNS]] for k in range(len(made.labels))]
    return png_grid([row for row in rows if len(row)] or [images[:COLUMNS]], made.origin)
