"""The network of a bundle as one file that PyTorch runs without its code: `torch.export`, known as pt2."""

from __future__ import annotations

import io
import warnings
from importlib import import_module
from typing import Any

import torch

from gan_aug.gan.state import Checkpoint, read_tensors

ABOUT_CODE = ("stack_trace", "nn_module_stack", "source_fn_stack", "torch_fn", "from_node")
"""What PyTorch notes of each operation's origin: paths of this machine, which nobody else needs."""


def bundled_network(checkpoint: Checkpoint, arguments: dict[str, Any]) -> torch.nn.Module:
    """The network of a bundle's own code with the weights of `checkpoint`, ready to make images.

    Args:
        checkpoint: The trained generator.
        arguments: Those of the network, see `config.network_arguments`.

    Returns:
        The network, on the CPU.
    """
    code = import_module(f"gan_aug.export.bundle.code.{checkpoint.networks.network}")
    network: torch.nn.Module = code.Generator(**arguments)
    network.load_state_dict(read_tensors(checkpoint.weights))
    return network.to(memory_format=torch.channels_last).eval().requires_grad_(False)


def program(network: torch.nn.Module, columns: int) -> bytes:
    """A pt2 file of `network`, for any number of images at once.

    It patches PyTorch while it traces, so no other thread may use a network meanwhile.

    Args:
        network: From noise and labels side by side to images.
        columns: How many numbers noise and labels have together.

    Returns:
        The file, equal for equal networks.
    """
    example = torch.zeros(2, columns)
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # of what PyTorch itself does meanwhile
        shapes = ({0: torch.export.Dim("images")},)
        exported = torch.export.export(network, (example,), dynamic_shapes=shapes, strict=False)
        for node in exported.graph.nodes:
            for key in ABOUT_CODE:
                node.meta.pop(key, None)
        file = io.BytesIO()
        torch.export.save(exported, file)
    return file.getvalue()
