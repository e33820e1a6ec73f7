"""GAN training and sampling on a GPU, beside a plain loop on the same GPU; in a small form also on a CPU.

    python -m benchmarks.gpu [--out gpu-table] [--mnist FOLDER] [--films FOLDER] [--minutes 8]

It needs this repository, torch, torchvision, numpy and scikit-learn, and nothing else. The table is written after every
part, as `table.json` and `table.md`, so that a run that is cut short leaves what it had. A part for which there is no
time left, no data or no GPU is named with the reason. Without a GPU everything is tiny: that shows that the script
works, and nothing about speed.

- `rates`: images per second of the training step, default networks. `eager` is a plain loop with PyTorch's settings as
  they come, the same loss and penalty, images on the device, noise drawn there, nothing checked and nothing averaged.
  The others are `GanTrainer`. `share of peak` is the rate of its products, counted, beside that of one large product of
  matrices in the same precision and run.
- `syncs`: how often a step lets the CPU wait for the GPU, as PyTorch's sync debug mode counts it.
- `sampling`: images per second as synthetic sets are made, beside forward passes of the same size with the GPU's noise.
- `sameness`: whether a resumed training, one rank in a process group, CUDA graphs and images made in another call give
  the same bits.
- `mnist`, `films`: two minutes of training each, then a small classifier that sees synthetic images alone, tested on
  real ones, beside one that sees the real training images.
"""

from __future__ import annotations

import argparse
import hashlib
import tempfile
import time
import warnings
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor
from torch.nn.functional import softplus

from benchmarks.gpu_data import classifier_scores, read_films, read_mnist
from benchmarks.gpu_measure import DEVICE, EVERY, GPU, SECONDS, Step, Table, Work, products_per_second, seconds_of, wait
from gan_aug.data.training_batches import TrainingBatches
from gan_aug.gan.average import calibrated
from gan_aug.gan.device.arithmetic import Precision
from gan_aug.gan.device.use import DeviceUse, use_of
from gan_aug.gan.networks.base import Generator
from gan_aug.gan.networks.catalogue import build_discriminator, build_generator, default_network, default_penalty
from gan_aug.gan.networks.settings import NetworkSettings
from gan_aug.gan.ranks import ProcessGroup, Ranks
from gan_aug.gan.tensors import load_tensors, training_tensors
from gan_aug.gan.trainer import GanTrainer, TrainSettings, to_bytes
from gan_aug.synthesis.sampler import BLOCK, sample

SIZES = {28: 64, 64: 64, 128: 64, 256: 64, 512: 32, 1024: 16} if GPU else {16: 8}
"""The images' side in pixels, and the images per step."""

TRAINING_SECONDS = 120.0 if GPU else 0.0
CLASSES = 2
SMALL_USE = DeviceUse(read_every=4, ahead=True, room=1 << 24)
"""How the small form uses the CPU: as far as it can, as a GPU is used."""


def networks_for(size: int, classes: int = CLASSES) -> NetworkSettings:
    """The default networks for grey images of a size; narrow ones without a GPU."""
    width, network = 16 if GPU else 4, default_network((size, size))
    return NetworkSettings((1, size, size), classes, width=width, spectral=False, network=network)


def noise_images(size: int, count: int) -> tuple[Tensor, Tensor]:
    """Images `(count, 1, size, size) uint8` of noise, and labels."""
    images = torch.randint(0, 256, (count, 1, size, size), dtype=torch.uint8)
    return images, torch.eye(CLASSES)[torch.arange(count) % CLASSES]


