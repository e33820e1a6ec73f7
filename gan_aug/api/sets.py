"""A further synthetic set of a trained GAN, opened."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from gan_aug.api.released import Released
from gan_aug.errors import ManifestError
from gan_aug.run import layout
from gan_aug.run.folder import is_further_set
from gan_aug.run.progress import default_listener

if TYPE_CHECKING:
    from gan_aug.data.synthetic.shards import SyntheticManifest
    from gan_aug.data.torch_dataset import LabelledImages
    from gan_aug.run.events import Listener


class SyntheticSet(Released):
    """The folder of a set that `Run.generate`, `from_bundle` or `gan-aug generate` made."""

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

    @classmethod
    def from_bundle(
        cls,
        bundle: str | Path,
        counts: int | Mapping[str, int],
        out: str | Path,
        *,
        seed: int = 0,
        progress: Listener | None = None,
        stop_on_signals: bool = False,
    ) -> SyntheticSet:
        """Make a set with the generator in a bundle that `export` wrote, without the run that trained it.

        Image k depends on the seed, k and its label alone, and is the image of the run's own sets. The bundle's code is
        not run. Called again with the same values, it goes on from what is whole in the folder.

        Args:
            bundle: The folder of the bundle.
            counts: Images of each label: one number for all, or a number for each label (others get none).
            out: The folder of the set, which must be empty or not there.
            seed: Of the images.
            progress: Is called with each Event.
            stop_on_signals: As for `gan_aug.run`.

        Returns:
            The set.

        Raises:
            CheckpointError: If it is no bundle of gan-aug, is of another version, or was altered.
            ConfigError: If there is no such label.
            StorageError: If the folder holds other files.
        """
        from gan_aug.stages.launch import launch_bundle_set

        listeners = (progress or default_listener(),)
        return cls(launch_bundle_set(Path(bundle), counts, seed, Path(out), listeners, stop_on_signals=stop_on_signals))

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
