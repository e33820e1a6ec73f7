"""The torch device that a request asks for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gan_aug.compute.cores import cores
from gan_aug.errors import ComputeError

if TYPE_CHECKING:
    import torch

_own: int | None = None
"""The number of this process among those of a pool; None if it is in none."""


def number_process(number: int) -> None:
    """Say that this process is one of a pool, which take the GPUs in turn."""
    global _own  # noqa: PLW0603 - what a process is, it is for good
    _own = number


def gpus(name: str) -> int:
    """How many GPUs the processes that choose the device called `name` share; 0 if they compute on the CPU."""
    if name == "cpu":
        return 0
    import torch

    return torch.cuda.device_count() if torch.cuda.is_available() else 0


def workers_for(name: str) -> int:
    """The default number of processes that work at once: one for each GPU that they choose, else one for each core."""
    return gpus(name) or cores()


def beside(name: str, jobs: int, workers: int | None) -> int:
    """How many of several jobs share a memory, that of a GPU or of this machine, if each has a process of its own.

    Args:
        name: The device that they choose.
        jobs: How many jobs there are.
        workers: How many processes are asked for; None for the default.
    """
    there = gpus(name)
    return -(-min(jobs, workers or there) // there) if there else min(jobs, cores())


def choose_device(name: str) -> torch.device:
    """The device called `name`; `auto` is a GPU if there is one, else the CPU.

    In a process of a pool the GPU is the one whose turn it is; it becomes PyTorch's current one.

    Raises ComputeError if `name` is `cuda` and torch sees no GPU.
    """
    import torch

    if name == "cuda" and not torch.cuda.is_available():
        raise ComputeError("compute.device is cuda and torch sees no GPU here: set it to auto or cpu")
    if not (there := gpus(name)):
        return torch.device("cpu")
    if _own is not None:
        torch.cuda.set_device(_own % there)
    return torch.device("cuda")
