"""A cell on disk: one folder, named by the cell's key, that appears complete or not at all."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from gan_aug.data.manifest import INTERNAL
from gan_aug.errors import CheckpointError
from gan_aug.evaluation.cells.result import CellResult
from gan_aug.evaluation.classifiers.networks import ClassifierCard, save_classifier
from gan_aug.run import layout
from gan_aug.run.files import file_sha256, json_sha256, write_bytes, write_json

SCHEMA = 1
SUMMED = (layout.CELL_SCORES, layout.CLASSIFIER_WEIGHTS, layout.CLASSIFIER)
FILES = (layout.REQUEST, *SUMMED, layout.CELL_RESULT)
"""All files of a cell. The last one is written last and marks the cell as complete."""


def write_cell(
    folder: Path, request: dict[str, Any], result: CellResult, model: nn.Module, card: ClassifierCard
) -> None:
    """Write the files of a cell; the result comes last and holds the SHA-256 of the others.

    Args:
        folder: A folder with a temporary name. The caller renames it, so that a reader never sees an incomplete cell.
        request: The inputs of the cell; their hash is its key.
        result: The result.
        model: The trained classifier.
        card: What is needed to load the classifier again.
    """
    write_json(folder / layout.REQUEST, request)
    save_classifier(folder, model, card)
    scores = io.BytesIO()
    kept = {"validation": result.validation_scores, "test": result.test_scores}
    if result.internal_scores is not None:
        kept[INTERNAL] = result.internal_scores
    np.savez(scores, allow_pickle=False, **kept)
    write_bytes(folder / layout.CELL_SCORES, scores.getvalue())
    write_json(
        folder / layout.CELL_RESULT,
        {
            "schema": SCHEMA,
            "arm": result.arm,
            "seed": result.seed,
            "steps": result.steps,
            "best_step": result.best_step,
            "parameters": result.parameters,
            "train_images": result.train_images,
            "seconds": result.seconds,
            "drawn": result.drawn,
            "sums": {name: file_sha256(folder / name) for name in SUMMED},
            "history": result.history,
            "environment": result.environment,
        },
    )


def read_cell(folder: Path) -> CellResult:
    """The result that is kept in a cell's folder.

    Raises CheckpointError if the folder is absent, incomplete or altered, or its name is the key of another request.
    """
    again = "run gan-aug compare to compute it again"
    try:
        if json_sha256(json.loads((folder / layout.REQUEST).read_text(encoding="utf-8"))) != folder.name:
            raise CheckpointError(f"the cell {folder} was made for another request: {again}")
        record = json.loads((folder / layout.CELL_RESULT).read_text(encoding="utf-8"))
        if record.pop("schema") != SCHEMA:
            raise CheckpointError(f"the cell {folder} is of another version: {again}")
        sums = record.pop("sums")
        for name in SUMMED:
            if file_sha256(folder / name) != sums[name]:
                raise CheckpointError(f"{folder / name} was altered or is incomplete: {again}")
        with np.load(folder / layout.CELL_SCORES, allow_pickle=False) as scores:
            kept = {"validation_scores": scores["validation"], "test_scores": scores["test"]}
            kept |= {"internal_scores": scores[INTERNAL]} if INTERNAL in scores.files else {}
        return CellResult(key=folder.name, sums={name: sums[name] for name in SUMMED}, **kept, **record)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, zipfile.BadZipFile) as error:
        raise CheckpointError(f"the cell {folder} is absent or incomplete: {again}") from error
