"""The rate of GAN training: our whole step beside two plain loops that train the same networks.

    python -m benchmarks.gan_training [--sizes 28 64] [--seconds 8] [--rounds 7]

All train the default networks in batches of 64 (relativistic loss with R1 and R2 in every eighth step, width 16,
grey images, 10 classes) on the same uint8 array. Each has a process of its own with one thread, and all are
bound to the same core:

- `example` follows PyTorch's `examples/dcgan`: a DataLoader without workers, three backward passes, BCE, no penalty,
  the default memory layout. It does less than the others, and is a soft reference.
- `tuned` is what somebody who knows PyTorch would write: the same loss and penalty as ours, channels-last, fused Adam,
  real and fake images in one pass through D, D's weights frozen in G's step, real images without a graph there, and
  batches cut from a tensor. It draws its noise in one call, checks nothing and averages nothing. The networks compute
  the same functions of the same weights as ours, by PyTorch's own layers.
- `tuned, our layers` is the same loop with the layers as we compute them: what is left is the step's own.
- `ours` is GanTrainer: in addition it draws noise from each image's own stream, checks losses and gradients, and
  averages the generator.

Each round runs all one after the other, so that other load on the machine affects them alike. What is measured is the
thread's processor time; a ratio is the median of the rounds' ratios.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections.abc import Callable
from contextlib import nullcontext
from functools import partial
from multiprocessing import get_context
from multiprocessing.connection import Connection

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import softplus
from torch.utils.data import DataLoader, TensorDataset

from gan_aug.compute.memory import reused_memory
from gan_aug.config.gan import GanConfig, TrainConfig
from gan_aug.data.training_batches import TrainingBatches
from gan_aug.gan.networks.catalogue import build_discriminator, build_generator, default_network, default_penalty
from gan_aug.gan.networks.layers import DoublingConv2d
from gan_aug.gan.networks.settings import NetworkSettings
from gan_aug.gan.networks.thin import FirstConv2d, LastConvTranspose2d
from gan_aug.gan.trainer import GanTrainer, TrainSettings

CLASSES = 10
BATCH = 64
GAN, TRAIN = GanConfig(), TrainConfig(batch=BATCH)

Step = Callable[[], object]


def example_loop(networks: NetworkSettings, images: Tensor, labels: Tensor) -> Step:
    """The loop of PyTorch's example.

    Args:
        networks: What it trains.
        images: `(N, 1, H, W) uint8`.
        labels: `(N, K) float32`.

    Returns:
        A function that takes the next step.
    """
    generator, discriminator = plainly(build_generator(networks)), plainly(build_discriminator(networks))
    criterion = nn.BCEWithLogitsLoss()
    of_d = torch.optim.Adam(discriminator.parameters(), lr=2e-4, betas=(0.5, 0.999))
    of_g = torch.optim.Adam(generator.parameters(), lr=2e-4, betas=(0.5, 0.999))
    loader = DataLoader(TensorDataset(images, labels), batch_size=BATCH, shuffle=True, drop_last=True)
    ones, zeros = torch.ones(BATCH), torch.zeros(BATCH)
    endless = (batch for _ in iter(int, 1) for batch in loader)

    def step() -> None:
        pixels, label = next(endless)
        real = pixels.float() / 127.5 - 1
        discriminator.zero_grad()
        criterion(discriminator(real, label), ones).backward()
        fake = generator(torch.randn(BATCH, networks.latent), label)
        criterion(discriminator(fake.detach(), label), zeros).backward()
        of_d.step()
        generator.zero_grad()
        criterion(discriminator(fake, label), ones).backward()
        of_g.step()

    return step


def tuned_loop(networks: NetworkSettings, images: Tensor, labels: Tensor, ours: bool = False) -> Step:
    """A plain loop tuned by hand.

    Args:
        networks: What it trains.
        images: `(N, 1, H, W) uint8`.
        labels: `(N, K) float32`.
        ours: Whether the layers are computed as ours are.

    Returns:
        A function that takes the next step.
    """
    generator, discriminator = build_generator(networks), build_discriminator(networks)
    if not ours:
        plainly(generator), plainly(discriminator)
    for network in (generator, discriminator):
        network.to(memory_format=torch.channels_last)
    of_d = torch.optim.Adam(discriminator.parameters(), lr=TRAIN.lr, betas=TRAIN.betas, fused=True)
    of_g = torch.optim.Adam(generator.parameters(), lr=TRAIN.lr, betas=TRAIN.betas, fused=True)
    batch, done, penalty = BATCH, 0, penalty_of(networks)
    order = torch.randperm(len(images))

    def step() -> None:
        nonlocal done
        first = done * batch % (len(images) - batch)
        rows = order[first : first + batch]
        label, real = labels[rows], images[rows].float().div_(127.5).sub_(1)
        penalised = done % GAN.penalty_every == 0
        fake = generator(torch.randn(batch, networks.latent), label)
        views = torch.cat([real, fake.detach()]).requires_grad_(penalised)
        logits = discriminator(views, label.repeat(2, 1))
        loss = softplus(logits[batch:] - logits[:batch]).mean()
        if penalised:
            (slope,) = torch.autograd.grad(logits.sum(), views, create_graph=True)
            loss = loss + penalty * GAN.penalty_every * slope.square().sum(dim=(1, 2, 3)).mean()
        of_d.zero_grad()
        loss.backward()
        of_d.step()
        discriminator.requires_grad_(False)
        with torch.no_grad():
            on_real = discriminator(real, label)
        of_g.zero_grad()
        softplus(on_real - discriminator(fake, label)).mean().backward()
        of_g.step()
        discriminator.requires_grad_(True)
        done += 1

    return step


def our_loop(networks: NetworkSettings, images: Tensor, labels: Tensor) -> Step:
    """GanTrainer with the default configuration.

    Args:
        networks: What it trains.
        images: `(N, 1, H, W) uint8`.
        labels: `(N, K) float32`.

    Returns:
        A function that takes the next step.
    """
    settings = TrainSettings(
        images=10**9,
        batch=BATCH,
        loss=GAN.loss,
        lr=TRAIN.lr,
        betas=TRAIN.betas,
        penalty=penalty_of(networks),
        penalty_every=GAN.penalty_every,
        average=GAN.average,
    )
    batches = TrainingBatches(images.numpy(), labels.numpy(), np.arange(len(images)), seed=0)
    return GanTrainer(networks, settings, batches).step


LOOPS = {
    "example": example_loop,
    "tuned": tuned_loop,
    "tuned, our layers": partial(tuned_loop, ours=True),
    "ours": our_loop,
}


class Repeated(nn.Module):
    """The function of `DoublingConv2d` by PyTorch's own layers."""

    def __init__(self, layer: DoublingConv2d) -> None:
        super().__init__()
        self.weight, self.bias = layer.weight, layer.bias

    def forward(self, x: Tensor, size: tuple[int, int]) -> Tensor:
        """Repeat each pixel of `x` `(N, C, h, w)`, then convolve, then cut to `size`."""
        y = nn.functional.conv2d(nn.functional.interpolate(x, scale_factor=2), self.weight, self.bias, padding=1)
        return y[:, :, : size[0], : size[1]]


