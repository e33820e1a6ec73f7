"""Patients as keyed hashes: which images belong to one patient, without saying who the patient is."""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from gan_aug.data.manifest import Split
from gan_aug.errors import StorageError
from gan_aug.run import layout
from gan_aug.run.files import storage_errors

KEY_BYTES = 32
DIGITS = 16
"""Hexadecimal digits kept of a hash: 64 bits, so that two patients of a data set do not get equal hashes by chance."""


class PatientHasher:
    """Turns patient identifiers into keyed hashes: the first 16 hexadecimal digits of their HMAC-SHA-256.

    The key is random. It is made once for a data set and kept in its folder as `patient.key`, which only the owner can
    read.
    """

    def __init__(self, folder: Path, scope: Literal["dataset", "split"] = "dataset") -> None:
        """Read the key in `folder`, or make one.

        With `scope` "split", equal identifiers in two splits count as two patients.
        """
        self._key = _key(folder / layout.PATIENT_KEY)
        self._scope = scope

    @property
    def key_name(self) -> str:
        """Which key this is, without revealing it: the first 16 hexadecimal digits of its SHA-256."""
        return hashlib.sha256(self._key).hexdigest()[:DIGITS]

    def __call__(self, patient: str, split: Split | None) -> str:
        """The keyed hash of `patient`; `split` counts only if the scope is "split"."""
        text = f"{split}\0{patient}" if self._scope == "split" else patient
        return hmac.new(self._key, text.encode(), hashlib.sha256).hexdigest()[:DIGITS]


@dataclass(frozen=True)
class IdentityKey:
    """Turns the identifiers in a file (of patient, study or image) into keyed hashes as soon as they are read.

    Equal identifiers get equal hashes, and no identifier leaves the process that opened the file. PatientHasher then
    hashes these hashes with the data set's own key.
    """

    key: bytes = field(repr=False)

    @classmethod
    def load_or_create(cls, path: Path) -> IdentityKey:
        """The key in the file `path`, made if absent; a temporary key if the file cannot be written."""
        try:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            return cls(_key(path))
        except (OSError, StorageError):
            return cls.random()

    @classmethod
    def random(cls) -> IdentityKey:
        """A new key, not saved anywhere."""
        return cls(secrets.token_bytes(KEY_BYTES))

    @property
    def name(self) -> str:
        """Which key this is, without revealing it: the first 16 hexadecimal digits of its SHA-256."""
        return hashlib.sha256(self.key).hexdigest()[:DIGITS]

    def __call__(self, text: str) -> str:
        """The keyed hash of `text`, 32 hexadecimal digits; an empty text if `text` is empty."""
        return hmac.digest(self.key, text.encode("utf-8", "surrogateescape"), "sha256").hex()[:32] if text else ""

    def stored_in(self, folder: Path) -> IdentityKey:
        """The key that `folder` has already; if it has none, this key, which is saved there for later imports."""
        with storage_errors(folder):
            folder.mkdir(parents=True, exist_ok=True)
        return IdentityKey(_key(folder / layout.IDENTITY_KEY, self.key))


def _key(path: Path, given: bytes | None = None) -> bytes:
    """The key in `path`; if there is none, `given` or a random key is saved there."""
    with storage_errors(path):
        if path.exists() and len(key := path.read_bytes()) == KEY_BYTES:
            return key
        temporary = path.with_name(f".{path.name}.tmp")
        temporary.unlink(missing_ok=True)
        key = given or secrets.token_bytes(KEY_BYTES)
        with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(key)
        temporary.replace(path)
        return key


def per_patient(images: Sequence[int]) -> dict[str, Any] | None:
    """How many images patients have, as JSON values, by the number of each; None without a patient."""
    if not images:
        return None
    return {
        "mean": statistics.fmean(images),
        "median": float(statistics.median(images)),
        "most": max(images),
        "patients_with_one": images.count(1),
    }
