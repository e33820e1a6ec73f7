"""What the generator of a bundle is; in a bundle this file is filled in."""

from __future__ import annotations

from typing import Any

CHECKPOINT = ""
"""The id of the trained generator."""

LABELS: list[str] = []
"""The names of the labels, in their order."""

NETWORK: dict[str, Any] = {}
"""The arguments of the network's `Generator`."""
