"""Verifies the GANs of a run from GAN 1 on, and their synthetic sets, by the checks for the first."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator, Mapping

from gan_aug import config as configs
from gan_aug.config import Config
from gan_aug.data.manifest import Manifest
from gan_aug.data.synthetic.shards import SyntheticManifest
from gan_aug.errors import CheckpointError
from gan_aug.run import layout
from gan_aug.run.events import UnitProgress
from gan_aug.run.stores import open_store
from gan_aug.stages.gans.parts import gan_training
from gan_aug.stages.storage import RunStorage
from gan_aug.verification.chain import Link
from gan_aug.verification.images_and_sets import check_checkpoints, check_synthetic

Sets = Mapping[int, SyntheticManifest]
"""The whole synthetic sets of a run, by the number of their GAN."""


def check_gans(
    storage: RunStorage, manifest: Manifest, sets: dict[int, SyntheticManifest], progress: UnitProgress
) -> Iterator[Link]:
    """The links of each GAN's checkpoints and synthetic set.

    Args:
        storage: The run's files.
        manifest: The data set.
        sets: Gets the set of each GAN that is whole.
        progress: Is told how many images are read.

    Yields:
        The links, GAN by GAN.
    """
    for gan in gans_in(storage):
        own = storage.gan(gan)
        links, checkpoints = check_checkpoints(own, manifest)
        generated = bool(open_store(own.synthetic).names())
        if not links and generated:
            name = f"{layout.TRAIN}/{layout.CHECKPOINTS}"
            links = [Link(name, "missing", "it made synthetic images, and none is there", CheckpointError)]
        if generated:
            more, made = check_synthetic(own, manifest, checkpoints, progress)
            links += more
            if made:
                sets[gan] = made
        for link in links:
            yield dataclasses.replace(link, name=f"{layout.gan_folder(gan)}/{link.name}")


def gans_in(storage: RunStorage) -> list[int]:
    """The numbers of the GANs, from 1 on, that have a folder in the run folder."""
    return sorted(int(path.name) for path in (storage.folder / layout.GANS).glob("[0-9]*") if path.name.isdigit())


def training_differences(config: Config, storage: RunStorage, gans: int) -> list[str]:
    """Where the saved requests of the GANs from 1 on differ from what a report's config asks for.

    Args:
        config: The config of the report.
        storage: The run's files.
        gans: How many GANs the report rests on.
    """
    changes = []
    for gan in range(1, gans):
        path = storage.gan(gan).folder / layout.TRAIN / layout.REQUEST
        saved = configs.completed(json.loads(path.read_text(encoding="utf-8"))) if path.exists() else {}
        wanted = configs.completed(gan_training(config.train_request, gan).to_json())
        for section, key in configs.path_keys():  # reports leave out paths
            for request in (saved, wanted):
                request.get(section, {}).pop(key, None)
        changes += [f"the {key} of GAN {gan}" for key in saved.keys() & wanted.keys() if saved[key] != wanted[key]]
    return [f"config differs from the request in {change}" for change in changes]
