"""Rules that a machine keeps."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from gan_aug import errors
from tests.support.places import ROOT

SOURCES = sorted(path for name in ("gan_aug", "services") for path in (ROOT / name).rglob("*.py"))


def python(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout


def test_the_training_core_imports_on_a_bare_gpu_machine() -> None:
    allowed = {"torch", "numpy", "safetensors", "gan_aug"}
    python(
        "import sys, importlib.abc\n"
        "class Bare(importlib.abc.MetaPathFinder):\n"
        "    def find_spec(self, name, path, target=None):\n"
        "        if name.split('.')[0] in {'pydantic', 'PIL', 'sklearn', 'monai', 'torchvision', 'matplotlib',\n"
        "                                  'yaml', 'typer', 'rich', 'jinja2', 'scipy', 'ray', 'pydicom'}:\n"
        "            raise ImportError(name)\n"
        "sys.meta_path.insert(0, Bare())\n"
        "import gan_aug.gan.state, gan_aug.gan.trainer, gan_aug.gan.augment"
    )
    for source in (ROOT / "gan_aug" / "gan").rglob("*.py"):
        assert foreign(source) <= allowed, source


def foreign(source: Path) -> set[str]:
    """The packages outside the standard library that a file imports, at any depth."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(source.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module.split(".")[0])
    return names - set(sys.stdlib_module_names)


def test_help_does_not_wait_for_torch() -> None:
    loaded = python("import sys, gan_aug.cli.app; print(sorted({m.split('.')[0] for m in sys.modules}))")
    for heavy in ("torch", "numpy", "PIL", "matplotlib", "sklearn", "monai", "fsspec", "fastapi", "sqlalchemy"):
        assert f"'{heavy}'" not in loaded


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_files_stay_readable(source: Path) -> None:
    assert len(source.read_text().splitlines()) <= 350


def test_every_error_is_in_the_tree_with_its_codes() -> None:
    tree = errors.__doc__ or ""
    for name, kind in vars(errors).items():
        if isinstance(kind, type) and issubclass(kind, errors.GanAugError) and kind is not errors.GanAugError:
            (line,) = [line for line in tree.splitlines() if f" {name} " in line]
            assert str(kind.http_status) in line
            assert str(kind.exit_code) in line


def test_errors_cross_process_borders_unchanged() -> None:
    import pickle  # noqa: TID251 - what a process pool does with them

    error = errors.LeakageError("one sentence")
    copy = pickle.loads(pickle.dumps(error))  # noqa: S301
    assert type(copy) is errors.LeakageError
    assert str(copy) == "one sentence"


def test_the_tests_can_be_loaded_in_new_processes() -> None:
    """There a name is looked up along the whole path: only packages keep two files of one name apart."""
    files = sorted((ROOT / "tests").rglob("*.py"))
    assert [path for path in files if "conftest" in foreign(path)] == []
    assert [path.parent for path in files if not (path.parent / "__init__.py").exists()] == []
