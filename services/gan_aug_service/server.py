"""`gan-aug serve`: one process with everything in it, from its options to its last request."""

from __future__ import annotations

import argparse
import asyncio
import fcntl
import ipaddress
import os
import socket
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import fields
from functools import partial
from pathlib import Path
from types import FrameType
from typing import cast

import uvicorn
from fastapi import FastAPI

from gan_aug.errors import ConfigError, RunConflict
from gan_aug.run.files import storage_errors
from gan_aug.run.places import DATA_ROOT
from gan_aug_service.access import keys
from gan_aug_service.app import create_app
from gan_aug_service.database.engine import Database, await_server
from gan_aug_service.database.keeper import kept
from gan_aug_service.database.tables import AuditEntry, Role
from gan_aug_service.http import logs
from gan_aug_service.http.connections import BoundedProtocol, Crowd
from gan_aug_service.http.listening import BACKLOG, bound, raised_file_limit
from gan_aug_service.parts import Parts
from gan_aug_service.settings import Limits, Network, Settings

DATABASE_URL = "GAN_AUG_DATABASE_URL"
"""The environment variable for a database's address, which may hold a password and so is no option's business."""

SHUTDOWN_SECONDS = 10


def main(arguments: Sequence[str]) -> None:
    """Serve until told to stop, or make a key; raises GanAugError for a user's fault."""
    options = _parser().parse_args(arguments)
    os.umask(0o077)  # for the jobs too: what the service keeps is for its own user
    settings = _settings(options)
    with _alone(settings.state) if options.new_key is None else _open(settings.state):
        if options.new_key is not None:
            print(_new_key(settings, options.new_key))  # noqa: T201 - the one place where a key is shown
            return
        _serve(settings, take_over=options.take_over)


def _serve(settings: Settings, *, take_over: bool) -> None:
    logs.install()
    files = raised_file_limit()
    await_server(settings.database_url)
    app = create_app(settings)
    parts: Parts = app.state.parts
    _refuse_without_key(settings, parts.database)
    with bound(settings.host, settings.port) as sockets, kept(parts.database, settings.state, take_over=take_over):
        text = _first_key(parts.database)
        if text:
            print(f"The first key, an administrator's; it is shown this once:\n{text}", flush=True)  # noqa: T201
        _Server(_web_config(settings, app, files), parts).run(sockets)


def _web_config(settings: Settings, app: FastAPI, files: int) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        http=cast("type[asyncio.Protocol]", partial(BoundedProtocol, Crowd(files, settings.proxies))),
        ws="none",
        backlog=BACKLOG,
        access_log=False,
        log_config=None,
        server_header=False,
        proxy_headers=bool(settings.proxies),
        forwarded_allow_ips=[str(network) for network in settings.proxies],
        timeout_graceful_shutdown=SHUTDOWN_SECONDS,
    )


class _Server(uvicorn.Server):
    """A web server that says where it serves, and whose event streams end as soon as it is told to stop."""

    def __init__(self, config: uvicorn.Config, parts: Parts) -> None:
        super().__init__(config)
        self._parts = parts

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to listen, and only then say so."""
        await super().startup(sockets)
        port = sockets[0].getsockname()[1] if sockets else self.config.port
        print(f"Serving on http://{self.config.host}:{port}", file=sys.stderr, flush=True)  # noqa: T201

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Stop taking requests, end those that would never end, then finish the others; asked again, leave at once.

        Uvicorn's own would raise the signal again in the end: to stop as one is told is no failure.
        """
        del sig, frame
        self._parts.closing.set()
        self.force_exit, self.should_exit = self.should_exit, True


def _refuse_without_key(settings: Settings, database: Database) -> None:
    """Raise ConfigError where others could use the first key before whoever starts the service."""
    with database.reading() as session:
        if not settings.loopback and not keys.usable_keys(session):
            raise ConfigError(
                f"--host {settings.host}: others would reach a service without a key; make one first with "
                "`gan-aug serve --new-key admin`"
            )


def _first_key(database: Database) -> str | None:
    """The first administrator's key where there is none yet."""
    with database.writing() as session:
        if keys.usable_keys(session):
            return None
        key, text = keys.make_key(session, "first", Role.ADMIN)
        session.flush()
        session.add(AuditEntry(action="key.create", target=key.id, detail="the first key"))
        return text


def _new_key(settings: Settings, asked: str) -> str:
    """A key made by whoever holds the state folder: the way back in when all keys are lost."""
    role, _, project = asked.partition(":")
    if role not in list(Role):
        raise ConfigError(f"--new-key {asked}: there is no role {role!r}; use {', '.join(Role)}, or ROLE:PROJECT")
    database = Database(settings.database_url)
    with database.writing() as session:
        key, text = keys.make_key(session, "made by --new-key", Role(role), project or keys.DEFAULT_PROJECT)
        session.flush()
        session.add(AuditEntry(action="key.create", target=key.id, detail="--new-key"))
    database.close()
    return text


