"""Benchmarks and scripts find all that they import: they are run by hand, so that nothing else would tell."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.places import ROOT

HELPERS = {"__init__.py", "service_client.py", "crossed_bootstrap.py"}
"""Those that are no script."""

SCRIPTS = sorted(path for path in (ROOT / "benchmarks").glob("*.py") if path.name not in HELPERS)
BEGIN = "import runpy, sys; sys.path.insert(0, sys.argv[1]); runpy.run_module(sys.argv[2], run_name='not the script')"


@pytest.mark.slow
@pytest.mark.parametrize("script", [*SCRIPTS, ROOT / "tests/support/service/chaos.py"], ids=lambda path: path.name)
def test_a_script_finds_what_it_imports(script: Path, tmp_path: Path) -> None:
    module = ".".join(script.relative_to(ROOT).with_suffix("").parts)
    command = [sys.executable, "-W", "ignore", "-c", BEGIN, str(ROOT), module]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
