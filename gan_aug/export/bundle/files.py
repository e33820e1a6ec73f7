"""All files of a bundle: a trained generator as a MONAI Bundle, which needs nothing of gan-aug.

It holds the averaged generator alone. The discriminator, the state of the training, and hashes of training images stay
where they are. The same checkpoint gives the same bytes, with the same versions of gan-aug, PyTorch, numpy and MONAI.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from importlib.resources import files

import torch

from gan_aug.data.pictures.marks import archive_marks
from gan_aug.export.bundle.card import USE, card, licence
from gan_aug.export.bundle.configs import as_json, code_name, inference, metadata, network_arguments, record
from gan_aug.export.bundle.program import bundled_network, program
from gan_aug.export.folder import Sums
from gan_aug.gan.state import Checkpoint, read_tensors
from gan_aug.synthesis.bundle import METADATA, RECORD, WEIGHTS

CODE = ("layers.py", "seeds.py", "sampling.py", "files.py")
"""The files of the bundle's code beside that of its network."""


def bundle_files(checkpoint: Checkpoint, audited: str) -> Iterator[tuple[str, bytes]]:
    """Names and contents of all files of a bundle; the last one has the sums of all others.

    Args:
        checkpoint: The trained generator.
        audited: What the privacy audit found, in sentences.

    Yields:
        Each file.

    Raises:
        CheckpointError: The checkpoint is absent or altered.
    """
    sums = Sums()
    for name, content in _files(checkpoint, audited):
        sums.add_files([(name, content)])
        yield name, content
    yield sums.file()


def _files(checkpoint: Checkpoint, audited: str) -> Iterator[tuple[str, bytes]]:
    origin = {
        "checkpoint": checkpoint.id,
        "labels": [*checkpoint.labels],
        "dataset": checkpoint.dataset,
        "trained_images": checkpoint.trained_images,
    }
    yield from archive_marks(origin, "The images that this model makes")
    yield "LICENSE", licence(checkpoint).encode()
    yield "docs/README.md", card(checkpoint, audited).encode()
    yield METADATA, as_json(metadata(checkpoint, USE))
    yield RECORD, as_json(record(checkpoint))
    yield "configs/inference.json", as_json(inference(checkpoint))
    yield from _code(checkpoint)
    yield WEIGHTS, checkpoint.weights.read_bytes()
    yield "models/model.pt", _pickled(checkpoint)
    networks = checkpoint.networks
    network = bundled_network(checkpoint, network_arguments(checkpoint))
    yield "models/model.pt2", program(network, networks.latent + networks.classes)


def _code(checkpoint: Checkpoint) -> Iterator[tuple[str, bytes]]:
    """The bundle's code: that of its own network, and what all have."""
    network = checkpoint.networks.network
    source = files("gan_aug.export.bundle.code")
    names = (f"{network}.py", *CODE)
    contents = {name: source.joinpath(name).read_text(encoding="utf-8") for name in names}
    contents["about.py"] = (
        '"""What the generator of this bundle is."""\n\n'
        f"CHECKPOINT = {checkpoint.id!r}\n"
        f"LABELS = {[*checkpoint.labels]!a}\n"
        f"NETWORK = {network_arguments(checkpoint)!r}\n"
    )
    contents["__init__.py"] = (
        '"""The generator of this bundle: `open_generator`, `sample` and `save`."""\n\n'
        "from .about import CHECKPOINT, LABELS, NETWORK\n"
        "from .files import save\n"
        f"from .{network} import Generator\n"
        "from .sampling import load, make, sample\n\n"
        '__all__ = ["CHECKPOINT", "LABELS", "NETWORK", "Generator", "load", "make", "open_generator", "sample", '
        '"save"]\n\n\n'
        'def open_generator(file="models/model.pt", device="cpu"):\n'
        '    """The generator with its weights, ready for `sample`."""\n'
        "    return load(Generator(**NETWORK), file, device)\n"
    )
    for name, text in sorted(contents.items()):
        yield f"{code_name(checkpoint)}/{name}", f"# SPDX-License-Identifier: Apache-2.0\n{text}".encode()


def _pickled(checkpoint: Checkpoint) -> bytes:
    """The weights as MONAI wants them: a state dict that `torch.load` reads with `weights_only`."""
    file = io.BytesIO()
    torch.save(read_tensors(checkpoint.weights), file)  # noqa: TID251 - MONAI reads no other file
    return file.getvalue()
