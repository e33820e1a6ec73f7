"""Where a run keeps its large files: in its folder, or also in the store that `compute.storage` names.

Requests, events, manifests and reports are always in the run folder. In a store the run has a prefix of its own:

- `dataset/`: the images and their manifest,
- `train/N/`: the checkpoint after N images, with the request and the losses so far,
- `synthetic/`: shards, each with its marker, and their manifest,
- `cells/KEY/`: finished cells of the comparison,
- `gans/N/`: `train` and `synthetic` of GAN N, from 1 on,
- `sizes/SIZE-DRAW/`: `train` and `synthetic` of the GAN of one subset, for learning curves,
- `request.json`: the verb and the config that were last run.
"""

from __future__ import annotations

import json
import re
import secrets
import shutil
from dataclasses import dataclass
from pathlib import Path

from gan_aug.errors import RunConflict, StorageError
from gan_aug.gan.state import RECORD, newest_checkpoint
from gan_aug.run import layout
from gan_aug.run.artefacts import copy_files, delete_files, put_files
from gan_aug.run.decisions import good_folder
from gan_aug.run.files import read_json, write_json
from gan_aug.run.folder import RunDir
from gan_aug.run.stores import MissingObject, Place, below, open_store, to_place

TRAINING_RECORDS = (layout.REQUEST, layout.HISTORY, layout.CHECKPOINT_SCORES, layout.COMPUTED)
"""What is kept with each checkpoint in a store, beside its own files."""

KEPT = 2
"""Checkpoints kept in the store: the newest one, the one before it, and the one of `keep`, as in the run folder."""


@dataclass(frozen=True)
class RunStorage:
    """A run's large files: `folder` is the run folder, `place` the run's own prefix, or None without a store.

    Without a store, every `push` and `pull` does nothing.
    """

    folder: Path
    place: Place | None

    @property
    def synthetic(self) -> Place:
        """The place of the synthetic shards and their manifest."""
        return below(self.place or self.folder, layout.SYNTHETIC)

    @property
    def sizes(self) -> Place:
        """The place of the synthetic sets and, in a store, the checkpoints of the learning curves' subsets."""
        return below(self.place or self.folder, layout.SIZES)

    @property
    def dataset(self) -> Place | None:
        """The place of the imported data set in the store, for hosts without the run folder."""
        return below(self.place, layout.DATASET) if self.place else None

    @property
    def cells(self) -> Place | None:
        """The place of the comparison's finished cells in the store."""
        return below(self.place, layout.CELLS) if self.place else None

    def gan(self, number: int) -> RunStorage:
        """The storage of one of several GANs: its `train` and `synthetic`."""
        return self.part(layout.gan_folder(number)) if number else self

    def part(self, folder: str) -> RunStorage:
        """The storage of a part of the run, in a folder of this name below the run folder and the run's prefix."""
        return RunStorage(self.folder / folder, below(self.place, folder) if self.place else None)

    def checkpoint(self, name: str) -> Place | None:
        """The place in the store of the checkpoint `name`, which is the number of images it has seen."""
        return below(self.place, f"{layout.TRAIN}/{name}") if self.place else None

    def push_request(self) -> None:
        """Save the request in the store. It is written first, so that a fault of the store shows before any work."""
        if self.place:
            open_store(self.place).write(layout.REQUEST, (self.folder / layout.REQUEST).read_bytes())

    def push_dataset(self) -> None:
        """Save the imported data set in the store; the key of the patient hashes stays in the run folder."""
        if self.dataset:
            folder = self.folder / layout.DATASET
            noted = (layout.COMPUTED,) if (folder / layout.COMPUTED).exists() else ()
            names = (layout.REQUEST, *noted, layout.IMPORT_REPORT, layout.IMAGES, layout.MANIFEST)
            put_files(self.dataset, {name: folder / name for name in names})

    def pull_dataset(self) -> None:
        """Fetch the imported data set if the run folder lacks it or its images."""
        folder = self.folder / layout.DATASET
        if self.dataset and not ((folder / layout.MANIFEST).exists() and (folder / layout.IMAGES).exists()):
            copy_files(self.dataset, folder)

    def push_checkpoint(self, checkpoint: Path, keep: Path | None = None) -> None:
        """Save a checkpoint in the store, and remove older ones but the newest of them and `keep`."""
        place = self.checkpoint(checkpoint.name)
        if self.place is None or place is None:
            return
        records = {name: self.folder / layout.TRAIN / name for name in TRAINING_RECORDS}
        files = {path.name: path for path in sorted(checkpoint.iterdir()) if path.name != RECORD}
        files |= {name: path for name, path in records.items() if path.exists()}
        put_files(place, files | {RECORD: checkpoint / RECORD})
        for name in self.checkpoints()[KEPT:]:
            if keep is None or name != keep.name:
                self.forget_checkpoint(name)

    def forget_checkpoint(self, name: str) -> None:
        """Remove a checkpoint from the store, if it is there."""
        if place := self.checkpoint(name):
            delete_files(place)

    def pull_training(self) -> None:
        """Fetch the newest whole checkpoint if the run folder has none as new, with the request of the training.

        If a checkpoint is absent, cut short or altered in the store, the one before it is tried. The one that the
        scores of the training hold to be good is fetched too.
        """
        if self.place is None:
            return
        self._pull_newest()
        good = good_folder(self.folder / layout.TRAIN)
        if good and not good.exists() and not self._copy_checkpoint(good.name):
            raise StorageError(
                f"{self.place} lacks the checkpoint {good.name}, the best by {layout.CHECKPOINT_SCORES}: "
                f"remove {layout.CHECKPOINT_SCORES} in {self.folder / layout.TRAIN} to go on without"
            )

    def _pull_newest(self) -> None:
        folder = self.folder / layout.TRAIN
        mine = newest_checkpoint(folder / layout.CHECKPOINTS)
        for name in self.checkpoints():
            if mine and int(name) <= mine.images:
                return
            if self._copy_checkpoint(name):
                target = folder / layout.CHECKPOINTS / name
                for record in TRAINING_RECORDS:
                    newer = record == layout.CHECKPOINT_SCORES  # these belong to the checkpoint
                    if (target / record).exists() and (newer or not (folder / record).exists()):
                        shutil.copyfile(target / record, folder / record)
                return

    def _copy_checkpoint(self, name: str) -> bool:
        """Fetch a checkpoint into the run folder; False, and nothing is left, if it is not whole in the store."""
        place, target = self.checkpoint(name), self.folder / layout.TRAIN / layout.CHECKPOINTS / name
        if place and copy_files(place, target):
            return True
        shutil.rmtree(target, ignore_errors=True)
        return False

    def checkpoints(self) -> list[str]:
        """The names of the checkpoints committed in the store, newest first."""
        if self.place is None:
            return []
        names = open_store(below(self.place, layout.TRAIN)).names()
        found = {match[1] for name in names if (match := re.fullmatch(rf"(\d+)/{re.escape(layout.COMMIT)}", name))}
        return sorted(found, reverse=True)


