"""Export to PNG: a file for each image in a folder for each class, a table of them all, and what marks the whole."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, ClassVar

from gan_aug.config.export import ExportOptions
from gan_aug.export.folder import ImageFile, Numbers, Sums

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from gan_aug.data.synthetic.shards import SyntheticManifest


class PngFiles:
    """Each image of a set as `LABEL/INDEX.png`, marked as synthetic (`data.marks.png_mark`), and `labels.csv`."""

    table: ClassVar[str] = "labels.csv"
    columns: ClassVar[Sequence[str]] = ("file", "label", "index", "seed", "checkpoint")

    def __init__(self, manifest: SyntheticManifest, options: ExportOptions) -> None:
        """See ImageFiles; there are no options."""
        from gan_aug.data.labels import folder_names

        del options
        self._manifest, self._names = manifest, folder_names(manifest.labels)

    def groups(self) -> Sequence[Numbers]:
        """Each image is a file."""
        return [(index,) for index in range(len(self._manifest.image_labels))]

    def file(self, numbers: Numbers, images: npt.NDArray[np.uint8]) -> ImageFile:
        """See ImageFiles."""
        from gan_aug.data.pictures.png import png

        made, (index,) = self._manifest, numbers
        labels = made.image_labels[index]
        name = f"{'+'.join(self._names[k] for k in labels) or 'none'}/{index:08d}.png"
        label = "|".join(made.labels[k] for k in labels)
        content = png(images[0], made_from=made.made_from(index))
        return ImageFile(name, content, [(name, label, made.number(index), made.seed, made.checkpoint)])

    def about(self, sums: Sums, audited: str) -> Iterable[tuple[str, bytes]]:
        """None: the class folders and the table say it all."""
        del sums, audited
        return ()
