"""A bundle as others use it: by MONAI, and in a process without gan-aug; and what it must not hold."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch

from gan_aug.errors import StorageError
from gan_aug.export.bundle.configs import network_arguments
from gan_aug.export.bundle.program import bundled_network
from gan_aug.export.models import MODEL_FORMATS
from gan_aug.gan.state import GENERATOR, Checkpoint, Parent
from gan_aug.synthesis.generator import TrainedGenerator
from tests.support.reads_marks import made_from
from tests.unit.export.bundle.checkpoints import write_checkpoint

LABELS = ("$__import__('os')", "%a/b|`c`", "@##肺炎\n", "7")
"""Names that MONAI's configs, Markdown and Python could take for something else."""

ELSEWHERE = """
import importlib.abc, sys, warnings

class Refuse(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {"gan_aug", "safetensors", "torchvision", "scipy", "sklearn", "PIL", "ray"}:
            raise ImportError(f"there is no {name} here")

sys.meta_path.insert(0, Refuse())
root, code = sys.argv[1:]
sys.path.insert(0, root)
import numpy as np
import torch
torch.set_num_threads(1)
bundle = __import__(code)
network = bundle.open_generator(root + "/models/model.pt")
alone = bundle.sample(network, ["7", bundle.LABELS[0]], 5, seed=3, first=61)
warnings.simplefilter("ignore")
from monai.bundle import ConfigParser
from monai.bundle.scripts import verify_net_in_out
parser = ConfigParser()
parser.read_config(root + "/configs/inference.json")
parser.read_meta(root + "/configs/metadata.json")
parser.update({"bundle_root": root, "label": [3, 0], "count": 5, "seed": 3, "first": 61})
monai = parser.get_parsed_content("images")
parser.get_parsed_content("run")
verify_net_in_out("network_def", root + "/configs/metadata.json", root + "/configs/inference.json", device="cpu")
np.savez(root + "/made.npz", alone=alone, monai=monai)
print([name for name in sys.modules if name.startswith("gan_aug")])
"""

REQUIRED = {
    "schema": str, "version": str, "monai_version": str, "pytorch_version": str, "numpy_version": str,
    "required_packages_version": dict, "task": str, "description": str, "authors": str, "copyright": str,
    "network_data_format": dict,
}  # fmt: skip
"""What MONAI's schema of 2024-07-25 requires, with its types."""

TENSOR = {"type": str, "format": str, "num_channels": int, "spatial_shape": list, "dtype": str, "value_range": list}
"""What it requires of an input or an output."""


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Checkpoint:
    """A generator of images with several labels each, fine-tuned, by a record of the schema that lists the images."""
    torch.manual_seed(1)
    seen = tuple(f"{number:064x}" for number in range(90))
    parent = Parent("e" * 64, 320, seen[:40], 40, 30)
    values = {"task": "multi-label", "schema": 2, "trained_on": seen[30:], "trained_images": 60, "parent": parent}
    return write_checkpoint(tmp_path_factory.mktemp("checkpoint"), "dcgan", (1, 16, 24), LABELS, **values)


