"""Export to npz: the whole set in one file that numpy reads without pickle, written shard by shard."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from typing import IO, TYPE_CHECKING, Any

from gan_aug.config.export import ExportOptions
from gan_aug.export.card import is_single
from gan_aug.export.streams import CHUNK, write_zip

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from gan_aug.data.synthetic.shards import SyntheticManifest
    from gan_aug.run.stores import Place


def write_npz(place: Place, manifest: SyntheticManifest, options: ExportOptions, file: IO[bytes]) -> Iterator[None]:
    """Write a synthetic set as an npz; at most one shard is in memory.

    It holds the images and labels in one of two layouts, see `gan_aug.config.export.NpzExport`. Beside them are
    `label_names`, `seed`, `checkpoint`, and `synthetic` and `digital_source_type`, which mark it. The bytes are those
    that `numpy.savez_compressed` writes.

    Args:
        place: Where the set's shards are.
        manifest: The set's manifest.
        options: The export's.
        file: The binary file to write to.

    Yields:
        Nothing, after each part.

    Raises:
        ManifestError: A shard is absent or altered.
    """
    import numpy as np

    from gan_aug.data.pictures.marks import FLAG, SOURCE_TYPE

    medmnist = options.npz.layout == "medmnist"
    prefix = "train_" if medmnist else ""
    arrays = {
        f"{prefix}labels": _positions(manifest) if medmnist else manifest.label_matrix().astype(np.uint8),
        "label_names": np.array(manifest.labels),
        "seed": np.array(manifest.seed),
        "checkpoint": np.array(manifest.checkpoint),
        FLAG: np.array(True),
        "digital_source_type": np.array(SOURCE_TYPE),
    }
    members = [(f"{prefix}images.npy", _images(place, manifest, channels_last=medmnist))]
    members += [(f"{name}.npy", iter([_npy(array)])) for name, array in arrays.items()]
    return write_zip(members, zipfile.ZIP_DEFLATED, file)


def _positions(manifest: SyntheticManifest) -> npt.NDArray[np.unsignedinteger[Any]]:
    """The labels as MedMNIST has them: `(N, 1)` positions, or `(N, K)` zeros and ones if images may have several."""
    import numpy as np

    if not is_single(manifest):
        return manifest.label_matrix().astype(np.uint8)
    smallest = np.min_scalar_type(len(manifest.labels) - 1)
    return np.array([own[0] for own in manifest.image_labels], dtype=smallest)[:, np.newaxis]


def _images(place: Place, manifest: SyntheticManifest, *, channels_last: bool) -> Iterator[bytes]:
    """All images as the bytes of one npy file; with `channels_last`, grey ones have no channel at all."""
    import numpy as np

    from gan_aug.data.synthetic.shards import read_shard

    header = io.BytesIO()
    channels, height, width = manifest.shape
    shape: tuple[int, ...] = manifest.shape
    if channels_last:
        shape = (height, width) if channels == 1 else (height, width, channels)
    described = {"descr": "|u1", "fortran_order": False, "shape": (len(manifest.image_labels), *shape)}
    np.lib.format.write_array_header_1_0(header, described)
    yield header.getvalue()
    for shard in manifest.shards:
        images = read_shard(place, shard)
        content = (np.moveaxis(images, 1, -1) if channels_last else images).tobytes()
        yield from (content[start : start + CHUNK] for start in range(0, len(content), CHUNK))


def _npy(array: npt.NDArray[Any]) -> bytes:
    import numpy as np

    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=False)
    return buffer.getvalue()
