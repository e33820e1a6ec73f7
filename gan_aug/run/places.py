"""Folders that environment variables name: the user's cache, and the root of data sets."""

from __future__ import annotations

import os
from pathlib import Path

DATA_ROOT = "GAN_AUG_DATA"
"""The environment variable that names a folder of data sets; it is searched before any download."""


def cache_folder() -> Path:
    """The folder of cached files: `gan-aug` in XDG_CACHE_HOME, by default in `~/.cache`."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "gan-aug"
