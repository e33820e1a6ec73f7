"""What a training writes down is the same whether its results are read at once or later."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from gan_aug.gan.device.use import DeviceUse
from gan_aug.run.events import Event
from gan_aug.run.folder import RunDir
from gan_aug.stages.training.record import TrainingRecord
from tests.support.gan_samples import small_trainer


def recorded(folder: Path, use: DeviceUse) -> tuple[list[Any], list[Event]]:
    """The points and the events of a training of seven steps, the last of which is of eight images."""
    events: list[Event] = []
    run = RunDir(folder, (events.append,))
    (folder / "train").mkdir()
    trainer = small_trainer(images=104, use=use)
    record = TrainingRecord(run, trainer)
    while not trainer.finished:
        reports = trainer.advance()
        if trainer.finished:
            reports += trainer.read()
        record.add(reports)
    record.save()
    return [json.loads(line) for line in (folder / "train/history.jsonl").read_text().splitlines()], events


def test_results_that_are_read_later_give_the_same_points(tmp_path: Path) -> None:
    points, events = recorded(tmp_path / "at-once", DeviceUse())
    later, late_events = recorded(tmp_path / "later", DeviceUse(read_every=3, ahead=True))
    assert later == points
    assert [point["images"] for point in points] == [16, 32, 48, 64, 80, 96, 104]
    assert [event.done for event in late_events] == [event.done for event in events]


def test_it_says_once_that_cuda_graphs_were_given_up(tmp_path: Path) -> None:
    def failing(_: object) -> Any:
        raise RuntimeError("this GPU cannot")

    _, events = recorded(tmp_path / "run", DeviceUse(read_every=3, ahead=True, record=failing))
    said = [event.message for event in events if event.kind == "note"]
    assert len(said) == 1
    assert said[0].endswith("no CUDA graphs: a step could not be recorded (this GPU cannot)")
