"""MedMNIST: small medical image sets in one npz layout, read image by image."""

from __future__ import annotations

import difflib
import warnings
import zipfile
import zlib
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from gan_aug.config.data import DataConfig
from gan_aug.data.items import Item, Source
from gan_aug.data.locate import SetFile, absent, download, find, search_folders
from gan_aug.data.manifest import Split
from gan_aug.data.reading.npz import ZippedArray
from gan_aug.errors import ConfigError, DataError

ENDINGS = ("mnist", "mnist3d")
"""How the names of MedMNIST's sets end."""

PARTS: tuple[tuple[Split, str], ...] = (("train", "train"), ("validation", "val"), ("test", "test"))
LARGER = (64, 128, 224)
"""Sizes in pixels that there are besides 28, each in a file of its own."""

LABELS = {"pneumoniamnist": ("normal", "pneumonia"), "breastmnist": ("malignant", "normal, benign")}
"""Label names of the sets that can be read without the `medmnist` package."""

POSITIVE = {"pneumoniamnist": "pneumonia", "breastmnist": "malignant"}
"""The label that is the disease, which is not always the last one."""

FLIPS = {"breastmnist": ("horizontal",)}
"""Mirrorings that leave the label true. A mirrored chest film shows another finding: the heart on the other side."""

TEST_ALIKE = frozenset({"breastmnist", "dermamnist", "bloodmnist", "tissuemnist"})
"""The sets that were divided 7:1:2; the others have the test of the set that they come from, or its own splits."""


def open_medmnist(config: DataConfig) -> Source:
    """The MedMNIST set named by `config.source`, with its own splits and labels.

    A file of the size asked for is used if there is one, else the 28 pixel one. Raises DataError if no file is at hand
    or can be downloaded, and ConfigError if there is no such set or it holds volumes.
    """
    name = config.source
    if name.endswith("3d"):
        raise ConfigError(f"data.source: {name} holds volumes: use a set of flat images, such as pneumoniamnist")
    path = _path(config)
    try:
        with zipfile.ZipFile(path) as archive:
            members = set(archive.namelist())
        if missing := [part for _, part in PARTS if f"{part}_images.npy" not in members]:
            raise DataError(f"{path} is not a MedMNIST file: it has no {missing[0]}_images")
        arrays = {split: (ZippedArray(path, f"{part}_images"), _labels(path, part)) for split, part in PARTS}
    except (OSError, KeyError, ValueError, zlib.error, zipfile.BadZipFile) as error:
        raise DataError(f"{path} is torn or not a MedMNIST file: replace it") from error
    several = max(labels.shape[1] for _, labels in arrays.values()) > 1
    names = _label_names(name, np.concatenate([labels for _, labels in arrays.values()]), several)
    items: list[Item] = []
    for split, (images, labels) in arrays.items():
        if len(images) != len(labels):
            raise DataError(f"{path} has {len(images)} {split} images but {len(labels)} labels: replace it")
        for row, values in enumerate(labels.tolist()):
            found = tuple(names[k] for k, value in enumerate(values) if value) if several else (names[values[0]],)
            items.append(Item(f"{name}:{split}:{row}", found, partial(images.read, row), split))
    _, height, width, *colours = arrays["train"][0].shape
    return Source(
        name=name,
        task="multi-label" if several else "multi-class",
        labels=tuple(names),
        items=tuple(items),
        positive=POSITIVE.get(name),
        flips=FLIPS.get(name, ()),
        size=(height, width),
        channels=3 if colours else 1,
        on_leak="drop",
        test_alike="its makers divided one set of images 7:1:2" if name in TEST_ALIKE else None,
    )


def package_info() -> dict[str, dict[str, Any]] | None:
    """What the `medmnist` package knows of its sets, or None if it is not installed."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # importing it loads much that its table of sets does not need
            from medmnist import INFO
    except ImportError:
        return None
    known: dict[str, dict[str, Any]] = INFO
    return known


def _label_names(name: str, labels: Any, several: bool) -> list[str]:
    """One name for each label number; the numbers themselves if there are no names for them."""
    count = labels.shape[1] if several else int(labels.max(initial=0)) + 1
    if name in LABELS:
        names = list(LABELS[name])
    else:
        known = (package_info() or {}).get(name, {}).get("label", {})
        names = [known[key] for key in sorted(known, key=int)] or [str(number) for number in range(count)]
    if count > len(names) or labels.min(initial=0) < 0:
        raise DataError(f"{name} has label {count - 1}, beyond its {len(names)} labels: replace its file")
    return names


def _labels(path: Path, part: str) -> Any:
    """Labels of one part, `(N, K) int64`."""
    with np.load(path, allow_pickle=False) as arrays:
        labels = arrays[f"{part}_labels"]
    if labels.dtype.kind not in "iub" or labels.ndim not in (1, 2):
        raise DataError(f"{path} holds {part} labels of {labels.dtype} {labels.shape}, not whole numbers: replace it")
    return labels.reshape(len(labels), -1).astype(np.int64)


def _path(config: DataConfig) -> Path:
    """The set's file: that of the size asked for, at hand or downloaded, then that of 28 pixels, in the same way."""
    name = config.source
    wanted = max(config.size) if isinstance(config.size, tuple) else config.size
    sizes = [f"_{wanted}", ""] if wanted in LARGER else [""]
    folders = search_folders(config.root, [Path.home() / ".medmnist"])
    reason = ""
    for size in sizes:
        if found := find([SetFile((f"{name}{size}.npz",))], folders):
            return found[0]
        if config.root is None:
            try:
                return _download(name, size)
            except DataError as error:
                reason = str(error)
    raise absent(name, [SetFile((f"{name}.npz",))], config.root, reason)


def _download(name: str, size: str) -> Path:
    info = package_info()
    if info is None:
        raise DataError("the medmnist package, which knows its address, is not installed (pip install medmnist)")
    if name not in info:
        close = difflib.get_close_matches(name, info, n=1)
        hint = f"did you mean {close[0]}?" if close else f"the MedMNIST sets are {', '.join(info)}"
        raise ConfigError(f"data.source: there is no set {name!r}; {hint}")
    entry = info[name]
    if f"url{size}" not in entry:
        raise DataError(f"{name} has no file of that size")
    return download([SetFile((f"{name}{size}.npz",), (entry[f"url{size}"],), entry[f"MD5{size}"])])[0]
