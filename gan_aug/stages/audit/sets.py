"""The verb `audit`: a synthetic set against the training images of its GAN, before it may leave.

`audit.json` beside the set says what was found. If images are like copies and the set is allowed, `audit/` holds the
set with others in their place, made by the same GAN from the next numbers: this is what is released.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from gan_aug.compute.cores import cores
from gan_aug.compute.device import choose_device
from gan_aug.compute.threads import torch_threads
from gan_aug.data.image_store import open_images
from gan_aug.data.manifest import Manifest, multi_hot
from gan_aug.data.pictures.png import png_grid
from gan_aug.data.synthetic.shards import ShardedImages, SyntheticManifest, open_shards, shard_bytes
from gan_aug.errors import CheckpointError, DataError, StorageError
from gan_aug.privacy.record import audit_of, summary, write_audit
from gan_aug.run import layout
from gan_aug.run.artefacts import local_copy
from gan_aug.run.files import storage_errors, write_bytes
from gan_aug.run.stores import Place, below
from gan_aug.stages.storage import RunStorage
from gan_aug.version import __version__

if TYPE_CHECKING:
    from gan_aug.gan.state import Checkpoint
    from gan_aug.privacy.audit import Audit, Audited, Redraw

QUICK = 2 * 10**8
"""With up to so many pairs of a synthetic and a training image, `run` audits the set: about a minute on two cores."""


@dataclass(frozen=True)
class SetPlace:
    """Where a synthetic set is: `folder` has its records, `shards` its images; `gan` is the storage of its GAN."""

    folder: Path
    shards: Place
    gan: RunStorage

    @property
    def manifest(self) -> SyntheticManifest:
        """The set's manifest; raises ManifestError if there is no whole set."""
        return SyntheticManifest.load(below(self.shards, layout.MANIFEST))

    @property
    def released(self) -> Path:
        """Where the set is with other images in place of some, if the audit replaced any."""
        return self.folder / layout.AUDITED


def own_set(gan: RunStorage) -> SetPlace:
    """The place of the set that a run's GAN made for its arms."""
    return SetPlace(gan.folder, gan.synthetic, gan)


class RunAudit:
    """The data set of a run, ready for the audit of sets that its GANs made."""

    def __init__(self, run: RunStorage, cancelled: Callable[[], bool] | None = None) -> None:
        """Measure what is usual among the training images.

        Args:
            run: The files of the run.
            cancelled: Asked now and then whether to stop.

        Raises:
            ManifestError: The data set is absent or altered.
            DataError: It is too small for an audit.
            Cancelled: `cancelled` returned True.
        """
        from gan_aug.privacy.audit import Audit

        folder = local_copy(run.folder / layout.DATASET, run.dataset, layout.IMAGES)
        self.manifest = Manifest.load(folder / layout.MANIFEST)
        self.images = open_images(folder, self.manifest)
        with torch_threads(cores()):
            self._audit: Audit = Audit(self.manifest, self.images, cancelled)

    def measure(
        self, place: SetPlace, device: str = "cpu", progress: Callable[[int, int], None] | None = None
    ) -> tuple[dict[str, Any], Audited]:
        """Audit a set without writing anything.

        Args:
            place: The set.
            device: Where its GAN makes images, a value of compute.device.
            progress: Called with (images done, images in all).

        Returns:
            What `audit.json` says but for the released set, and what was found.

        Raises:
            ManifestError: The set is absent or altered.
            DataError: Its GAN was trained on another data set.
            Cancelled: The audit was stopped.
        """
        made = place.manifest
        if made.dataset != self.manifest.fingerprint:
            raise DataError(f"the set in {place.folder} was made for another data set than {self.manifest.name} here")
        images = open_shards(place.shards, made)
        checkpoint = _checkpoint(place.gan, made.checkpoint)
        with torch_threads(cores()):
            found = self._audit(images, made.label_matrix(), _redraw(checkpoint, made, device), progress)
            attack = self._attack(checkpoint, device)
        record = {
            "gan_aug": __version__,
            "dataset": self.manifest.fingerprint,
            "synthetic": made.fingerprint,
            "checkpoint": made.checkpoint,
            "seed": made.seed,
            **found.record,
            "training": found.record["training"] | {"elsewhere": self._elsewhere(made)},
            "discriminator": attack,
            "released": None,
        }
        return record, found

    def write(self, place: SetPlace, record: dict[str, Any], found: Audited) -> dict[str, Any]:
        """Write `audit.json`, the picture of the nearest pairs, and the set with its replaced images if there are any.

        Args:
            place: The set.
            record: What `measure` gave.
            found: The same.

        Returns:
            The audit, as `audit.json` holds it.
        """
        made = place.manifest
        images = open_shards(place.shards, made)
        with storage_errors(place.released):
            shutil.rmtree(place.released, ignore_errors=True)  # of an earlier audit
            place.released.mkdir(parents=True)
        if len(found.replacements):
            record = record | {"released": _write_replaced(place, made, images, record, found).fingerprint}
        if nearest := record["copies"]["nearest"]:
            pairs = [self.images[[one["training"] for one in nearest]]]
            pairs.append(images[np.array([one["index"] for one in nearest])])
            write_bytes(place.released / layout.NEAREST_PAIRS, png_grid(pairs))
        return write_audit(place.folder, record)

    def _elsewhere(self, made: SyntheticManifest) -> int:
        """How many images the GAN had seen before, in another run, that are not here to be compared with."""
        if not made.parent_trained_on:
            return made.parent_elsewhere
        here = {study.content for study in self.manifest.studies if study.split == "train"}
        return len(set(made.parent_trained_on) - here)

    def _attack(self, checkpoint: Checkpoint | None, device: str) -> dict[str, Any] | None:
        """How well the discriminator tells training images from held-out ones; None without it or without these."""
        from gan_aug.gan.state import load_discriminator
        from gan_aug.privacy.membership import found_auc
        from gan_aug.stages.audit.attack import logits

        test = self._audit.membership
        discriminator = load_discriminator(checkpoint) if checkpoint else None
        if discriminator is None or test is None or not len(test.held_out):
            return None
        labels = self.manifest.label_matrix()
        scores = [
            logits(discriminator, self.images[rows], labels[rows], choose_device(device))
            for rows in (test.members, test.held_out)
        ]
        return found_auc(scores[0], scores[1], test.member_patients, test.held_out_patients)


