"""The parts of a run folder that GANs have: one for each GAN of all images, and one for each subset of the curves."""

from __future__ import annotations

import hashlib
from pathlib import Path

from gan_aug.config.compare import CompareConfig
from gan_aug.config.stages import TrainRequest
from gan_aug.evaluation.arm_catalogue import need_synthetic
from gan_aug.run import layout
from gan_aug.run.events import Listener
from gan_aug.run.files import storage_errors
from gan_aug.run.folder import RunDir


class PartDir(RunDir):
    """A part of a run folder, with `train` and `synthetic` of its own. It stops with the run around it.

    Its images are those of that run; `images` is their folder on a host that does not have the run folder.
    """

    def __init__(
        self, run: Path, folder: str, images: Path | None = None, listeners: tuple[Listener, ...] = ()
    ) -> None:
        self._run, self._folder, self._images = run, folder, images or run / layout.DATASET
        super().__init__(run / folder, listeners)

    def __reduce__(self) -> tuple[type[RunDir], tuple[Path, str, Path]]:  # type: ignore[override]
        """A pickled copy is the same part, without listeners; see RunDir."""
        return type(self), (self._run.absolute(), self._folder, self._images.absolute())

    @property
    def root(self) -> Path:
        """The folder of the run around it."""
        return self._run

    @property
    def dataset(self) -> Path:
        """The folder of the images of the run around it."""
        return self._images

    @property
    def cancel_mark(self) -> Path:
        """The mark of the run around it."""
        return self._run / layout.CANCEL


class GanDir(PartDir):
    """The part of one of several GANs. Its events are in `train`, since GAN 0 is in the run folder itself."""

    def __init__(
        self, run: Path, folder: str, images: Path | None = None, listeners: tuple[Listener, ...] = ()
    ) -> None:
        super().__init__(run, folder, images, listeners)
        with storage_errors(self.train):
            self.train.mkdir(exist_ok=True)

    @property
    def events(self) -> Path:
        """The file of the GAN's own events."""
        return self.train / layout.EVENTS


def gan_part(run: RunDir, gan: int) -> RunDir:
    """The part of a run folder of one of several GANs; that of GAN 0 is the run folder itself."""
    return PartDir(run.path, layout.gan_folder(gan)) if gan else run


def gan_count(compare: CompareConfig) -> int:
    """How many GANs a run trains: as many as its arms need, and one if they need none."""
    return compare.gans_wanted if need_synthetic(compare.arms) else 1


def gan_training(request: TrainRequest, gan: int) -> TrainRequest:
    """The request of one of several GANs; all but the first have seeds that follow from the run's.

    Args:
        request: The request of the run, which is that of GAN 0.
        gan: The number of the GAN.
    """
    return request.model_copy(update={"seed": gan_seed(request.seed, gan)}) if gan else request


def gan_seed(base: int, gan: int) -> int:
    """The seed of a GAN from 1 on, below 2**32."""
    return int.from_bytes(hashlib.sha256(f"gan/{base}/{gan}".encode()).digest()[:4])