@pytest.fixture(scope="module")
def bundle(checkpoint: Checkpoint, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("bundle") / "films"
    MODEL_FORMATS["bundle"].write(checkpoint, out, "The audit found nothing.")
    return out


def test_it_makes_our_images_by_monai_and_without_gan_aug(bundle: Path, checkpoint: Checkpoint) -> None:
    (code,) = bundle.glob("scripts_*")
    command = [sys.executable, "-c", ELSEWHERE, str(bundle), code.name]
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, cwd="/", env=os.environ | {"PYTHONPATH": ""}
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "[]"
    ours = TrainedGenerator(checkpoint).sample(["7", LABELS[0]], 5, 3, first=61)
    with np.load(bundle / "made.npz") as made:
        np.testing.assert_array_equal(made["alone"], ours)
        np.testing.assert_array_equal(made["monai"], ours)
    with np.load(bundle / "images/images.npz") as written:
        np.testing.assert_array_equal(written["images"], ours)
        assert written["synthetic"].item() is True
    for number in range(61, 66):
        facts = made_from((bundle / f"images/{number:08d}.png").read_bytes())
        assert facts == {"checkpoint": checkpoint.id, "seed": 3, "number": number, "labels": ["7", LABELS[0]]}


def test_the_program_needs_no_code_and_makes_the_same_images(bundle: Path, checkpoint: Checkpoint) -> None:
    file = bundle / "models/model.pt2"
    with zipfile.ZipFile(file) as archive:
        assert not any(b"gan_aug" in archive.read(name) or b".py" in archive.read(name) for name in archive.namelist())
    program = torch.export.load(file).module()
    network = bundled_network(checkpoint, network_arguments(checkpoint))
    torch.set_num_threads(1)
    x = torch.randn(64, 12)
    with torch.inference_mode():
        for count in (64, 3, 1):
            assert torch.equal(program(x[:count]), network(x[:count]))


def test_it_holds_the_averaged_generator_alone_and_no_hash_of_an_image(bundle: Path, checkpoint: Checkpoint) -> None:
    sums = dict(line.split("  ")[::-1] for line in (bundle / "SHA256SUMS").read_text().splitlines())
    (code,) = bundle.glob("scripts_*")
    assert sorted(sums) == sorted([
        "LICENSE", "README.txt", "configs/gan-aug.json", "configs/inference.json", "configs/metadata.json",
        "docs/README.md", "models/model.pt", "models/model.pt2", "models/model.safetensors", "synthetic.json",
        *(f"{code.name}/{name}.py" for name in ("__init__", "about", "dcgan", "files", "layers", "sampling", "seeds")),
    ])  # fmt: skip
    assert (
        subprocess.run(["sha256sum", "-c", "--strict", "--quiet", "SHA256SUMS"], cwd=bundle, check=False).returncode
        == 0
    )
    assert (bundle / "models/model.safetensors").read_bytes() == (checkpoint.path / GENERATOR).read_bytes()
    everything = b"".join((bundle / name).read_bytes() for name in sums)
    assert not any(content.encode() in everything for content in checkpoint.trained_on)
    assert not re.search(rb"discriminator\.|optimizer|/tmp/|site-packages|export/bundle", everything)
    lines = [line for path in code.glob("*.py") for line in path.read_text().splitlines()]
    imported = {line.split()[1].partition(".")[0] for line in lines if line.startswith(("import ", "from "))}
    assert imported <= {"", "torch", "numpy", *sys.stdlib_module_names}


def test_its_metadata_are_what_monai_asks_for(bundle: Path, checkpoint: Checkpoint) -> None:
    told = json.loads((bundle / "configs/metadata.json").read_text(encoding="utf-8"))
    assert {name: type(told.get(name)) for name in REQUIRED} == REQUIRED
    described = told["network_data_format"]
    for tensor in (described["inputs"]["image"], described["outputs"]["pred"]):
        assert {name: type(tensor.get(name)) for name in TENSOR} == TENSOR
    assert described["inputs"]["image"]["num_channels"] == 8 + 4
    assert described["outputs"]["pred"]["spatial_shape"] == [16, 24]
    mark = json.loads((bundle / "synthetic.json").read_text(encoding="utf-8"))
    assert (mark["synthetic"], mark["checkpoint"], mark["trained_images"]) == (True, checkpoint.id, 60)
    card = (bundle / "docs/README.md").read_text(encoding="utf-8")
    assert "The audit found nothing." in card
    assert """--label "['7']" --count""" in card, "no name that a shell or MONAI takes for something else"
    assert "60 different real images, after an earlier training on 40" in card
    assert "have no licence yet" in (bundle / "LICENSE").read_text()


def test_the_same_checkpoint_gives_the_same_bytes_also_as_a_download(
    bundle: Path, checkpoint: Checkpoint, tmp_path: Path
) -> None:
    with pytest.raises(StorageError, match="exists and is not empty"):
        MODEL_FORMATS["bundle"].write(checkpoint, bundle, "")
    again = MODEL_FORMATS["bundle"].files(checkpoint, "The audit found nothing.")
    assert [name for name, content in again if (bundle / name).read_bytes() != content] == []
