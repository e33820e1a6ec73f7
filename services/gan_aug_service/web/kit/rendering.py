"""Templates to HTML: every value escaped, every page under one strict policy."""

from __future__ import annotations

from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any

from fastapi.responses import HTMLResponse
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

import gan_aug
from gan_aug_service.database.tables import Role
from gan_aug_service.web.kit.static_files import address
from gan_aug_service.web.kit.visitor import Visitor

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
"""What a page may load and do: its own files, from this service. Nothing inline, nothing from elsewhere."""

HEADERS = {
    "Content-Security-Policy": POLICY,
    # With `no-referrer` a browser sends a form with `Origin: null`, which is not ours.
    "Referrer-Policy": "same-origin",
}


def render(
    template: str, visitor: Visitor | None, *, status: int = HTTPStatus.OK, headers: dict[str, str] | None = None,
    **values: Any,
) -> HTMLResponse:  # fmt: skip
    """A page from its template; `visitor` is who looks at it, None before signing in."""
    text = TEMPLATES.get_template(template).render(visitor=visitor, **values)
    return HTMLResponse(text, status, HEADERS | (headers or {}))


def moment(when: datetime | None) -> Markup:
    """A time as an element that says it to people, to the minute, and to machines."""
    if when is None:
        return Markup("–")
    return Markup('<time datetime="{}">{:%Y-%m-%d %H:%M} UTC</time>').format(when.isoformat(), when)


def clock(seconds: float) -> str:
    """The time of day of an event, in UTC."""
    return f"{datetime.fromtimestamp(seconds, UTC):%H:%M:%S}"


def span(seconds: float) -> str:
    """A length of time in the two units that matter: `1 h 05 min`, `3 min 20 s`, `12 s`."""
    whole = round(seconds)
    if whole >= 3600:
        return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
    return f"{whole // 60} min {whole % 60:02d} s" if whole >= 60 else f"{whole} s"


def number(value: float) -> str:
    """A whole number with its thousands apart."""
    return f"{value:,}"


TEMPLATES = Environment(
    loader=PackageLoader("gan_aug_service.web", "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
TEMPLATES.filters |= {"moment": moment, "clock": clock, "span": span, "number": number}
TEMPLATES.globals |= {"static": address, "version": gan_aug.__version__, "Role": Role}
