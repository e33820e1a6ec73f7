"""Benchmarks and scripts find all that they import: they are run by hand, so that nothing else would tell."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from pathlib import Path

from tests.support.places import ROOT

OTHERS = (
    "tests/support/service/chaos.py",
    "tests/support/dicom/films.py",
    "tests/unit/evaluation/statistics/test_auc_proc.py",
    "tools/house.py",
)
SCRIPTS = [
    path
    for path in [*sorted((ROOT / "benchmarks").glob("*.py")), *(ROOT / name for name in OTHERS)]
    if '__name__ == "__main__"' in path.read_text()
]
BEGIN = """
import importlib, json, sys, traceback
faults = {}
for name in sys.argv[1:]:
    try:
        importlib.import_module(name)
    except Exception:
        faults[name] = traceback.format_exc()
print(json.dumps(faults))
"""


def module(script: Path) -> str:
    return ".".join(script.relative_to(ROOT).with_suffix("").parts)


def test_scripts_find_what_they_import() -> None:
    """In one new process, as `python -m` from the repository's folder: a process each would load PyTorch each time."""
    command = [sys.executable, "-W", "ignore", "-c", BEGIN, *map(module, SCRIPTS)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == {}


def test_each_says_how_it_is_run() -> None:
    assert len(SCRIPTS) > 10
    for script in SCRIPTS:
        assert f"python -m {module(script)}" in (ast.get_docstring(ast.parse(script.read_text())) or ""), script
