"""Gives a report the title of its run, also one that was written before: what it was called before stands below."""

from __future__ import annotations

import re
from html import escape

_PAGE_TITLE = re.compile(r"<title>.*?</title>", re.DOTALL)
_PAGE_HEAD = re.compile(r'<h1>(.*?)</h1>(?:\n<p class="subject">(.*?)</p>)?', re.DOTALL)
_TEXT_HEAD = re.compile(r"\A# (.*)\n(?:\n\*Subject:\* (.*)\n)?")


def titled_page(page: str, title: str | None) -> str:
    """A report's page under a title, whatever title it had.

    Args:
        page: The page, as `to_html` makes it or as this function gave it.
        title: The title; None for that of the report itself.

    Returns:
        The page.
    """
    found = _PAGE_HEAD.search(page)
    if found is None:
        return page
    subject = found[2] or found[1]
    shown = subject if title is None else escape(title)
    below = "" if title is None else f'\n<p class="subject">{subject}</p>'
    page = f"{page[: found.start()]}<h1>{shown}</h1>{below}{page[found.end() :]}"
    return _PAGE_TITLE.sub(lambda _: f"<title>{shown}</title>", page, count=1)


def titled_text(text: str, title: str | None) -> str:
    """A report's Markdown under a title, as `titled_page` does it for the page.

    Args:
        text: The Markdown, as `to_markdown` makes it or as this function gave it.
        title: The title; None for that of the report itself.

    Returns:
        The Markdown.
    """
    found = _TEXT_HEAD.match(text)
    if found is None:
        return text
    subject = found[2] or found[1]
    head = subject if title is None else title.replace("<", "\\<")
    below = "" if title is None else f"\n*Subject:* {subject}\n"
    return f"# {head}\n{below}{text[found.end() :]}"
