"""`gan-aug cache`: where the account's cache is, what it holds of which data set, and how it is emptied."""

from __future__ import annotations

import json
import os
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import gettempdir
from typing import Annotated, Any

import typer  # noqa: TID251 - the door

from gan_aug.errors import ConfigError

LEFT = ("gan-aug-dry-run-*", "gan-aug-dicomweb-*")
"""Temporary folders with images, which are left where a process was killed."""

DAY = 86400.0
"""Seconds; a temporary folder that was used since then may still be in use."""

OLDER = "not known: a version before 0.4 made it"
"""What is said of a cache that does not name its data set."""


@dataclass(frozen=True)
class Part:
    """A part of the cache that can be removed by itself.

    Attributes:
        kind: `images` of a data set, `store` (files fetched from an object store), `left` (temporary files of a process
            that was killed), or `download` (a public data set).
        of: The data set's folder or address, or the file.
        path: Where it is.
        size: Bytes.
        used: When it was last used, in seconds since the epoch.
    """

    kind: str
    of: str
    path: Path
    size: int
    used: float

    def __str__(self) -> str:
        when = time.strftime("%Y-%m-%d %H:%M", time.localtime(self.used))
        return f"{self.kind:8} {self.size / 1e6:10,.1f} MB  last used {when}  {self.of}"


def cache(
    clear: Annotated[bool, typer.Option("--clear", help="remove what is cached of images; asks first")] = False,
    of: Annotated[
        list[str] | None,
        typer.Option("--of", metavar="NAME", help="only of this data set: its folder, address or source, as listed"),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="with --clear: say what would be removed")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="with --clear: do not ask")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="print the result as JSON")] = False,
) -> None:
    """Say where decoded images are cached, of which data sets, how much and since when; --clear removes them."""
    from gan_aug.run.places import cache_folder

    parts = [part for part in cache_parts() if not of or _is_named(part, of)]
    if of and not parts:
        raise ConfigError(f"--of {', '.join(of)}: nothing is cached of it: `gan-aug cache` lists what is")
    removable = [part for part in parts if part.kind != "download" or of]
    if clear and not dry_run and removable:
        _ask(removable, yes=yes)
        _remove(removable)
    if as_json:
        shown = [asdict(part) | {"path": str(part.path)} for part in (removable if clear else parts)]
        said = {"folder": str(cache_folder()), "removed" if clear and not dry_run else "parts": shown}
        print(json.dumps(said, ensure_ascii=False, indent=2))  # noqa: T201 - this is the terminal
        return
    for line in _told(parts, removable, clear=clear, dry_run=dry_run):
        print(line)  # noqa: T201 - this is the terminal


def cache_parts() -> list[Part]:
    """The parts of the account's cache: images by data set, files of object stores, what was left, public data sets."""
    from gan_aug.data.reading.caches import list_caches
    from gan_aug.run.artefacts import cache as store
    from gan_aug.run.places import cache_folder

    parts = [
        Part("images", f"{cached.root or cached.source or OLDER}", cached.folder, cached.size, cached.used)
        for cached in list_caches()
    ]
    parts += [_folder("store", "runs kept in object stores", path) for path in (store(),) if path.is_dir()]
    temporary = [path for name in LEFT for path in sorted(Path(gettempdir()).glob(name)) if _is_left(path)]
    parts += [_folder("left", path.name, path) for path in temporary]
    found = sorted(path for path in cache_folder().glob("*") if path.is_file())
    return parts + [Part("download", path.name, path, path.stat().st_size, path.stat().st_mtime) for path in found]


def _is_left(path: Path) -> bool:
    """Whether a temporary folder is this account's, and has not been used for a day."""
    status = path.stat()
    return status.st_uid == os.getuid() and status.st_mtime < time.time() - DAY


def _folder(kind: str, of: str, path: Path) -> Part:
    """A folder as a part."""
    files = [file.stat() for file in path.rglob("*") if file.is_file()]
    used = max((file.st_mtime for file in files), default=path.stat().st_mtime)
    return Part(kind, of, path, sum(file.st_size for file in files), used)


def _is_named(part: Part, names: list[str]) -> bool:
    known = {part.of, part.kind} if part.kind == "store" else {part.of}
    return any(name in known or str(Path(name).resolve()) in known for name in names)


def _ask(parts: list[Part], *, yes: bool) -> None:
    """Ask before anything is removed; raises ConfigError if nobody can be asked, and ends if the answer is no."""
    if yes:
        return
    for part in parts:
        print(part, file=sys.stderr)  # noqa: T201 - this is the terminal
    if not sys.stdin.isatty():
        raise ConfigError("--clear asks before it removes, and there is no terminal: add --yes, or --dry-run to look")
    typer.confirm("Remove all of this?", abort=True, err=True)


def _remove(parts: list[Part]) -> None:
    """Remove parts; raises StorageError if something stays."""
    from gan_aug.run.files import remove_folder, storage_errors

    for part in parts:
        if part.path.is_dir():
            remove_folder(part.path)
        else:
            with storage_errors(part.path):
                part.path.unlink(missing_ok=True)


def _told(parts: list[Part], removable: list[Part], *, clear: bool, dry_run: bool) -> list[Any]:
    """The lines for people."""
    from gan_aug.run.places import CACHE, cache_folder

    if clear:
        total = sum(part.size for part in removable) / 1e6
        done = "would be removed" if dry_run else "removed"
        return [*removable, f"{total:,.1f} MB {done}" if removable else "nothing is cached of images"]
    head = f"{cache_folder()} ({CACHE} names another folder; `compute.cache: 0` caches no images)"
    if not parts:
        return [head, "nothing is cached"]
    tail = "`gan-aug cache --clear` removes all of this but downloads; with --of NAME one part alone"
    return [head, *parts, tail]
