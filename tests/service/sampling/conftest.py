"""What is tried here is the same over every database; records and routes are tried over both."""

from __future__ import annotations

import pytest


@pytest.fixture
def database() -> None:
    """SQLite in the service's folder."""
