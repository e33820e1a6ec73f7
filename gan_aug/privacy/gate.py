"""The gate: every door by which a synthetic set or a model leaves asks here first.

Doors are the export, downloads, and whatever gives a set or a model to people who may not see the real images. Looking
at images inside, by those who may see the real ones, is no release. What went through is in `releases.jsonl`.
"""

from __future__ import annotations

import getpass
import json
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gan_aug.errors import ConfigError, ReleaseRefused
from gan_aug.privacy.record import Subject, audit_of, audit_of_model, refusal
from gan_aug.run import layout
from gan_aug.run.files import storage_errors
from gan_aug.run.stores import below

if TYPE_CHECKING:
    from gan_aug.data.synthetic.shards import SyntheticManifest
    from gan_aug.run.stores import Place

HOW = "audit it by `gan-aug audit` (in the service: POST /v1/jobs/audit), or release it anyway with a reason"
AGAIN = "train again with more images or for less long, or release it anyway with a reason"


@dataclass(frozen=True)
class Leaving:
    """How something leaves: by which `door` and by `who`; `anyway` is a reason to pass over the audit's verdict."""

    door: str
    who: str
    anyway: str | None = None


def on_this_machine(door: str, anyway: str | None = None) -> Leaving:
    """What leaves by the account that runs this process."""
    try:
        who = getpass.getuser()
    except (KeyError, OSError):
        who = f"user {os.getuid()}"
    return Leaving(door, who, anyway)


def objection_to_set(folder: Path, fingerprint: str) -> str | None:
    """Why the synthetic set with this fingerprint, with its records in `folder`, may not leave; None if it may."""
    return _objection(audit_of(folder, fingerprint), "set")


def objection_to_model(folder: Path, checkpoint: str) -> str | None:
    """Why the model with the id `checkpoint`, audited by the set in `folder`, may not leave; None if it may."""
    return _objection(audit_of_model(folder, checkpoint), "model")


def place_of_set(folder: Path, shards: Place, made: SyntheticManifest) -> Place:
    """Where the set is that leaves if it may: the same, or the one in which images like copies were replaced.

    Args:
        folder: The folder with the set's records.
        shards: Where its images are.
        made: Its manifest.

    Returns:
        The place.

    Raises:
        ManifestError: The audit, or the set with replaced images, is altered.
    """
    record = audit_of(folder, made.fingerprint)
    return _replaced(folder, record) if record and record["released"] and record["set"]["allowed"] else shards


def release_set(folder: Path, shards: Place, made: SyntheticManifest, leaving: Leaving) -> Place:
    """Let a synthetic set leave, or refuse.

    Args:
        folder: The folder with the set's records.
        shards: Where its images are.
        made: Its manifest.
        leaving: How it leaves.

    Returns:
        Where the set is that may leave: the same, or the one in which images like copies were replaced.

    Raises:
        ReleaseRefused: It was not audited, or the audit refuses it, and no reason is given.
        ManifestError: The audit, or the set with replaced images, is altered.
        ConfigError: The reason is empty.
    """
    _check(folder, audit_of(folder, made.fingerprint), "set", leaving)
    return place_of_set(folder, shards, made)


def release_model(folder: Path, checkpoint: str, leaving: Leaving) -> None:
    """Let a model leave, or refuse.

    Args:
        folder: The folder with the records of the set that the model made, by which it was audited.
        checkpoint: Its id.
        leaving: How it leaves.

    Raises:
        ReleaseRefused: No set of it was audited, or the audit refuses the model, and no reason is given.
        ManifestError: The audit is altered.
        ConfigError: The reason is empty.
    """
    _check(folder, audit_of_model(folder, checkpoint), "model", leaving)


def _objection(record: dict[str, Any] | None, subject: Subject) -> str | None:
    return refusal(record, subject) if record else "no audit of it was made"


def _check(folder: Path, record: dict[str, Any] | None, subject: Subject, leaving: Leaving) -> None:
    """Refuse, or note the release."""
    if leaving.anyway is not None and not leaving.anyway.strip():
        raise ConfigError("a release against the audit needs a reason: say in a few words why")
    why = _objection(record, subject)
    if why and leaving.anyway is None:
        raise ReleaseRefused(f"the {subject} in {folder} may not leave: {why}; {AGAIN if record else HOW}")
    entry = {
        "time": round(time.time(), 3),
        "what": subject,
        "door": leaving.door,
        "who": leaving.who,
        "audited": record is not None,
        "refused": why,
        "anyway": leaving.anyway if why else None,
    }
    path = folder / layout.RELEASES
    with storage_errors(path), path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(entry, ensure_ascii=False) + "\n")


def _replaced(folder: Path, record: dict[str, Any]) -> Path:
    """The folder of the set with replaced images, which must be the one that was audited."""
    from gan_aug.data.synthetic.shards import SyntheticManifest
    from gan_aug.errors import ManifestError

    place = folder / layout.AUDITED
    if SyntheticManifest.load(below(place, layout.MANIFEST)).fingerprint != record["released"]:
        raise ManifestError(f"{place} is not the set that was audited: run `gan-aug audit` again")
    return place
