"""How many images of a batch a training computes at once: what was asked for, what was done before, what fits."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from gan_aug.config.gan import GanConfig, TrainConfig
from gan_aug.config.stages import TrainRequest
from gan_aug.data.manifest import Manifest
from gan_aug.errors import ConfigError
from gan_aug.gan.memory import HELD, PROCESS
from gan_aug.gan.networks.catalogue import NETWORKS
from gan_aug.run.files import write_json
from gan_aug.stages.training import memory
from gan_aug.stages.training.memory import fitting, memory_in_words, needed, with_micro_batch

REQUEST = TrainRequest(seed=0, gan=GanConfig(augment=()), train=TrainConfig(batch=64))


@pytest.fixture
def films() -> Manifest:
    """A data set of 128 px without images."""
    return Manifest("films", ("a", "b"), "multi-class", (1, 128, 128), ())


def beyond(films: Manifest, micro_batch: int) -> int:
    return needed(REQUEST, films, micro_batch) - PROCESS


def test_parts_are_halved_until_they_fit(films: Manifest) -> None:
    sizes = [beyond(films, size) for size in (0, 32, 16, 8)]
    assert sizes == sorted(sizes, reverse=True)
    assert fitting(REQUEST, films, sizes[0]) == 0
    assert fitting(REQUEST, films, sizes[0] - 1) == 32
    assert fitting(REQUEST, films, sizes[2]) == 16
    assert fitting(REQUEST, films, needed(REQUEST, films, 0, ranks=2) - PROCESS, ranks=2) == 0
    with pytest.raises(ConfigError, match=r"even with the smallest micro-batch.* GB of memory, and 0\.0 GB are free"):
        fitting(REQUEST, films, 1000)


def test_what_was_asked_for_or_done_before_stays(
    films: Manifest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory, "available_memory", lambda: 2 * beyond(films, 16))
    chosen = with_micro_batch(tmp_path, REQUEST, films, "cpu", beside=2)
    assert chosen.train.micro_batch == 16
    assert memory_in_words(1_240_000_000, chosen) == "about 1.2 GB of memory, 16 of 64 images at once"
    asked = REQUEST.model_copy(update={"train": REQUEST.train.model_copy(update={"micro_batch": 64})})
    assert with_micro_batch(tmp_path, asked, films, "cpu", beside=2) == asked
    (tmp_path / "checkpoints" / "0000000064").mkdir(parents=True)
    write_json(tmp_path / "request.json", chosen.to_json())
    assert with_micro_batch(tmp_path, REQUEST, films, "cpu").train.micro_batch == 16
    old = chosen.to_json()
    del old["train"]["micro_batch"]
    write_json(tmp_path / "request.json", old)
    assert with_micro_batch(tmp_path, REQUEST, films, "cpu", beside=99).train.micro_batch == 0, "as version 0.1 did"


def test_every_network_says_what_it_holds() -> None:
    assert HELD.keys() == NETWORKS.keys()


def test_more_images_more_pixels_and_wider_networks_take_more(films: Manifest) -> None:
    large = replace(films, shape=(1, 256, 256))
    assert beyond(large, 0) > 3.5 * beyond(films, 0)
    wide = REQUEST.model_copy(update={"gan": REQUEST.gan.model_copy(update={"width": 32})})
    assert needed(wide, films, 0) > needed(REQUEST, films, 0)
    assert needed(REQUEST, films, 0, ranks=2) < needed(REQUEST, films, 0)
