"""Which checkpoints stay, in the run folder and in a store."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from gan_aug.errors import StorageError
from gan_aug.gan.chosen import chosen_checkpoint
from gan_aug.gan.state import TrainingData
from gan_aug.run import layout
from gan_aug.run.decisions import good_folder, training_end
from gan_aug.stages.storage import RunStorage
from gan_aug.stages.training.kept import Keeper
from tests.support.gan_samples import small_trainer

DATA = TrainingData(labels=("a", "b", "c"), task="multi-class", dataset="0" * 64, trained_images=0)


class Decided:
    """A watch that holds the first checkpoint to be good, and writes that down."""

    def __init__(self, run: Path) -> None:
        self._run = run

    @property
    def good(self) -> Path | None:
        return good_folder(self._run / "train")


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A run folder and its store after four checkpoints, of which the first is good."""
    folder, place = tmp_path_factory.mktemp("run"), tmp_path_factory.mktemp("store")
    (folder / "train").mkdir()
    for name in (layout.REQUEST, layout.CHECKPOINT_SCORES):
        (folder / "train" / name).write_text(json.dumps({"good": 16, "best": 16, "ends": 64}))
    trainer = small_trainer(images=160)
    keeper = Keeper(folder / "train/checkpoints", RunStorage(folder, place), DATA, None)
    for _ in range(4):
        trainer.step()
        keeper.save(trainer, Decided(folder), scoring=False)  # type: ignore[arg-type]
    return folder, place


def test_the_good_one_stays_beside_the_newest_two(stored: tuple[Path, Path]) -> None:
    folder, place = stored
    names = sorted(path.name for path in (folder / "train/checkpoints").iterdir())
    assert names == [layout.checkpoint(images) for images in (16, 48, 64)]
    assert sorted(RunStorage(folder, place).checkpoints()) == names


def test_another_host_fetches_the_newest_and_the_good_one(stored: tuple[Path, Path], tmp_path: Path) -> None:
    _, place = stored
    (tmp_path / "train").mkdir()
    RunStorage(tmp_path, place).pull_training()
    assert sorted(path.name for path in (tmp_path / "train/checkpoints").iterdir()) == ["0000000016", "0000000064"]
    chosen = chosen_checkpoint(tmp_path / "train")
    assert chosen
    assert chosen.images == 16
    assert training_end(tmp_path / "train", 999) == 64
    assert training_end(tmp_path / "elsewhere", 999) == 999


def test_a_store_that_lost_the_good_one_is_told_of(stored: tuple[Path, Path], tmp_path: Path) -> None:
    place = Path(shutil.copytree(stored[1], tmp_path / "store"))
    shutil.rmtree(place / "train/0000000016")
    with pytest.raises(StorageError, match="lacks the checkpoint 0000000016"):
        RunStorage(tmp_path / "run", place).pull_training()
