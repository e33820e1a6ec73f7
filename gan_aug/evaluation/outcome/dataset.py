"""The part `dataset` of `report.json`: which images were used, of whom, and what is known of leaks between splits."""

from __future__ import annotations

from collections import Counter
from typing import Any

from gan_aug.data.manifest import Manifest, Split
from gan_aug.data.patients import per_patient


def describe_dataset(manifest: Manifest, patient_scope: str) -> dict[str, Any]:
    """Describe a data set for a report.

    Args:
        manifest: The data set.
        patient_scope: `split` if patient numbers restart in each split, else `dataset`.

    Returns:
        JSON values, as `docs/reference/report.schema.json` describes them.
    """
    positive = manifest.positive_index
    known = _known_patients(manifest, patient_scope)
    named = known != "none"
    images = {split: images_per_patient(manifest, split) for split in manifest.splits}
    counts = {split: len(manifest.indices(split)) for split in manifest.splits}
    per_label = manifest.counts()
    unnamed = sum(manifest.studies[i].patient is None for i in manifest.indices("test"))
    return {
        "name": manifest.name,
        "fingerprint": manifest.fingerprint,
        "task": manifest.task,
        "shape": manifest.shape,
        "counts": counts,
        "counts_per_label": per_label,
        "prevalence": {
            split: {label: count / counts[split] if counts[split] else None for label, count in of_split.items()}
            for split, of_split in per_label.items()
        },
        "test_patients": len(images["test"]) if named else None,
        "without_patient": unnamed if named else None,
        "patients": {split: len(images[split]) for split in manifest.splits} if named else None,
        "images_per_patient": {split: per_patient(own) for split, own in images.items()} if named else None,
        "labels": manifest.labels,
        "positive": None if positive is None else manifest.labels[positive],
        "positive_by_default": manifest.positive_by_default is not None,
        "notes": manifest.notes,
        "splits_from": manifest.splits_from,
        "no_internal_test": manifest.no_internal_test,
        "flips": manifest.flips,
        "leakage": {"near_copies": manifest.near_copies, "patients": known},
    }


def images_per_patient(manifest: Manifest, split: Split) -> list[int]:
    """The number of images of each patient of a split; an image without a patient counts as a patient of its own."""
    counts = Counter(manifest.studies[i].patient or f"image {i}" for i in manifest.indices(split))
    return list(counts.values())


def _known_patients(manifest: Manifest, patient_scope: str) -> str:
    """Of which images the patient is known, so that none is in two splits."""
    named = {study.patient is not None for study in manifest.studies}
    if True not in named:
        return "none"
    if patient_scope == "split":
        return "within splits"
    return "some" if False in named else "all"
