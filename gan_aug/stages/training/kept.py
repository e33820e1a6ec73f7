"""Which checkpoints of a training stay."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

from gan_aug.gan.state import Checkpoint
from gan_aug.run import layout
from gan_aug.run.files import storage_errors


def forget_others(folder: Path, kept: Sequence[Checkpoint | None]) -> None:
    """Remove all checkpoints in `folder` except those to be `kept`."""
    paths = {checkpoint.path for checkpoint in kept if checkpoint}
    with storage_errors(folder):
        for path in folder.glob(layout.EACH_CHECKPOINT):
            if path not in paths:
                shutil.rmtree(path)
