"""What leaves the service: synthetic sets and models, each through the gate of the privacy audit."""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any

from gan_aug.privacy.gate import Leaving, objection_to_model, objection_to_set, place_of_set, release_model, release_set
from gan_aug.privacy.record import (
    UNSEEN,
    Subject,
    audit_of,
    read_audit,
    said_of_copies,
    said_of_membership,
    summary,
    verdict,
)
from gan_aug.run import layout
from gan_aug.run.files import json_sha256
from gan_aug.run.stores import Place
from gan_aug_service.http.problems import Problem
from gan_aug_service.openapi.privacy import PrivacyAuditOut
from gan_aug_service.products import summaries
from gan_aug_service.products.synthetic_images import load_manifest, set_folder


@dataclass(frozen=True)
class Releasable:
    """A synthetic set or a model in a run folder, and what the privacy audit says of it now.

    Attributes:
        folder: The run folder.
        subject: Which of the two it is.
        identity: The fingerprint of the set, or the id of the model's checkpoint.
        audit: The audit of it; None if there is none.
        objection: Why it may not leave; None if it may.
    """

    folder: Path
    subject: Subject
    identity: str
    audit: dict[str, Any] | None
    objection: str | None

    @property
    def audit_sum(self) -> str | None:
        """The sum of the audit, as it is in its file; None if there is no audit."""
        return json_sha256(self.audit) if self.audit else None

    @property
    def verdict(self) -> str | None:
        """What the audit says of the set and the model, in a sentence or two; None if there is no audit."""
        return verdict(self.audit) if self.audit else None


def releasable(folder: Path, subject: Subject) -> Releasable:
    """The set or the model of a run folder; raises ManifestError or CheckpointError if it is damaged or absent."""
    if subject == "set":
        identity = load_manifest(set_folder(folder)).fingerprint
        return Releasable(folder, subject, identity, audit_of(folder, identity), objection_to_set(folder, identity))
    identity, audit = summaries.model(folder).checkpoint, read_audit(folder)
    of_it = audit if audit and audit["checkpoint"] == identity else None
    return Releasable(folder, subject, identity, of_it, objection_to_model(folder, identity))


def let_out(what: Releasable, leaving: Leaving) -> Place:
    """Let a set or a model leave by the gate, which notes it.

    Args:
        what: The set or the model.
        leaving: How it leaves.

    Returns:
        Where the set is that may leave, or the folder of the model's training.

    Raises:
        ReleaseRefused: The privacy audit does not allow it, and no reason is given.
        ManifestError: The audit, or the set, was altered.
    """
    folder = what.folder
    if what.subject == "set":
        return release_set(folder, set_folder(folder), load_manifest(set_folder(folder)), leaving)
    release_model(folder, what.identity, leaving)
    return folder / layout.TRAIN


def audited_set(what: Releasable) -> Path:
    """The folder of the set that leaves if it may: the run's, or the one in which images like copies were replaced."""
    place = set_folder(what.folder)
    return Path(place_of_set(what.folder, place, load_manifest(place)))


def privacy_audit(run: Path) -> PrivacyAuditOut:
    """The audit of a run's synthetic set; raises Problem if there is none, ManifestError if it was altered."""
    record = audit_of(run, load_manifest(set_folder(run)).fingerprint)
    if record is None:
        raise _not_audited(run)
    return PrivacyAuditOut(
        id=run.name,
        set_allowed=record["set"]["allowed"],
        model_allowed=record["model"]["allowed"],
        verdict=verdict(record),
        copies=said_of_copies(record),
        membership=said_of_membership(record),
        unseen=UNSEEN,
        figures=summary(record),
    )


def nearest_pairs(run: Path) -> Path:
    """The picture of the synthetic images that are nearest to training images; raises Problem if there is none."""
    path = run / layout.AUDITED / layout.NEAREST_PAIRS
    if not path.exists():
        raise _not_audited(run)
    return path


def _not_audited(run: Path) -> Problem:
    return Problem(
        HTTPStatus.NOT_FOUND, f"the synthetic set of {run.name} was not audited: POST /v1/jobs/audit?run={run.name}"
    )
