"""On what something is computed: the machine and the versions, and the record of them beside the results.

A report is written again on other machines and by other versions. So whatever computes notes where it does, and the
report says that.
"""

from __future__ import annotations

import json
import platform
from typing import Any

from gan_aug.compute.cores import cores
from gan_aug.run import layout
from gan_aug.run.stores import MissingObject, Place, open_store
from gan_aug.version import __version__


def environment() -> dict[str, Any]:
    """The versions and the kind of this machine, without names, as JSON values."""
    import numpy as np
    import torch

    return {
        "gan_aug": __version__,
        "python": platform.python_version(),
        "torch": str(torch.__version__),
        "numpy": np.__version__,
        "system": f"{platform.system()} {platform.machine()}",
        "cores": cores(),
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
    }


def record_environment(place: Place, settings: dict[str, Any] | None = None) -> None:
    """Note beside the results at `place` that they, or some of them, are computed here.

    Args:
        place: The folder of a stage.
        settings: Further JSON values to note, such as the config's section `compute`.

    Raises:
        StorageError: That cannot be written.
    """
    before, here = recorded_environments(place), environment() | (settings or {})
    if here not in before:
        content = json.dumps({"schema": 1, "on": [*before, here]}, indent=2)
        open_store(place).write(layout.COMPUTED, content.encode())


def recorded_environments(place: Place) -> list[dict[str, Any]]:
    """What was noted at `place`, in order; empty if an earlier version computed there, or nothing did."""
    try:
        record = json.loads(open_store(place).read(layout.COMPUTED))
        return [dict(entry) for entry in record["on"]]
    except (MissingObject, ValueError, KeyError, TypeError):
        return []