def storage_of(run: RunDir, storage: str | None) -> RunStorage:
    """The storage of a run with `compute.storage`; its name in a store is drawn once and saved in its folder."""
    if storage is None:
        return RunStorage(run.path, None)
    path = run.path / layout.STORAGE
    if not path.exists():
        stem = re.sub(r"[^A-Za-z0-9_-]+", "-", run.path.resolve().name).strip("-") or "run"
        write_json(path, {"name": f"{stem}-{secrets.token_hex(8)}"})
    return RunStorage(run.path.resolve(), below(to_place(storage), str(read_json(path)["name"])))


def adopt(folder: Path, url: str) -> None:
    """Make `folder` the run folder of the run in the store at `url`, so that it can be resumed there.

    Raises RunConflict if the folder holds another run, or there is no run at `url`.
    """
    place = to_place(url)
    name = place.name if isinstance(place, Path) else place.rpartition("/")[2]
    try:
        request = json.loads(open_store(place).read(layout.REQUEST))
        root = to_place(request["config"]["compute"]["storage"])
    except (MissingObject, ValueError, KeyError, TypeError, AttributeError) as error:
        raise RunConflict(
            f"{url} holds no run (no {layout.REQUEST}): give the run's own prefix, such as s3://bucket/prefix/NAME-0123abcd"
        ) from error
    if below(root, name) != place:
        raise RunConflict(f"the run at {url} was kept in {root}: move it back there, or start it anew")
    path = folder / layout.STORAGE
    if (folder / layout.REQUEST).exists() and not (path.exists() and read_json(path)["name"] == name):
        raise RunConflict(f"{folder} holds another run than {url}: give a new folder")
    if not path.exists():
        write_json(path, {"name": name})
        write_json(folder / layout.REQUEST, request)
