"""Where the service listens: its sockets, bound before anything else is begun, and the files it may open."""

from __future__ import annotations

import errno
import resource
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from gan_aug.errors import ConfigError

FILES = 1 << 16
"""Open files that are asked for: more serve nobody."""

BACKLOG = 128
"""Connections accepted at a time: before they are counted, so that it stays small beside Crowd's limits."""


def raised_file_limit() -> int:
    """Raise how many files this process and its children may open, as far as is allowed; gives how many."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    reachable = FILES if hard == resource.RLIM_INFINITY else min(hard, FILES)
    if soft == resource.RLIM_INFINITY or soft >= reachable:
        return FILES if soft == resource.RLIM_INFINITY else soft
    resource.setrlimit(resource.RLIMIT_NOFILE, (reachable, hard))
    return reachable


@contextmanager
def bound(host: str, port: int) -> Iterator[list[socket.socket]]:
    """The sockets of an address, one for each of its kinds that there are here; they answer once a server listens.

    Raises ConfigError where it cannot be had.
    """
    sockets: list[socket.socket] = []
    try:
        try:
            _bind(host, port, sockets)
        except OSError as error:
            raise ConfigError(_reason(host, port, error)) from error
        yield sockets
    finally:
        for made in sockets:
            made.close()


def _bind(host: str, port: int, sockets: list[socket.socket]) -> None:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    for family, address in dict.fromkeys((kind, place) for kind, _, _, _, place in found):
        try:
            sockets.append(_bound(family, address))
        except OSError as error:
            # A name like localhost has an address of IPv6 where the machine has none.
            absent = error.errno in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)
            if not absent or (not sockets and address == found[-1][4]):
                raise


def _bound(family: socket.AddressFamily, address: tuple[Any, ...]) -> socket.socket:
    made = socket.socket(family, socket.SOCK_STREAM)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        made.bind(address)
    except OSError:
        made.close()
        raise
    return made


def _reason(host: str, port: int, error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"--port {port}: another program listens there already: stop it, or choose another port"
    if error.errno == errno.EACCES:
        return f"--port {port}: this user may not listen there: choose a port from 1024 on"
    return f"--host {host}: it is no address of this machine ({error.strerror}): choose one of them, or leave it out"
