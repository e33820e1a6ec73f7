"""How a training uses its device: what suits a CPU, and what suits a GPU, for which nobody should wait."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from gan_aug.gan.device.graphs import CudaRecorder, Record

READ_EVERY = 100
"""Steps from one look at a GPU's losses to the next."""

RESIDENT_SHARE = 4
"""Images stay on a GPU if they take at most one part in so many of its free memory."""


@dataclass(frozen=True)
class DeviceUse:
    """How a training uses its device.

    - `read_every`: steps from one look at the losses to the next. With 1 a loss that is not finite is seen before the
      networks change; else the device itself leaves them as they are from there on.
    - `ahead`: whether a thread draws what the next steps need.
    - `room`: the bytes on the device that the images may take; 0 if they are brought there step by step.
    - `record`: how steps are recorded, to be repeated; None if they are not.
    - `why`: why steps are not recorded, if somebody may have expected it.
    """

    read_every: int = 1
    ahead: bool = False
    room: int = 0
    record: Record | None = None
    why: str = ""


def use_of(device: torch.device, ranks: int, micro_batch: int | None, graphs: bool) -> DeviceUse:
    """What suits a device.

    Args:
        device: The device.
        ranks: The processes that train together.
        micro_batch: The most images that are computed at once; None for all.
        graphs: Whether a GPU may repeat steps from CUDA graphs.

    Returns:
        How it is used.
    """
    if device.type != "cuda":
        return DeviceUse()
    why = ""
    if not graphs:
        why = "compute.cuda_graphs is off"
    elif ranks > 1:
        why = "several processes train together"
    elif micro_batch is not None:
        why = "the batch is computed in parts"
    room = torch.cuda.mem_get_info(device)[0] // RESIDENT_SHARE
    return DeviceUse(READ_EVERY, True, room, None if why else CudaRecorder(), why)
