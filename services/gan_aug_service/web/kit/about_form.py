"""Reads the form with a title, tags and notes, and says what is wrong with them in plain words."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from fastapi.responses import Response
from pydantic import ValidationError

from gan_aug_service.openapi.described import AboutIn
from gan_aug_service.web.kit.page_user import Form, PageUser
from gan_aug_service.web.kit.rendering import render


def about_page(
    user: PageUser, action: str, name: str, sent: dict[str, str], back: str, faults: dict[str, str] | None = None
) -> Response:
    """The form with a record's title, tags and notes.

    Args:
        user: Who looks at it.
        action: Where it is sent.
        name: The record's title as it is.
        sent: What the fields hold.
        back: Where to go afterwards.
        faults: What is wrong, by field.

    Returns:
        The page.
    """
    values: dict[str, Any] = {"action": action, "name": name, "sent": sent, "faults": faults or {}, "back": back}
    status = HTTPStatus.UNPROCESSABLE_ENTITY if faults else HTTPStatus.OK
    return render("shared/about.html", user, status=status, **values)


def read_about(form: Form, *, title_needed: bool = True) -> tuple[AboutIn | None, dict[str, str]]:
    """What a form says of a record; None and the faults by field if it cannot be used."""
    tags = [tag.strip() for tag in form.text("tags").split(",") if tag.strip()]
    sent: dict[str, Any] = {"title": form.text("title"), "tags": tags, "notes": form.text("notes")}
    if not sent["title"] and not title_needed:
        del sent["title"]
    try:
        return AboutIn.model_validate(sent), {}
    except ValidationError as error:
        faults: dict[str, str] = {}
        for fault in error.errors():
            faults.setdefault(str(fault["loc"][0]), _in_words(fault))
        return None, faults


def _in_words(fault: Any) -> str:
    """A fault as a sentence's end, without the words of the checker."""
    limits = fault.get("ctx") or {}
    match fault["type"]:
        case "too_long":
            return f"there are {limits['actual_length']}: use at most {limits['max_length']}"
        case "string_too_long":
            return f"it is longer than {limits['max_length']} characters: shorten it"
        case "string_too_short":
            return "it is empty"
        case _:
            return str(fault["msg"]).removeprefix("Value error, ")
