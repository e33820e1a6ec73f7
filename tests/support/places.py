"""Where the repository's own files lie, for tests that read them."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).parents[2]
TESTS = ROOT / "tests"
CONFIGS = ROOT / "configs"
GOLDEN = TESTS / "golden"
