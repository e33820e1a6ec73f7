"""The images that a cell's training draws: hashed as they are drawn, and refused if they are held-out images."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from gan_aug.data.manifest import HELD_OUT, INTERNAL, NAMES, Manifest, Split, content_hash
from gan_aug.errors import LeakageError
from gan_aug.evaluation.arms import TrainingSet
from gan_aug.run.files import json_sha256

ONE_OF = {split: f"{'an' if split == INTERNAL else 'a'} {name}" for split, name in NAMES.items()}


@dataclass(frozen=True)
class WatchedTrainingSet(TrainingSet):
    """A training set that compares each image with the held-out ones by content, the first time that it is drawn.

    Attributes:
        held_out: The split of each validation and test image, by its content hash; the internal test's are test images.
        contents: The content hash of each position that was drawn so far.
    """

    held_out: dict[str, Split] = field(default_factory=dict)
    contents: dict[int, str] = field(default_factory=dict)

    def images(self, positions: npt.NDArray[np.int64]) -> npt.NDArray[np.uint8]:
        """See TrainingSet; raises LeakageError if an image is a validation or test image, whatever the plan says."""
        batch = super().images(positions)
        for position, image in zip(positions.tolist(), batch, strict=True):
            if position not in self.contents:
                content = self.contents[position] = content_hash(image)
                if split := self.held_out.get(content):
                    raise LeakageError(
                        f"a classifier was about to be trained on {ONE_OF[split]} image (number {position} of its "
                        "training set): do not rely on this data set's splits, and report this as a fault of gan-aug"
                    )
        return batch

    def drawn(self) -> dict[str, Any]:
        """What was drawn, as JSON values.

        `real` and `synthetic` count the images, repeated ones once. `sha256` is that of their sorted content hashes.
        """
        reals = len(self.plan.real)
        real = {content for position, content in self.contents.items() if position < reals}
        made = {content for position, content in self.contents.items() if position >= reals}
        return {"real": len(real), "synthetic": len(made), "sha256": json_sha256(sorted(real | made))}


def held_out_contents(manifest: Manifest) -> dict[str, Split]:
    """The split of each image of HELD_OUT, by its content hash."""
    return {content: split for split in HELD_OUT for content in manifest.contents(split)}
