"""Folders that the environment names: the user's cache, and the root of data sets."""

from __future__ import annotations

import os
from pathlib import Path

DATA_ROOT = "GAN_AUG_DATA"
"""The environment variable that names a data root, searched before any download."""


def cache_folder() -> Path:
    """The folder for downloads: `gan-aug` in the user's cache."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "gan-aug"