def make_trainer(
    images: Tensor,
    labels: Tensor,
    batch: int,
    precision: Precision = "fp32",
    *,
    graphs: bool = True,
    ranks: Ranks | None = None,
    seen: int = 10**9,
) -> GanTrainer:
    """Our trainer with the default loss.

    Args:
        images: `(N, 1, H, W) uint8`.
        labels: `(N, K) float32`.
        batch: Images per step.
        precision: How the GPU multiplies.
        graphs: Whether it may repeat steps from CUDA graphs.
        ranks: The processes that train together.
        seen: The images of the whole training.

    Returns:
        The trainer.
    """
    networks, side = networks_for(images.shape[2], labels.shape[1]), images.shape[2]
    penalty = default_penalty(networks.network, (side, side), batch)
    settings = TrainSettings(
        seen, batch, "relativistic", penalty=penalty, penalty_every=EVERY, precision=precision, seed=1
    )
    batches = TrainingBatches(images.numpy(), labels.numpy(), np.arange(len(images)), seed=0)
    use = use_of(DEVICE, 1, None, graphs) if GPU else SMALL_USE
    return GanTrainer(networks, settings, batches, DEVICE, ranks, use=use)


def eager_loop(images: Tensor, labels: Tensor, batch: int) -> Step:
    """A plain loop with PyTorch as it comes; see the module.

    Args:
        images: `(N, 1, H, W) uint8`.
        labels: `(N, K) float32`.
        batch: Images per step.

    Returns:
        A function that takes the next step.
    """
    networks = networks_for(images.shape[2], labels.shape[1])
    generator, discriminator = build_generator(networks).to(DEVICE), build_discriminator(networks).to(DEVICE)
    optimizers = [torch.optim.Adam(net.parameters(), 1e-3, (0.0, 0.99)) for net in (discriminator, generator)]
    images, labels = images.to(DEVICE), labels.to(DEVICE)
    weight, done = default_penalty(networks.network, networks.shape[1:], batch) * EVERY, 0

    def step() -> None:
        nonlocal done
        rows = torch.randint(0, len(images), (batch,), device=DEVICE)
        real, label = images[rows].float() / 127.5 - 1, labels[rows]
        real.requires_grad_(done % EVERY == 0)
        fake = generator(torch.randn(batch, networks.latent, device=DEVICE), label)
        seen = fake.detach().requires_grad_(done % EVERY == 0)
        on_real, on_fake = discriminator(real, label), discriminator(seen, label)
        loss = softplus(on_fake - on_real).mean()
        if done % EVERY == 0:
            slopes = torch.autograd.grad(on_real.sum() + on_fake.sum(), [real, seen], create_graph=True)
            loss = loss + weight / 2 * sum(slope.square().sum(dim=(1, 2, 3)).mean() for slope in slopes)
        optimizers[0].zero_grad()
        loss.backward()
        optimizers[0].step()
        optimizers[1].zero_grad()
        softplus(discriminator(real.detach(), label) - discriminator(fake, label)).mean().backward()
        optimizers[1].step()
        done += 1

    return step


def rates(size: int, batch: int, peak: dict[str, float]) -> dict[str, Any]:
    """Images per second at a size: of the plain loop, and of ours in its forms.

    Args:
        size: The images' side.
        batch: Images per step.
        peak: For each precision, the rate of a large product.
    """
    images, labels = noise_images(size, 4 * batch)
    warm, least = (5 * EVERY, EVERY) if GPU else (1, 2)
    found: dict[str, Any] = {"size": size, "batch": batch, "network": default_network((size, size))}
    found["eager"] = batch / seconds_of(eager_loop(images, labels, batch), warm, least)
    with Work() as work:  # without graphs: of a repeated step nothing can be counted
        counted = make_trainer(images, labels, batch, graphs=False)
        for _ in range(EVERY if GPU else 1):
            counted.advance()
    del counted
    forms: dict[str, tuple[Precision, bool]] = {
        "ours, no graphs": ("fp32", False),
        "ours": ("fp32", True),
        "ours, tf32": ("tf32", True),
    }
    for name, (precision, graphs) in forms.items() if GPU else [("ours", forms["ours"])]:
        trainer = make_trainer(images, labels, batch, precision, graphs=graphs)
        seconds = seconds_of(trainer.advance, warm, least)
        found |= {
            name: batch / seconds,
            f"{name}: share of peak": work.done / (EVERY if GPU else 1) / seconds / peak[precision],
        }
        found[f"{name}: how"] = trainer.how
        del trainer
        torch.cuda.empty_cache()
    found["ours / eager"] = found["ours"] / found["eager"]
    return found


