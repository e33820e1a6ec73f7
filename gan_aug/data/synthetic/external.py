"""Synthetic images that another program made, in a folder of class folders or an npz file."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from gan_aug.data.items import Pixels
from gan_aug.data.labels import folder_names, natural_key
from gan_aug.data.locate import is_hidden
from gan_aug.data.manifest import Manifest
from gan_aug.data.reading.decode import decode, is_image_file
from gan_aug.data.reading.npz import ZippedArray
from gan_aug.errors import DataError
from gan_aug.run.files import file_sha256, json_sha256

Labels = tuple[int, ...]
KEY = "compare.synthetic"


@dataclass(frozen=True)
class ExternalImages:
    """Images that another program made, in the order of their file names or rows.

    Attributes:
        path: The folder or npz file.
        labels: The labels of each image, as positions in the data set's label names.
        names: The name of each image in messages.
        read: Decodes the image at a position; rising order is fastest. It raises DataError with the reason if the image
            cannot be decoded.
    """

    path: Path
    labels: tuple[Labels, ...]
    names: tuple[str, ...]
    read: Callable[[int], Pixels]

    def pixels(self) -> Iterator[Pixels]:
        """All images in order, `(H, W)` or `(H, W, 3)`; raises DataError naming the first that cannot be read."""
        for row, name in enumerate(self.names):
            try:
                yield self.read(row)
            except DataError as error:
                raise DataError(f"{KEY}: {name} of {self.path} cannot be read ({error}): leave it out") from error


def open_external(path: Path, manifest: Manifest) -> ExternalImages:
    """The images at `path`, with their labels as positions in those of `manifest`.

    Raises DataError if it is neither a folder nor an npz file, a class is empty, or `manifest` does not have a label.
    """
    if path.is_dir():
        return _open_folder(path, manifest)
    if not path.is_file():
        raise DataError(f"{KEY}: there is nothing at {path}: name a folder of class folders, or an npz file")
    return _open_npz(path, manifest)


def source_sha256(path: Path) -> str:
    """The SHA-256 of an npz file, or of the names and contents of the images in a folder."""
    if path.is_dir():
        return json_sha256([[file.relative_to(path).as_posix(), file_sha256(file)] for _, file in _files(path)])
    return file_sha256(path)


def _files(root: Path) -> list[tuple[Path, Path]]:
    """The image files of all class folders, as (class folder, file), in natural order; hidden ones are left out."""
    found = []
    for folder in sorted((p for p in root.iterdir() if p.is_dir()), key=lambda p: natural_key(p.name)):
        if is_hidden(folder.name):
            continue
        inside = sorted(folder.rglob("*"), key=lambda p: natural_key(p.as_posix()))
        files = [p for p in inside if is_image_file(p) and not is_hidden(p.name)]
        if not files:
            raise DataError(f"{KEY}: the class folder {folder.name!r} of {root} has no images: add some, or remove it")
        found += [(folder, file) for file in files]
    return found


def _open_folder(root: Path, manifest: Manifest) -> ExternalImages:
    files = _files(root)
    if not files:
        raise DataError(f"{KEY}: {root} has no class folders: put the images of each class in a folder of its own")
    known = {folder.name: _labels_of(folder.name, root, manifest) for folder, _ in files}
    return ExternalImages(
        root,
        tuple(known[folder.name] for folder, _ in files),
        tuple(file.relative_to(root).as_posix() for _, file in files),
        lambda row: decode(files[row][1]),
    )


def _labels_of(name: str, root: Path, manifest: Manifest) -> Labels:
    """The labels of a class folder, by its name.

    The name is a label or the name that `gan-aug export` gives the label. Multi-label folders join several by `+`, or
    are called `none`.
    """
    known = dict(zip(folder_names(manifest.labels), range(len(manifest.labels)), strict=True))
    known |= {label: k for k, label in enumerate(manifest.labels)}
    if name in known:
        return (known[name],)
    if manifest.task == "multi-label":
        if name == "none":
            return ()
        if all(part in known for part in name.split("+")):
            return tuple(sorted({known[part] for part in name.split("+")}))
    raise _unknown(name, root, manifest)


def _open_npz(path: Path, manifest: Manifest) -> ExternalImages:
    try:
        with np.load(path, allow_pickle=False) as arrays:
            if absent := {"images", "labels"} - set(arrays.files):
                raise DataError(f"{KEY}: {path} holds no array {min(absent)!r}: it needs `images` and `labels`")
            given = arrays["labels"]
            names = [str(name) for name in arrays["label_names"]] if "label_names" in arrays.files else None
        images = ZippedArray(path, "images", any_layout=True)
    except (OSError, ValueError, EOFError, zlib.error, zipfile.BadZipFile, TypeError) as error:
        raise DataError(f"{KEY}: {path} is not an npz of plain arrays: write it again, or name a folder") from error
    if len(given) != len(images):
        raise DataError(f"{KEY}: {path} holds {len(images)} images and {len(given)} labels: give each image its label")
    if not len(images):
        raise DataError(f"{KEY}: {path} holds no images: add some")
    layout = _layout(images.shape[1:], path, manifest)
    labels = _npz_labels(given, names, path, manifest)
    rows = tuple(f"image {row}" for row in range(len(images)))
    return ExternalImages(path, labels, rows, partial(_read_row, images, layout))


def _read_row(images: ZippedArray, layout: tuple[int, ...], row: int) -> Pixels:
    pixels = images.read(row).transpose(layout)
    return pixels[..., 0] if pixels.ndim == 3 and pixels.shape[2] == 1 else pixels


def _layout(shape: tuple[int, ...], path: Path, manifest: Manifest) -> tuple[int, ...]:
    """The permutation of an image's axes that gives (height, width) or (height, width, channels)."""
    if len(shape) == 2:
        return 0, 1
    if shape[2] in (1, 3) and shape != manifest.shape:
        return 0, 1, 2
    if shape[0] in (1, 3):
        return 1, 2, 0
    raise DataError(
        f"{KEY}: the images of {path} are of {shape}, neither grey nor RGB: give (N, H, W), (N, H, W, C) or "
        "(N, C, H, W) with C of 1 or 3"
    )


