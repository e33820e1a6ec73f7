"""What an import tells about itself: `import-report.json`, the manifest's notes, what was set aside and why."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass
from typing import Any

from gan_aug.config.data import DataConfig
from gan_aug.data.items import Rejected, Source
from gan_aug.data.manifest import SPLITS, Manifest, Split, Study
from gan_aug.data.patients import PatientHasher
from gan_aug.data.reading.raster import Raster
from gan_aug.data.splits.assign import Assignment, Candidate
from gan_aug.run import layout

REASONS = 12
"""Reasons listed on the terminal; the report has them all."""

SHOWN = 30
"""Native sizes and spacings listed one by one; rarer ones are counted together."""


@dataclass(frozen=True)
class Readings:
    """What reading the items gave: the candidates in stored order, what was set aside, and what they were like."""

    candidates: list[Candidate]
    rejected: list[Rejected]
    coloured: list[str]
    """Origins of the images whose colour was lost, in a set that is stored grey."""
    natives: Counter[tuple[int, int]]
    """How many images had which size (height, width) before."""
    spacings: Counter[tuple[float, float] | None]
    """How many images had which distance of pixels, (down, across) in millimetres; None where none is known."""


def import_notes(config: DataConfig, read: Readings, patients: PatientHasher | None, repeated: int) -> list[str]:
    """What a report made from the set must repeat; `repeated` images stand more than once in their split."""
    notes = []
    if patients and config.patient_scope == "split":
        notes.append("patient numbers restart per split: patients could not be told apart across splits")
    if read.rejected:
        notes.append(f"files or rows set aside, listed in {layout.IMPORT_REPORT}: {len(read.rejected)}")
    if read.coloured:
        notes.append(f"coloured images turned grey: {len(read.coloured)}, the first {read.coloured[0]}")
    if repeated:
        notes.append(f"images that repeat another of their split, and stay: {repeated}")
    if conflicts := _conflicts(read.candidates):
        notes.append(f"images that stand in the set more than once with different labels: {conflicts}")
    return notes


def _conflicts(candidates: list[Candidate]) -> int:
    """How many distinct images carry more than one set of labels."""
    labels: dict[str, set[tuple[int, ...]]] = {}
    for candidate in candidates:
        labels.setdefault(candidate.content, set()).add(candidate.labels)
    return sum(len(found) > 1 for found in labels.values())


def duplicates(studies: tuple[Study, ...]) -> dict[Split, int]:
    """How many images of each split repeat another one there."""
    contents = {split: [study.content for study in studies if study.split == split] for split in SPLITS}
    return {split: len(found) - len(set(found)) for split, found in contents.items()}


def import_report(
    source: Source, raster: Raster, read: Readings, assigned: Assignment, manifest: Manifest
) -> dict[str, Any]:
    """The import's own record, as it is written to `import-report.json`."""
    return {
        "schema": 1,
        "source": source.name,
        "read": len(source.items) + len(source.rejected),
        "used": len(manifest.studies),
        "rejected": [asdict(item) for item in read.rejected],
        "reasons": dict(Counter(item.reason for item in read.rejected).most_common()),
        "dropped": [asdict(item) for item in assigned.dropped],
        "duplicates": duplicates(manifest.studies),
        "native_sizes": _commonest(Counter({f"{h}x{w}": count for (h, w), count in read.natives.items()})),
        "spacings": _commonest(Counter({_spacing(found): count for found, count in read.spacings.items()})),
        "label_conflicts": _conflicts(read.candidates),
        "assumptions": asdict(raster)
        | {"native_size": source.size, "positive": manifest.positive, "flips": manifest.flips},
        "splits": {"origin": assigned.origin, "counts": manifest.counts()},
        "notes": manifest.notes,
        "files": source.details,
    }


def set_aside(report: dict[str, Any]) -> str:
    """What an import report says was set aside, the commonest reasons a line each; empty where nothing was."""
    count = len(report["rejected"])
    if not count:
        return ""
    lines = [f"  {number:,}: {reason}" for reason, number in report["reasons"].items()]
    rest = [f"  and {len(lines) - REASONS} more reasons, in {layout.IMPORT_REPORT}"] if len(lines) > REASONS else []
    return "\n".join([f"{count:,} of {report['read']:,} were set aside:", *lines[:REASONS], *rest])


def _commonest(counts: Counter[str]) -> dict[str, int]:
    """The counts in falling order, what is rare as one."""
    ordered = sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))
    rest = sum(count for _, count in ordered[SHOWN:])
    return dict(ordered[:SHOWN]) | ({"others": rest} if rest else {})


def _spacing(found: tuple[float, float] | None) -> str:
    return "unknown" if found is None else f"{found[0]:.3g}x{found[1]:.3g} mm"
