"""The names of uvicorn that `http/connections.py` overrides or uses, none of which uvicorn documents."""

from __future__ import annotations

import re
import tomllib
from importlib.metadata import version
from types import FunctionType

import uvicorn
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from gan_aug_service.http.connections import BoundedProtocol
from tests.support.places import ROOT

OVERRIDDEN = {
    "_unsupported_upgrade_warning",
    "connection_lost",
    "connection_made",
    "data_received",
    "on_body",
    "on_header",
    "on_headers_complete",
    "on_message_begin",
    "on_message_complete",
    "on_response_complete",
    "on_url",
    "send_400_response",
}
OWN = {"abort", "close_after_input"}
"""Public methods that uvicorn has no part in."""

USED = {
    "protocol": {"_unset_keepalive_if_required", "client", "cycle", "expect_100_continue", "flow", "loop"},
    "cycle": {"keep_alive", "response_complete"},
    "flow": {"read_paused", "resume_reading"},
}
"""Attributes of uvicorn's objects that the bounds read or set."""

SEE = f"uvicorn {version('uvicorn')} has no such name: see docs/decisions/0014 before another version is taken"


def test_uvicorn_has_what_is_overridden() -> None:
    there = {name for name, value in vars(HttpToolsProtocol).items() if isinstance(value, FunctionType)}
    assert there >= OVERRIDDEN, f"{sorted(OVERRIDDEN - there)}: {SEE}"


def test_nothing_else_is_overridden() -> None:
    methods = {name for name, value in vars(BoundedProtocol).items() if isinstance(value, FunctionType)}
    assert {name for name in methods if hasattr(HttpToolsProtocol, name)} - {"__init__"} == OVERRIDDEN
    assert {name for name in methods - OVERRIDDEN if not name.startswith("_")} == OWN


def test_uvicorn_has_what_is_used() -> None:
    config = uvicorn.Config(lambda *_: None, lifespan="off", log_config=None)
    protocol = HttpToolsProtocol(config=config, server_state=ServerState(), app_state={}, _loop=object())  # type: ignore[arg-type]
    found = {
        "protocol": {*dir(protocol)},
        "cycle": {*RequestResponseCycle.__init__.__code__.co_names},
        "flow": {*FlowControl.__init__.__code__.co_names, *dir(FlowControl)},
    }
    for owner, names in USED.items():
        assert names <= found[owner], f"{owner}: {sorted(names - found[owner])}: {SEE}"


def test_the_version_allowed_is_the_minor_version_tested() -> None:
    (tested,) = re.findall(r"^uvicorn==(.*)$", (ROOT / "constraints.txt").read_text(), re.MULTILINE)
    major, minor, *_ = (int(part) for part in tested.split("."))
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    (allowed,) = (text for text in extras["serve"] if text.startswith("uvicorn"))
    assert allowed == f"uvicorn>={major}.{minor},<{major}.{minor + 1}"
    assert version("uvicorn").startswith(f"{major}.{minor}."), SEE
