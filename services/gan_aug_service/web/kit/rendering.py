"""Renders templates to HTML: every value is escaped, and every page has the same strict policy."""

from __future__ import annotations

from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any

from fastapi.responses import HTMLResponse
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

import gan_aug
from gan_aug.export.formats import FORMATS
from gan_aug_service.database.tables import Role
from gan_aug_service.http.prefix import prefixed, prefixed_page
from gan_aug_service.web.kit.page_user import PageUser
from gan_aug_service.web.kit.static_files import static_url

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
"""What a page may load and do: files of this service alone; nothing inline, and nothing from elsewhere."""

HEADERS = {
    "Content-Security-Policy": POLICY,
    # With `no-referrer`, browsers send forms with `Origin: null`, which would count as another site.
    "Referrer-Policy": "same-origin",
}


def render(
    template: str, user: PageUser | None, *, status: int = HTTPStatus.OK, headers: dict[str, str] | None = None,
    **values: Any,
) -> HTMLResponse:  # fmt: skip
    """A page from its template.

    Args:
        template: The template's path below `templates/`.
        user: Who looks at it; None before signing in.
        status: The HTTP status.
        headers: Headers beside those of every page, or in their place.
        **values: The template's variables.

    Returns:
        The page.
    """
    text = TEMPLATES.get_template(template).render(user=user, root=prefixed(""), **values)
    return HTMLResponse(prefixed_page(text), status, HEADERS | (headers or {}))


def utc_time(when: datetime | None) -> Markup:
    """A time as an HTML element: for people to the minute, and exactly for machines."""
    if when is None:
        return Markup("–")
    return Markup('<time datetime="{}">{:%Y-%m-%d %H:%M} UTC</time>').format(when.isoformat(), when)


def time_of_day(seconds: float) -> Markup:
    """The time of day as an HTML element, in UTC until the reader's browser puts its own."""
    when = datetime.fromtimestamp(seconds, UTC)
    return Markup('<time datetime="{}" data-clock="yes">{:%H:%M:%S} UTC</time>').format(when.isoformat(), when)


def duration(seconds: float) -> str:
    """A duration in its two largest units: `1 h 05 min`, `3 min 20 s`, `12 s`."""
    whole = round(seconds)
    if whole >= 3600:
        return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
    return f"{whole // 60} min {whole % 60:02d} s" if whole >= 60 else f"{whole} s"


def number(value: float) -> str:
    """A whole number with thousands separators."""
    return f"{value:,}"


TEMPLATES = Environment(
    loader=PackageLoader("gan_aug_service.web", "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
TEMPLATES.filters |= {"utc_time": utc_time, "time_of_day": time_of_day, "duration": duration, "number": number}
TEMPLATES.globals |= {"static": static_url, "version": gan_aug.__version__, "Role": Role, "formats": FORMATS.values()}
