"""The card of a bundle: for people what the model is, what it is not for, what is not known, and how it is run."""

from __future__ import annotations

import re

from gan_aug.export.bundle.configs import SHOWN, code_name
from gan_aug.gan.state import Checkpoint
from gan_aug.version import __version__

USE = (
    "Making synthetic images of the labels that it was trained on: to train classifiers beside real images or for want "
    "of them, for teaching, and to try out software. Not for diagnosis, not to make the images that a classifier is "
    "tested on, and not to learn how frequent a disease is: the user chooses how many images of each label are made."
)

LICENCE = """\
The weights in models/ have no licence yet. gan-aug does not know that of the images that the model was trained on, and
gives the model none. Whoever passes this bundle on states here what others may do with it.

The code in the folder {code} is part of gan-aug. It is under the Apache License, Version 2.0:
https://www.apache.org/licenses/LICENSE-2.0
"""

UNKNOWN = (
    "- The licence: who passes the model on states it in `LICENSE`, and in the header above.\n"
    "- Who the people in the training images are, how they were chosen, and what they agreed to.\n"
    "- Whether the images are good enough for your purpose: the report of the run that trained it looks at that."
)


def licence(checkpoint: Checkpoint) -> str:
    """The file LICENSE: the code's licence, and that the weights have none yet."""
    return LICENCE.format(code=code_name(checkpoint))


def card(checkpoint: Checkpoint, audited: str) -> str:
    """The card, Markdown under a header in YAML.

    Args:
        checkpoint: The trained generator.
        audited: What the privacy audit found, in sentences.

    Returns:
        The text.
    """
    import yaml

    header = {
        "license": "unknown",
        "library_name": "monai",
        "tags": ["monai", "medical", "synthetic", "gan-aug"],
    }
    networks = checkpoint.networks
    channels, height, width = networks.shape
    labels = "\n".join(f"- `{_code(label)}`" for label in checkpoint.labels)
    parent = checkpoint.parent
    before = f", after an earlier training on {parent.trained_images:,}" if parent else ""
    several = "" if checkpoint.task == "multi-class" else " An image may have several of them, or none."
    return (
        f"---\n{yaml.safe_dump(header, sort_keys=False)}---\n\n# Generator of synthetic images\n\n"
        f"It makes **synthetic** images of {width} x {height} pixels, {'grey' if channels == 1 else 'RGB'}, of these "
        f"labels. None is a recording of a patient.{several}\n\n{labels}\n\n"
        f"The averaged generator of a GAN (network `{networks.network}`), trained with gan-aug on "
        f"{checkpoint.trained_images:,} different real images{before}: checkpoint `{checkpoint.id}`. The "
        f"discriminator, which reveals its training images, is not here. gan-aug {__version__} wrote this bundle.\n\n"
        f"## Intended use\n\n{USE}\n\n## Privacy audit\n\n{audited}\n\n{_running(checkpoint)}"
        f"## Unknown\n\n{UNKNOWN}\n"
    )


def _running(checkpoint: Checkpoint) -> str:
    """How images are made."""
    code, networks = code_name(checkpoint), checkpoint.networks
    # A shell, and MONAI, take some signs for something else; without a plain name the first label is made.
    plain = [name for name in checkpoint.labels if re.fullmatch(r"\w+", name)]
    name, single = (plain or checkpoint.labels)[0], checkpoint.task == "multi-class"
    label = name if single else [name]
    argument = f' --label "{label}"' if plain else ""
    columns, shape = networks.latent + networks.classes, ", ".join(map(str, networks.shape))
    return f"""\
## Making images

In the folder of the bundle, with MONAI (and its command line's package `fire`): {SHOWN} images of a label as PNG files
and as an npz in `images/`.

```
python -m monai.bundle run --config_file configs/inference.json{argument} --count {SHOWN} --seed 0
```

With PyTorch and numpy alone:

```python
import {code} as bundle

network = bundle.open_generator("models/model.pt")
images = bundle.sample(network, {label!r}, count={SHOWN}, seed=0)  # ({SHOWN}, {shape}) uint8
bundle.save(images, "images", {label!r}, seed=0)
```

With PyTorch alone, and without that code, from noise and labels (0 or 1) side by side,
`(N, {networks.latent} + {networks.classes})`:

```python
import torch

network = torch.export.load("models/model.pt2").module()
images = network(torch.randn(4, {columns}))  # float32 in [-1, 1]
```

With gan-aug, which runs none of the code here: `gan-aug generate --from BUNDLE --counts 100 --out DIR`.

Image k of a seed depends on the seed, k and its labels alone. On a CPU, with the version of PyTorch in
`configs/metadata.json`, all ways that take a seed give the same image, the one of the run that trained the model; on
another processor the last bits may differ. `sha256sum -c SHA256SUMS` checks all files as they were exported.

"""


def _code(label: str) -> str:
    """A label's name within a code span."""
    return " ".join(label.replace("`", "'").split())
