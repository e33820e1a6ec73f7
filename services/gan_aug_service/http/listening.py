"""Where the service listens: its sockets, bound before anything else begins, and how many files it may open."""

from __future__ import annotations

import errno
import resource
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from gan_aug.errors import ConfigError

MAX_FILES = 1 << 16
"""Open files that the service asks for; it has no use for more."""

BACKLOG = 128
"""Connections that the kernel holds before they are accepted: few, since ConnectionLimiter cannot count them."""


def raise_file_limit() -> int:
    """Raise the limit on open files of this process and its children as far as the system allows, and return it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    reachable = MAX_FILES if hard == resource.RLIM_INFINITY else min(hard, MAX_FILES)
    if soft == resource.RLIM_INFINITY or soft >= reachable:
        return MAX_FILES if soft == resource.RLIM_INFINITY else soft
    resource.setrlimit(resource.RLIMIT_NOFILE, (reachable, hard))
    return reachable


@contextmanager
def bind_sockets(host: str, port: int) -> Iterator[list[socket.socket]]:
    """A block with the sockets of an address: one for IPv4, IPv6 or both. They answer once a server listens.

    Raises ConfigError if the address or the port cannot be had.
    """
    sockets: list[socket.socket] = []
    try:
        try:
            _bind(host, port, sockets)
        except OSError as error:
            raise ConfigError(_reason(host, port, error)) from error
        yield sockets
    finally:
        for bound in sockets:
            bound.close()


def _bind(host: str, port: int, sockets: list[socket.socket]) -> None:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    for family, address in dict.fromkeys((family, address) for family, _, _, _, address in found):
        try:
            sockets.append(_bound_socket(family, address))
        except OSError as error:
            # A name like localhost may have an IPv6 address on a machine without IPv6.
            absent = error.errno in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)
            if not absent or (not sockets and address == found[-1][4]):
                raise


def _bound_socket(family: socket.AddressFamily, address: tuple[Any, ...]) -> socket.socket:
    bound = socket.socket(family, socket.SOCK_STREAM)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        bound.bind(address)
    except OSError:
        bound.close()
        raise
    return bound


def _reason(host: str, port: int, error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"--port {port}: another program listens there already: stop it, or choose another port"
    if error.errno == errno.EACCES:
        return f"--port {port}: this user may not listen there: choose a port from 1024 on"
    return f"--host {host}: it is no address of this machine ({error.strerror}): choose one of them, or leave it out"