@contextmanager
def _open(state: Path) -> Iterator[None]:
    """The state folder, made where it is absent; its records are closed to others, also those of an older version."""
    with storage_errors(state):
        state.mkdir(parents=True, exist_ok=True, mode=0o700)
        for file in state.glob("service.db*"):
            with suppress(PermissionError):  # another user's, who gave this one access
                file.chmod(0o600)
    yield


@contextmanager
def _alone(state: Path) -> Iterator[None]:
    """The state folder for this service alone: two keepers of one queue would start jobs twice."""
    with _open(state), (state / ".lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise RunConflict(
                f"another service works in {state}: stop it, or choose another folder with --state"
            ) from error
        yield


def _settings(options: argparse.Namespace) -> Settings:
    given = vars(options)
    values = {entry.name: given[entry.name] for entry in fields(Settings) if given.get(entry.name) is not None}
    if options.rate:
        values["limits"] = Limits(rate=options.rate, burst=4 * options.rate)
    values["archives"] = tuple(_archive(text) for text in options.archives)
    values["proxies"] = tuple(_network(text) for text in options.proxies)
    values["database"] = os.environ.get(DATABASE_URL)
    values["state"] = options.state.resolve()
    settings = Settings(**values)
    if settings.data is not None and not settings.data.is_dir():
        raise ConfigError(f"--data {settings.data}: there is no such folder: name the folder that holds the images")
    return settings


def _archive(text: str) -> tuple[str, str | None]:
    url, _, variable = text.partition("=")
    return url, variable or None


def _network(text: str) -> Network:
    try:
        network = ipaddress.ip_network(text)
    except ValueError as error:
        raise ConfigError(f"--trust-proxy {text}: name an address or a network, as 10.0.0.7 or 10.0.0.0/28") from error
    if not network.prefixlen:
        raise ConfigError(f"--trust-proxy {text}: anyone could choose the address that the audit shows: name the proxy")
    return network


def _at_least(least: int) -> type[int]:
    def whole(text: str) -> int:
        if int(text) < least:
            raise ValueError(text)
        return int(text)

    whole.__name__ = f"whole number from {least}"
    return whole  # type: ignore[return-value]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "gan-aug serve", description="Start the REST service, with all of it in one process."
    )
    parser.add_argument(
        "--state", type=Path, default=Path("gan-aug-service"), metavar="DIR", help="the service's folder"
    )
    parser.add_argument(
        "--data",
        type=Path,
        default=os.environ.get(DATA_ROOT) and Path(os.environ[DATA_ROOT]),
        metavar="DIR",
        help=f"the folder that requests may import from [default: {DATA_ROOT}]",
    )
    parser.add_argument("--host", help="address to listen on [default: 127.0.0.1, this machine alone]")
    parser.add_argument("--port", type=_at_least(0), help="port to listen on [default: 8000]")
    parser.add_argument("--jobs", type=_at_least(1), help="jobs at once [default: one for every 4 cores]")
    parser.add_argument("--ray", metavar="URL", help="a Ray cluster's job API, http://HEAD:8265: jobs run there")
    parser.add_argument("--attempts", type=_at_least(1), help="starts of a job whose process is killed [default: 3]")
    parser.add_argument("--nice", type=_at_least(0), help="how far jobs stand back behind the service [default: 10]")
    parser.add_argument("--rate", type=_at_least(1), help="requests a second for one key, over time [default: 50]")
    parser.add_argument("--audit-days", type=_at_least(0), help="days the audit is kept; 0: all [default: 365]")
    parser.add_argument(
        "--https", action="store_true", default=None, help="browsers come through https: secure cookies"
    )
    parser.add_argument(
        "--trust-proxy",
        dest="proxies",
        action="append",
        default=[],
        metavar="ADDRESS",
        help="a proxy in front: what it says of who asks, and how, is believed (X-Forwarded-For, X-Forwarded-Proto)",
    )
    parser.add_argument(
        "--dicomweb",
        dest="archives",
        action="append",
        default=[],
        metavar="URL[=VARIABLE]",
        help="a DICOMweb archive that requests may name, and the environment variable with its token",
    )
    parser.add_argument(
        "--take-over", action="store_true", help="keep the queue of a database that another --state kept until now"
    )
    parser.add_argument("--new-key", metavar="ROLE[:PROJECT]", help="print a new key (viewer, editor, admin) and end")
    parser.epilog = f"{DATABASE_URL} names a PostgreSQL database; SQLite in the state folder without it."
    return parser
