"""The command line as a shell would call it, within the test's own process."""

from __future__ import annotations

import pytest

from gan_aug.cli.app import main


def call(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> int:
    """Run `gan-aug` with these arguments; gives the exit code."""
    monkeypatch.setattr("sys.argv", ["gan-aug", *map(str, arguments)])
    try:
        main()
    except SystemExit as ended:
        return int(ended.code or 0)
    return 0
