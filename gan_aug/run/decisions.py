"""What a training decided by the scores of its checkpoints: which of them is the GAN, and when the training ends.

`train/scores.json` holds the scores and the decisions. Read here are `good` and `best`, the images that the best
checkpoint has seen (`best` is null if the newest one is the GAN all the same), and `ends`, the images with which the
training ends.
"""

from __future__ import annotations

import json
from pathlib import Path

from gan_aug.errors import CheckpointError
from gan_aug.run import layout


def chosen_folder(train: Path) -> Path | None:
    """The folder of the checkpoint that is the GAN of the training in `train`; None if that is the newest one."""
    return _folder(train, "best")


def good_folder(train: Path) -> Path | None:
    """The folder of the checkpoint that the scores in `train` hold to be the best, whether it is the GAN or not."""
    return _folder(train, "good")


def training_end(train: Path, asked: int) -> int:
    """The images with which the training in `train` ends: those asked for, or what its scores say."""
    return _decisions(train).get("ends", asked)


def _folder(train: Path, which: str) -> Path | None:
    images = _decisions(train).get(which)
    return None if images is None else train / layout.CHECKPOINTS / layout.checkpoint(images)


def _decisions(train: Path) -> dict[str, int]:
    path = train / layout.CHECKPOINT_SCORES
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        return {key: int(found[key]) for key in ("good", "best", "ends") if found[key] is not None}
    except FileNotFoundError:
        return {}
    except (ValueError, KeyError, TypeError) as error:
        raise CheckpointError(
            f"{path} does not say which checkpoint is the GAN ({type(error).__name__}): remove it and resume"
        ) from error
