"""Which of a training's checkpoints is the GAN."""

from __future__ import annotations

from pathlib import Path

from gan_aug.gan.state import Checkpoint, newest_checkpoint, read_checkpoint
from gan_aug.run import layout
from gan_aug.run.decisions import chosen_folder, training_end


def chosen_checkpoint(train: Path) -> Checkpoint | None:
    """The checkpoint that is the GAN of the training in the folder `train`: the best by its scores, else the newest.

    None if there is none. Raises CheckpointError if the scores name one that is absent or altered: no other may take
    its place unsaid.
    """
    path = chosen_folder(train)
    return read_checkpoint(path) if path else newest_checkpoint(train / layout.CHECKPOINTS)


def is_whole(train: Path, asked: int) -> bool:
    """Whether the training in the folder `train`, of which `asked` images were asked for, went on to its end."""
    newest = newest_checkpoint(train / layout.CHECKPOINTS)
    return newest is not None and newest.images >= training_end(train, asked)
