"""Verifies what a training decided by the scores of its checkpoints."""

from __future__ import annotations

import sys
from collections.abc import Collection

from gan_aug import config as configs
from gan_aug.config.stages import TrainRequest
from gan_aug.data.manifest import Manifest
from gan_aug.errors import CheckpointError
from gan_aug.evaluation.checkpoints.rules import Rules
from gan_aug.evaluation.checkpoints.scores import Scores
from gan_aug.run import layout
from gan_aug.run.files import read_json
from gan_aug.stages.storage import RunStorage
from gan_aug.verification.chain import Link


def check_scores(storage: RunStorage, manifest: Manifest, whole: Collection[int]) -> list[Link]:
    """The link of a training's scores: the checkpoint that is the GAN is there, and is the best by them.

    Args:
        storage: The files of the run, or of one of its GANs.
        manifest: The data set.
        whole: The images that each whole checkpoint has seen.

    Returns:
        One link; none if checkpoints were not scored.
    """
    train, name = storage.folder / layout.TRAIN, f"{layout.TRAIN}/{layout.CHECKPOINT_SCORES}"
    try:
        scores = Scores.load(train / layout.CHECKPOINT_SCORES)
        if scores is None:
            return []
        asked = configs.completed(read_json(train / layout.REQUEST))
        request = TrainRequest.model_validate({key: asked[key] for key in TrainRequest.model_fields})
    except (CheckpointError, KeyError, ValueError, OSError) as error:
        return [Link(name, "ALTERED", f"it cannot be checked ({error})", CheckpointError)]
    again = Rules.of(request, manifest).as_of(scores, sys.maxsize)
    if (again.good, again.best, again.ends) != (scores.good, scores.best, scores.ends):
        says = (
            f"by its scores the GAN is the checkpoint {again.best} of {again.ends}, not {scores.best} of {scores.ends}"
        )
        return [Link(name, "ALTERED", says, CheckpointError)]
    if scores.best is not None and scores.best not in whole:
        says = f"the checkpoint after {scores.best:,} images is the GAN, and no whole one is there"
        return [Link(name, "missing", says, CheckpointError)]
    kept = (
        "the newest checkpoint is the GAN" if scores.best is None else f"the best is that after {scores.best:,} images"
    )
    return [Link(name, "ok", f"{len(scores.scores)} scores on {scores.validation} validation images: {kept}")]