def _npz_labels(
    given: npt.NDArray[Any], names: Sequence[str] | None, path: Path, manifest: Manifest
) -> tuple[Labels, ...]:
    """The labels as positions in the data set's labels, from positions or names `(N,)`, or zeros and ones `(N, K)`."""
    if given.ndim == 2 and given.shape[1] == 1 and given.dtype.kind in "iu":
        given = given[:, 0]  # MedMNIST's layout
    if given.ndim == 1 and given.dtype.kind == "U":
        rows: list[tuple[str, ...]] = [(str(label),) for label in given]
    elif given.dtype.kind in "iub" and given.ndim in (1, 2):
        own = list(names if names is not None else manifest.labels)
        hits = [(int(k),) for k in given] if given.ndim == 1 else [tuple(np.flatnonzero(row)) for row in given]
        wrong = next((k for row in hits for k in row if not 0 <= k < len(own)), None)
        if wrong is not None or (given.ndim == 2 and given.shape[1] != len(own)):
            seen = f"the label {wrong}" if wrong is not None else f"{given.shape[1]} columns of labels"
            raise DataError(f"{KEY}: {path} has {seen}, and {len(own)} label names: give one name for each label")
        rows = [tuple(own[k] for k in row) for row in hits]
    else:
        raise DataError(
            f"{KEY}: the labels of {path} are {given.shape} {given.dtype}: give positions or names (N,), or zeros and "
            "ones (N, K)"
        )
    return tuple(_positions(row, path, manifest) for row in rows)


def _positions(names: tuple[str, ...], path: Path, manifest: Manifest) -> Labels:
    for name in names:
        if name not in manifest.labels:
            raise _unknown(name, path, manifest)
    if manifest.task == "multi-class" and len(names) != 1:
        raise DataError(
            f"{KEY}: an image of {path} has {len(names)} labels, but an image of {manifest.name} has one: give each one"
        )
    return tuple(sorted(manifest.labels.index(name) for name in names))


def _unknown(name: str, path: Path, manifest: Manifest) -> DataError:
    known = ", ".join(manifest.labels[:8]) + (", ..." if len(manifest.labels) > 8 else "")
    return DataError(
        f"{KEY}: {path} has the label {name!r}, which {manifest.name} does not have (it has {known}): rename it"
    )
