"""What a request may name: paths below the data folder or in an upload of its project, and listed archives."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path, PurePosixPath

from gan_aug.compute.cores import cores
from gan_aug.config import Config
from gan_aug.config.compute import ComputeConfig
from gan_aug.errors import ConfigError
from gan_aug_service.database.naming import UPLOADS
from gan_aug_service.settings import Settings

PATH_KEYS = {
    "data.root", "data.table", "data.dicomweb.url", "data.dicomweb.token_env", "train.start_from", "compare.synthetic",
    "compare.weights", "compute.storage", "compute.address",
}  # fmt: skip
"""The config's keys that name a path, an address or a variable; a test fails if the config has another one."""

WAIT_SECONDS = 120.0
"""How long a job on Ray waits for a node with room for a worker, unless its request says so itself."""

OwnsUpload = Callable[[str], bool]


def resolve_paths(config: Config, settings: Settings, owns_upload: OwnsUpload) -> Config:
    """The config with absolute paths, each of which requests may read.

    Args:
        config: The config, as it was sent.
        settings: The service's settings.
        owns_upload: Whether the project of who asks holds the upload of an id.

    Returns:
        The config for the job's process.

    Raises:
        ConfigError: A key names what requests may not name.
    """
    _check_compute(config, settings)
    _check_archive(config, settings)
    data = config.data
    base = settings.data
    root = None
    if data.root is not None:
        base, inside = _base("data.root", data.root, settings, owns_upload)
        root = _below("data.root", base, inside)
    table = None if data.table is None else _below("data.table", root or base, str(data.table))
    named = {}
    for name in ("synthetic", "weights"):
        if (path := getattr(config.compare, name)) is not None:
            key = f"compare.{name}"
            named[name] = _below(key, *_base(key, path, settings, owns_upload))
    start = config.train.start_from
    if start is not None:
        start = _below("train.start_from", *_base("train.start_from", start, settings, owns_upload))
    return config.model_copy(
        update={
            "data": data.model_copy(update={"root": root, "table": table}),
            "train": config.train.model_copy(update={"start_from": start}),
            "compare": config.compare.model_copy(update=named),
            "compute": _with_default_wait(config.compute) if settings.ray else config.compute,
        }
    )


def resolve_root(root: str, settings: Settings, owns_upload: OwnsUpload) -> Path:
    """The folder that a `data.root` names.

    Args:
        root: The path, as a request has it.
        settings: The service's settings.
        owns_upload: Whether the project of who asks holds the upload of an id.

    Returns:
        The folder.

    Raises:
        ConfigError: Requests may not name it, or there is none.
    """
    folder = _below("data.root", *_base("data.root", Path(root), settings, owns_upload))
    if not folder.is_dir():
        raise ConfigError(f"data.root: {root!r} is a file: name the folder that holds it")
    return folder


def _with_default_wait(compute: ComputeConfig) -> ComputeConfig:
    """`compute` with WAIT_SECONDS unless it sets `wait`: a cluster that just started has no workers at first."""
    return compute if "wait" in compute.model_fields_set else compute.model_copy(update={"wait": WAIT_SECONDS})


def _base(key: str, path: Path, settings: Settings, owns_upload: OwnsUpload) -> tuple[Path | None, str]:
    """The folder that `path` is relative to, and the path within it."""
    first, *rest = path.parts or ("",)
    if first != UPLOADS:
        return settings.data, str(path)
    if not rest or not owns_upload(rest[0]):
        raise ConfigError(f"{key}: there is no upload {'/'.join(rest)!r}: POST a zip to /v1/uploads first")
    return settings.uploads / rest[0], "/".join(rest[1:]) or "."


def _below(key: str, base: Path | None, path: str) -> Path:
    if base is None:
        raise ConfigError(f"{key}: this service has no data folder: upload a zip, or start it with --data DIR")
    outside = ConfigError(f"{key}: {path!r} is not below the service's data folder: give a path relative to it")
    if path.startswith("/") or "\\" in path or ".." in PurePosixPath(path).parts:
        raise outside
    try:
        target, top = (base / path).resolve(), base.resolve()
    except (OSError, RuntimeError, ValueError):
        raise outside from None
    if not target.is_relative_to(top):
        raise outside
    if not _exists(target):
        raise ConfigError(f"{key}: there is no {path!r} in the service's data folder: check the path")
    return target


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:  # a name that is too long for the file system
        return False


def _check_archive(config: Config, settings: Settings) -> None:
    """Refuse archives that the service was not started with: it reaches addresses that clients may not."""
    url, token = config.data.dicomweb.url, config.data.dicomweb.token_env
    if url is None and token is None:
        return
    known = dict(settings.archives)
    if url not in known:
        raise ConfigError("data.dicomweb.url: this service may not ask that archive: start it with --dicomweb URL")
    if token not in (None, known[url]):
        raise ConfigError(
            "data.dicomweb.token_env: this is not the variable of that archive: leave it out, or start the service "
            "with --dicomweb URL=VARIABLE"
        )


def _check_compute(config: Config, settings: Settings) -> None:
    for key in ("storage", "address"):
        if getattr(config.compute, key) is not None:
            raise ConfigError(
                f"compute.{key}: a request may not choose where this service computes and keeps: leave it out"
            )
    for key in ("workers", "threads", "ranks"):
        number = getattr(config.compute, key)
        # On a cluster, Ray refuses what no node can hold, and waits for what is in use.
        if number is not None and number > cores() and not settings.ray:
            raise ConfigError(f"compute.{key}: {number} is more than this machine's {cores()} cores: ask for fewer")
