"""Verifies the cells of a comparison: that each is whole, and was computed on what is on disk."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from gan_aug.data.manifest import Manifest
from gan_aug.errors import CheckpointError
from gan_aug.evaluation.arm_catalogue import ARMS
from gan_aug.evaluation.cells.files import FILES, read_cell
from gan_aug.evaluation.cells.result import CellResult
from gan_aug.run import layout
from gan_aug.run.artefacts import copy_files
from gan_aug.run.events import UnitProgress
from gan_aug.run.stores import below, open_store
from gan_aug.stages.storage import RunStorage
from gan_aug.verification.chain import Link, broken_link
from gan_aug.verification.curve_sets import fingerprints
from gan_aug.verification.gans import Sets
from gan_aug.verification.rescored import CELLS, Score


def check_cells(
    storage: RunStorage, manifest: Manifest, sets: Sets, score: Score | None, progress: UnitProgress
) -> tuple[list[Link], dict[str, CellResult]]:
    """Check each cell; one in a store is copied here once.

    Args:
        storage: The run's files.
        manifest: The data set.
        sets: The whole synthetic sets.
        score: Is given each whole cell and its folder, or None.
        progress: Is told how many cells are done.

    Returns:
        A link for each broken cell and one for all whole cells; and the whole cells by key.
    """
    links, whole = [], {}
    on_disk = _Inputs(
        manifest.fingerprint,
        {None, *(synthetic.fingerprint for synthetic in sets.values())},
        fingerprints(storage, manifest),
    )
    keys = _cell_keys(storage)
    for done, key in enumerate(keys, start=1):
        try:
            with cell_folder(storage, key) as folder:
                result, request = read_cell(folder), json.loads((folder / layout.REQUEST).read_text(encoding="utf-8"))
                if says := _other_arm(result, request) or on_disk.other(request):
                    links.append(Link(f"{CELLS}/{key}", "ALTERED", says, CheckpointError))
                else:
                    whole[key] = result
                    if score:
                        score(key, folder, result)
        except CheckpointError as error:
            links.append(_unread(storage.folder / CELLS / key, error))
        progress("cells scored again" if score else "cells", done, len(keys))
    if whole:
        says = f"{len(whole)} cells, each under the hash of its inputs, trained on the images on disk"
        links.append(Link(CELLS, "ok", says))
    return links, whole


@dataclass(frozen=True)
class _Inputs:
    """What cells may have been computed on.

    Attributes:
        dataset: The fingerprint of the data set.
        sets: Those of its synthetic sets; None stands for none.
        subsets: That of each subset's own synthetic set, by the fingerprint of the subset.
    """

    dataset: str
    sets: set[str | None]
    subsets: dict[str, str | None]

    def other(self, request: dict[str, Any]) -> str:
        """What is wrong if a cell was computed on something else; else empty."""
        dataset, synthetic = request["dataset"], request["synthetic"]
        if dataset in self.subsets and synthetic in (None, self.subsets[dataset]):
            return ""
        if dataset != self.dataset:
            return f"it was computed on the data {dataset}, which are not those on disk"
        if synthetic not in self.sets:
            return f"it was trained on the synthetic set {synthetic}, which is not on disk"
        return ""


def _unread(folder: Path, error: CheckpointError) -> Link:
    """The link of a cell that cannot be read."""
    name = f"{CELLS}/{folder.name}"
    absent = [file for file in FILES if folder.exists() and not (folder / file).exists()]
    if absent:
        return Link(name, "missing", f"{', '.join(absent)} is not there", CheckpointError)
    return broken_link(name, error)


def _other_arm(result: CellResult, request: dict[str, Any]) -> str:
    """What is wrong if a cell's result is of another arm or seed than its request, or of other kinds of images."""
    if (result.arm, result.seed) != (request["arm"], request["seed"]):
        return f"its result is of the arm {result.arm!r} with seed {result.seed}, its request of another"
    arm, images = ARMS[result.arm], result.train_images
    if (images["real"] > 0, images["synthetic"] > 0) == (arm.real != "none", arm.needs_synthetic):
        return ""
    return (
        f"it is of the arm {result.arm!r} with seed {result.seed}, which does not train on {images['real']} real and "
        f"{images['synthetic']} synthetic images, as it says: it holds another arm's result"
    )


@contextmanager
def cell_folder(storage: RunStorage, key: str) -> Iterator[Path]:
    """The folder of a kept cell: in the run folder, or else a temporary copy from the store.

    Raises CheckpointError if the store does not hold it whole.
    """
    folder = storage.folder / CELLS / key
    if folder.exists() or storage.cells is None:
        yield folder
        return
    with TemporaryDirectory() as temporary:
        place = below(storage.cells, key)
        if not copy_files(place, Path(temporary, key)):
            raise CheckpointError(f"the cell at {place} is absent, cut short or altered")
        yield Path(temporary, key)


def _cell_keys(storage: RunStorage) -> Sequence[str]:
    """The names of the cells in the run folder and, where there is one, in the store."""
    found = {path.name for path in (storage.folder / CELLS).glob("[0-9a-f]*") if path.is_dir()}
    if storage.cells:
        found |= {name.partition("/")[0] for name in open_store(storage.cells).names()}
    return sorted(found)
