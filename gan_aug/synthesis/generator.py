"""A trained generator, ready to make images of a label: `load_generator(path).sample("pneumonia", 16)`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from gan_aug.compute.device import choose_device
from gan_aug.compute.threads import torch_threads
from gan_aug.data.manifest import multi_hot
from gan_aug.errors import CheckpointError, DataError
from gan_aug.gan import state
from gan_aug.gan.chosen import chosen_checkpoint
from gan_aug.gan.state import Checkpoint, read_checkpoint
from gan_aug.run import layout
from gan_aug.synthesis.bundle import is_bundle, read_bundle
from gan_aug.synthesis.latent_images import LatentImages
from gan_aug.synthesis.latents import Latent, noise_of, walk, weights_of
from gan_aug.synthesis.sampler import BLOCK, make_in_rows, sample

MOST_STEPS = 256
"""Images on the way from one to another, at most."""

THREADS = 1
"""As many as make the shards of a synthetic set: another number can alter the last bit of a value."""


class TrainedGenerator:
    """The averaged generator of a checkpoint.

    `labels` are the names of the labels it was trained on, `shape` is that of its images, `(C, H, W)`.
    """

    def __init__(self, checkpoint: Checkpoint, device: str = "cpu") -> None:
        """Load the generator of `checkpoint` onto a device: cpu, cuda, or auto."""
        self.checkpoint = checkpoint
        self.labels = checkpoint.labels
        self.shape = checkpoint.networks.shape
        self._generator = state.load_generator(checkpoint).to(choose_device(device))

    def __repr__(self) -> str:
        channels, height, width = self.shape
        trained = f"trained on {self.checkpoint.images:,} images"
        return f"<generator of {channels}x{height}x{width} images, {trained}; labels: {', '.join(self.labels)}>"

    def sample(
        self,
        label: str | int | Sequence[str],
        count: int,
        seed: int = 0,
        *,
        first: int = 0,
        truncation: float = 1.0,
    ) -> npt.NDArray[np.uint8]:
        """Make images of one label.

        An image depends on its seed, number, label and truncation alone: image k is the same however many are made
        along with it, and the same as image k of a synthetic set with this seed if that has this label.

        Args:
            label: A name in `labels` or its position there; for multi-label a list of names, which may be empty.
            count: How many images.
            seed: From 0 to 2^32 - 1.
            first: The number of the first image.
            truncation: From 0 to 1: less makes images more typical and less varied (arXiv 1812.04948, appendix B).

        Returns:
            The images as `(count, C, H, W) uint8`.

        Raises:
            DataError: If there is no such label, or a number is out of its range.
        """
        _check(seed, first, truncation, count)
        return self.numbered(multi_hot([self._positions(label)] * count, len(self.labels)), seed, first, truncation)

    def numbered(
        self, labels: npt.NDArray[np.float32], seed: int, first: int, truncation: float = 1.0
    ) -> npt.NDArray[np.uint8]:
        """Make consecutive images, each of its own labels.

        Args:
            labels: `(N, K)` zeros and ones.
            seed: As for `sample`.
            first: The number of the first image.
            truncation: As for `sample`.

        Returns:
            The images as `(N, C, H, W) uint8`.
        """
        # Each image in the row of a forward pass that it has in a synthetic set: another row may round differently.
        before = first % BLOCK
        padded = np.concatenate([np.zeros((before, len(self.labels)), dtype=np.float32), labels])
        with torch_threads(THREADS):
            made = sample(self._generator, padded, seed=seed, first=first - before, truncation=truncation)
        return made[before:]

    def latent(
        self, label: str | int | Sequence[str], seed: int = 0, *, first: int = 0, truncation: float = 1.0
    ) -> Latent:
        """The point of the latent space of an image that `sample` makes with the same arguments.

        Args:
            label: As for `sample`.
            seed: As for `sample`.
            first: The number of the image.
            truncation: As for `sample`.

        Returns:
            The point, for `make` and `between`.

        Raises:
            DataError: As `sample`.
        """
        _check(seed, first, truncation)
        (row,) = multi_hot([self._positions(label)], len(self.labels))
        return Latent(tuple(row.tolist()), seed, first, truncation=float(truncation))

    def make(self, latents: Sequence[Latent]) -> LatentImages:
        """Make the images of some points of the latent space.

        Those that `sample` makes too are the same to the bit. Raises DataError if a point has other labels than the
        generator.
        """
        if any(len(latent.weights) != len(self.labels) for latent in latents):
            raise DataError(f"a point has weights for other labels: the generator was trained on {self.labels}")
        latents = tuple(latents)
        rows = [latent.number % BLOCK if latent.is_sample else None for latent in latents]
        noise = noise_of(latents, self.checkpoint.networks.latent)
        with torch_threads(THREADS):
            images = make_in_rows(self._generator, rows, noise, weights_of(latents))
        return LatentImages(images, latents, self.labels, self.checkpoint.id)

    def between(self, start: Latent, end: Latent, steps: int = 8) -> LatentImages:
        """The images on the way from one image to another, both included.

        From one label to another at the same seed, it is the same patient who becomes ill; from one seed to another
        with the same label, one patient who becomes another.

        Args:
            start: A point that `latent` gives.
            end: Another one; it may differ in label, seed, number and truncation, in one of them or in several.
            steps: How many images, from 2 to MOST_STEPS.

        Returns:
            The images, in equal steps.

        Raises:
            DataError: There are too few or too many steps, or a point lies on the way between two others.
        """
        if not 2 <= steps <= MOST_STEPS:
            raise DataError(f"{steps} steps: a way has its first and its last image, so give 2 to {MOST_STEPS}")
        if start.toward or end.toward:
            raise DataError(
                "a way leads from one image of a seed to another: one of the points lies between two images"
            )
        return self.make(walk(start, end, np.linspace(0, 1, steps)))

    def _positions(self, label: str | int | Sequence[str]) -> tuple[int, ...]:
        if isinstance(label, str | int):
            wanted: list[str | int] = [label]
        elif self.checkpoint.task == "multi-label":
            wanted = list(label)
        else:
            raise DataError(f"the labels {list(label)} for one image: this generator makes images of exactly one label")
        return tuple(sorted({self._position(name) for name in wanted}))

    def _position(self, label: str | int) -> int:
        if isinstance(label, str) and label in self.labels:
            return self.labels.index(label)
        if isinstance(label, int) and 0 <= label < len(self.labels):
            return label
        raise DataError(f"there is no label {label!r}: the generator was trained on {', '.join(self.labels)}")


def _check(seed: int, first: int, truncation: float, count: int = 0) -> None:
    """Raise DataError for a number that is out of its range."""
    if count < 0 or not 0 <= first < 2**63 or not 0 <= seed < 2**32 or not 0 <= truncation <= 1:
        raise DataError(
            f"count {count}, seed {seed}, first {first}, truncation {truncation}: count and first must not be "
            "negative, first is below 2^63, seed is from 0 to 2^32 - 1, truncation from 0 to 1"
        )


def load_generator(path: str | Path, device: str = "cpu") -> TrainedGenerator:
    """The trained generator in a run folder, in a checkpoint's folder, or in a bundle.

    Args:
        path: A run folder, whose checkpoint that is the GAN is taken (the best by its scores, else the newest), the
            folder of one checkpoint, or a bundle, whose own code is not run.
        device: Where it makes images: cpu, cuda, or auto. The last bit of a value may differ between devices.

    Returns:
        The averaged generator.

    Raises:
        CheckpointError: If there is no whole checkpoint, or the bundle was altered.
    """
    folder = Path(path)
    if is_bundle(folder):
        return TrainedGenerator(read_bundle(folder), device)
    if (folder / layout.CHECKPOINT_RECORD).exists():
        return TrainedGenerator(read_checkpoint(folder), device)
    checkpoint = chosen_checkpoint(folder / layout.TRAIN)
    if checkpoint is None:
        raise CheckpointError(
            f"{folder} holds no trained GAN: give a run folder after `train`, a checkpoint's folder, or a bundle"
        )
    return TrainedGenerator(checkpoint, device)
