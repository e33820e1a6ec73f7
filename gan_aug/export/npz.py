"""Export to npz: the whole set in one file that numpy reads without pickle, written shard by shard."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from typing import IO, TYPE_CHECKING, Any

from gan_aug.export.streams import CHUNK, write_zip

if TYPE_CHECKING:
    import numpy.typing as npt

    from gan_aug.data.synthetic.shards import SyntheticManifest
    from gan_aug.run.stores import Place


def write_npz(place: Place, manifest: SyntheticManifest, file: IO[bytes]) -> Iterator[None]:
    """Write a synthetic set as an npz; at most one shard is in memory.

    It holds `images` `(N, C, H, W) uint8`, `labels` `(N, K) uint8` of zeros and ones, `label_names`, `seed`,
    `checkpoint`, and `synthetic` and `digital_source_type`, which mark it. The bytes are those that
    `numpy.savez_compressed` writes.

    Args:
        place: Where the set's shards are.
        manifest: The set's manifest.
        file: The binary file to write to.

    Yields:
        Nothing, after each part.

    Raises:
        ManifestError: A shard is absent or altered.
    """
    import numpy as np

    from gan_aug.data.pictures.marks import FLAG, SOURCE_TYPE

    arrays = {
        "labels": manifest.label_matrix().astype(np.uint8),
        "label_names": np.array(manifest.labels),
        "seed": np.array(manifest.seed),
        "checkpoint": np.array(manifest.checkpoint),
        FLAG: np.array(True),
        "digital_source_type": np.array(SOURCE_TYPE),
    }
    members = [("images.npy", _images(place, manifest))]
    members += [(f"{name}.npy", iter([_npy(array)])) for name, array in arrays.items()]
    return write_zip(members, zipfile.ZIP_DEFLATED, file)


def _images(place: Place, manifest: SyntheticManifest) -> Iterator[bytes]:
    """All images as the bytes of one npy file."""
    import numpy as np

    from gan_aug.data.synthetic.shards import read_shard

    header = io.BytesIO()
    shape = (len(manifest.image_labels), *manifest.shape)
    np.lib.format.write_array_header_1_0(header, {"descr": "|u1", "fortran_order": False, "shape": shape})
    yield header.getvalue()
    for shard in manifest.shards:
        content = read_shard(place, shard).tobytes()
        yield from (content[start : start + CHUNK] for start in range(0, len(content), CHUNK))


def _npy(array: npt.NDArray[Any]) -> bytes:
    import numpy as np

    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=False)
    return buffer.getvalue()
