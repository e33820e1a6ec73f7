"""Folders that environment variables name: the cache, and the root of data sets."""

from __future__ import annotations

import os
from pathlib import Path

DATA_ROOT = "GAN_AUG_DATA"
"""The environment variable that names a folder of data sets; it is searched before any download."""

CACHE = "GAN_AUG_CACHE"
"""The environment variable that names the folder of cached files; the service sets it for its jobs."""


def cache_folder() -> Path:
    """The folder of cached files: that of GAN_AUG_CACHE, else the user's (`user_cache_folder`)."""
    return Path(os.environ[CACHE]) if os.environ.get(CACHE) else user_cache_folder()


def user_cache_folder() -> Path:
    """The user's folder of cached files: `gan-aug` in XDG_CACHE_HOME, by default in `~/.cache`."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "gan-aug"
