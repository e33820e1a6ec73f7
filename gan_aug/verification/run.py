"""Verifies a run: recomputes its provenance chain from the files on disk, and alters nothing.

If somebody alters a file and every hash that follows from it, the chain is whole again, but with other fingerprints.
Fingerprints that were noted elsewhere, such as in a paper, tell the two apart.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from gan_aug.data.synthetic.shards import SyntheticManifest
from gan_aug.errors import CheckpointError, DataError
from gan_aug.run import layout
from gan_aug.run.events import Event, UnitProgress
from gan_aug.run.stores import open_store
from gan_aug.stages.storage import RunStorage
from gan_aug.verification.audit import check_audits
from gan_aug.verification.cells import check_cells
from gan_aug.verification.chain import Chain, Link
from gan_aug.verification.curve_sets import check_subsets
from gan_aug.verification.gans import check_gans
from gan_aug.verification.images_and_sets import check_checkpoints, check_images, check_synthetic, load_dataset
from gan_aug.verification.report import check_report
from gan_aug.verification.rescored import ScoredAgain

QUICK = 32
"""How many images of each split a quick verification scores again with each cell's weights."""


def verify_run(storage: RunStorage, progress: UnitProgress, *, quick: bool = False) -> Chain:
    """The chain of a run: every stage that it has, each checked against the stages before it.

    A run has a stage if its events say that the stage finished, if files of the stage exist, or if a later stage needs
    it.

    Args:
        storage: The run's files.
        progress: Is told how far it is.
        quick: Whether to score only some images again, drawn anew at each call.

    Returns:
        The chain.
    """
    return Chain(tuple(_links(storage, progress, QUICK if quick else None)))


def _links(storage: RunStorage, progress: UnitProgress, sample: int | None) -> Iterator[Link]:
    finished = _finished(storage.folder)
    compared = "compare" in finished or (storage.folder / layout.REPORT).exists()
    generated = "synthetic" in finished or any(name.startswith(layout.SHARD) for name in _names(storage))
    manifest, link, place = load_dataset(storage)
    yield link
    if manifest is None:
        return
    pixels = check_images(storage, manifest, place, progress)
    yield pixels

    links, checkpoints = check_checkpoints(storage, manifest)
    if not links and "train" in finished:
        name = f"{layout.TRAIN}/{layout.CHECKPOINTS}"
        links = [Link(name, "missing", "the training finished, and none is there", CheckpointError)]
    yield from links

    sets: dict[int, SyntheticManifest] = {}
    if generated:
        links, synthetic = check_synthetic(storage, manifest, checkpoints, progress)
        yield from links
        if synthetic:
            sets[0] = synthetic
    yield from check_gans(storage, manifest, sets, progress)
    if not pixels.is_broken:
        yield from check_audits(storage, sets, progress, quick=sample is not None)
    yield from check_subsets(storage, manifest, compared, progress)

    again = None
    if not pixels.is_broken:
        with contextlib.suppress(DataError):  # the link of the images says so
            again = ScoredAgain(storage, manifest, sample)
    links, cells = check_cells(storage, manifest, sets, again.score if again else None, progress)
    yield from links
    if again:
        yield from again.links(cells)
    if compared:
        yield from check_report(storage, manifest, sets, cells)


def _names(storage: RunStorage) -> list[str]:
    return [*open_store(storage.synthetic).names(), *open_store(storage.folder / layout.SYNTHETIC).names()]


def _finished(folder: Path) -> set[str]:
    """The stages that finished, by the run's events."""
    stages = set()
    path = folder / layout.EVENTS
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines() if path.exists() else ():
        with contextlib.suppress(ValueError, TypeError):  # torn by a crash
            event = Event.from_json(line)
            if event.kind == "finish":
                stages.add(event.stage)
    return stages
