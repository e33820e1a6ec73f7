"""The real images of `benchmarks.gpu`, and the small classifier that judges its GANs."""

from __future__ import annotations

import gzip
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

Split = tuple[Tensor, Tensor, Tensor, Tensor]
"""Images `(N, 1, H, W) uint8` and classes `(N,)` for training, then the same for the test."""

FILM_SIZE = 64 if torch.cuda.is_available() else 16
"""Pixels on each side."""

MOST = None if torch.cuda.is_available() else 64
"""Images of a part of MNIST, or of a class of films, at most: the small form is quick."""

BATCH = 128


def read_mnist(folder: Path) -> Split:
    """MNIST from its four files, packed or not, in `folder` or in its `MNIST/raw`; raises OSError if one is absent."""
    parts = [
        _read_idx(folder, f"{part}-{kind}-ubyte")
        for part in ("train", "t10k")
        for kind in ("images-idx3", "labels-idx1")
    ]
    images, classes, test_images, test_classes = (part[:MOST] for part in parts)
    return images[:, None], classes.long(), test_images[:, None], test_classes.long()


def _read_idx(folder: Path, name: str) -> Tensor:
    """An array of bytes: after four bytes, of which the last is the number of dimensions, each as four bytes."""
    raw = folder / "MNIST" / "raw"
    places = [
        place for place in (folder / name, folder / f"{name}.gz", raw / name, raw / f"{name}.gz") if place.exists()
    ]
    if not places:
        raise FileNotFoundError(f"{name} is not there")
    content = gzip.decompress(places[0].read_bytes()) if places[0].suffix == ".gz" else places[0].read_bytes()
    shape = np.frombuffer(content, ">i4", count=content[3], offset=4)
    values = np.frombuffer(content, np.uint8, offset=4 + 4 * content[3])
    return torch.from_numpy(values.reshape(*shape.tolist()).copy())


def read_films(folder: Path) -> Split:
    """Films of `train/CLASS/` and `test/CLASS/`, as grey images of FILM_SIZE; raises OSError if there are none."""
    from PIL import Image

    def read(path: Path) -> Tensor:
        with Image.open(path) as film:
            grey = film.convert("L").resize((FILM_SIZE, FILM_SIZE), Image.Resampling.BILINEAR)
        return torch.frombuffer(bytearray(grey.tobytes()), dtype=torch.uint8).view(1, FILM_SIZE, FILM_SIZE)

    found: list[Tensor] = []
    names = sorted(path.name for path in (folder / "train").iterdir() if path.is_dir())
    for part in ("train", "test"):
        paths = [(path, k) for k, name in enumerate(names) for path in sorted((folder / part / name).iterdir())[:MOST]]
        with ThreadPoolExecutor() as pool:
            images = list(pool.map(read, [path for path, _ in paths]))
        found += [torch.stack(images), torch.tensor([k for _, k in paths])]
    return found[0], found[1], found[2], found[3]


def classifier_scores(
    images: Tensor, classes: Tensor, test_images: Tensor, test_classes: Tensor, device: torch.device, epochs: int
) -> dict[str, float]:
    """Train a small classifier, and test it.

    Args:
        images: `(N, 1, H, W) uint8`.
        classes: `(N,)`.
        test_images: Those of the test.
        test_classes: Their classes.
        device: Where it is trained.
        epochs: How often it sees each image.

    Returns:
        `accuracy`, and `auc` of two classes or the mean over each class against the others.
    """
    from sklearn.metrics import accuracy_score, roc_auc_score

    torch.manual_seed(0)
    kinds = int(max(classes.max(), test_classes.max())) + 1
    layers: list[nn.Module] = []
    for channels, out in ((1, 32), (32, 64), (64, 128)):
        layers += [nn.Conv2d(channels, out, 3, padding=1), nn.BatchNorm2d(out), nn.ReLU(), nn.MaxPool2d(2)]
    model = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(512, kinds)).to(device)
    steps = epochs * -(-len(images) // BATCH)
    optimizer = torch.optim.AdamW(model.parameters(), 2e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 4e-3, total_steps=steps + 1)
    for _ in range(epochs):
        for rows in torch.randperm(len(images)).split(BATCH):
            loss = nn.functional.cross_entropy(model(_signed(images[rows], device)), classes[rows].to(device))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    model.eval()
    with torch.inference_mode():
        logits = torch.cat([model(_signed(part, device)).cpu() for part in test_images.split(BATCH)])
    shares = logits.softmax(dim=1).numpy()
    auc = roc_auc_score(test_classes.numpy(), shares[:, 1] if kinds == 2 else shares, multi_class="ovr")
    return {"accuracy": float(accuracy_score(test_classes.numpy(), shares.argmax(1))), "auc": float(auc)}


def _signed(images: Tensor, device: torch.device) -> Tensor:
    return images.to(device).float().div_(127.5).sub_(1)
