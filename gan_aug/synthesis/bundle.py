"""Reads bundles, the folders in which a trained generator leaves: see `gan_aug.export.bundle`.

Only the record and the weights of a bundle are used. Its own code is never run, and nothing pickled in it is read.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gan_aug.errors import CheckpointError
from gan_aug.gan.state import GENERATOR, LISTED_UNTIL, Checkpoint, Parent, recorded_networks

METADATA = "configs/metadata.json"
RECORD = "configs/gan-aug.json"
WEIGHTS = "models/model.safetensors"
SUMS = "SHA256SUMS"

VERSION = 1
"""Of the record, and of the files beside it."""

FOR_PEOPLE = ("LICENSE", "README.txt", "docs/")
"""What whoever passes a bundle on may complete, such as by a licence: it makes no image."""


@dataclass(frozen=True)
class BundledCheckpoint(Checkpoint):
    """The trained generator in a bundle; `path` is the bundle's folder, and `known_as` the checkpoint's own id."""

    known_as: str = ""

    @property
    def id(self) -> str:
        """The id of the checkpoint that the bundle was made from."""
        return self.known_as

    @property
    def weights(self) -> Path:
        """The file of the averaged generator."""
        return self.path / WEIGHTS


def is_bundle(folder: Path) -> bool:
    """Whether a folder holds a bundle, of gan-aug or of another program."""
    return (folder / METADATA).is_file()


def read_bundle(folder: Path) -> BundledCheckpoint:
    """The trained generator in the bundle in a folder.

    Raises CheckpointError if there is none, it is of another program or of a version that is not known, or a file of
    it is absent or altered.
    """
    told = _told(folder)
    _check_sums(folder)
    try:
        record = dict(told["checkpoint"])
        known_as, labels = record.pop("id"), tuple(record.pop("labels"))
        parent = record.pop("parent", None)
        settings = recorded_networks(record, folder)
        found = Checkpoint(
            path=folder, networks=settings, labels=labels, parent=Parent(**parent) if parent else None, **record
        )
        whole = _is_whole(found, known_as)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise CheckpointError(f"{folder / RECORD} lacks or mistypes {error}: get the bundle again") from error
    if not whole:
        raise CheckpointError(
            f"{folder} holds other weights, or another record, than those of the checkpoint {known_as}: get the bundle "
            "again"
        )
    return BundledCheckpoint(**vars(found), known_as=known_as)


def _told(folder: Path) -> dict[str, Any]:
    """What gan-aug says of the model."""
    path = folder / RECORD
    if not is_bundle(folder):
        raise CheckpointError(
            f"{folder} is no bundle, which has {METADATA}: give the folder that `gan-aug export RUN --to bundle` wrote"
        )
    if not path.is_file():
        raise CheckpointError(
            f"{folder} is a bundle of another program, since it has no {RECORD}: only those of gan-aug can be used "
            "here; MONAI runs it (python -m monai.bundle run)"
        )
    try:
        told: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        version = told.get("bundle")
    except (OSError, ValueError, AttributeError) as error:
        raise CheckpointError(f"{path} cannot be read as JSON ({error}): get the bundle again") from error
    if version != VERSION:
        raise CheckpointError(
            f"{folder} is a bundle of version {version!r}, and this gan-aug reads version {VERSION}: update "
            "gan-aug, or have the bundle written again"
        )
    return told


def _check_sums(folder: Path) -> None:
    """Raise CheckpointError if a file that the sums list is absent or altered, or the sums do not list the model."""
    try:
        lines = (folder / SUMS).read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{folder / SUMS} cannot be read ({error}): get the bundle again") from error
    sums = {name: sha256 for sha256, _, name in (line.partition("  ") for line in lines)}
    for name in (RECORD, WEIGHTS):
        if name not in sums:
            raise CheckpointError(f"{folder / SUMS} does not list {name}: get the bundle again")
    for name, expected in sums.items():
        if name.startswith(FOR_PEOPLE):
            continue
        if name.startswith("/") or ".." in name.split("/"):
            raise CheckpointError(f"{folder / SUMS} names {name!r}, which is not in the bundle: get the bundle again")
        try:
            with (folder / name).open("rb") as file:
                found = hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as error:
            raise CheckpointError(f"{folder / name} of the bundle is absent ({error}): get it again") from error
        if found != expected:
            raise CheckpointError(
                f"{folder / name} was altered: its SHA-256 is {found[:12]}…, and {SUMS} says {expected[:12]}…: get the "
                "bundle again"
            )


def _is_whole(found: Checkpoint, known_as: str) -> bool:
    """Whether the weights are those of the record, and the record that of the id.

    Ids of schemas 1 and 2 cover lists of training images, which do not leave, so they cannot be computed again.
    """
    weights = (found.path / WEIGHTS).read_bytes()
    same = hashlib.sha256(weights).hexdigest() == found.files[GENERATOR]
    return same and (found.schema < LISTED_UNTIL or found.id == known_as)
