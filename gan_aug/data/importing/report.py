"""What an import records: `import-report.json`, the manifest's notes, and what was set aside and why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from gan_aug.config.data import DataConfig
from gan_aug.data.assumptions import Assumed, in_words
from gan_aug.data.importing.readings import Readings, kind_of
from gan_aug.data.items import Source
from gan_aug.data.manifest import INTERNAL, SPLITS, Manifest, Split, Study
from gan_aug.data.patients import PatientHasher
from gan_aug.data.reading.raster import Raster
from gan_aug.data.splits.assign import Assignment, Candidate, Dropped
from gan_aug.errors import GanAugError
from gan_aug.run import layout

REASONS = 12
"""How many reasons the terminal lists; the report has them all."""

NOTED = 8
"""How many assumptions every report about the data set repeats."""

LISTED = 30
"""How many original sizes and spacings the report lists; rarer ones are counted together."""


def import_notes(
    config: DataConfig,
    source: Source,
    raster: Raster,
    read: Readings,
    patients: PatientHasher | None,
    repeated: int,
) -> list[str]:
    """The sentences that every report about the data set must repeat.

    Args:
        config: Says whether patient numbers restart in each split.
        source: What was read.
        raster: The form of the stored images.
        read: What reading the items gave.
        patients: The hasher of patients, or None if the data set names none.
        repeated: How many images repeat another image of their split.

    Returns:
        The sentences.
    """
    notes = []
    if patients and config.patient_scope == "split":
        notes.append("patient numbers restart per split: patients could not be told apart across splits")
    if read.rejected:
        notes.append(f"files or rows set aside, listed in {layout.IMPORT_REPORT}: {len(read.rejected)}")
    notes += _assumed_notes(assumed_counts(source, read))
    if read.coloured and raster.channels == 1:
        notes.append(f"coloured images turned grey: {len(read.coloured)}, the first {read.coloured[0]}")
    if repeated:
        notes.append(f"images that repeat another of their split, and stay: {repeated}")
    if conflicts := _conflicts(read.candidates):
        notes.append(f"images that stand in the set more than once with different labels: {conflicts}")
    return notes


def _assumed_notes(counts: dict[str, int]) -> list[str]:
    """A sentence for each of the most frequent assumptions, and one for the others."""
    notes = [f"assumed of {count} files or images: {what}" for what, count in counts.items()]
    others = len(notes) - NOTED
    return notes[:NOTED] + ([f"other assumptions, listed in {layout.IMPORT_REPORT}: {others}"] if others > 0 else [])


def assumed_counts(source: Source, read: Readings | None = None) -> dict[str, int]:
    """How many files or images each assumption was made of, the most frequent first.

    Args:
        source: Holds what was assumed of files when their headers were read.
        read: What reading the items gave; without it, only headers count.

    Returns:
        The numbers by assumption.
    """
    counts = Counter(what for found in source.details.values() for what in found.get("assumed", ()))
    counts.update(what for flags in (read.assumed.values() if read else ()) for what in in_words(flags))
    return dict(sorted(counts.items(), key=lambda pair: (-pair[1], pair[0])))


def _with_assumed(details: Mapping[str, dict[str, Any]], assumed: Mapping[str, Assumed]) -> dict[str, dict[str, Any]]:
    """The details of each file, with what was assumed to decode its images; several frames share a file's."""
    found = {origin: dict(detail) for origin, detail in details.items()}
    for origin, flags in assumed.items():
        file = origin.split(" frame ")[0]
        detail = found.setdefault(file if origin not in found and file in found else origin, {"assumed": ()})
        detail["assumed"] = tuple(dict.fromkeys((*detail.get("assumed", ()), *in_words(flags))))
    return found


def _conflicts(candidates: list[Candidate]) -> int:
    """How many distinct images occur with different labels."""
    labels: dict[str, set[tuple[int, ...]]] = {}
    for candidate in candidates:
        labels.setdefault(candidate.content, set()).add(candidate.labels)
    return sum(len(found) > 1 for found in labels.values())


