"""Counts that say whether the code is still easy to find one's way in.

    python -m tools.house

prints the Python modules per folder, circles among modules, the longest file, the number of layers, public functions
whose parameters have no `Args:` section, and the share of public names with a docstring. `tests/test_architecture.py`
holds the code to some of them.
"""

from __future__ import annotations

import ast
import tomllib
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import grimp

ROOT = Path(__file__).parents[1]
PACKAGES = ("gan_aug", "gan_aug_service")
CODE = ("gan_aug", "services")
FOLDERS = (*CODE, "tests")

Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


def files(*folders: str) -> list[Path]:
    """The Python files below these folders of the repository, sorted."""
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))


def named(path: Path) -> str:
    """A path as it is named from the repository's root."""
    return path.relative_to(ROOT).as_posix()


def modules_per_folder() -> Counter[str]:
    """How many modules each folder of the code and the tests has itself; `__init__.py` is not counted."""
    counts: Counter[str] = Counter()
    for path in files(*FOLDERS):
        counts[named(path.parent)] += path.name != "__init__.py"
    return counts


def lonely_modules() -> list[str]:
    """Modules of the code that have a folder to themselves: no other module and no folder beside them."""
    counts = modules_per_folder()
    parents = {named((ROOT / folder).parent) for folder in counts}
    return [
        named(path)
        for path in files(*CODE)
        if path.name != "__init__.py" and counts[named(path.parent)] == 1 and named(path.parent) not in parents
    ]


def lines_per_file(*folders: str) -> Counter[str]:
    """How many lines each Python file below these folders has."""
    return Counter({named(path): len(path.read_text().splitlines()) for path in files(*folders)})


@cache
def imports() -> dict[str, frozenset[str]]:
    """Which modules of ours each module imports: at its head, within a function, or for types alone."""
    graph = grimp.build_graph(*PACKAGES, cache_dir=None)
    return {module: frozenset(graph.find_modules_directly_imported_by(module)) for module in sorted(graph.modules)}


def circles(graph: dict[str, frozenset[str]]) -> list[list[str]]:
    """Groups of modules of which each leads to each other: strongly connected components of two or more.

    Two walks in depth (Kosaraju, 1978): the modules in the order in which a walk leaves them, then, the last left
    first, what leads to each.
    """
    reversed_graph: dict[str, set[str]] = {module: set() for module in graph}
    for module, imported in graph.items():
        for name in imported:
            reversed_graph[name].add(module)
    left: list[str] = []
    seen: set[str] = set()
    for module in graph:
        left += _walk(graph, module, seen)
    seen = set()
    groups = [sorted(_walk(reversed_graph, module, seen)) for module in reversed(left)]
    return sorted(group for group in groups if len(group) > 1)


def _walk(graph: dict[str, frozenset[str]] | dict[str, set[str]], first: str, seen: set[str]) -> list[str]:
    """What can be reached from `first` and is not in `seen`, which grows; each after all that it leads to."""
    if first in seen:
        return []
    seen.add(first)
    left, open_modules = [], [(first, iter(sorted(graph[first])))]
    while open_modules:
        module, following = open_modules[-1]
        fresh = next((name for name in following if name not in seen), None)
        if fresh is None:
            open_modules.pop()
            left.append(module)
        else:
            seen.add(fresh)
            open_modules.append((fresh, iter(sorted(graph[fresh]))))
    return left


def layers() -> dict[str, int]:
    """The contracts of layers in pyproject.toml, with the number of floors of each."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
    return {made["name"]: len(made["layers"]) for made in settings["contracts"] if made["type"] == "layers"}


def without_args_section() -> list[str]:
    """Public functions of more than two parameters whose docstring has no `Args:` section."""
    return [
        f"{named(path)}:{node.lineno} {name}"
        for path in files(*CODE)
        for name, node in _public(ast.parse(path.read_text()))
        if not isinstance(node, ast.ClassDef)
        and _parameters(node) > 2
        and "Args:" not in (ast.get_docstring(node) or "")
    ]


def docstrings() -> tuple[int, int]:
    """How many public modules, classes and functions of the code have a docstring, and how many there are."""
    trees = [ast.parse(path.read_text()) for path in files(*CODE)]
    nodes = [node for tree in trees for node in (tree, *(node for _, node in _public(tree)))]
    return sum(ast.get_docstring(node) is not None for node in nodes), len(nodes)


def _public(tree: ast.Module | ast.ClassDef, within: str = "") -> Iterator[tuple[str, Definition]]:
    """The public classes and functions of a module, and those of its public classes, with their names."""
    for node in tree.body:
        if isinstance(node, Definition) and not node.name.startswith("_"):
            yield within + node.name, node
            if isinstance(node, ast.ClassDef):
                yield from _public(node, f"{within}{node.name}.")


def _parameters(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """How many parameters whoever calls it may give."""
    given = function.args
    names = [argument.arg for argument in (*given.posonlyargs, *given.args, *given.kwonlyargs)]
    return len(names) - (names[:1] in (["self"], ["cls"])) + bool(given.vararg) + bool(given.kwarg)


def main() -> None:
    """Print the counts."""
    for folder, count in sorted(modules_per_folder().items()):
        print(f"{count:4} modules in {folder}")
    for module in lonely_modules():
        print(f"a module alone in its folder: {module}")
    found = circles(imports())
    print(f"{len(found)} circles among {len(imports())} modules")
    for group in found:
        print(f"  {len(group)}: {', '.join(group)}")
    for name, floors in layers().items():
        print(f"{floors} layers: {name}")
    for folder in FOLDERS:
        for name, lines in lines_per_file(folder).most_common(3):
            print(f"{lines:4} lines in {name}")
    missing = without_args_section()
    print(f"{len(missing)} public functions of more than two parameters without an Args section")
    for name in missing:
        print(f"  {name}")
    written, public = docstrings()
    print(f"{written} of {public} public names have a docstring")


if __name__ == "__main__":
    main()
