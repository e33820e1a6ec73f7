"""Patients: who belongs together, without who they are."""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
from pathlib import Path
from typing import Literal

from gan_aug.data.manifest import Split
from gan_aug.run import storage_errors

KEY_BYTES = 32
DIGITS = 16
"""Hexadecimal digits kept of a hash: 64 bits, enough that no two patients of a set meet by chance."""


class PatientHasher:
    """Turns raw patient ids into keyed hashes: the first 16 hexadecimal digits of their HMAC-SHA-256.

    The key is random, made once for a data set and kept in its folder as `patient.key`, readable by the owner alone.
    """

    def __init__(self, folder: Path, scope: Literal["dataset", "split"] = "dataset") -> None:
        """Read the key in `folder`, or make one; with scope `split` equal ids in two splits count as two patients."""
        self._key = _key(folder / "patient.key")
        self._scope = scope

    @property
    def key_name(self) -> str:
        """Which key this is, without giving it away: the first 16 hexadecimal digits of its SHA-256."""
        return hashlib.sha256(self._key).hexdigest()[:DIGITS]

    def __call__(self, patient: str, split: Split | None) -> str:
        """The keyed hash of `patient`."""
        text = f"{split}\0{patient}" if self._scope == "split" else patient
        return hmac.new(self._key, text.encode(), hashlib.sha256).hexdigest()[:DIGITS]


def _key(path: Path) -> bytes:
    with storage_errors(path):
        if path.exists() and len(key := path.read_bytes()) == KEY_BYTES:
            return key
        temporary = path.with_name(f".{path.name}.tmp")
        temporary.unlink(missing_ok=True)
        key = secrets.token_bytes(KEY_BYTES)
        with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(key)
        temporary.replace(path)
        return key
