"""Export to PNG: a file for each image in a folder for each class, and a table of them all."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gan_aug.data.synthetic.shards import SyntheticManifest
    from gan_aug.run.stores import Place


def png_files(place: Place, manifest: SyntheticManifest) -> Iterator[tuple[str, bytes]]:
    """Each image of the set at `place` as the name `LABEL/INDEX.png` and its PNG, then `labels.csv`.

    Each PNG is marked as synthetic (`data.png.synthetic_mark`). Raises ManifestError when a shard is absent or altered.
    """
    from gan_aug.data.labels import folder_names
    from gan_aug.data.png import png
    from gan_aug.data.synthetic.shards import read_shard

    names = folder_names(manifest.labels)
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(["file", "label", "index", "seed", "checkpoint"])
    for shard in manifest.shards:
        for index, image in enumerate(read_shard(place, shard), start=shard.first):
            labels = manifest.image_labels[index]
            file = f"{'+'.join(names[k] for k in labels) or 'none'}/{index:08d}.png"
            yield file, png(image, made_from=manifest.made_from(index))
            label = "|".join(manifest.labels[k] for k in labels)
            writer.writerow([file, label, index, manifest.seed, manifest.checkpoint])
    yield "labels.csv", table.getvalue().encode()
