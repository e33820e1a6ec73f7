"""A data set of eight images in memory, and a synthetic set of a generator trained on its training split."""

from __future__ import annotations

import numpy as np

from gan_aug.data.manifest import Manifest, Study, content_hash
from gan_aug.data.synthetic.shards import SyntheticManifest

IMAGES = np.random.default_rng(0).integers(0, 256, (8, 1, 8, 8), dtype=np.uint8)
SPLITS = ["train"] * 4 + ["validation"] * 2 + ["test"] * 2
HASHES = [content_hash(image) for image in IMAGES]
MANIFEST = Manifest(
    "tiny",
    ("no", "yes"),
    "multi-class",
    (1, 8, 8),
    tuple(Study(HASHES[i], (i % 2,), split, f"p{i}", "") for i, split in enumerate(SPLITS)),
)
SYNTHETIC = SyntheticManifest(
    MANIFEST.labels,
    MANIFEST.task,
    MANIFEST.shape,
    0,
    "c",
    MANIFEST.fingerprint,
    tuple(HASHES[:4]),
    ((1,), (0,)) * 3,
    (),
)
