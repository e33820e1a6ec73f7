"""Adopts runs that were made on the command line: their folders become runs of the service, with what they hold."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from gan_aug.config import Config, dump, path_keys
from gan_aug.config.titles import fitted_title
from gan_aug.errors import RunConflict
from gan_aug.run import layout
from gan_aug.run.files import json_sha256, storage_errors
from gan_aug.run.folder import present_products
from gan_aug.run.title import read_title
from gan_aug_service.database.engine import Database
from gan_aug_service.database.naming import first_title
from gan_aug_service.database.tables import AuditEntry, Job, JobState, Key, Run, new_id, now
from gan_aug_service.products.facts import run_facts
from gan_aug_service.records.catalogue.about import free_title
from gan_aug_service.settings import Settings

VERB = "adopt"
NEVER_ALTERED = {".npy", ".npz", ".png", ".safetensors", ".svg", ".pt", ".parquet"}
"""Endings of the large files of a run, which are written once, or replaced whole: a second name of the same file will
do. All others are copied, since the service goes on writing in some."""

LEFT_OUT = {layout.LOCK, layout.CANCEL}


@dataclass(frozen=True)
class Adoption:
    """What adopting a folder did."""

    run: str
    title: str
    linked: int
    copied: int
    copied_bytes: int

    def __str__(self) -> str:
        """It in a sentence."""
        return (
            f"adopted as {self.title!r}: {self.copied:,} files were copied ({self.copied_bytes:,} bytes), and "
            f"{self.linked:,} take no room, as they are on the same disk; the folder stays as it was"
        )


def adopt(settings: Settings, database: Database, folder: Path, project: str, key: Key, owner: str) -> Adoption:
    """Make a run of the service of a run folder. The folder itself is not altered.

    Args:
        settings: The service's settings.
        database: Its records.
        folder: The run folder.
        project: The project that the run is to belong to.
        key: The key that asks; without rights of its own, as everything that a start of the service does.
        owner: Who is to be named as the owner.

    Returns:
        What was done.

    Raises:
        RunConflict: It is no run folder, holds nothing yet, is in use, or was adopted before.
        GanAugError: What it holds is damaged.
        StorageError: It cannot be read, or the state folder cannot be written.
    """
    folder = folder.resolve()
    verb, config = check_adoptable(settings, folder)
    identity = _identity(folder)
    with database.reading() as session:
        if before := adopted_before(session, folder):
            raise RunConflict(f"{folder.name} was adopted before, as the run {before}: look at its page")
    run_id = new_id()
    temporary, place = settings.runs / f".{run_id}.tmp", settings.runs / run_id
    try:
        counts = _take(folder, temporary)
        facts = run_facts(temporary)
        with database.writing() as session:
            values, data = json.dumps(_relative(config, settings)), dump(config)["data"]
            title = read_title(folder) or fitted_title(folder.name, first_title(data, {}))
            run = Run(id=run_id, project=project, key_id=key.id, owner=owner, **present_products(temporary))
            run.title, run.source = free_title(session, project, title), fitted_title(f"adopted: {folder.name}")
            run.take(facts)
            session.add(run)
            session.flush()
            moment = now()
            session.add(
                Job(
                    id=run_id, run=run, project=project, key_id=key.id, owner=owner, verb=VERB, config=values,
                    request=json.dumps(dump(config)), state=JobState.DONE, started=moment, ended=moment, seconds=0,
                    events_to=_size(temporary / layout.EVENTS), fingerprint=identity,
                )
            )  # fmt: skip
            said = f"{folder}, a run of `gan-aug {verb}`"
            session.add(AuditEntry(key_id=key.id, project=project, action="run.adopt", target=run_id, detail=said))
            session.flush()
            temporary.rename(place)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    return Adoption(run_id, run.title, *counts)


def check_adoptable(settings: Settings, folder: Path) -> tuple[str, Config]:
    """The verb and the config of a run folder that can be adopted.

    Args:
        settings: The service's settings.
        folder: The folder.

    Returns:
        The verb that it was last asked for, and its config.

    Raises:
        RunConflict: It is no run folder, holds nothing yet, is in use, or keeps its files elsewhere.
        ConfigError: Its config is of another version.
    """
    from gan_aug.stages.context import saved_request

    state = settings.state.resolve()
    if not folder.is_dir():
        raise RunConflict(f"there is no folder {folder}: name the folder that --run named on the command line")
    if folder.is_relative_to(state) or state.is_relative_to(folder):
        raise RunConflict(f"{folder} belongs to this service already: name a run that was made on the command line")
    with storage_errors(folder):
        verb, config = saved_request(folder)
        if not any(present_products(folder).values()):
            raise RunConflict(f"{folder.name} holds no data set, model or set yet: adopt it when it has made one")
        if config.compute.storage:
            raise RunConflict(f"{folder.name} keeps its files in an object store: a service adopts folders alone")
        if (folder / layout.LOCK).exists():
            with (folder / layout.LOCK).open("rb") as lock:
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    raise RunConflict(f"a process works in {folder.name}: adopt it when it has ended") from None
    return verb, config


def adopted_before(session: Session, folder: Path) -> str | None:
    """The run that a folder was adopted as; None if it was not."""
    found = select(Job.id).where(Job.verb == VERB, Job.fingerprint == _identity(folder.resolve()))
    return session.scalar(found.order_by(Job.id.desc()).limit(1))


def adoptable_folders(settings: Settings, most: int = 200, visits: int = 20_000) -> Iterator[Path]:
    """The run folders below the folders that the service may read, those of an earlier name first.

    Args:
        settings: The service's settings.
        most: How many to give at most.
        visits: How many folders to look into at most.

    Yields:
        Each folder with a run's request in it; what lies within a run is not looked at.
    """
    waiting = [folder.resolve() for folder in readable_folders(settings) if folder.is_dir()]
    while waiting and visits and most:
        folder, visits = waiting.pop(0), visits - 1
        if (folder / layout.REQUEST).is_file():
            most -= 1
            yield folder
            continue
        with suppress(OSError):
            inside = sorted(entry.path for entry in os.scandir(folder) if entry.is_dir(follow_symlinks=False))
            waiting += [Path(path) for path in inside if Path(path) != settings.state.resolve()]


def readable_folders(settings: Settings) -> tuple[Path, ...]:
    """The folders below which a page may name a run to adopt."""
    return (*settings.adoptable, *((settings.data,) if settings.data else ()))


def _take(folder: Path, target: Path) -> tuple[int, int, int]:
    """Give the files of a folder second names in another one, or copy them; how many of each, and the bytes copied."""
    linked = copied = size = 0
    with storage_errors(target):
        for above, folders, files in os.walk(folder):
            here = target / Path(above).relative_to(folder)
            here.mkdir(mode=0o700)
            for name in (*folders, *files):
                if (Path(above) / name).is_symlink():
                    raise RunConflict(f"{folder.name} holds the link {name!r}: put the file in its place")
            for name in sorted(set(files) - LEFT_OUT):
                if name.startswith(".") and name.endswith(".tmp"):
                    continue
                source = Path(above) / name
                if source.suffix in NEVER_ALTERED and _linked(source, here / name):
                    linked += 1
                else:
                    shutil.copyfile(source, here / name)
                    copied, size = copied + 1, size + source.stat().st_size
    return linked, copied, size


def _linked(source: Path, target: Path) -> bool:
    """Give a file a second name, if it is on the same disk and the system allows it."""
    if not os.access(source, os.R_OK):
        raise PermissionError(13, os.strerror(13), str(source))
    try:
        os.link(source, target, follow_symlinks=False)
    except OSError:
        return False
    return True


def _relative(config: Config, settings: Settings) -> dict[str, Any]:
    """The config as pages show it: paths relative to the data folder, and of those elsewhere the last part alone."""
    values = dump(config)
    data = settings.data and settings.data.resolve()
    for section, key in path_keys():
        if path := values[section].get(key):
            inside = data and Path(path).resolve().is_relative_to(data)
            values[section][key] = str(Path(path).resolve().relative_to(data)) if inside and data else Path(path).name
    return values


def _identity(folder: Path) -> str:
    found = folder.stat()
    return json_sha256([VERB, found.st_dev, found.st_ino, str(folder)])


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
