"""Labels for images that users send, by a run's classifier, in a process that an image may end."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

from gan_aug.compute.local.crash_safe_pool import CrashSafePool, Lost
from gan_aug.errors import DataError, GanAugError

SECONDS = 60.0
"""What reading and labelling one file may take."""


class Predictor:
    """Asks classifiers about files, one after the other; the process is started by the first file and kept."""

    def __init__(self) -> None:
        self._pool = CrashSafePool(1, SECONDS)
        self._thread = ThreadPoolExecutor(1, "predictor")  # a CrashSafePool takes one request at a time

    async def ask(self, run: Path, file: Path, arm: str) -> list[dict[str, Any]]:
        """What the classifier of an arm says of a file.

        Args:
            run: The run folder.
            file: An image or a DICOM file.
            arm: Whose classifier, that of its first seed.

        Returns:
            A row of JSON values for each image in the file, as `FilePrediction.to_json` makes them.

        Raises:
            DataError: The run has no such classifier, or the file ended the process or took too long.
            GanAugError: What `predict` raises.
        """
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._ask, run, file, arm)

    def close(self) -> None:
        """End the process and the thread."""
        self._thread.shutdown(wait=True, cancel_futures=True)
        self._pool.__exit__()

    def _ask(self, run: Path, file: Path, arm: str) -> list[dict[str, Any]]:
        (answer,) = self._pool.map(partial(_predict, run, arm), [file])
        if isinstance(answer, Lost):
            how = "took longer than a minute" if answer.reason == "slow" else "ended the process that read it"
            raise DataError(f"the image {how}: it may be damaged, so nothing is said of it")
        if isinstance(answer, GanAugError):
            raise answer
        return answer


def _predict(run: Path, arm: str, file: Path) -> list[dict[str, Any]] | GanAugError:
    """The rows of a file; a fault of the user is returned, since a raised one would end the pool."""
    import torch

    from gan_aug.run.folder import RunDir
    from gan_aug.stages.predict import predict_files

    torch.set_num_threads(1)
    try:
        return [row.to_json() for row in predict_files(RunDir.existing(run), [file], arm, None)]
    except GanAugError as error:
        return error
