"""A job's process without the weight of the verbs: it counts, writes what it has, and stops when it is asked to."""

from __future__ import annotations

import time
from pathlib import Path

from gan_aug import api
from gan_aug import config as configs
from gan_aug.config import Config
from gan_aug.errors import Cancelled, DataError
from gan_aug.run import layout
from gan_aug.run.files import read_json, write_json
from gan_aug.run.folder import RunDir
from gan_aug.run.progress import ProgressLines
from gan_aug.run.signals import stopped_by_signals
from gan_aug_service.queue import job_process

STEP_SECONDS = 0.02


def resume(folder: Path, **options: object) -> None:
    """Count to `train.images` in steps of `train.batch`, from the last count on disk.

    A `seed` of 13 is a fault, one of 7 leaves a report, one of 17 takes ever more memory, one of 19 is a fault of the
    program, and one of 23 asks for memory that there is not.
    """
    assert options.pop("stop_on_signals")
    # Without `gan_aug.stages`, which would load PyTorch in each of these processes.
    saved = read_json(folder / layout.REQUEST)
    verb, request = saved["verb"], configs.parse(saved["config"], "the request")
    run = RunDir(folder, (ProgressLines(),))
    with stopped_by_signals(run), run.locked():
        _count(verb, request, run)


def _count(verb: str, request: Config, run: RunDir) -> None:
    if request.seed == 13:
        raise DataError(f"{run.path} is unlucky: use another seed")
    counter = run.path / "count.json"
    count = read_json(counter) if counter.exists() else 0
    run.emit(verb, "start", f"from {count}", done=count)
    held = []
    if request.seed == 19:
        raise ZeroDivisionError(str(run.path))
    if request.seed == 23:
        raise MemoryError
    while count < request.train.images:
        if request.seed == 17:
            held.append(bytearray(8 << 20))
        if run.cancelled():
            raise Cancelled("stopped on request")
        time.sleep(STEP_SECONDS)
        count += request.train.batch or 1
        write_json(counter, count)
        run.emit(verb, "progress", done=count, total=request.train.images)
    if request.seed == 7:
        write_json(run.path / "report.json", {"count": count, "padding": "x" * (1 << 20)})
    run.emit(verb, "finish", f"counted to {count}")


api.resume = resume  # type: ignore[assignment]

if __name__ == "__main__":
    job_process.main()
