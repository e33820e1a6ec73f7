"""The request of each stage, kept beside its results, so that no stage continues from results of another request."""

from __future__ import annotations

import json
from typing import Any

from gan_aug import config as configs
from gan_aug.config import Config
from gan_aug.errors import RunConflict
from gan_aug.run import layout
from gan_aug.run.files import read_json, write_json
from gan_aug.run.folder import RunDir

EARLIER: dict[str, dict[str, Any]] = {"train": {"ranks": 1}}
"""Values of requests of earlier versions, for keys that are not in the config: how the stage was done then."""


def claim(run: RunDir, stage: str, request: dict[str, Any], products: str) -> None:
    """Save a stage's request before it starts; if it has results, check that they are of the same request.

    Args:
        run: The run folder.
        stage: The stage, which is also the name of its folder.
        request: What the stage depends on, as JSON values.
        products: A pattern of the result files in the stage's folder; as long as none exists, a new request replaces
            the old one.

    Raises:
        RunConflict: The results are of another request; the message names the first keys that differ.
    """
    path = run.path / stage / layout.REQUEST
    if any(path.parent.glob(products)):
        check(run, stage, request)
    if not path.exists() or differences(read_json(path), request):
        write_json(path, request)


def check(run: RunDir, stage: str, request: dict[str, Any]) -> None:
    """Check that a stage's saved request has the same values; a stage without a saved request passes.

    A key that is newer than the saved request counts as the stage was done then.

    Args:
        run: The run folder.
        stage: The stage.
        request: The values to compare; further keys of the saved request are ignored.

    Raises:
        RunConflict: A value differs; the message names the first keys that differ.
    """
    path = run.path / stage / layout.REQUEST
    if not path.exists():
        return
    saved = read_json(path)
    before = EARLIER.get(stage, {}) | configs.completed(saved)
    asked = configs.completed(configs.as_before(request, saved))
    changes = differences({key: before.get(key) for key in request}, asked)
    if changes:
        raise RunConflict(
            f"{run.path} already holds a {stage} stage with another request ({'; '.join(changes[:3])}): "
            "use the old values, or choose another folder with --run"
        )


def settled(run: RunDir, config: Config) -> Config:
    """The config for a run folder: what it leaves open is as the folder's data set was imported."""
    path = run.dataset / layout.REQUEST
    if not (run.dataset / layout.MANIFEST).exists() or not path.exists():
        return config
    values = configs.dump(config)
    found = configs.as_before(values, read_json(path))
    return config if found == values else configs.parse(found, str(path))


def differences(old: Any, new: Any, path: str = "") -> list[str]:
    """The differences between two JSON values.

    Args:
        old: One value.
        new: The other value.
        path: The dotted path of both in a larger value.

    Returns:
        Lines such as `train.lr was 0.001, now 0.01`; none if the values are equal.
    """
    if isinstance(old, dict) and isinstance(new, dict):
        found = []
        for key in sorted(old.keys() | new.keys()):
            found += differences(old.get(key), new.get(key), f"{path}.{key}" if path else str(key))
        return found
    return [] if old == new else [f"{path} was {json.dumps(old)}, now {json.dumps(new)}"]
