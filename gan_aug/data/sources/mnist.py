"""MNIST: 60,000 handwritten digits for training and 10,000 for the test, from the original IDX files."""

from __future__ import annotations

import gzip
import zlib
from functools import partial
from pathlib import Path

import numpy as np

from gan_aug.config.data import DataConfig
from gan_aug.data.items import Item, Pixels, Source
from gan_aug.data.locate import SetFile, absent, download, find, search_folders
from gan_aug.data.manifest import Split
from gan_aug.errors import DataError

PARTS: tuple[tuple[Split, str], ...] = (("train", "train"), ("test", "t10k"))
UNSIGNED_BYTE = 8


def open_mnist(config: DataConfig) -> Source:
    """MNIST with its own train and test; no flips: a mirrored digit is another sign.

    Raises DataError if the files are torn, or neither at hand nor to be downloaded.
    """
    names = [f"{part}-{kind}" for _, part in PARTS for kind in ("images-idx3-ubyte", "labels-idx1-ubyte")]
    paths = _paths(config.root, [SetFile((f"{name}.gz", name)) for name in names])
    items: list[Item] = []
    for (split, _), images_path, labels_path in zip(PARTS, paths[::2], paths[1::2], strict=True):
        images, labels = read_idx(images_path, 3), read_idx(labels_path, 1)
        if len(images) != len(labels) or labels.max(initial=0) > 9:
            raise DataError(f"{labels_path} does not label the images of {images_path.name}: replace both files")
        items += [
            Item(f"mnist:{split}:{row}", (str(label),), partial(_row, images, row), split)
            for row, label in enumerate(labels.tolist())
        ]
    return Source(
        name="mnist",
        task="multi-class",
        labels=tuple("0123456789"),
        items=tuple(items),
        size=(28, 28),
        channels=1,
        on_leak="drop",
        test_alike="its makers took training and test digits from the same two collections, of other writers",
    )


def read_idx(path: Path, dimensions: int) -> Pixels:
    """The array in an IDX file of unsigned bytes, gzipped or not; raises DataError if it is torn or of another kind."""
    try:
        content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path} is torn or unreadable: replace it") from error
    start = 4 * (1 + dimensions)
    header = np.frombuffer(content[:start], dtype=">i4") if len(content) >= start else np.zeros(1, dtype=">i4")
    shape = tuple(int(length) for length in header[1:])
    if header[0] != 256 * UNSIGNED_BYTE + dimensions or len(content) - start != int(np.prod(shape)):
        raise DataError(f"{path} is not a whole IDX file of {dimensions} dimensions: replace it")
    return np.frombuffer(content, dtype=np.uint8, offset=start).reshape(shape)


def _paths(root: Path | None, files: list[SetFile]) -> list[Path]:
    found = find(files, search_folders(root))
    if found:
        return found
    if root is not None:
        raise absent("mnist", files, root, "")
    from torchvision.datasets import MNIST

    sums = dict(MNIST.resources)
    remote = [
        SetFile(file.names, tuple(mirror + file.names[0] for mirror in MNIST.mirrors), sums[file.names[0]])
        for file in files
    ]
    try:
        return download(remote)
    except DataError as error:
        raise absent("mnist", files, root, str(error)) from error


def _row(images: Pixels, row: int) -> Pixels:
    image: Pixels = images[row]
    return image
