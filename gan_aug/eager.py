"""PyTorch's optimisers without its compiler, which nothing here uses and which takes seconds to load."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, TypeVar, cast

if TYPE_CHECKING:
    from torch.optim import Optimizer

Kind = TypeVar("Kind", bound="Optimizer")


def eager(optimizer: type[Kind]) -> type[Kind]:
    """The class of optimisers `optimizer` without what tells the compiler to leave its methods alone.

    They compute the same. Only an optimiser within a compiled function would miss what is taken away.
    """
    import torch

    methods = {
        name: inspect.unwrap(getattr(optimizer, name))
        for name in ("add_param_group", "load_state_dict", "state_dict", "zero_grad")
    }
    step = torch.no_grad()(inspect.unwrap(optimizer.step))
    return cast("type[Kind]", type(optimizer.__name__, (optimizer,), {**methods, "step": step}))
