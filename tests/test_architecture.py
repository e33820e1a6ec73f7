"""Rules that a machine keeps: what may be imported where, and the bounds of files and folders (`tools/house.py`)."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import gan_aug
from gan_aug import errors
from tests.support.places import ROOT
from tools import house

MOST_LINES = 350
MOST_MODULES = 13
"""What one can take in at a glance of a folder; `__init__.py` is not counted."""

# What is above a bound today. A line goes when its file or folder is mended; none is added.
LONGER_FILES = {
    "tests/service/http/test_attacks.py",
    "tests/service/http/test_connections.py",
    "tests/unit/data/dicom/web/test_dicomweb.py",
    "tests/unit/data/sources/test_sources.py",
    "tests/unit/verification/test_verification.py",
}
LARGER_FOLDERS = {"services/gan_aug_service/routes"}


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


def test_the_library_is_loaded_when_it_is_used() -> None:
    loaded = python("import sys, gan_aug; dir(gan_aug); print(sorted({m.split('.')[0] for m in sys.modules}))")
    for heavy in ("torch", "numpy", "pydantic", "yaml", "scipy"):
        assert f"'{heavy}'" not in loaded
    for name in gan_aug.__all__:
        assert getattr(gan_aug, name) is not None
    with pytest.raises(AttributeError, match="has no attribute 'rnu'"):
        gan_aug.rnu  # noqa: B018


@pytest.mark.parametrize("first", ["import gan_aug.run.files", "from gan_aug.run import layout", "import gan_aug.api"])
def test_the_function_run_is_not_hidden_by_the_package_of_that_name(first: str) -> None:
    assert "function run" in python(f"{first}; import gan_aug; print(gan_aug.run)")


def test_files_stay_readable() -> None:
    lines = house.lines_per_file(*house.FOLDERS)
    assert {name for name, count in lines.items() if count > MOST_LINES} <= LONGER_FILES


def test_folders_can_be_taken_in_at_a_glance() -> None:
    counts = house.modules_per_folder()
    assert {folder for folder, count in counts.items() if count > MOST_MODULES} <= LARGER_FOLDERS


def test_no_module_has_a_folder_to_itself() -> None:
    assert house.lonely_modules() == []


def test_no_module_leads_back_to_itself() -> None:
    """Imports within functions are counted as well: a circle is one, however late it closes."""
    assert house.circles(house.imports()) == []


def test_nothing_calls_the_command_line() -> None:
    """What both the command line and the service do lies below both of them."""
    callers = {
        module
        for module, imported in house.imports().items()
        if any(name.startswith("gan_aug.cli") for name in imported) and not module.startswith("gan_aug.cli")
    }
    assert callers == {"gan_aug.__main__"}


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