def syncs() -> dict[str, Any]:
    """How often a step lets the CPU wait, for the plain loop and ours."""
    if not GPU:
        return {"skipped": "there is no GPU"}
    size, batch = next(iter(SIZES.items()))
    images, labels = noise_images(size, 4 * batch)
    loops = {"eager": eager_loop(images, labels, batch), "ours": make_trainer(images, labels, batch).advance}
    found: dict[str, Any] = {}
    for name, step in loops.items():
        for _ in range(5 * EVERY):
            step()
        torch.cuda.set_sync_debug_mode("warn")
        try:
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                for _ in range(5 * EVERY):
                    step()
        finally:
            torch.cuda.set_sync_debug_mode("default")
        said = [str(one.message) for one in caught if "synchroniz" in str(one.message)]
        found[name] = len(said) / (5 * EVERY)
    return found | {"note": "ours reads its losses once in 100 steps; 40 steps were counted, after another 40"}


def sampling(size: int) -> dict[str, Any]:
    """Images per second as synthetic sets are made, beside plain forward passes."""
    generator: Generator = build_generator(networks_for(size)).to(DEVICE).eval().requires_grad_(False)
    count = 64 * BLOCK if GPU else BLOCK
    labels = np.eye(CLASSES, dtype=np.float32)[np.arange(count) % CLASSES]
    here = torch.from_numpy(labels[:BLOCK]).to(DEVICE)

    @torch.inference_mode()
    def plain() -> None:
        for _ in range(count // BLOCK):
            to_bytes(generator(torch.randn(BLOCK, generator.settings.latent, device=DEVICE), here)).cpu()

    ours = count / seconds_of(lambda: sample(generator, labels, seed=0), 1, 1)
    return {"size": size, "ours": ours, "plain": count / seconds_of(plain, 1, 1)}


def sha(tensors: dict[str, Tensor]) -> str:
    """The beginning of the SHA-256 of all tensors."""
    total = hashlib.sha256()
    for name, value in sorted(tensors.items()):
        total.update(name.encode() + value.detach().cpu().contiguous().numpy().tobytes())
    return total.hexdigest()[:16]


def sameness() -> dict[str, Any]:
    """Hashes of what has to be the same."""
    size, batch = next(iter(SIZES.items()))
    images, labels = noise_images(size, 4 * batch)
    steps = 5 * EVERY if GPU else 2

    def trained(count: int, trainer: GanTrainer | None = None, **how: Any) -> GanTrainer:
        torch.manual_seed(0)
        trainer = trainer or make_trainer(images, labels, batch, **how)
        for _ in range(count):
            trainer.advance()
        trainer.read()
        return trainer

    whole = trained(2 * steps)
    half = trained(steps)
    resumed = make_trainer(images, labels, batch)
    load_tensors(resumed, {name: value.clone() for name, value in training_tensors(half).items()}, half.images)
    found = {"whole": whole, "resumed": trained(steps, resumed), "without graphs": trained(2 * steps, graphs=False)}
    with tempfile.TemporaryDirectory() as folder:
        backend = "cpu:gloo,cuda:nccl" if GPU else "gloo"
        dist.init_process_group(backend, init_method=f"file://{folder}/meeting", rank=0, world_size=1)
        try:
            found["one rank in a group"] = trained(2 * steps, graphs=False, ranks=ProcessGroup(DEVICE))
        finally:
            dist.destroy_process_group()
    hashes: dict[str, Any] = {name: sha(training_tensors(one)) for name, one in found.items()}
    generator = calibrated(whole.average, labels.to(DEVICE), 0)
    rows = np.eye(CLASSES, dtype=np.float32)[np.arange(2 * BLOCK) % CLASSES]
    together, later = sample(generator, rows, seed=3), sample(generator, rows[BLOCK:], seed=3, first=BLOCK)
    return hashes | {
        "trainings are the same": len(set(hashes.values())) == 1,
        "image k is the same": bool((together[BLOCK:] == later).all()),
    }


def trained_on(name: str, read: Callable[[Path], Any], path: Path | None, out: Path) -> dict[str, Any]:
    """Train on real images for TRAINING_SECONDS, and score classifiers that see synthetic images alone.

    Args:
        name: Of the data.
        read: Gives images `(N, 1, H, W) uint8` and classes for training and for the test; raises OSError if absent.
        path: Where they are.
        out: Where a sheet of images is written.
    """
    if path is None:
        return {"skipped": f"no folder was given: --{name} FOLDER"}
    try:
        images, classes, test_images, test_classes = read(path)
    except (OSError, ValueError, RuntimeError) as error:
        return {"skipped": f"{path} could not be read: {error}"}
    kinds = int(classes.max()) + 1
    labels, batch = torch.eye(kinds)[classes], 64 if GPU else 8
    trial = make_trainer(images, labels, batch)
    rate = batch / seconds_of(trial.advance, 5 * EVERY if GPU else 1, EVERY if GPU else 1)
    seen = int(max(2 * batch, rate * TRAINING_SECONDS)) // batch * batch
    trainer, began = make_trainer(images, labels, batch, seen=seen), time.perf_counter()
    while not trainer.finished:
        trainer.advance()
    trainer.read()
    wait()
    seconds = time.perf_counter() - began
    generator = calibrated(trainer.average, labels[:1024].to(DEVICE), 0)
    wanted = classes[torch.randperm(len(classes), generator=torch.Generator().manual_seed(0))][: 20_000 if GPU else 64]
    made = torch.from_numpy(sample(generator, np.eye(kinds, dtype=np.float32)[wanted.numpy()], seed=0))
    save_sheet(made[:64], out / f"{name}.png")
    test, epochs = (test_images, test_classes), 6 if GPU else 1
    return {
        "images seen": seen,
        "seconds": seconds,
        "synthetic alone": classifier_scores(made, wanted, *test, DEVICE, epochs),
        "real": classifier_scores(images, classes, *test, DEVICE, epochs),
    }


def save_sheet(images: Tensor, path: Path) -> None:
    """Write `(N, 1, H, W) uint8` images as one picture."""
    from torchvision.utils import save_image

    save_image(images.float() / 255, path)


def main(arguments: Sequence[str] | None = None) -> None:
    """Do all parts."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", type=Path, default=Path("gpu-table"), help="the folder of the table")
    parser.add_argument("--mnist", type=Path, help="a folder with MNIST's four files, as torchvision keeps them")
    parser.add_argument("--films", type=Path, help="a folder with train/CLASS/ and test/CLASS/ of films")
    parser.add_argument("--minutes", type=float, default=8.0, help="after which no further part begins")
    asked = parser.parse_args(arguments)
    torch.manual_seed(0)
    if not GPU:
        torch.set_num_threads(1)
    table = Table(asked.out, asked.minutes)
    precisions: tuple[Precision, ...] = ("fp32", "tf32")
    peak = {precision: products_per_second(precision) for precision in precisions}
    table.add("products of matrices, per second", lambda: peak)
    for size, batch in SIZES.items():
        table.add(f"rates at {size} px", partial(rates, size, batch, peak), 8 * SECONDS)
    table.add("syncs", syncs)
    for size in SIZES:
        table.add(f"sampling at {size} px", partial(sampling, size), 2 * SECONDS)
    table.add("sameness", sameness)
    for name, read in (("mnist", read_mnist), ("films", read_films)):
        table.add(name, partial(trained_on, name, read, getattr(asked, name), asked.out), TRAINING_SECONDS)


if __name__ == "__main__":
    main()
