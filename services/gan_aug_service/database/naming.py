"""The first title of a run, and what its images are from, in words: both follow from its config."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import urlsplit

from gan_aug.config.titles import TITLE_LENGTH, fitted_title

UPLOADS = "uploads"
"""The first part of a path that names an upload: `uploads/ID`."""


def upload_of(root: object) -> str | None:
    """The id of the upload that a config's `data.root` names; None if it names none."""
    parts = PurePosixPath(str(root or "")).parts
    return parts[1] if len(parts) > 1 and parts[0] == UPLOADS else None


def source_in_words(data: Mapping[str, Any], uploads: Mapping[str, str]) -> str:
    """What the images are from.

    Args:
        data: The section `data` of a config, as it was sent.
        uploads: The titles of uploads by their ids.

    Returns:
        The kind of source, and the upload, folder or archive if it has one.
    """
    kind, place = str(data.get("source") or "unknown"), _place(data, uploads)
    return fitted_title(f"{kind}: {place}" if place else kind, kind)


def first_title(data: Mapping[str, Any], uploads: Mapping[str, str]) -> str:
    """The title of a run that nobody gave one: its upload's, its folder's, or its source's.

    Args:
        data: The section `data` of a config, as it was sent.
        uploads: The titles of uploads by their ids.

    Returns:
        The title, without a number behind it.
    """
    return fitted_title(data_title(data, uploads) or _place(data, uploads) or str(data.get("source") or ""), "run")


def data_title(data: Mapping[str, Any], uploads: Mapping[str, str]) -> str | None:
    """What a data set is called: as the config says, else as its upload; None if its folder's own name will do."""
    if data.get("title"):
        return str(data["title"])
    title = uploads.get(upload_of(data.get("root")) or "")
    return without_ending(title) if title else None


def numbered(title: str, taken: int) -> str:
    """A title with a number behind it if others of the project are called so: `digits`, `digits 2`, `digits 3`."""
    if not taken:
        return title
    number = f" {taken + 1}"
    return f"{title[: TITLE_LENGTH - len(number)].rstrip()}{number}"


def without_ending(title: str) -> str:
    """A zip file's name without its ending."""
    return title[:-4].rstrip() if title.lower().endswith(".zip") and title[:-4].strip() else title


def _place(data: Mapping[str, Any], uploads: Mapping[str, str]) -> str:
    web = data.get("dicomweb")
    if data.get("source") == "dicomweb" and isinstance(web, Mapping):
        return urlsplit(str(web.get("url") or "")).netloc
    if upload := upload_of(data.get("root")):
        inside = "/".join(PurePosixPath(str(data["root"])).parts[2:])
        title = without_ending(uploads.get(upload, "a removed upload"))
        return f"{title}, {inside}" if inside else title
    return str(data.get("root") or "").strip("/")
