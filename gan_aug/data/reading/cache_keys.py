"""Keys of the user's cache: what identifies a file, what is asked of it, and the code that answers."""

from __future__ import annotations

import contextlib
import hashlib
import os
from dataclasses import fields, is_dataclass
from functools import cache, lru_cache, partial
from importlib import metadata
from importlib.resources import files
from pathlib import Path

from pydantic import BaseModel

from gan_aug.data.items import Item

MIN_AGE_SECONDS = 2.0
"""A file that changed later than this before the import began may still be changing: it gets no key."""

LIBRARIES = (
    "numpy", "pillow", "nibabel", "pydicom", "pylibjpeg", "pylibjpeg-libjpeg", "pylibjpeg-openjpeg", "pylibjpeg-rle",
    "pyjpegls", "python-gdcm",
)  # fmt: skip
"""What decodes: other versions may decode otherwise."""

KEY_BYTES = 16


def item_key(item: Item, began: float) -> bytes | None:
    """The key of an item: its file as it is now, and the call that decodes it.

    Returns None if the item has no file, its call has an argument without an unambiguous text, or the file has no key.
    """
    if item.file is None or not isinstance(item.read, partial):
        return None
    values = [
        _text_of(value) for value in (*item.read.args, *(v for kv in sorted(item.read.keywords.items()) for v in kv))
    ]
    if None in values:
        return None
    function = f"{item.read.func.__module__}.{item.read.func.__qualname__}"
    return file_key(item.file, began, function, *map(str, values))


def file_key(path: Path, began: float, *parts: str) -> bytes | None:
    """The key of a file as it is now, combined with further texts.

    A file is known by its path, size, inode, and times of modification and of change.

    Args:
        path: The file.
        began: When the import began, in seconds since the epoch.
        parts: What else the key depends on.

    Returns:
        16 bytes, or None if the file does not exist or changed less than MIN_AGE_SECONDS before `began`.
    """
    try:
        status = path.stat()
    except OSError:
        return None
    if status.st_ctime > began - MIN_AGE_SECONDS:
        return None
    facts = (status.st_size, status.st_ino, status.st_mtime_ns, status.st_ctime_ns)
    return digest(os.path.abspath(path), *map(str, facts), *parts)[:KEY_BYTES]  # noqa: PTH100


@cache
def code_version() -> str:
    """A hash of the code that makes an image: the content of all files of `gan_aug.data`, and library versions."""
    versions = []
    for name in LIBRARIES:
        with contextlib.suppress(metadata.PackageNotFoundError):
            versions.append(f"{name} {metadata.version(name)}")
    return digest(*versions, *source_hashes(Path(str(files("gan_aug.data"))))).hex()


def source_hashes(package: Path) -> list[str]:
    """The relative path and content hash of every Python file of a package, in its subfolders too."""
    paths = sorted(package.rglob("*.py"))
    return [f"{path.relative_to(package)} {hashlib.sha256(path.read_bytes()).hexdigest()}" for path in paths]


def digest(*parts: str) -> bytes:
    """The SHA-256 of several texts, each with its length, so that no two lists of texts are taken for each other."""
    found = hashlib.sha256()
    for part in parts:
        found.update(f"{len(part)}:{part}".encode("utf-8", "surrogateescape"))
    return found.digest()


def _text_of(value: object) -> str | None:
    """A text that is equal only for equal values; None for a type of value that has no such text."""
    if isinstance(value, BaseModel):
        return _text_of_section(value)
    if isinstance(value, Path):
        return os.path.abspath(value)  # noqa: PTH100 - Path.resolve would access the disk for each of a million files
    if is_dataclass(value):
        texts = [_text_of(getattr(value, part.name)) for part in fields(value) if part.compare]
        return None if None in texts else f"{type(value).__qualname__} {texts}"
    return repr(value) if value is None or isinstance(value, str | int | float | tuple) else None


@lru_cache(maxsize=16)
def _text_of_section(section: BaseModel) -> str:
    return f"{type(section).__qualname__} {section.model_dump_json()}"
