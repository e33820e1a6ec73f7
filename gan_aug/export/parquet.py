"""Export to Parquet, with the features that the library `datasets` and the hubs read, and a Croissant description."""

from __future__ import annotations

import io
import json
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from gan_aug.config.export import ExportOptions
from gan_aug.errors import ConfigError
from gan_aug.export.card import Reading, features, is_single
from gan_aug.export.croissant import croissant
from gan_aug.export.folder import Numbers, Sums
from gan_aug.export.shards import ShardFiles

if TYPE_CHECKING:
    from gan_aug.data.synthetic.shards import SyntheticManifest

ROW_GROUP = 1000
"""Images that a reader of one image reads at a time."""


class ParquetFiles(ShardFiles):
    """A set as `data/train-*.parquet`: PNG files with their mark, labels as classes with names, and numbers."""

    name: ClassVar[str] = "data/train-{:05d}-of-{:05d}.parquet"
    reading: ClassVar[Reading] = Reading(
        "data/*.parquet",
        "Each row has a PNG file, its label and the number that it was made from.",
        "from datasets import load_dataset\n\n"
        'data = load_dataset("parquet", data_files="data/*.parquet", split="train")\n'
        'data[0]["image"]  # a PIL image',
        typed=True,
    )

    def __init__(self, manifest: SyntheticManifest, options: ExportOptions) -> None:
        """See ImageFiles; raises ConfigError if pyarrow is not installed."""
        try:
            import pyarrow.parquet  # noqa: F401, TID251 - the door
        except ImportError as error:
            raise ConfigError("--to parquet needs pyarrow: pip install 'gan-aug[parquet]'") from error
        super().__init__(manifest, options)

    def content(self, numbers: Numbers, files: Sequence[bytes]) -> bytes:
        """See ShardFiles."""
        import pyarrow as pa  # noqa: TID251 - the door
        import pyarrow.parquet as pq  # noqa: TID251 - the door

        made = self.manifest
        images = [{"bytes": file, "path": f"{number:08d}.png"} for number, file in zip(numbers, files, strict=True)]
        values: dict[str, Any] = {
            "image": pa.array(images, pa.struct([("bytes", pa.binary()), ("path", pa.string())])),
            "number": pa.array([made.made_from(number)["number"] for number in numbers], pa.int64()),
        }
        labels = [made.image_labels[number] for number in numbers]
        if is_single(made):
            values["label"] = pa.array([own[0] for own in labels], pa.int64())
        else:
            values["labels"] = pa.array([list(own) for own in labels], pa.list_(pa.int64()))
        told = features(made)
        table = pa.table({name: values[name] for name in told})
        file = io.BytesIO()
        marked = table.replace_schema_metadata(_metadata(told))
        pq.write_table(marked, file, compression="zstd", row_group_size=ROW_GROUP, use_dictionary=False)
        return file.getvalue()

    def about(self, sums: Sums, audited: str) -> Iterable[tuple[str, bytes]]:
        """The card, and its like for programs."""
        yield from super().about(sums, audited)
        yield "croissant.json", croissant(self.manifest, sums).encode()


def _metadata(told: dict[str, Any]) -> dict[str, str]:
    """The mark, and what `datasets` reads the columns as."""
    from gan_aug.data.pictures.marks import FLAG, SOURCE_TYPE

    return {
        "huggingface": json.dumps({"info": {"features": told}}, ensure_ascii=False),
        FLAG: "true",
        "digital_source_type": SOURCE_TYPE,
    }
