"""`gan-aug serve`: the service in one process, from its options to its last request."""

from __future__ import annotations

import asyncio
import fcntl
import os
import socket
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from types import FrameType
from typing import cast

import uvicorn
from fastapi import FastAPI
from sqlalchemy import select

from gan_aug.errors import ConfigError, RunConflict
from gan_aug.run.files import storage_errors
from gan_aug_service.access import keys
from gan_aug_service.app import create_app
from gan_aug_service.components import Components
from gan_aug_service.database.engine import Database, wait_for_server
from gan_aug_service.database.queue_owner import queue_ownership
from gan_aug_service.database.tables import AuditEntry, Key, Role
from gan_aug_service.http import logs
from gan_aug_service.http.connections import BoundedProtocol, ConnectionLimiter
from gan_aug_service.http.listening import BACKLOG, bind_sockets, raise_file_limit
from gan_aug_service.options import parser, settings_of
from gan_aug_service.records import projects
from gan_aug_service.records.adoption import adopt, adopted_before
from gan_aug_service.settings import Settings

SHUTDOWN_SECONDS = 10
"""How long requests may still take when the service is told to stop."""


def main(arguments: Sequence[str]) -> None:
    """Serve until told to stop, or make a key; raises GanAugError for a fault of the user's."""
    options = parser().parse_args(arguments)
    os.umask(0o077)  # what the service and its jobs write is for their own user alone
    settings = settings_of(options)
    serves = options.new_key is None and options.new_project is None
    with _locked_state(settings.state) if serves else _state_folder(settings.state):
        if options.new_project is not None:
            _new_project(settings, options.new_project)
        if options.new_key is not None:
            print(_new_key(settings, options.new_key))  # noqa: T201 - a key is shown this once
        if options.new_project is not None or options.new_key is not None:
            return
        _serve(settings, take_over=options.take_over, adopted=options.adopt)


def _serve(settings: Settings, *, take_over: bool, adopted: Sequence[Path] = ()) -> None:
    logs.install()
    max_files = raise_file_limit()
    wait_for_server(settings.database_url)
    app = create_app(settings)
    components: Components = app.state.components
    _refuse_without_key(settings, components.database)
    with (
        bind_sockets(settings.host, settings.port) as sockets,
        queue_ownership(components.database, settings.state, take_over=take_over),
    ):
        _make_projects(settings, components.database)
        text = _first_key(components.database)
        if text:
            print(f"The first key, an administrator's; it is shown this once:\n{text}", flush=True)  # noqa: T201
        for folder in adopted:
            print(_adopted(components, folder), file=sys.stderr, flush=True)  # noqa: T201
        _Server(_web_config(settings, app, max_files), components).run(sockets)


def _web_config(settings: Settings, app: FastAPI, max_files: int) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        http=cast("type[asyncio.Protocol]", partial(BoundedProtocol, ConnectionLimiter(max_files, settings.proxies))),
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
    """A web server that says where it serves, and that ends its event streams when it is told to stop."""

    def __init__(self, config: uvicorn.Config, components: Components) -> None:
        super().__init__(config)
        self._components = components

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to listen, and say so then."""
        await super().startup(sockets)
        port = sockets[0].getsockname()[1] if sockets else self.config.port
        print(f"Serving on http://{self.config.host}:{port}", file=sys.stderr, flush=True)  # noqa: T201

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Take no more requests, end the event streams and finish the other requests; at a second signal stop at once.

        Uvicorn's own handler would raise the signal again at the end. To stop when told to is no failure.
        """
        del sig, frame
        self._components.closing.set()
        self.force_exit, self.should_exit = self.should_exit, True


def _refuse_without_key(settings: Settings, database: Database) -> None:
    """Refuse to listen beyond this machine before there is a key.

    The first start prints a key, and others could use it first. Raises ConfigError then.
    """
    with database.reading() as session:
        if not settings.loopback and not keys.count_usable_keys(session):
            raise ConfigError(
                f"--host {settings.host}: others would reach a service without a key; make one first with "
                "`gan-aug serve --new-key admin`"
            )


def _make_projects(settings: Settings, database: Database) -> None:
    """Make the projects that the provider's groups are for, unless they are there."""
    if settings.provider:
        with database.writing() as session:
            for grant in settings.provider.grants:
                projects.ensure(session, grant.project, "--oidc")


def _first_key(database: Database) -> str | None:
    """The text of the first key, an administrator's; None if there is a key already."""
    with database.writing() as session:
        if keys.count_usable_keys(session):
            return None
        key, text = keys.make_key(session, "first", Role.ADMIN)
        session.flush()
        session.add(AuditEntry(action="key.create", target=key.id, detail="the first key"))
        return text


def _adopted(components: Components, folder: Path) -> str:
    """What adopting a folder did; a folder that was adopted by an earlier start stays as it is."""
    with components.database.reading() as session:
        key = session.scalars(select(Key).where(Key.role == Role.ADMIN).order_by(Key.id).limit(1)).first()
        before = adopted_before(session, folder) if folder.is_dir() else None
    if before or key is None:
        return f"{folder}: adopted before, as the run {before}"
    project = keys.DEFAULT_PROJECT
    return f"{folder}: {adopt(components.settings, components.database, folder, project, key, '--adopt')}"


def _new_project(settings: Settings, name: str) -> None:
    """Make a project for whoever holds the state folder; one that is there already will do."""
    database = Database(settings.database_url)
    with database.writing() as session:
        projects.ensure(session, name, "--new-project")
    database.close()


def _new_key(settings: Settings, wanted: str) -> str:
    """The text of a new key for whoever holds the state folder, for example when all keys are lost."""
    role, _, project = wanted.partition(":")
    if role not in list(Role):
        raise ConfigError(f"--new-key {wanted}: there is no role {role!r}; use {', '.join(Role)}, or ROLE:PROJECT")
    database = Database(settings.database_url)
    with database.writing() as session:
        projects.named(session, project or keys.DEFAULT_PROJECT, f"--new-key {wanted}")
        key, text = keys.make_key(session, "made by --new-key", Role(role), project or keys.DEFAULT_PROJECT)
        session.flush()
        session.add(AuditEntry(action="key.create", target=key.id, detail="--new-key"))
    database.close()
    return text


@contextmanager
def _state_folder(state: Path) -> Iterator[None]:
    """A block with the state folder, made if it is absent.

    Other users cannot read its records, also if an older version made them readable.
    """
    with storage_errors(state):
        state.mkdir(parents=True, exist_ok=True, mode=0o700)
        for file in state.glob("service.db*"):
            with suppress(PermissionError):  # it belongs to another user, who gave this one access
                file.chmod(0o600)
    yield


@contextmanager
def _locked_state(state: Path) -> Iterator[None]:
    """A block with the state folder for this service alone: two services on one queue would start jobs twice."""
    with _state_folder(state), (state / ".lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise RunConflict(
                f"another service works in {state}: stop it, or choose another folder with --state"
            ) from error
        yield
