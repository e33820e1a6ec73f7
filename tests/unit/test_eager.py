"""Optimisers without the compiler: the same steps, and nothing of it loaded."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
import torch
from torch import nn

from gan_aug.eager import eager

KINDS: dict[str, tuple[type[torch.optim.Optimizer], dict[str, Any]]] = {
    "adam": (torch.optim.Adam, {}),
    "fused": (torch.optim.Adam, {"fused": True, "betas": (0.0, 0.99)}),
    "adamw": (torch.optim.AdamW, {"weight_decay": 0.1}),
    "sgd": (torch.optim.SGD, {"momentum": 0.9, "nesterov": True}),
    "rmsprop": (torch.optim.RMSprop, {}),
}


def trained(kind: type[torch.optim.Optimizer], options: dict[str, Any]) -> list[torch.Tensor]:
    """The parameters after ten steps at a falling rate, a state saved and loaded, and one more step."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(5, 7), nn.ReLU(), nn.Linear(7, 2))
    optimizer = kind(model.parameters(), lr=0.01, **options)  # type: ignore[call-arg]
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 20)
    for _ in range(10):
        model(torch.randn(4, 5)).square().mean().backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        schedule.step()
    other = kind(model.parameters(), lr=0.01, **options)  # type: ignore[call-arg]
    other.load_state_dict(optimizer.state_dict())
    model(torch.randn(4, 5)).square().mean().backward()
    other.step()
    return [parameter.detach() for parameter in model.parameters()]


@pytest.mark.parametrize("name", KINDS)
def test_steps_are_those_of_pytorch(name: str) -> None:
    kind, options = KINDS[name]
    assert issubclass(eager(kind), kind)
    pairs = zip(trained(eager(kind), options), trained(kind, options), strict=True)
    assert all(torch.equal(ours, theirs) for ours, theirs in pairs)


TRAIN = """
import sys, torch
from gan_aug.config.compare import ClassifierConfig
from gan_aug.evaluation.classifiers.fit import make_optimizer
from tests.support.gan_samples import small_trainer

small_trainer(images=16).step()
model = torch.nn.Linear(3, 2)
for name in ("adam", "adamw", "sgd", "rmsprop"):
    optimizer = make_optimizer(ClassifierConfig(optimizer=name), model)
    model(torch.ones(2, 3)).sum().backward()
    optimizer.step()
    optimizer.zero_grad()
print([name for name in ("torch._dynamo", "torchvision", "monai", "scipy.stats", "sklearn") if name in sys.modules])
"""


def test_training_loads_no_compiler() -> None:
    """It takes two seconds, which each process of a run would wait for."""
    loaded = subprocess.run([sys.executable, "-c", TRAIN], capture_output=True, text=True, check=True).stdout
    assert loaded == "[]\n"
