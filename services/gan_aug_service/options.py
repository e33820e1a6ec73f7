"""The options of `gan-aug serve`, and the settings that they give."""

from __future__ import annotations

import argparse
import ipaddress
import os
import re
from dataclasses import fields
from pathlib import Path
from urllib.parse import urlsplit

from gan_aug.config.section import plain_address
from gan_aug.errors import ConfigError
from gan_aug.run.places import DATA_ROOT
from gan_aug_service.oidc.settings_file import SECRET, read_provider
from gan_aug_service.rules.allowed import Rules, read_rules
from gan_aug_service.settings import DATABASE_URL, Limits, Network, Settings


def settings_of(options: argparse.Namespace) -> Settings:
    """The settings that parsed options give; raises ConfigError for those that cannot be."""
    given = vars(options)
    values = {entry.name: given[entry.name] for entry in fields(Settings) if given.get(entry.name) is not None}
    if options.rate:
        values["limits"] = Limits(rate=options.rate, burst=4 * options.rate)
    values["archives"] = tuple(_archive(text) for text in options.archives)
    values["proxies"] = tuple(_network(text) for text in options.proxies)
    values["database"] = os.environ.get(DATABASE_URL)
    values["state"] = options.state.resolve()
    values["adoptable"] = tuple(options.adoptable)
    values["rules"] = read_rules(options.rules) if options.rules else Rules()
    if options.public_url:
        values["public_url"] = _public_url(options.public_url)
        values["https"] = options.https or values["public_url"].startswith("https:")
    root = urlsplit(values.get("public_url", "")).path if options.root_path is None else options.root_path
    values["root_path"] = _root_path(root)
    if options.oidc:
        values["provider"] = read_provider(options.oidc)
    settings = Settings(**values)
    if settings.data is not None and not settings.data.is_dir():
        raise ConfigError(f"--data {settings.data}: there is no such folder: name the folder that holds the images")
    return settings


def _archive(text: str) -> tuple[str, str | None]:
    url, _, variable = text.partition("=")
    return url, variable or None


def _root_path(text: str) -> str:
    root = text.rstrip("/")
    if root and not re.fullmatch(r"(/[A-Za-z0-9_-][A-Za-z0-9_.-]*)+", root):
        raise ConfigError(f"--root-path {text}: write a path of letters, digits, . _ and -, such as /gan-aug")
    return root


def _public_url(text: str) -> str:
    try:
        return plain_address(text.rstrip("/"), "no password")
    except ValueError as error:
        raise ConfigError(f"--public-url {text}: {error}") from None


def _network(text: str) -> Network:
    try:
        network = ipaddress.ip_network(text)
    except ValueError as error:
        raise ConfigError(f"--trust-proxy {text}: name an address or a network, as 10.0.0.7 or 10.0.0.0/28") from error
    if not network.prefixlen:
        raise ConfigError(f"--trust-proxy {text}: anyone could choose the address that the audit shows: name the proxy")
    return network


def _at_least(least: int) -> type[int]:
    def integer(text: str) -> int:
        if int(text) < least:
            raise ValueError(text)
        return int(text)

    integer.__name__ = f"whole number from {least}"
    return integer  # type: ignore[return-value]


def parser() -> argparse.ArgumentParser:
    """The parser of the options."""
    made = argparse.ArgumentParser("gan-aug serve", description="Start the REST service and its pages, in one process.")
    made.add_argument(
        "--state",
        type=Path,
        default=Path("gan-aug-service"),
        metavar="DIR",
        help="the folder of all that the service keeps",
    )
    made.add_argument(
        "--data",
        type=Path,
        default=os.environ.get(DATA_ROOT) and Path(os.environ[DATA_ROOT]),
        metavar="DIR",
        help=f"the folder that requests may import from [default: that of {DATA_ROOT}]",
    )
    made.add_argument("--host", help="address to listen on [default: 127.0.0.1, this machine alone]")
    made.add_argument("--port", type=_at_least(0), help="port to listen on [default: 8000]")
    made.add_argument("--jobs", type=_at_least(1), help="jobs at once [default: one for every 4 cores]")
    made.add_argument("--short-jobs", type=_at_least(0), help="short jobs beside those, such as imports [default: 1]")
    made.add_argument(
        "--ray", metavar="URL", help="run jobs on a Ray cluster: the address of its job API, http://HEAD:8265"
    )
    made.add_argument(
        "--attempts", type=_at_least(1), help="how often a job is started in all if its process is killed [default: 3]"
    )
    made.add_argument(
        "--nice",
        type=_at_least(0),
        help="the niceness of jobs, so that the service answers while they work [default: 10]",
    )
    made.add_argument(
        "--rate", type=_at_least(1), help="requests a second that one key may send over time [default: 50]"
    )
    made.add_argument(
        "--rules", type=Path, metavar="FILE", help="what jobs may ask for and take, and who may loosen a guard (YAML)"
    )
    made.add_argument(
        "--audit-days", type=_at_least(0), help="days that audit entries are kept; 0 keeps all [default: 365]"
    )
    made.add_argument(
        "--https",
        action="store_true",
        default=None,
        help="browsers reach the service over https: mark cookies as secure",
    )
    made.add_argument(
        "--public-url", metavar="URL", help="the address that browsers reach the service at, https://images.example.org"
    )
    made.add_argument(
        "--root-path",
        metavar="PATH",
        help="the path under which a proxy shows the service, /gan-aug [default: that of --public-url]",
    )
    made.add_argument(
        "--oidc",
        type=Path,
        metavar="FILE",
        help="an OpenID Connect provider to sign in with, beside keys, and what its groups may do",
    )
    made.add_argument(
        "--trust-proxy",
        dest="proxies",
        action="append",
        default=[],
        metavar="ADDRESS",
        help="a proxy in front of the service: believe its X-Forwarded-For and X-Forwarded-Proto",
    )
    made.add_argument(
        "--dicomweb",
        dest="archives",
        action="append",
        default=[],
        metavar="URL[=VARIABLE]",
        help="a DICOMweb archive that requests may name, and the environment variable of its token",
    )
    made.add_argument(
        "--adopt",
        action="append",
        type=Path,
        default=[],
        metavar="FOLDER",
        help="make a run folder of the command line a run of the project default; it stays as it is",
    )
    made.add_argument(
        "--adoptable",
        action="append",
        type=Path,
        default=[],
        metavar="DIR",
        help="a folder from which administrators may adopt runs by a page, beside that of --data",
    )
    made.add_argument(
        "--take-over",
        action="store_true",
        help="take over the queue of a database that another --state owned until now",
    )
    made.add_argument(
        "--new-project", metavar="NAME", help="make a project, for example before its first key, and exit"
    )
    made.add_argument(
        "--new-key",
        metavar="ROLE[:PROJECT]",
        help="print a new key (viewer, editor, releaser, manager or admin) and exit",
    )
    made.epilog = (
        f"{DATABASE_URL} names a PostgreSQL database. Without it, the records are an SQLite file in --state. "
        f"{SECRET} holds the secret that the provider of --oidc gave to this service."
    )
    return made
