"""The caches of decoded images and headers: one folder for each data set, so that each can be named and emptied."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gan_aug.config.data import DataConfig
from gan_aug.data.locate import data_folder
from gan_aug.data.reading.cache_keys import digest
from gan_aug.data.reading.image_cache import CacheFolder
from gan_aug.errors import DataError, StorageError
from gan_aug.run.files import remove_folder, write_json
from gan_aug.run.places import cache_folder

IMAGES = "images"
"""The folder, in the cache, of decoded images and headers."""

ABOUT = "about.json"
"""The file in a data set's folder that says of which data set it is."""


@dataclass(frozen=True)
class DatasetCache:
    """What is cached of one data set.

    Attributes:
        folder: Where it is.
        source: What `data.source` was when it was made; empty if a version before 0.4 made it.
        root: Where the data set was: a folder or an address; empty if it has none, or is not known.
        size: Bytes.
        used: When it was last used, in seconds since the epoch.
    """

    folder: Path
    source: str
    root: str
    size: int
    used: float


def dataset_cache(data: DataConfig, gigabytes: float) -> CacheFolder | None:
    """The cache for imports of a data set, which may hold `gigabytes` GB together with the others; None for 0."""
    if not gigabytes:
        return None
    about = about_dataset(data)
    folder = cache_folder() / IMAGES / cache_name(about)
    with contextlib.suppress(OSError, StorageError):  # a cache that cannot be written stays as it is
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        folder.parent.chmod(0o700)  # it holds patients' images
        if not (folder / ABOUT).exists():
            write_json(folder / ABOUT, about)
    return CacheFolder(folder, int(gigabytes * 1e9))


def about_dataset(data: DataConfig) -> dict[str, str]:
    """Which data set a config names: its source, and the folder or the address of its images."""
    root = data.dicomweb.url or ""
    if data.root is not None:
        with contextlib.suppress(DataError):
            root = str(data_folder(data.root).resolve())
        root = root or str(data.root.absolute())
    return {"source": data.source, "root": root}


def cache_name(about: dict[str, Any]) -> str:
    """The name of a data set's folder. It follows from where the images are, else from the source's name."""
    return digest("data set", about["root"] or about["source"]).hex()[:32]


def list_caches(folder: Path | None = None) -> list[DatasetCache]:
    """What is cached of each data set, the last used first; `folder` is the cache, by default that of this account."""
    images = (folder or cache_folder()) / IMAGES
    found = [_described(path) for path in images.iterdir() if path.is_dir()] if images.is_dir() else []
    return sorted(found, key=lambda cached: cached.used, reverse=True)


def clear_caches(caches: Iterable[DatasetCache]) -> None:
    """Remove what is cached of these data sets; raises StorageError if something cannot be removed."""
    for cached in caches:
        remove_folder(cached.folder)


def _described(folder: Path) -> DatasetCache:
    try:
        about = json.loads((folder / ABOUT).read_text(encoding="utf-8"))
        source, root = str(about["source"]), str(about["root"])
    except (OSError, ValueError, KeyError, TypeError):
        source = root = ""
    size, used = 0, folder.stat().st_mtime
    for path in folder.rglob("*"):
        with contextlib.suppress(OSError):  # an import removes what it does not need any more
            status = path.stat()
            used = max(used, status.st_mtime)
            size += status.st_size if path.is_file() else 0
    return DatasetCache(folder, source, root, size, used)
