"""What keeps `make test` quick: a test that starts a server, or takes long, says so by its marks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.support import marks
from tests.support.marks import add_implied_marks, held_to_its_marks
from tests.support.service.held_port import HeldPort


class Marked:
    """Stands for a test with these marks."""

    def __init__(self, *names: str) -> None:
        self.names = list(names)

    def iter_markers(self) -> Iterator[pytest.Mark]:
        return (pytest.Mark(name, (), {}, _ispytest=True) for name in self.names)

    def get_closest_marker(self, name: str) -> pytest.Mark | None:
        return next((mark for mark in self.iter_markers() if mark.name == name), None)

    def add_marker(self, name: str) -> None:
        self.names.append(name)


def held(*names: str) -> Any:
    return held_to_its_marks(Marked(*names))  # type: ignore[arg-type]


def test_a_server_needs_its_mark() -> None:
    with held("server"):
        HeldPort().close()
    with pytest.raises(pytest.fail.Exception, match="mark it `server`"), held("slow"):
        HeldPort().close()


@pytest.mark.parametrize("name", ["ray", "browser", "postgres"])
def test_a_program_that_serves_is_a_server(name: str) -> None:
    items = [Marked(name), Marked("slow")]
    add_implied_marks(items)  # type: ignore[arg-type]
    assert [item.names for item in items] == [[name, "server"], ["slow"]]


def test_what_takes_long_needs_a_mark(monkeypatch: pytest.MonkeyPatch) -> None:
    seconds = iter(range(0, 20 * marks.SECONDS, 2 * marks.SECONDS))
    with monkeypatch.context() as patch:  # this test, too, is held to its marks
        patch.setattr(marks, "processor_seconds", lambda: next(seconds))
        for name in ("slow", "server"):
            with held(name):
                pass
        with pytest.raises(pytest.fail.Exception, match="240 s of processor time: mark it `slow`"), held():
            pass
