"""Running the fidelity of a comparison: figures kept under the hash of what they depend on, so a re-run reads them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from gan_aug.config.compare import WEIGHTED, CompareConfig
from gan_aug.data.manifest import Manifest
from gan_aug.data.store import open_images
from gan_aug.data.synthetic.shards import SyntheticManifest
from gan_aug.errors import DataError
from gan_aug.evaluation.arm_catalogue import REFERENCE
from gan_aug.evaluation.cells.plan import THREADS
from gan_aug.evaluation.cells.result import CellResult
from gan_aug.evaluation.cells.run import torch_threads
from gan_aug.evaluation.fidelity.measure import IMAGES, choose_extractor, measure_fidelity
from gan_aug.evaluation.fidelity.own_weights import weights_identity
from gan_aug.evaluation.fidelity.sets import read_sides
from gan_aug.run import layout
from gan_aug.run.files import json_sha256, write_json
from gan_aug.run.stores import Place, below

RECIPE = 2
"""Raised whenever the same request would give other figures: older ones are then measured again."""


def judge_of(results: list[CellResult]) -> CellResult:
    """The cell whose classifier judges: the first seed of the arm real. Raises DataError where there is none."""
    real = sorted((result for result in results if result.arm == REFERENCE), key=lambda result: result.seed)
    if not real:
        raise DataError("the comparison has no arm real, whose classifier judges fidelity: add it to compare.arms")
    return real[0]


def run_fidelity(
    dataset: Path,
    generated: Place,
    compare: Path,
    results: list[CellResult],
    asked: CompareConfig,
    device: torch.device,
    cancelled: Callable[[], bool] | None = None,
) -> dict[str, Any]:
    """The figures of the synthetic set in `generated`, from `compare/fidelity/` where they were measured before.

    `dataset` and `compare` are the folders of the data set and of the comparison, `results` those of its cells, and
    `asked` says by what to compare. Raises what `measure_fidelity` and the extractors raise.
    """
    judge = judge_of(results)
    manifest = Manifest.load(dataset / layout.MANIFEST)
    synthetic = SyntheticManifest.load(below(generated, layout.MANIFEST))
    request = _request(manifest, synthetic, judge, asked, weights_identity(asked))
    path = compare / layout.FIDELITY / f"{json_sha256(request)}.json"
    kept = _read(path, request)
    if kept is not None:
        return kept
    cell, images = compare / layout.CELLS / judge.key, open_images(dataset, manifest)
    with torch_threads(THREADS):
        extractor = choose_extractor(asked, cell, manifest.shape[0], device)
        sides = read_sides(manifest, images, synthetic, generated, IMAGES)
        figures = measure_fidelity(manifest, sides, cell, judge, extractor, device, cancelled)
    write_json(path, {"request": request, "sum": json_sha256(figures), "figures": figures})
    return figures


def kept_fidelity(
    compare: Path,
    manifest: Manifest,
    synthetic: SyntheticManifest,
    results: list[CellResult],
    asked: CompareConfig,
    weights: str,
) -> dict[str, Any] | None:
    """The figures measured before in the comparison's folder `compare`; None where they are absent or altered.

    `weights` identifies what the extractor computed with, by the report.
    """
    request = _request(manifest, synthetic, judge_of(results), asked, weights if asked.features in WEIGHTED else None)
    return _read(compare / layout.FIDELITY / f"{json_sha256(request)}.json", request)


def _request(
    manifest: Manifest, synthetic: SyntheticManifest, judge: CellResult, asked: CompareConfig, weights: str | None
) -> dict[str, Any]:
    """Everything the figures depend on."""
    seen = asked.model_dump(mode="json")["weights_range"]
    own = {} if weights is None else {"weights": weights, "weights_range": seen}
    return {
        "recipe": RECIPE,
        "dataset": manifest.fingerprint,
        "synthetic": synthetic.fingerprint,
        "judge": judge.key,
        "features": asked.features,
        **own,
        "images": IMAGES,
        "threads": THREADS,
    }


def _read(path: Path, request: dict[str, Any]) -> dict[str, Any] | None:
    """The figures kept at `path`; None where they are absent, torn, altered or of another request."""
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        figures: dict[str, Any] = record["figures"]
        whole = record["request"] == request and record["sum"] == json_sha256(figures)
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return figures if whole else None
