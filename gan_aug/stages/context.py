"""The context that all stages of a run share, and the request that a run folder was last used for."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from gan_aug import config as configs
from gan_aug.compute.executor import Executor
from gan_aug.config import Config
from gan_aug.config.compute import ComputeConfig
from gan_aug.config.stages import Verb
from gan_aug.errors import CheckpointError, RunConflict
from gan_aug.run import layout
from gan_aug.run.files import read_json
from gan_aug.run.folder import RunDir
from gan_aug.stages.storage import RunStorage, storage_of

UNAUDITED = {"audit": {"enabled": False}}
"""A saved config without the section is of a version whose `run` made no audit."""


@dataclass(frozen=True)
class StageContext:
    """What a stage needs in addition to the config sections that its results depend on.

    `run` is the run folder, which also records events. `storage` is where the run keeps large files. `executor` does
    the work, and `compute` is the config's section about machines.
    """

    run: RunDir
    storage: RunStorage
    executor: Executor
    compute: ComputeConfig

    @classmethod
    def of(cls, compute: ComputeConfig, run: RunDir, executor: Executor) -> StageContext:
        """The context of a run. If the run has no name in its store yet, one is drawn now."""
        return cls(run, storage_of(run, compute.storage), executor, compute)


def saved_request(path: Path) -> tuple[Verb, Config]:
    """The verb and the config of the last start in the run folder `path`; raises RunConflict if there is none."""
    file = RunDir.existing(path).path / layout.REQUEST
    record = read_json(file)
    try:
        verb, values = record["verb"], record["config"]
    except (KeyError, TypeError) as error:
        raise RunConflict(f"{file} names no verb and config: start the run again with its config") from error
    if verb not in (known := get_args(Verb)):
        raise RunConflict(f"{file} names the verb {verb!r}: it is of another version; known are {', '.join(known)}")
    if not isinstance(values, dict):
        raise RunConflict(f"{file} holds no config: start the run again with its config")
    return verb, configs.parse(UNAUDITED | configs.with_earlier(values), str(file))


def saved_gan(path: Path, gan: int) -> RunStorage:
    """The files of one GAN of the run in the folder `path`; raises CheckpointError if it has no GAN of that number."""
    storage = saved_storage(path)
    own = storage.gan(gan)
    if gan < 0 or not own.folder.exists():
        most = len([folder for folder in (path / layout.GANS).glob("[0-9]*") if folder.is_dir()])
        known = f"it has GAN 0 to GAN {most}" if most else "it has GAN 0 alone"
        raise CheckpointError(f"{path} has no GAN {gan}: {known} (compare.gans)")
    return own


def saved_storage(path: Path) -> RunStorage:
    """Where the run in the folder `path` keeps its large files; raises RunConflict if the record of it is lost."""
    run, storage = RunDir.existing(path), saved_request(path)[1].compute.storage
    if storage and not (path / layout.STORAGE).exists():
        raise RunConflict(f"{path} has lost its {layout.STORAGE}, which names its files in {storage}: put it back")
    return storage_of(run, storage)
