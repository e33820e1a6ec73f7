"""Which checkpoints of a training stay: the newest, the one before it, and the one that its scores hold to be good."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

from gan_aug.gan.state import Checkpoint, TrainingData, save_checkpoint
from gan_aug.gan.trainer import GanTrainer
from gan_aug.run import layout
from gan_aug.run.files import storage_errors
from gan_aug.stages.storage import RunStorage
from gan_aug.stages.training.watch import Watch


class Keeper:
    """Saves the checkpoints of a training, in its run folder and its store, and removes those that need not stay."""

    def __init__(self, folder: Path, storage: RunStorage, data: TrainingData, newest: Checkpoint | None) -> None:
        """Begin with the newest checkpoint that is there.

        Args:
            folder: The folder of all checkpoints.
            storage: Where the run saves them in addition.
            data: What the GAN is trained on.
            newest: The checkpoint from which the training goes on; None if it begins anew.
        """
        self._folder, self._storage, self._data, self._newest = folder, storage, data, newest

    def save(self, trainer: GanTrainer, watch: Watch | None, *, scoring: bool) -> None:
        """Save the trainer's state, score it if it is due, and remove what need not stay.

        If the scores say that the training goes back, only the checkpoint stays from which it goes on.
        """
        saved = save_checkpoint(self._folder, trainer, self._data)
        if watch and scoring and watch.score(trainer, saved).goes_back:
            return
        good = watch.good if watch else None
        before = self._newest.path if self._newest else None
        forget_others(self._folder, [path for path in (saved.path, before, good) if path])
        self._storage.push_checkpoint(saved.path, keep=good)
        self._newest = saved


def forget_others(folder: Path, kept: Sequence[Path]) -> None:
    """Remove all checkpoints in `folder` except those to be `kept`."""
    with storage_errors(folder):
        for path in folder.glob(layout.EACH_CHECKPOINT):
            if path not in kept:
                shutil.rmtree(path)
