"""From `report.json` to what people read: `to_html` and `to_markdown`, handed on once they are asked for.

Their imports are heavy, and the stages and the service use parts of this package that need none of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gan_aug.report.pages.html import to_html
    from gan_aug.report.pages.markdown import to_markdown

__all__ = ["to_html", "to_markdown"]


def __getattr__(name: str) -> Any:
    if name == "to_html":
        from gan_aug.report.pages.html import to_html

        return to_html
    if name == "to_markdown":
        from gan_aug.report.pages.markdown import to_markdown

        return to_markdown
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
