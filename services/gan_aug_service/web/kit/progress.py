"""A job's events as its page shows them: the progress of each stage, losses, samples and the newest log lines."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path

from gan_aug.data.pictures.marks import marked
from gan_aug.run import layout
from gan_aug.run.events import Event

LINES = 200
"""Lines of the log on a page, the newest ones."""

IMAGE = re.compile(rf"{layout.SAMPLES}\d{{10}}\.png|{re.escape(layout.LOSS_CURVES)}")
"""The names of the pictures of a training that a page may show."""


@dataclass
class StageProgress:
    """How far one stage of a job is; `total` is None if it is not known."""

    name: str
    done: int | None = None
    total: int | None = None
    unit: str = ""
    message: str = ""
    finished: bool = False

    def take(self, event: Event) -> None:
        """Update it with one of the stage's events."""
        if event.kind in ("progress", "finish"):
            self.message = event.message
        if event.kind == "progress":
            self.done, self.total, self.unit = event.done, event.total, event.unit
        self.finished = event.kind == "finish"


def stages(events: list[Event]) -> list[StageProgress]:
    """The stages in the order in which they began; notes are left out, since they are no progress."""
    found: dict[str, StageProgress] = {}
    for event in (event for event in events if event.kind != "note"):
        found.setdefault(event.stage, StageProgress(event.stage)).take(event)
    return list(found.values())


def log_lines(events: list[Event]) -> list[Event]:
    """The newest events that have a message."""
    return [event for event in events if event.message][-LINES:]


def images(run: Path) -> list[str]:
    """The names of the pictures of a run's training: the loss curves, if drawn, and the sample grids, oldest first."""
    names = sorted(path.name for path in (run / layout.TRAIN).glob("*.png"))
    return [name for name in names if IMAGE.fullmatch(name)]


def newest_grid(run: Path) -> str | None:
    """The name of the newest sample grid in a run folder; None if there is none yet."""
    return max((name for name in images(run) if name.startswith(layout.SAMPLES)), default=None)


def picture(path: Path) -> bytes:
    """A picture of a training; a sample grid has the mark of synthetic images, also one that an older version drew."""
    content = path.read_bytes()
    return marked(content, {}) if path.name.startswith(layout.SAMPLES) else content


def curves(events: list[Event]) -> str:
    """The losses so far, as JSON for the page's script: `[[images, loss_d, loss_g], ...]`; of several GANs, GAN 0's."""
    wanted = (
        (event.values.get("images", event.done), event.values["loss_d"], event.values["loss_g"])
        for event in events
        if event.stage == "train" and {"loss_d", "loss_g"} <= event.values.keys() and not event.values.get("gan")
    )
    return json.dumps([list(point) for point in wanted])
