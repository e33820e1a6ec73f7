"""What leaves the service: synthetic sets and models, each through the gate of the privacy audit."""

from __future__ import annotations

from http import HTTPStatus
from pathlib import Path

from gan_aug.privacy.gate import Leaving, release_set
from gan_aug.privacy.record import UNSEEN, audit_of, said_of_copies, said_of_membership, summary, verdict
from gan_aug.run import layout
from gan_aug.run.stores import Place
from gan_aug_service.http.problems import Problem
from gan_aug_service.openapi.privacy import PrivacyAuditOut
from gan_aug_service.products.synthetic_images import MANIFEST, load_manifest


def privacy_audit(run: Path) -> PrivacyAuditOut:
    """The audit of a run's synthetic set; raises Problem if there is none, ManifestError if it was altered."""
    record = audit_of(run, load_manifest(run).fingerprint)
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


def audit_verdict(run: Path) -> str | None:
    """The audit's verdict on a run's set and model in a sentence or two; None if there is no audit."""
    record = audit_of(run, load_manifest(run).fingerprint)
    return verdict(record) if record else None


def leaving_set(run: Path, leaving: Leaving) -> Place:
    """Where the synthetic set of a run is that may leave; raises ReleaseRefused if none may."""
    folder = (run / MANIFEST).parent
    return release_set(run, folder, load_manifest(run), leaving)


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
