"""What an import found, in sentences: for its log, and for a dry run, before anything is trained."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

from gan_aug.data.importing.report import describe_assumed, describe_rejected
from gan_aug.data.manifest import Manifest, Split

MOSTLY = 0.5
"""From this share of grey images on, a data set stored in colour is said to be grey."""


SAID = ("files or rows set aside", "assumed of", "other assumptions")
"""How notes begin whose content is said here at more length."""


def findings(manifest: Manifest, report: dict[str, Any]) -> list[str]:
    """What is to be known of a data set before training, what matters most first.

    Args:
        manifest: The data set, imported or planned.
        report: Its import report.

    Returns:
        Sentences. The first says which label counts as the disease, if none was named.
    """
    return [
        *((said,) if (said := manifest.positive_by_default) else ()),
        *_set_aside(report),
        *(f"{split.replace('_', ' ')}: {_described(manifest, split)}" for split in manifest.splits),
        f"the splits are {manifest.splits_from}",
        *((f"no internal test: {manifest.no_internal_test}",) if manifest.no_internal_test else ()),
        _patients(manifest),
        *_leaks(manifest, report),
        *_channels(manifest, report),
        *((said,) if (said := describe_assumed(report.get("assumed") or {})) else ()),
        *(note for note in manifest.notes if not note.startswith(SAID)),
        *report["remarks"],
    ]


def _set_aside(report: dict[str, Any]) -> Iterator[str]:
    if said := describe_rejected(report):
        yield said
    unlabelled = sum(count for reason, count in report["reasons"].items() if reason.startswith("it has no label"))
    if unlabelled:
        yield f"{unlabelled:,} of them have no label"


def _described(manifest: Manifest, split: Split) -> str:
    """How many images a split has, with the share of each label, and of how many patients."""
    total = len(manifest.indices(split))
    if not total:
        return "no images"
    counts = manifest.counts()[split]
    shares = ", ".join(f"{label} {100 * count / total:.1f} %" for label, count in list(counts.items())[:12])
    more = f", and {len(counts) - 12} more labels" if len(counts) > 12 else ""
    patients = {study.patient for study in manifest.studies if study.split == split and study.patient}
    of_whom = f" of {len(patients):,} patients" if patients else ""
    return f"{total:,} images{of_whom} ({shares}{more})"


def _patients(manifest: Manifest) -> str:
    named = Counter(study.patient for study in manifest.studies if study.patient)
    if not named:
        return (
            "no patients are named: images of one patient may be both in training and in the test, which makes every "
            "result too good"
        )
    counts = sorted(named.values())
    without = len(manifest.studies) - sum(counts)
    also = f"; {without:,} images name no patient" if without else ""
    return (
        f"{len(counts):,} patients with {counts[0]:,} to {counts[-1]:,} images each, {counts[len(counts) // 2]:,} in "
        f"the middle{also}"
    )


def _leaks(manifest: Manifest, report: dict[str, Any]) -> Iterator[str]:
    dropped = Counter(one["reason"].split(" as ")[0] for one in report["dropped"])
    for kind, count in dropped.items():
        yield f"{count:,} images are dropped from the side of training: {kind} as one in another split"
    if pairs := report.get("near_duplicates", {}).get("pairs"):
        yield f"{pairs:,} pairs of images in different splits are nearly the same"
    elif (manifest.near_copies or {}).get("searched"):
        among = " among the images that were decoded" if report.get("decoded") else ""
        yield f"no near copies were found across the splits{among}"


def _channels(manifest: Manifest, report: dict[str, Any]) -> Iterator[str]:
    seen = sum(report["native_sizes"].values())  # of all images that were decoded, used or not
    if manifest.shape[0] == 3 and seen and (share := 1 - report["coloured"] / seen) >= MOSTLY:
        yield f"{100 * share:.0f} % of these colour images are grey: data.channels: 1 stores all of them as grey"
