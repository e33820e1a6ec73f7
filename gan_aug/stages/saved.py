"""What a run folder was last asked for, and where its large files are."""

from __future__ import annotations

from pathlib import Path

from gan_aug import config as configs
from gan_aug.config import Config
from gan_aug.errors import RunConflict
from gan_aug.run import layout
from gan_aug.run.files import read_json
from gan_aug.run.folder import RunDir
from gan_aug.stages.storage import RunStorage, storage_of
from gan_aug.stages.verbs import VERBS


def saved_request(path: Path) -> tuple[str, Config]:
    """The verb and the config that the run folder `path` was last asked for; raises RunConflict where there is none."""
    file = RunDir.existing(path).path / layout.REQUEST
    record = read_json(file)
    try:
        verb, values = record["verb"], record["config"]
    except (KeyError, TypeError) as error:
        raise RunConflict(f"{file} names no verb and config: start the run again with its config") from error
    if verb not in VERBS:
        raise RunConflict(f"{file} names the verb {verb!r}: it is of another version; known are {', '.join(VERBS)}")
    return verb, configs.parse(values, str(file))


def saved_storage(path: Path) -> RunStorage:
    """Where the run in the folder `path` keeps its large files; raises RunConflict where it no longer says so."""
    run, storage = RunDir.existing(path), saved_request(path)[1].compute.storage
    if storage and not (path / layout.STORAGE).exists():
        raise RunConflict(f"{path} has lost its {layout.STORAGE}, which names its files in {storage}: put it back")
    return storage_of(run, storage)
