"""What each stage of a run was asked for, kept beside its results: no stage goes on from another request's."""

from __future__ import annotations

import json
from typing import Any

from gan_aug import config as configs
from gan_aug.errors import RunConflict
from gan_aug.run import layout
from gan_aug.run.files import read_json, write_json
from gan_aug.run.folder import RunDir

EARLIER: dict[str, dict[str, Any]] = {"train": {"ranks": 1}}
"""What a stage was done with before its request said so, for what is no key of the config."""


def claim(run: RunDir, stage: str, request: dict[str, Any], products: str) -> None:
    """Save what `stage` is asked before it starts, or check that what it made before was asked the same.

    `products` is a pattern of files in the stage's folder; until one exists, another request takes its place.
    Raises RunConflict naming the first keys that differ.
    """
    path = run.path / stage / layout.REQUEST
    if any(path.parent.glob(products)):
        check(run, stage, request)
    if not path.exists() or differences(read_json(path), request):
        write_json(path, request)


def check(run: RunDir, stage: str, request: dict[str, Any]) -> None:
    """Check that `stage` was asked the values in `request`; nothing is checked where it was asked nothing yet.

    A key that came with a later version counts as asked by its default: that is how the stage was done.
    Raises RunConflict naming the first keys that differ.
    """
    path = run.path / stage / layout.REQUEST
    if not path.exists():
        return
    before = EARLIER.get(stage, {}) | configs.completed(read_json(path))
    changes = differences({key: before.get(key) for key in request}, configs.completed(request))
    if changes:
        raise RunConflict(
            f"{run.path} already holds a {stage} stage with another request ({'; '.join(changes[:3])}): "
            "give the old values, or choose another folder with --run"
        )


def differences(old: Any, new: Any, path: str = "") -> list[str]:
    """Where two JSON values differ, as `dotted.path: old -> new`; an empty list when they are equal."""
    if isinstance(old, dict) and isinstance(new, dict):
        found = []
        for key in sorted(old.keys() | new.keys()):
            found += differences(old.get(key), new.get(key), f"{path}.{key}" if path else str(key))
        return found
    return [] if old == new else [f"{path} was {json.dumps(old)}, now {json.dumps(new)}"]
