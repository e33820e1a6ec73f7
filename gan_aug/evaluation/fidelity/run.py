"""Measures the fidelity of a comparison, and stores the figures under the hash of everything they depend on."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from gan_aug.compute.threads import torch_threads
from gan_aug.config.compare import WEIGHTED, CompareConfig
from gan_aug.data.image_store import open_images
from gan_aug.data.manifest import Manifest
from gan_aug.data.synthetic.shards import SyntheticManifest, open_shards
from gan_aug.errors import DataError
from gan_aug.evaluation.arm_catalogue import REFERENCE
from gan_aug.evaluation.cells.plan import THREADS
from gan_aug.evaluation.cells.result import CellResult
from gan_aug.evaluation.fidelity.measure import IMAGES, choose_extractor, measure_fidelity
from gan_aug.evaluation.fidelity.memorising import MOST, measure_memorising
from gan_aug.evaluation.fidelity.own_weights import weights_sha256
from gan_aug.evaluation.fidelity.sets import OfReal, read_sides
from gan_aug.run import layout
from gan_aug.run.files import json_sha256, write_json
from gan_aug.run.stores import Place, below

RECIPE = 3
"""Increased whenever the same request would give other figures or more of them."""

STANDS = (RECIPE, 2)
"""The recipes whose figures hold: what was measured by one of them is not measured again. Recipe 2 gave fewer."""


def first_real_cell(results: list[CellResult]) -> CellResult:
    """The cell whose classifier is used: the first seed of the arm real. Raises DataError if there is none."""
    real = sorted((result for result in results if result.arm == REFERENCE), key=lambda result: result.seed)
    if not real:
        raise DataError("the comparison has no arm real, whose classifier fidelity uses: add it to compare.arms")
    return real[0]


def run_fidelity(
    dataset: Path,
    generated: Place,
    compare: Path,
    results: list[CellResult],
    asked: CompareConfig,
    device: torch.device,
    cancelled: Callable[[], bool] | None = None,
    of_real: OfReal | None = None,
) -> dict[str, Any]:
    """The fidelity figures of a synthetic set; they are read from `compare/fidelity/` if they were measured before.

    Args:
        dataset: The folder of the data set.
        generated: Where the synthetic set is.
        compare: The folder of the comparison.
        results: The results of its cells.
        asked: Which features to compare.
        device: Where networks compute.
        cancelled: Asked before each batch of images whether to stop.
        of_real: What other synthetic sets of the run have computed of its real images.

    Returns:
        The figures, see `measure_fidelity`.

    Raises:
        DataError: The comparison has no arm real.
        ConfigError: The weights of the feature network are absent or do not fit.
        Cancelled: `cancelled` returned True.
    """
    reference_cell = first_real_cell(results)
    manifest = Manifest.load(dataset / layout.MANIFEST)
    synthetic = SyntheticManifest.load(below(generated, layout.MANIFEST))
    request = _request(manifest, synthetic, reference_cell, asked, weights_sha256(asked))
    kept = _kept(compare, request)
    if kept is not None:
        return kept
    cell, images = compare / layout.CELLS / reference_cell.key, open_images(dataset, manifest)
    with torch_threads(THREADS):
        extractor = choose_extractor(asked, cell, manifest.shape[0], device)
        sides = read_sides(manifest, images, synthetic, generated, IMAGES)
        figures = measure_fidelity(manifest, sides, cell, reference_cell, extractor, device, cancelled, of_real)
        made = open_shards(generated, synthetic)[np.arange(min(MOST, len(synthetic.image_labels)))]
        figures["memorising"] = measure_memorising(manifest, images, made, device, cancelled, of_real)
    write_json(_path(compare, request), {"request": request, "sum": json_sha256(figures), "figures": figures})
    return figures


def stored_fidelity(
    compare: Path,
    manifest: Manifest,
    synthetic: SyntheticManifest,
    results: list[CellResult],
    asked: CompareConfig,
    weights: str,
) -> dict[str, Any] | None:
    """The fidelity figures that were measured before.

    Args:
        compare: The folder of the comparison.
        manifest: The data set.
        synthetic: The synthetic set.
        results: The results of the comparison's cells.
        asked: Which features were compared.
        weights: The SHA-256 of the feature network's weights, as the report names it.

    Returns:
        The figures, or None if they are absent or altered.
    """
    request = _request(
        manifest, synthetic, first_real_cell(results), asked, weights if asked.features in WEIGHTED else None
    )
    return _kept(compare, request)


def _request(
    manifest: Manifest,
    synthetic: SyntheticManifest,
    reference_cell: CellResult,
    asked: CompareConfig,
    weights: str | None,
) -> dict[str, Any]:
    """Everything the figures depend on."""
    seen = asked.model_dump(mode="json")["weights_range"]
    own = {} if weights is None else {"weights": weights, "weights_range": seen}
    return {
        "recipe": RECIPE,
        "dataset": manifest.fingerprint,
        "synthetic": synthetic.fingerprint,
        "judge": reference_cell.key,
        "features": asked.features,
        **own,
        "images": IMAGES,
        "threads": THREADS,
    }


def _path(compare: Path, request: dict[str, Any]) -> Path:
    return compare / layout.FIDELITY / f"{json_sha256(request)}.json"


def _kept(compare: Path, request: dict[str, Any]) -> dict[str, Any] | None:
    """The figures of this request by the newest recipe that was measured; None if there are none."""
    asked = [{**request, "recipe": recipe} for recipe in STANDS]
    found = (_read(_path(compare, one), one) for one in asked)
    return next((figures for figures in found if figures is not None), None)


def _read(path: Path, request: dict[str, Any]) -> dict[str, Any] | None:
    """The figures stored at `path`; None if they are absent, incomplete, altered or of another request."""
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        figures: dict[str, Any] = record["figures"]
        whole = record["request"] == request and record["sum"] == json_sha256(figures)
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return figures if whole else None
