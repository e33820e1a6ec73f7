"""Formats whose files hold many images each: which images lie in which file, and the table that says so."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, ClassVar

from gan_aug.config.export import ExportOptions
from gan_aug.export.card import Reading, card
from gan_aug.export.folder import ImageFile, Numbers, Sums

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from gan_aug.data.synthetic.shards import SyntheticManifest

SHARD_BYTES = 32 << 20
"""Bytes of pixels in a file, at most; one image may have more."""

SHARD_IMAGES = 10_000
"""Images in a file, at most."""


class ShardFiles:
    """A set as a few files of many images, `manifest.csv` with a row for each image, and a card, `README.md`."""

    table: ClassVar[str] = "manifest.csv"
    columns: ClassVar[Sequence[str]] = ("file", "row", "label", "index", "seed", "checkpoint")
    reading: ClassVar[Reading]
    """What the card says of the files."""
    name: ClassVar[str]
    """The name of a file, with its number and how many there are to be filled in."""

    def __init__(self, manifest: SyntheticManifest, options: ExportOptions) -> None:
        """See ImageFiles; there are no options."""
        del options
        channels, height, width = manifest.shape
        self.manifest = manifest
        self._most = max(1, min(SHARD_IMAGES, SHARD_BYTES // (channels * height * width)))

    def groups(self) -> Sequence[Numbers]:
        """The images in their order, as many to a file as it may have."""
        count = len(self.manifest.image_labels)
        return [tuple(range(first, min(first + self._most, count))) for first in range(0, count, self._most)]

    def file(self, numbers: Numbers, images: npt.NDArray[np.uint8]) -> ImageFile:
        """See ImageFiles."""
        made = self.manifest
        total = -(-len(made.image_labels) // self._most)
        name = self.name.format(numbers[0] // self._most, total)
        facts = [made.made_from(index) for index in numbers]
        rows = [
            (name, row, "|".join(own["labels"]), own["number"], own["seed"], own["checkpoint"])
            for row, own in enumerate(facts)
        ]
        return ImageFile(name, self.content(numbers, self._encoded(images, facts)), rows)

    def about(self, sums: Sums, audited: str) -> Iterable[tuple[str, bytes]]:
        """The card."""
        del sums
        yield "README.md", card(self.manifest, self.reading, audited).encode()

    @abstractmethod
    def content(self, numbers: Numbers, files: Sequence[bytes]) -> bytes:
        """The file of the images at these positions, which as marked PNG files are `files`."""

    @staticmethod
    def _encoded(images: npt.NDArray[np.uint8], facts: Sequence[dict[str, object]]) -> list[bytes]:
        from gan_aug.data.pictures.png import png

        return [png(image, made_from=own) for image, own in zip(images, facts, strict=True)]
