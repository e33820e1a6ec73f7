"""Checkpoints that nobody trained: a generator with random weights, its statistics and its modulation random too."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import safetensors.torch
import torch

from gan_aug.gan.networks.catalogue import build_generator
from gan_aug.gan.networks.layers import ConditionalBatchNorm
from gan_aug.gan.networks.settings import NetworkName, NetworkSettings
from gan_aug.gan.state import GENERATOR, Checkpoint, _record, read_checkpoint
from gan_aug.run.files import write_bytes, write_json


def write_checkpoint(
    path: Path,
    network: NetworkName,
    shape: tuple[int, int, int],
    labels: tuple[str, ...],
    **values: Any,
) -> Checkpoint:
    """Write a checkpoint's folder; `values` are further fields of Checkpoint."""
    settings = NetworkSettings(shape, len(labels), width=4, latent=8, network=network)
    generator = build_generator(settings)
    with torch.no_grad():
        for module in generator.modules():
            if isinstance(module, ConditionalBatchNorm):
                module.norm.running_mean.normal_(0, 0.5)  # type: ignore[union-attr]
                module.norm.running_var.uniform_(0.5, 2)  # type: ignore[union-attr]
                module.modulation.weight.normal_(0, 0.3)
    content = safetensors.torch.save({key: value.contiguous() for key, value in generator.state_dict().items()})
    facts: dict[str, Any] = {
        "images": 640,
        "task": "multi-class",
        "dataset": "f" * 64,
        "trained_images": 100,
        "settings": {"batch": 16},
        "files": {GENERATOR: hashlib.sha256(content).hexdigest()},
    }
    write_bytes(path / GENERATOR, content)
    made = Checkpoint(path=path, networks=settings, labels=labels, **(facts | values))
    write_json(path / "checkpoint.json", _record(made))
    assert read_checkpoint(path) == made
    return made
