"""The rate of GAN training: our whole step beside the plain loop of PyTorch's DCGAN example, with the same networks.

    python -m benchmarks.gan_training [--images 20000] [--rounds 5]

Both loops train the same conditional generator and discriminator (28x28, grey, 10 classes, width 16, spectral norm,
BCE, Adam, batch 64) on the same uint8 array with the same number of threads. The reference follows PyTorch's
`examples/dcgan`: a DataLoader without workers, three backward passes. Our loop also draws each image's noise and
augmentation from the image's own stream, checks losses and gradients, and averages the generator. Rounds alternate, so
that other load on the machine affects both; the ratio is that of the medians.
"""

from __future__ import annotations

import argparse
import statistics
import time

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from gan_aug.data.training_batches import TrainingBatches
from gan_aug.gan.networks.dcgan import Discriminator, Generator
from gan_aug.gan.networks.settings import NetworkSettings
from gan_aug.gan.trainer import GanTrainer, TrainSettings

NETWORKS = NetworkSettings((1, 28, 28), 10, width=16, latent=64, spectral=True)
BATCH = 64
LR, BETAS = 2e-4, (0.5, 0.999)


def plain_loop(images: torch.Tensor, labels: torch.Tensor, count: int) -> float:
    """Train by the example's loop.

    Args:
        images: `(N, 1, 28, 28) uint8`.
        labels: `(N, 10) float32`.
        count: How many images the training sees.

    Returns:
        Images per second.
    """
    generator, discriminator = Generator(NETWORKS), Discriminator(NETWORKS)
    criterion = nn.BCEWithLogitsLoss()
    of_d = torch.optim.Adam(discriminator.parameters(), lr=LR, betas=BETAS)
    of_g = torch.optim.Adam(generator.parameters(), lr=LR, betas=BETAS)
    loader = DataLoader(TensorDataset(images, labels), batch_size=BATCH, shuffle=True, drop_last=True)
    seen, start = 0, time.perf_counter()
    while seen < count:
        for pixels, label in loader:
            real = pixels.float() / 127.5 - 1
            discriminator.zero_grad()
            criterion(discriminator(real, label), torch.ones(BATCH)).backward()
            fake = generator(torch.randn(BATCH, NETWORKS.latent), label)
            criterion(discriminator(fake.detach(), label), torch.zeros(BATCH)).backward()
            of_d.step()
            generator.zero_grad()
            criterion(discriminator(fake, label), torch.ones(BATCH)).backward()
            of_g.step()
            seen += BATCH
            if seen >= count:
                break
    return seen / (time.perf_counter() - start)


def our_loop(images: torch.Tensor, labels: torch.Tensor, count: int) -> float:
    """Train by GanTrainer.

    Args:
        images: `(N, 1, 28, 28) uint8`.
        labels: `(N, 10) float32`.
        count: How many images the training sees.

    Returns:
        Images per second.
    """
    batches = TrainingBatches(images.numpy(), labels.numpy(), np.arange(len(images)), seed=0)
    trainer = GanTrainer(NETWORKS, TrainSettings(images=count, batch=BATCH, loss="bce", lr=LR, betas=BETAS), batches)
    start = time.perf_counter()
    while not trainer.finished:
        trainer.step()
    return trainer.images / (time.perf_counter() - start)


def main() -> None:
    """Print both rates and their ratio."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--images", type=int, default=20_000, help="images per round")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    asked = parser.parse_args()
    torch.set_num_threads(asked.threads)
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (10_000, 1, 28, 28), dtype=torch.uint8, generator=generator)
    labels = torch.eye(10)[torch.randint(0, 10, (10_000,), generator=generator)]
    for loop in (plain_loop, our_loop):
        loop(images, labels, 20 * BATCH)  # warm-up
    rates: dict[str, list[float]] = {"plain": [], "ours": []}
    for _ in range(asked.rounds):
        rates["plain"].append(plain_loop(images, labels, asked.images))
        rates["ours"].append(our_loop(images, labels, asked.images))
    plain, ours = statistics.median(rates["plain"]), statistics.median(rates["ours"])
    print(f"PyTorch's plain DCGAN loop {plain:8,.0f} images/s  ({asked.threads} threads)")
    print(f"gan_aug's training step    {ours:8,.0f} images/s")
    print(f"ratio                      {ours / plain:8.2f}")


if __name__ == "__main__":
    main()
