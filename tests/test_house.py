"""The counts of `tools/house.py`, on code made for it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tools import house


@pytest.mark.parametrize(
    ("imports", "expected"),
    [
        ({"a": "b", "b": "c", "c": ""}, []),
        ({"a": "b", "b": "a"}, ["ab"]),
        ({"a": "b", "b": "cd", "c": "a", "d": "e", "e": ""}, ["abc"]),
        ({"a": "bc", "b": "a", "c": "d", "d": "c"}, ["ab", "cd"]),
        ({"d": "c", "c": "d", "e": "ad", "b": "a", "a": "be"}, ["abe", "cd"]),
        ({"a": "d", "b": "d", "c": "d", "d": "e", "e": ""}, []),
    ],
)
def test_circles_are_the_groups_of_which_each_leads_to_each(imports: dict[str, str], expected: list[str]) -> None:
    assert house.circles({name: frozenset(names) for name, names in imports.items()}) == [list(g) for g in expected]


def test_the_imports_of_the_code_are_found_at_any_depth() -> None:
    graph = house.imports()
    assert "gan_aug.cli.app" in graph["gan_aug.__main__"]
    assert "gan_aug.cli.app" in graph["gan_aug.cli"]  # within a function
    assert {name.split(".")[0] for name in graph} == set(house.PACKAGES)


CODE = '''
def short(a, b): ...

def long(a, *, b, c): ...

def _hidden(a, b, c): ...

class Public:
    """Words."""

    def method(self, a, b):
        """Words."""
        def inner(a, b, c): ...

    @classmethod
    def made(cls, a, *rest, **more):
        """Words.

        Args:
            a: more words
        """

class _Hidden:
    def method(self, a, b, c): ...
'''


def test_public_functions_with_many_parameters_say_what_they_take(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "gan_aug").mkdir()
    (tmp_path / "gan_aug" / "code.py").write_text(CODE)
    monkeypatch.setattr(house, "ROOT", tmp_path)
    assert house.without_args_section() == ["gan_aug/code.py:4 long"]
    assert house.docstrings() == (3, 6)  # neither the module nor its functions have one


def test_a_module_alone_in_a_folder_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("gan_aug/a/__init__.py", "gan_aug/a/one.py", "gan_aug/b/one.py", "gan_aug/b/c/one.py", "gan_aug/x.py"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    monkeypatch.setattr(house, "ROOT", tmp_path)
    assert house.lonely_modules() == ["gan_aug/a/one.py", "gan_aug/b/c/one.py"]
    assert house.modules_per_folder()["gan_aug/a"] == 1