def duplicates(studies: Sequence[Study]) -> dict[Split, int]:
    """How many images of each split repeat another image of that split."""
    splits = (*SPLITS, *([INTERNAL] if any(study.split == INTERNAL for study in studies) else []))
    contents = {split: [study.content for study in studies if study.split == split] for split in splits}
    return {split: len(found) - len(set(found)) for split, found in contents.items()}


def import_report(
    source: Source, raster: Raster, read: Readings, assigned: Assignment, manifest: Manifest
) -> dict[str, Any]:
    """The content of `import-report.json`.

    Args:
        source: What was read.
        raster: The form of the stored images.
        read: What reading the items gave.
        assigned: The splits, and what they dropped.
        manifest: The resulting manifest.

    Returns:
        The record, ready for JSON.
    """
    return {
        "schema": 1,
        "source": source.name,
        "read": len(source.items) + len(source.rejected),
        "used": len(manifest.studies),
        "rejected": [asdict(item) for item in read.rejected],
        "reasons": _reasons(read),
        "dropped": [asdict(item) for item in assigned.dropped],
        "remarks": source.remarks,
        "coloured": len(read.coloured),
        "duplicates": duplicates(manifest.studies),
        "native_sizes": _most_common(Counter({f"{h}x{w}": count for (h, w), count in read.original_sizes.items()})),
        "spacings": _most_common(Counter({_spacing(found): count for found, count in read.spacings.items()})),
        "label_conflicts": _conflicts(read.candidates),
        "assumptions": asdict(raster)
        | {"native_size": source.size, "positive": manifest.positive, "flips": manifest.flips},
        "splits": {"origin": assigned.origin, "counts": manifest.counts()},
        "notes": manifest.notes,
        "assumed": assumed_counts(source, read),
        "files": _with_assumed(source.details, read.assumed),
    }


def refusal_report(source: Source, read: Readings, dropped: Sequence[Dropped], error: GanAugError) -> dict[str, Any]:
    """The content of `import-report.json` if the import is refused: all that is known until then.

    Args:
        source: What was read.
        read: What reading the items gave.
        dropped: What leaks from one split into another.
        error: Why it is refused.

    Returns:
        The record, ready for JSON.
    """
    return {
        "schema": 1,
        "source": source.name,
        "refused": str(error),
        "read": len(source.items) + len(source.rejected),
        "used": 0,
        "rejected": [asdict(item) for item in read.rejected],
        "reasons": _reasons(read),
        "dropped": [asdict(item) for item in dropped],
        "remarks": source.remarks,
        "notes": source.notes,
        "files": source.details,
    }


def describe_rejected(report: dict[str, Any]) -> str:
    """How many files an import report says were set aside, and the most common reasons, one per line.

    Empty if none were.
    """
    count = len(report["rejected"])
    if not count:
        return ""
    return _listed(f"{count:,} of {report['read']:,} were set aside:", report["reasons"])


def describe_assumed(counts: Mapping[str, int], most: int | None = REASONS) -> str:
    """What was assumed for want of a usable value, one per line; empty if nothing was.

    `counts` are those of `assumed_counts`. `most` are listed of those in an import report; None lists all.
    """
    return _listed("assumed of files or images, as they lack a value or hold one that makes no sense:", counts, most)


def _listed(head: str, counts: Mapping[str, int], most: int | None = REASONS) -> str:
    """A head and the first `most` of `counts`, one per line; empty without any."""
    if not counts:
        return ""
    lines = [f"  {number:,}: {what}" for what, number in counts.items()]
    rest = [f"  and {len(lines) - most} more, in {layout.IMPORT_REPORT}"] if most and len(lines) > most else []
    return "\n".join([head, *lines[:most], *rest])


def _reasons(read: Readings) -> dict[str, int]:
    return dict(Counter(kind_of(item.reason) for item in read.rejected).most_common())


def _most_common(counts: Counter[str]) -> dict[str, int]:
    """The counts in falling order; those after the first LISTED are added up as "others"."""
    ordered = sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))
    rest = sum(count for _, count in ordered[LISTED:])
    return dict(ordered[:LISTED]) | ({"others": rest} if rest else {})


def _spacing(found: tuple[float, float] | None) -> str:
    return "unknown" if found is None else f"{found[0]:.3g}x{found[1]:.3g} mm"