def plainly(network: nn.Module) -> nn.Module:
    """`network` with the layers that we compute in forms of our own replaced by PyTorch's."""
    for module in list(network.modules()):
        for name, layer in list(module.named_children()):
            if isinstance(layer, DoublingConv2d):
                setattr(module, name, Repeated(layer))
            elif isinstance(layer, FirstConv2d | LastConvTranspose2d):
                kind = nn.Conv2d if isinstance(layer, FirstConv2d) else nn.ConvTranspose2d
                setattr(module, name, kind(layer.in_channels, layer.out_channels, 4, stride=2, padding=1))
    return network


def work(name: str, size: int, core: int | None, asked: Connection) -> None:
    """Train by the named loop, in its own process: so many steps each time, answered by their processor time."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    if core is not None:
        os.sched_setaffinity(0, {core})
    network = default_network((size, size))
    networks = NetworkSettings((1, size, size), CLASSES, GAN.width, GAN.latent, spectral=False, network=network)
    images = torch.randint(0, 256, (4096, 1, size, size), dtype=torch.uint8)
    labels = torch.eye(CLASSES)[torch.randint(0, CLASSES, (len(images),))]
    step = LOOPS[name](networks, images, labels)
    with reused_memory() if name == "ours" else nullcontext():
        while count := asked.recv():
            start = time.process_time()
            for _ in range(count):
                step()
            asked.send(time.process_time() - start)


def measure(size: int, seconds: float, rounds: int) -> None:
    """Print the rates and ratios at one image size.

    Args:
        size: The side of the images, in pixels.
        seconds: About how long each loop runs in each round.
        rounds: How often the loops take turns.
    """
    context, core = get_context("spawn"), None
    if hasattr(os, "sched_getaffinity"):
        core = max(os.sched_getaffinity(0))
    loops = {}
    for name in LOOPS:
        here, there = context.Pipe()
        context.Process(target=work, args=(name, size, core, there), daemon=True).start()
        loops[name] = here
    for loop in loops.values():
        taken(loop, GAN.penalty_every)  # the libraries prepare themselves
    count = GAN.penalty_every * max(1, round(seconds / taken(loops["ours"], GAN.penalty_every)))
    rates: dict[str, list[float]] = {name: [] for name in loops}
    for _ in range(rounds):
        for name, loop in loops.items():
            rates[name].append(count * BATCH / taken(loop, count))
    for loop in loops.values():
        loop.send(0)
    shown = ", ".join(f"{name}: {statistics.median(rate):,.0f}" for name, rate in rates.items())
    print(f"{size} px, {default_network((size, size))}; images per core-second: {shown}")
    for name in list(LOOPS)[:-1]:
        ratios = sorted(ours / other for ours, other in zip(rates["ours"], rates[name], strict=True))
        spread = f"{ratios[0]:.2f} to {ratios[-1]:.2f}"
        print(f"    ours / {name:18} {statistics.median(ratios):.2f}   ({rounds} rounds: {spread})")


def taken(loop: Connection, count: int) -> float:
    """The processor time of so many steps of a loop."""
    loop.send(count)
    seconds: float = loop.recv()
    return seconds


def penalty_of(networks: NetworkSettings) -> float:
    """The weight of the gradient penalty in the default configuration."""
    return default_penalty(networks.network, networks.shape[1:], BATCH)


def main() -> None:
    """Measure at each size asked for."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--sizes", type=int, nargs="+", default=[28, 64], help="sides of the images, in pixels")
    parser.add_argument("--seconds", type=float, default=8.0, help="of each loop in each round")
    parser.add_argument("--rounds", type=int, default=7)
    asked = parser.parse_args()
    for size in asked.sizes:
        measure(size, asked.seconds, asked.rounds)


if __name__ == "__main__":
    main()
