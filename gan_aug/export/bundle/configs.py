"""The two configs of a bundle: what MONAI asks to be said of a model, and what `monai.bundle run` does with it."""

from __future__ import annotations

import json
import re
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from gan_aug.gan.networks.catalogue import NETWORKS
from gan_aug.gan.networks.sizes import channels_of, full_channels
from gan_aug.gan.state import Checkpoint, released_record
from gan_aug.synthesis.bundle import VERSION
from gan_aug.version import __version__

SCHEMA = "https://github.com/Project-MONAI/MONAI-extra-test-data/releases/download/0.8.1/meta_schema_20240725.json"
"""The schema of MONAI that the metadata follow."""

SHOWN = 16
"""Images that `monai.bundle run` makes if it is not told how many."""


def code_name(checkpoint: Checkpoint) -> str:
    """The name of the package with a bundle's code.

    It differs from bundle to bundle: Python could not load two packages called `scripts` side by side.
    """
    return f"scripts_{checkpoint.id[:12]}"


def network_arguments(checkpoint: Checkpoint) -> dict[str, Any]:
    """The arguments of the bundle's own `Generator`, as JSON values."""
    networks = checkpoint.networks
    sizes = NETWORKS[networks.network].sizes(networks.shape[1:])
    channels = [*reversed(channels_of(networks.width, sizes))]
    if networks.network != "dcgan":  # which has no level at the image's own size
        channels.append(full_channels(networks.width))
    return {
        "latent": networks.latent,
        "classes": networks.classes,
        "shape": [*networks.shape],
        "sizes": [[*size] for size in reversed(sizes)],
        "channels": channels,
        "as_first": checkpoint.schema == 1,
    }


def inference(checkpoint: Checkpoint) -> dict[str, Any]:
    """What `python -m monai.bundle run` does: make images of one label of a seed, and write them."""
    code = code_name(checkpoint)
    return {
        "bundle_root": ".",
        "output_dir": "$@bundle_root + '/images'",
        "device": "cpu",
        "label": None,
        "count": SHOWN,
        "seed": 0,
        "first": 0,
        "network_def": {"_target_": f"{code}.Generator", **network_arguments(checkpoint)},
        "network": {
            "_target_": f"{code}.load",
            "network": "@network_def",
            "file": "$@bundle_root + '/models/model.pt'",
            "device": "@device",
        },
        "images": {
            "_target_": f"{code}.sample",
            "network": "@network",
            "label": "@label",
            "count": "@count",
            "seed": "@seed",
            "first": "@first",
        },
        "written": {
            "_target_": f"{code}.save",
            "images": "@images",
            "folder": "@output_dir",
            "label": "@label",
            "seed": "@seed",
            "first": "@first",
        },
        "run": ["$@written"],
    }


def metadata(checkpoint: Checkpoint, use: str) -> dict[str, Any]:
    """What is said of the model, by MONAI's schema.

    Args:
        checkpoint: The trained generator.
        use: What it is for, and what it is not for.

    Returns:
        JSON values; nothing in them is a hash of a training image.
    """
    networks = checkpoint.networks
    channels, height, width = networks.shape
    labels = ", ".join(map(_harmless, checkpoint.labels))
    return {
        "schema": SCHEMA,
        "version": "1.0.0",
        "changelog": {"1.0.0": f"exported by gan-aug {__version__}"},
        "monai_version": _version("monai"),
        "pytorch_version": _version("torch"),
        "numpy_version": _version("numpy"),
        "required_packages_version": {},
        "name": "Generator of synthetic images",
        "task": "Make synthetic images of a label",
        "description": f"A class-conditional generator of {width} x {height} images, trained with gan-aug; labels: "
        f"{labels}. Every image is SYNTHETIC: none is a recording of a patient.",
        "authors": "unknown: gan-aug does not know who trained it",
        "copyright": "unknown: see LICENSE",
        "data_source": f"the data set with the fingerprint {checkpoint.dataset}, which is not part of the bundle",
        "data_type": "noise and labels",
        "label_classes": f"one for each label: {labels}",
        "intended_use": use,
        "network_data_format": {
            "inputs": {
                # MONAI's own checks look for an input of this name.
                "image": {
                    "type": "tuples",
                    "format": "noise and labels",
                    "num_channels": networks.latent + networks.classes,
                    "spatial_shape": [],
                    "dtype": "float32",
                    "value_range": [],
                    "is_patch_data": False,
                    "channel_def": _columns(checkpoint),
                }
            },
            "outputs": {
                "pred": {
                    "type": "image",
                    "format": "magnitude" if channels == 1 else "RGB",
                    "num_channels": channels,
                    "spatial_shape": [height, width],
                    "dtype": "float32",
                    "value_range": [-1, 1],
                    "is_patch_data": False,
                    "channel_def": {"0": "grey"} if channels == 1 else {"0": "red", "1": "green", "2": "blue"},
                }
            },
        },
    }


def record(checkpoint: Checkpoint) -> dict[str, Any]:
    """What gan-aug needs to use the model again: the checkpoint's record, which has no hash of a training image.

    It has a file of its own, since MONAI evaluates texts in its configs that begin with a sign such as `$`, and names
    of labels are texts that anybody may have chosen.
    """
    return {"bundle": VERSION, "gan_aug": __version__, "checkpoint": released_record(checkpoint)}


def as_json(value: dict[str, Any]) -> bytes:
    """A config as the bytes of its file."""
    return (json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n").encode()


def _harmless(label: str) -> str:
    """A label's name within a text of the metadata, without what MONAI takes for a reference."""
    return re.sub(r"([@%])#", r"\1 #", label)


def _columns(checkpoint: Checkpoint) -> dict[str, str]:
    """What each column of the network's input is."""
    latent = checkpoint.networks.latent
    noise = {str(k): f"noise {k}" for k in range(latent)}
    return noise | {str(latent + k): f"label {_harmless(label)}" for k, label in enumerate(checkpoint.labels)}


def _version(package: str) -> str:
    """The version of an installed package; MONAI need not be."""
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"