def audit_set(
    run: RunStorage,
    place: SetPlace,
    *,
    device: str = "cpu",
    progress: Callable[[int, int], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> dict[str, Any]:
    """Audit a set and write what was found, see `RunAudit`.

    Args:
        run: The files of the run with the data set.
        place: The set.
        device: Where its GAN makes images, a value of compute.device.
        progress: Called with (images done, images in all).
        cancelled: Asked now and then whether to stop.

    Returns:
        The audit, as `audit.json` holds it.
    """
    audit = RunAudit(run, cancelled)
    return audit.write(place, *audit.measure(place, device, progress))


def audits_of(run: Path, sets: Sequence[SyntheticManifest]) -> dict[str, Any] | None:
    """The audits of a run's sets for its report: `sets`, a summary of each that was audited; None if none was.

    Args:
        run: The run folder.
        sets: The manifest of each GAN's set.

    Raises:
        ManifestError: An audit is altered.
    """
    found = {gan: audit_of(run / layout.gan_folder(gan), made.fingerprint) for gan, made in enumerate(sets)}
    rows = [{"gan": gan, **summary(record)} for gan, record in found.items() if record]
    return {"sets": rows} if rows else None


def takes_little(manifest: Manifest, images: int) -> bool:
    """Whether the audit of so many images takes little time beside a run, see QUICK."""
    return images * len(manifest.indices("train")) <= QUICK


def _checkpoint(gan: RunStorage, wanted: str) -> Checkpoint | None:
    """The checkpoint with this id, None if it is not there (any more), or the images were made elsewhere."""
    from gan_aug.gan.state import RECORD, read_checkpoint

    folder = gan.folder / layout.TRAIN / layout.CHECKPOINTS
    here = {path.name for path in folder.iterdir()} if folder.exists() else set()
    for name in sorted(here | set(gan.checkpoints()), reverse=True):
        path = folder / name
        try:
            found = read_checkpoint(path if name in here else local_copy(path, gan.checkpoint(name), RECORD))
        except (CheckpointError, StorageError):  # another one may be whole
            continue
        if found.id == wanted:
            return found
    return None


def _redraw(checkpoint: Checkpoint | None, made: SyntheticManifest, device: str) -> Redraw | None:
    """Makes images in place of others: of their labels, with the numbers asked for."""
    if checkpoint is None:
        return None
    from gan_aug.synthesis.generator import TrainedGenerator

    generator = TrainedGenerator(checkpoint, device)

    def redraw(wanted: list[tuple[int, int]]) -> npt.NDArray[np.uint8]:
        labels = multi_hot([made.image_labels[position] for position, _ in wanted], len(made.labels))
        return generator.numbered(labels, made.seed, wanted[0][1])

    return redraw


def _write_replaced(
    place: SetPlace, made: SyntheticManifest, images: ShardedImages, record: dict[str, Any], found: Audited
) -> SyntheticManifest:
    """Write the set with its replaced images into its own folder, the manifest last."""
    dropped = record["copies"]["dropped"]
    new = {one["index"]: image for one, image in zip(dropped, found.replacements, strict=True)}
    shards = []
    for shard in made.shards:
        part = images[slice(shard.first, shard.first + shard.count)]
        for index in new.keys() & range(shard.first, shard.first + shard.count):
            part[index - shard.first] = new[index]
        content = shard_bytes(part)
        write_bytes(place.released / shard.file, content)
        shards.append(replace(shard, sha256=hashlib.sha256(content).hexdigest()))
    numbers = tuple((one["index"], one["replaced_by"]) for one in dropped)
    released = replace(made, shards=tuple(shards), replaced=numbers)
    released.save(place.released / layout.MANIFEST)
    return released
