"""The file of an audit, `audit.json`, and what it says in words; reading it needs no PyTorch.

It lies beside the set's folder in the run folder, and in the folder of a further set. It holds row numbers of training
images, so it stays inside.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

from gan_aug.errors import ManifestError
from gan_aug.run import layout
from gan_aug.run.files import json_sha256, write_json

SCHEMA = 1
Subject = Literal["set", "model"]
"""What is released: a synthetic set, or the model that made it."""

NOT_AUDITED = "No privacy audit was made before this was released."

UNSEEN = (
    "An audit is evidence, not proof. It looks at the distances of whole images. It cannot promise that an attack that "
    "learns finds nothing, nor see copies that are cropped by more than 10 to 15 %, inverted, or mixed half and half "
    "with another image; and it does not make images anonymous in the sense of a law."
)


def write_audit(folder: Path, record: dict[str, Any]) -> dict[str, Any]:
    """Write `audit.json` into `folder`, with a checksum of all it says; returns it as it is read again."""
    plain: dict[str, Any] = json.loads(json.dumps(record, allow_nan=False))
    write_json(folder / layout.AUDIT, {"schema": SCHEMA, "sum": json_sha256(plain), **plain})
    return plain


def read_audit(folder: Path) -> dict[str, Any] | None:
    """The audit in `folder`, None if there is none; raises ManifestError if it was altered."""
    path = folder / layout.AUDIT
    try:
        record: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        schema, checksum = record.pop("schema"), record.pop("sum")
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, AttributeError) as error:
        raise ManifestError(f"{path} cannot be read as an audit: remove it, and run `gan-aug audit` again") from error
    if schema != SCHEMA or checksum != json_sha256(record):
        raise ManifestError(f"{path} was altered, or is of another version: remove it, and run `gan-aug audit` again")
    return record


def audit_of(folder: Path, fingerprint: str) -> dict[str, Any] | None:
    """The audit in `folder` of the set with this fingerprint; None if there is none, or it is of another set."""
    record = read_audit(folder)
    return record if record and record["synthetic"] == fingerprint else None


def audit_of_model(folder: Path, checkpoint: str) -> dict[str, Any] | None:
    """The audit in `folder` of a set that this checkpoint made; None if there is none, or it is of another model."""
    record = read_audit(folder)
    return record if record and record["checkpoint"] == checkpoint else None


def refusal(record: dict[str, Any], subject: Subject) -> str | None:
    """Why a set or a model is refused, as clauses; None if it is allowed. `record` is an audit or its `summary`."""
    reasons = record[subject]["reasons"]
    return "; ".join(_reason(record, reason) for reason in reasons) if reasons else None


def verdict(record: dict[str, Any]) -> str:
    """The verdict on the set and on the model, in two sentences."""
    said = []
    for subject, name in (("set", "The set"), ("model", "The model")):
        why = refusal(record, "set" if subject == "set" else "model")
        said.append(f"{name} is refused: {why}." if why else f"{name} may be released.")
    return " ".join(said)


def said_when_released(record: dict[str, Any] | None, subject: Subject) -> str:
    """What goes along with a set or a model that leaves: the audit's verdict on it, and what it found; None if none."""
    if record is None:
        return NOT_AUDITED
    why = refusal(record, subject)
    allowed = f"The privacy audit allows the {subject} to be released."
    refused = (
        f"The privacy audit refused the {subject}: {why}. It was released nevertheless; who did so noted a reason."
    )
    return "\n\n".join([refused if why else allowed, said_of_copies(record), said_of_membership(record), UNSEEN])


