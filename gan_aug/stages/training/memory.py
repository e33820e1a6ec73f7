"""How much memory a training takes, and how many images of a batch are therefore computed at once."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch

from gan_aug import config as configs
from gan_aug.compute.device import choose_device
from gan_aug.compute.memory import available_memory
from gan_aug.config.stages import TrainRequest
from gan_aug.data.manifest import Manifest
from gan_aug.errors import ConfigError
from gan_aug.gan.memory import PROCESS, memory_needed
from gan_aug.run import layout
from gan_aug.run.files import read_json
from gan_aug.stages.training.settings import trainer_settings


def with_micro_batch(
    train: Path, request: TrainRequest, manifest: Manifest, device: str, ranks: int = 1, beside: int = 1
) -> TrainRequest:
    """The request with `train.micro_batch`: its own, else that of the GAN in the folder, else what fits in the memory.

    Args:
        train: The training's folder, which may be absent.
        request: What is asked for.
        manifest: The images to train on.
        device: `compute.device`. The memory is that of this machine.
        ranks: The processes that train together.
        beside: How many trainings share the memory.

    Returns:
        The request.

    Raises:
        ConfigError: If not even the smallest part of a batch fits.
    """
    path = train / layout.REQUEST
    trained = path.exists() and any((train / layout.CHECKPOINTS).glob(layout.EACH_CHECKPOINT))
    if request.train.micro_batch is None and trained:
        request = TrainRequest.model_validate(configs.as_before(request.to_json(), read_json(path)))
    if request.train.micro_batch is not None:
        return request
    free = _free(device)
    chosen = 0 if free is None else fitting(request, manifest, free // (ranks * beside), ranks)
    return request.model_copy(update={"train": request.train.model_copy(update={"micro_batch": chosen})})


def _free(device: str) -> int | None:
    """The bytes that are free where a training would compute on this machine; None if that is not known here."""
    if device != "cpu" and torch.cuda.is_available():
        return torch.cuda.mem_get_info(choose_device(device))[0]
    return None if device == "cuda" else available_memory()


def fitting(request: TrainRequest, manifest: Manifest, free: int, ranks: int = 1) -> int:
    """The most images of a batch that can be computed at once.

    Args:
        request: The training.
        manifest: The images to train on.
        free: Bytes that one process may take.
        ranks: The processes that share each batch.

    Returns:
        0 for all of them, else a part of the batch.

    Raises:
        ConfigError: If nothing fits.
    """
    own = -(-trainer_settings(request, manifest)[1].batch // ranks)
    sizes = [0] + [own >> halved for halved in range(1, own.bit_length()) if own >> halved]
    need = 0
    for size in sizes:
        need = needed(request, manifest, size, ranks) - PROCESS
        if need <= free:
            return size
    raise ConfigError(
        f"train.batch: even with the smallest micro-batch this training takes about {_gigabytes(need)} of memory, and "
        f"{_gigabytes(free)} are free: free some, or lower data.size, gan.width or train.batch"
    )


def needed(request: TrainRequest, manifest: Manifest, micro_batch: int, ranks: int = 1) -> int:
    """About how many bytes each process of a training takes that computes `micro_batch` images at once, 0 for all."""
    networks, settings = trainer_settings(request, manifest)
    return memory_needed(networks, replace(settings, batch=-(-settings.batch // ranks)), micro_batch or None)


def memory_in_words(need: int, request: TrainRequest) -> str:
    """What a training takes, as the end of a sentence: `about 1.2 GB of memory, 16 of 64 images at once`."""
    micro, batch = request.train.micro_batch, request.train.batch
    parts = f", {micro} of {batch or 'all'} images at once" if micro and micro < (batch or micro + 1) else ""
    return f"about {_gigabytes(need)} of memory{parts}"


def _gigabytes(size: int) -> str:
    return f"{size / 1e9:.1f} GB"
