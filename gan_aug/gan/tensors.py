"""The tensors of a trainer that a resumed training needs, by dotted names."""

from __future__ import annotations

import torch
from torch import Tensor

from gan_aug.gan.trainer import GanTrainer

ADAPTIVE = "adaptive.state"
"""The tensor with the state of the adaptive augmentation, if there is one."""


def training_tensors(trainer: GanTrainer) -> dict[str, Tensor]:
    """All tensors that a resumed training needs, by dotted names: networks, average, moments, p."""
    tensors = {
        f"{name}.{key}": value
        for name in ("generator", "discriminator", "average")
        for key, value in getattr(trainer, name).state_dict().items()
    }
    for name, optimizer in trainer.optimizers.items():
        for index, moments in optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer.{name}.{index}.{moment}": value for moment, value in moments.items()}
    if trainer.adaptive is not None:
        tensors[ADAPTIVE] = trainer.adaptive.state()
    return tensors


def load_tensors(trainer: GanTrainer, tensors: dict[str, Tensor], images: int) -> None:
    """Set the trainer to a state.

    Args:
        trainer: A trainer of the same networks and settings.
        tensors: The state, see `training_tensors`.
        images: The images that had been seen by then.
    """
    for name in ("generator", "discriminator", "average"):
        getattr(trainer, name).load_state_dict(part_of(tensors, name))
    for name, optimizer in trainer.optimizers.items():
        parameters = [p for group in optimizer.param_groups for p in group["params"]]
        state: dict[int, dict[str, Tensor]] = {}
        for key, value in part_of(tensors, f"optimizer.{name}").items():
            index, moment = key.split(".")
            parameter = parameters[int(index)]
            if value.shape == parameter.shape:
                # In the parameter's memory format: with other strides the update is rounded differently.
                value = torch.empty_like(parameter).copy_(value)  # noqa: PLW2901
            state.setdefault(int(index), {})[moment] = value
        optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
    if trainer.adaptive is not None:
        trainer.adaptive.load(tensors[ADAPTIVE])
    trainer.begin_at(images)


def part_of(tensors: dict[str, Tensor], name: str) -> dict[str, Tensor]:
    """The tensors whose names begin with `name` and a dot, by the rest of their names."""
    return {key.removeprefix(f"{name}."): value for key, value in tensors.items() if key.startswith(f"{name}.")}