def said_of_copies(record: dict[str, Any]) -> str:
    """What the audit found of copies, in sentences."""
    copies, training = record["copies"], record["training"]
    named = {
        "patients": f"{training['patients']:,} patients",
        "near-duplicates": "none of which names a patient, so that only nearly equal ones count as one",
        "images": "each counted as a patient of its own",
    }[training["grouped_by"]]
    dropped, replaced = _dropped(copies)
    least = copies["quantiles"][0] if copies["quantiles"] else float("nan")
    left = f", of which {replaced:,} were replaced" if dropped else ""
    elsewhere = (
        f" The {training['elsewhere']:,} other images that an earlier training of the GAN had seen are not here, and "
        "were not compared."
        if training["elsewhere"]
        else ""
    )
    return (
        f"Each of the {record['images']:,} images was compared, in {copies['variants']} shifts, rotations, scales and "
        f"mirrorings, with the {training['images']:,} training images ({named}). The least ratio of distances is "
        f"{least:.2f}. Among the training images themselves it is {copies['by_chance']['least']:.2f}, so an image "
        f"below {copies['copy']:.2f} counts as a copy; there are {copies['below_copy']:,}. {dropped:,} are left out as "
        f"like a copy (ratio below {copies['like_a_copy']:.2f}, or nearly equal){left}; by chance up to "
        f"{copies['most']:,} would be.{elsewhere}"
    )


def said_of_membership(record: dict[str, Any]) -> str:
    """What the audit found of membership, in sentences."""
    found, attack = record["membership"], record["discriminator"]
    one = found["auc"]
    if one is None:
        said = "There are too few held-out images to ask who was in the training."
    else:
        low, high = one["ci95"]
        said = (
            f"An attack that tells training images from held-out ones by their distance to the set has an AUC of "
            f"{one['value']:.3f} ({low:.3f} to {high:.3f}; {one['held_out']['patients']:,} held-out patients). It "
            f"would have found {one['smallest']:.3f} or more in 80 % of such audits."
        )
    said += {
        None: "",
        "few": " Below 200 held-out patients this cannot be judged.",
        "members_only": " The audit is biased here: training images differ from each other by it. It cannot be judged.",
        "same_kind": " The held-out images are of another kind than the training images, so it cannot be judged.",
    }[found["because"]]
    if attack:
        said += (
            f" The discriminator, which is never released, tells them apart with an AUC of {attack['value']:.3f} "
            f"({attack['ci95'][0]:.3f} to {attack['ci95'][1]:.3f})."
        )
    return said


def to_text(record: dict[str, Any]) -> str:
    """The whole audit in words."""
    return "\n".join([verdict(record), said_of_copies(record), said_of_membership(record), UNSEEN])


def summary(record: dict[str, Any]) -> dict[str, Any]:
    """The audit for a report: all figures, without lists of single images."""
    copies = {key: value for key, value in record["copies"].items() if key not in ("dropped", "nearest", "confirmed")}
    copies["dropped"], copies["replaced"] = _dropped(record["copies"])
    copies["confirmed"] = len(record["copies"]["confirmed"])
    kept = {key: value for key, value in record.items() if key not in ("released", "gan_aug")}
    return {**kept, "copies": copies}


def _dropped(copies: dict[str, Any]) -> tuple[int, int]:
    """How many images are left out, and how many of them were replaced, by an audit or by its summary."""
    if isinstance(copies["dropped"], int):
        return copies["dropped"], copies["replaced"]
    return len(copies["dropped"]), sum(one["replaced_by"] is not None for one in copies["dropped"])


def _reason(record: dict[str, Any], reason: str) -> str:
    copies, membership, confirmed = record["copies"], record["membership"], record["copies"]["confirmed"]
    confirmed = confirmed if isinstance(confirmed, int) else len(confirmed)
    said = {
        "copies": f"{_dropped(copies)[0]:,} images are like copies of training images, and by chance at most "
        f"{copies['most']:,} would be",
        "copy": f"{copies['below_copy']:,} images are copies of training images beyond chance",
        "confirmed": f"{confirmed:,} copies of training images were confirmed by a second search",
        "irreplaceable": "images that are like copies could not be replaced by others",
    }
    if reason == "membership" and membership["auc"]:
        low, value = membership["auc"]["ci95"][0], membership["auc"]["value"]
        return (
            f"it gives away who was in the training (AUC {value:.3f}, at least {low:.3f} over all classes; the limit "
            f"is {membership['limit']:.2f})"
        )
    return said[reason]
