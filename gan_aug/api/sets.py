"""A further synthetic set of a trained GAN, opened."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from gan_aug.api.released import Released
from gan_aug.errors import ManifestError
from gan_aug.run import layout
from gan_aug.run.folder import is_further_set

if TYPE_CHECKING:
    from gan_aug.data.synthetic.shards import SyntheticManifest
    from gan_aug.data.torch_dataset import LabelledImages


class SyntheticSet(Released):
    """The folder of a set that `Run.generate` or `gan-aug generate RUN` made."""

    def __init__(self, folder: str | Path) -> None:
        """Open the set in `folder`; raises ManifestError if there is none."""
        self.folder = Path(folder)
        if not is_further_set(self.folder):
            raise ManifestError(
                f"{folder} holds no further set: give the folder that --out of `gan-aug generate` named"
            )

    def __repr__(self) -> str:
        made = self.manifest
        counts = ", ".join(f"{count:,} {label}" for label, count in made.counts().items())
        return f"<synthetic set in {self.folder}: {counts}, seed {made.seed}>"

    @property
    def manifest(self) -> SyntheticManifest:
        """The labels, seed, checkpoint and shards of the set; raises ManifestError if it is not whole yet."""
        from gan_aug.data.synthetic.shards import SyntheticManifest

        return SyntheticManifest.load(self.folder / layout.MANIFEST)

    def images(self) -> LabelledImages:
        """The images as a map-style `torch.utils.data.Dataset`; see LabelledImages for its items."""
        import numpy as np

        from gan_aug.data.synthetic.shards import open_shards
        from gan_aug.data.torch_dataset import LabelledImages

        made = self.manifest
        matrix, opened = made.label_matrix(), partial(open_shards, self.folder, made)
        return LabelledImages(opened, np.arange(len(matrix)), matrix, made.labels, made.task)
