"""What a run folder holds, as the service hands it out: the data set, the model, the synthetic set, the report."""

from __future__ import annotations

import csv
import io
import threading
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

from gan_aug.data.importing.inspect import contact_sheet, describe_dataset, draw_contact_sheets
from gan_aug.data.labels import folder_names
from gan_aug.data.manifest import Manifest
from gan_aug.errors import CheckpointError
from gan_aug.evaluation.outcome.files import safe_cell
from gan_aug.run import layout
from gan_aug.run.decisions import chosen_folder
from gan_aug_service.openapi.schemas import DatasetOut, ModelOut, SyntheticOut
from gan_aug_service.products.files import files_removed, modified_ns
from gan_aug_service.products.synthetic_images import load_manifest, set_folder, written_ns

DATASET = f"{layout.DATASET}/{layout.MANIFEST}"
_DRAWING = threading.Lock()
"""Held while contact sheets are drawn: a page asks for all of them at once, and drawing one draws them all."""


def dataset(run: Path) -> DatasetOut:
    """The data set of a run folder; raises ManifestError if it is damaged, Problem if it was removed."""
    return _dataset(run.name, run / DATASET, modified_ns(run, DATASET))


def dataset_facts(run: Path) -> dict[str, Any]:
    """What `gan-aug inspect` says of a run's data set; raises ManifestError if it is damaged, Problem if removed."""
    return _dataset_facts(run / DATASET, modified_ns(run, DATASET))


def label_sheet(run: Path, label: int) -> Path | None:
    """The contact sheet of the label with this index; None if the label has no images.

    It is drawn if there is none yet, or if it is older than the data set. Raises ManifestError if the data set is
    damaged, Problem if it was removed.
    """
    data, manifest = dataset(run), run / layout.DATASET / layout.MANIFEST
    if label >= len(data.labels) or not any(counts[data.labels[label]] for counts in data.counts.values()):
        return None
    path = contact_sheet(manifest.parent, folder_names(tuple(data.labels))[label])
    with _DRAWING:
        if not path.exists() or path.stat().st_mtime_ns < manifest.stat().st_mtime_ns:
            draw_contact_sheets(manifest.parent, Manifest.load(manifest))
    return path


def model(run: Path) -> ModelOut:
    """The checkpoint that is the GAN of a run folder; raises CheckpointError if there is none."""
    return _model(run, *checkpoint_record(run))


def checkpoint_record(run: Path) -> tuple[Path, int]:
    """The record of the checkpoint that is the GAN, and when it was written: they identify it without reading it.

    Raises CheckpointError if there is none, Problem if the run was removed.
    """
    train = run / layout.TRAIN
    records = sorted((train / layout.CHECKPOINTS).glob(f"{layout.EACH_CHECKPOINT}/{layout.CHECKPOINT_RECORD}"))
    if (chosen := chosen_folder(train)) and (record := chosen / layout.CHECKPOINT_RECORD).exists():
        records = [record]
    if not records:
        raise no_checkpoint(run) if run.exists() else files_removed(run)
    return records[-1], modified_ns(run, str(records[-1].relative_to(run)))


@lru_cache(maxsize=64)
def _model(run: Path, record: Path, written: int) -> ModelOut:
    from gan_aug.gan.chosen import chosen_checkpoint

    del record, written  # they make another checkpoint another entry of the cache
    checkpoint = chosen_checkpoint(run / layout.TRAIN)
    if checkpoint is None:
        raise no_checkpoint(run)
    return ModelOut(
        id=run.name,
        checkpoint=checkpoint.id,
        images=checkpoint.images,
        labels=list(checkpoint.labels),
        task=checkpoint.task,
        shape=list(checkpoint.networks.shape),
        dataset=checkpoint.dataset,
    )


def synthetic(run: Path, place: Path | None = None) -> SyntheticOut:
    """The synthetic set of a run folder; raises ManifestError if it is damaged, Problem if it was removed.

    It is in `place` if that is given, a folder of the run: what leaves may be another set than that of the run.
    """
    place = place or set_folder(run)
    return _synthetic(run.name, place, written_ns(place))


def clear_cache() -> None:
    """Clear all caches; to be called after a run was removed."""
    for cached in (_model, _dataset, _dataset_facts, _synthetic):
        cached.cache_clear()


def no_checkpoint(run: Path) -> CheckpointError:
    """The error of a run without a complete checkpoint."""
    return CheckpointError(f"the run {run.name} holds no whole checkpoint: resume its training")


def report_csv(report: dict[str, Any]) -> str:
    """The figures of a report as CSV: one row for each, with its arm, label and 95 % interval."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(["arm", "against", "label", "figure", "value", "low", "high"])
    for arm, values in report["arms"].items():
        writer.writerows([safe_cell(arm), "", *row] for row in _arm_rows(values))
    for row in report["comparisons"]:
        both = [safe_cell(row["arm"]), safe_cell(row["against"]), ""]
        writer.writerow([*both, "difference", row["difference"], *_interval(row)])
        for figure in ("p", "p_adjusted", "verdict"):
            writer.writerow([*both, figure, row.get(figure), "", ""])
    return out.getvalue()


def _arm_rows(values: dict[str, Any]) -> Iterator[list[Any]]:
    """The figures of one arm: label, name, value, and the ends of the interval if there is one."""
    for figure, value in values.items():
        if isinstance(value, dict) and "value" in value:
            yield [safe_cell(value.get("label", "")), figure, value["value"], *_interval(value)]
    for row in _numbers(values):
        yield ["", *row]
    for asked, reached in values["sensitivity_at_specificity"].items():
        for figure, *numbers in _numbers(reached or {}):
            yield ["", f"{figure}, set for specificity {asked}", *numbers]
    for label, figures in values["per_class"].items():
        for row in _numbers(figures):
            yield [safe_cell(label), *row]


def _numbers(values: dict[str, Any]) -> Iterator[list[Any]]:
    """The plain numbers among some figures: name, value, and the ends of the interval if there is one."""
    for figure, value in values.items():
        if isinstance(value, int | float | None):
            yield [figure, value, *_interval(values, f"{figure}_ci95")]


def _interval(values: dict[str, Any], key: str = "ci95") -> list[Any]:
    return list(values.get(key) or ["", ""])


@lru_cache(maxsize=64)
def _dataset(run: str, path: Path, written: int) -> DatasetOut:
    del written  # it makes a manifest that was written again another entry of the cache
    manifest = Manifest.load(path)
    return DatasetOut(
        id=run,
        name=manifest.name,
        fingerprint=manifest.fingerprint,
        task=manifest.task,
        labels=list(manifest.labels),
        positive=manifest.positive,
        shape=list(manifest.shape),
        counts={str(split): counts for split, counts in manifest.counts().items()},
        notes=list(manifest.notes),
    )


@lru_cache(maxsize=64)
def _dataset_facts(path: Path, written: int) -> dict[str, Any]:
    del written
    return describe_dataset(path.parent, Manifest.load(path))


@lru_cache(maxsize=64)
def _synthetic(run: str, place: Path, written: int) -> SyntheticOut:
    del written
    manifest = load_manifest(place)
    return SyntheticOut(
        id=run,
        fingerprint=manifest.fingerprint,
        checkpoint=manifest.checkpoint,
        seed=manifest.seed,
        labels=list(manifest.labels),
        shape=list(manifest.shape),
        images=len(manifest.image_labels),
        counts=manifest.counts(),
    )
