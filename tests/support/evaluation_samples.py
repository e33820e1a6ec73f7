"""Cells of random scores with a known separability, as a comparison would leave them."""

import numpy as np

from gan_aug.config import parse, reported
from gan_aug.data.manifest import Manifest, Study
from gan_aug.data.synthetic.shards import SyntheticManifest
from gan_aug.evaluation.arm_catalogue import ARMS
from gan_aug.evaluation.cells.result import CellResult
from gan_aug.evaluation.outcome.figures import build_report

EFFECTS = {"real": 1.7, "synthetic": 1.3, "mixed": 1.75}


def make_manifest(labels=("normal", "pneumonia"), task="multi-class", per_label=30, positive="pneumonia", notes=()):
    rng = np.random.default_rng(0)
    studies = []
    for split, times in (("train", 2), ("validation", 1), ("test", 1)):
        for i in range(per_label * times * len(labels)):
            held = (i % len(labels),)
            if task == "multi-label":
                held = tuple(k for k in range(len(labels)) if rng.random() < 0.3)
            studies.append(Study(f"{split}{i}", held, split, f"{split}-patient{i // 2}", "sample"))
    return Manifest("sample films", tuple(labels), task, (1, 28, 28), tuple(studies), positive, notes=tuple(notes))


def make_synthetic(manifest, count=60):
    held = tuple((i % len(manifest.labels),) for i in range(count))
    return SyntheticManifest(
        manifest.labels, manifest.task, manifest.shape, 0, "5c1f" * 16, manifest.fingerprint, ("train0",), held, ()
    )


def make_cells(manifest, arms=("real", "synthetic", "mixed"), seeds=3, sharpness=1.0, gans=1):
    """`sharpness` scales how far apart the classes are; 20 separates them perfectly."""
    return [_cell(manifest, arm, seed, sharpness, gans) for arm in arms for seed in range(seeds)]


def _cell(manifest, arm, seed, sharpness, gans):
    rng = np.random.default_rng([seed, *arm.encode()])
    effect = sharpness * (EFFECTS.get(arm, 2.0) + 0.1 * rng.normal())
    scores = {split: _scores(manifest, split, effect, rng) for split in ("validation", "test")}
    train = len(manifest.indices("train"))
    return CellResult(
        key=f"{arm}-{seed}",
        arm=arm,
        seed=seed,
        steps=400,
        best_step=300,
        seconds=12.5,
        parameters=23456,
        train_images={
            "real": 0 if arm == "synthetic" else train,
            "synthetic": 0 if arm == "real" else train,
        },
        history=_history(effect, rng),
        validation_scores=scores["validation"],
        test_scores=scores["test"],
        gan=seed % gans if arm in ARMS and ARMS[arm].needs_synthetic else None,
    )


def _scores(manifest, split, effect, rng):
    rows = manifest.indices(split)
    labels = manifest.label_matrix()[rows]
    shared = np.random.default_rng(len(rows)).normal(size=labels.shape)
    logits = effect * (labels - 0.5) + 0.8 * shared + 0.4 * rng.normal(size=labels.shape)
    if manifest.task == "multi-label":
        return 1 / (1 + np.exp(-logits))
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def _history(effect, rng):
    records = []
    for epoch in range(1, 11):
        train = 0.7 * np.exp(-epoch * effect / 8) + 0.05 * rng.random()
        validation = 0.15 + 0.6 * np.exp(-epoch * effect / 8) + 0.08 * rng.random()
        records.append(
            {
                "epoch": epoch,
                "step": epoch * 40,
                "train_loss": float(train),
                "train_accuracy": float(1 - train / 2),
                "validation_loss": float(validation),
                "validation_accuracy": float(1 - validation / 2),
            }
        )
    return records


def make_config(**compare):
    data = {"source": "folder", "root": "/home/somebody/films", "table": "/home/somebody/t.csv"}
    gan = {"network": "dcgan", "penalty": 1}
    return parse({"data": data, "gan": gan, "classifier": {"steps": 400}, "compare": compare}, "sample")


def make_report(manifest, cells, synthetic=None, fidelity=None, gans=1, **compare):
    """`gans` GANs have made sets and figures that are alike."""
    timing, environment = {"total": 99.0}, {"python": "3.11"}
    sets, figures = ([each] * gans if each else [] for each in (synthetic, fidelity))
    return build_report(manifest, sets, cells, reported(make_config(**compare)), {}, timing, environment, figures)


def make_fidelity(manifest):
    """Figures as `measure_fidelity` gives them, the last label with too few images."""
    kid = {"value": 0.012, "se": 0.002, "real": -0.00004, "real_se": 0.001}
    names = ("precision", "recall", "density", "coverage")
    figures = {"kid": kid, **{name: {"value": 0.8, "real": 0.9} for name in names}}
    auc = {"value": 0.981, "se": 0.004, "real": 0.985, "real_se": 0.006}
    agreement = {"value": 0.97, "real": 0.985}
    common = {"label_agreement": agreement, "label_auc": auc, "ms_ssim": {"value": 0.61, "real": 0.55}}
    none = dict.fromkeys(("kid", *names))
    *most, last = manifest.labels
    curves = {"reference": [900.0, 40.0, 8.0], "real": [890.0, 41.0, 8.2], "synthetic": [870.0, 44.0, 9.6]}
    power = {
        "spectrum": {"frequencies": [0.1, 0.3, 0.5], **curves},
        "finest": {"value": 1.2, "se": 0.05, "real": 1.02, "real_se": 0.04, "power": 8.0},
    }
    kids = {"kid": kid, "kid_blurred": kid}
    spread = {"spread": 2.0, "spread_blurred": 2.2, "recall": {"value": 0.8, "real": 0.9}}
    extractors = [
        {"name": name, "dimension": dimension, "filter": "none", "scaled": True, "weights": "ab" * 32}
        for name, dimension in (("classifier cnn, last hidden layer", 128), ("random-cnn-1", 256))
    ]
    return {
        "extractor": extractors[0],
        "images": 60,
        "ms_ssim_scales": 2,
        "ms_ssim_window": 11,
        "fid": {"value": 0.52, "real": 0.25},
        **figures,
        **common,
        "looked_at": 60,
        "blur": 1.0,
        "by_features": [{"extractor": extractor, **kids, **spread} for extractor in extractors],
        **power,
        "per_class": {
            **{label: {"images": 30, **figures, **common, "by_features": [kids, kids], **power} for label in most},
            last: {
                "images": 2,
                **none,
                **common,
                "ms_ssim": None,
                "by_features": [dict.fromkeys(kids)] * 2,
                **dict.fromkeys(power),
            },
        },
    }


ADDED = ("label_auc", "looked_at", "blur", "by_features", "spectrum", "finest")
"""What versions before 0.4 did not measure."""


def make_older_fidelity(manifest):
    """Figures as version 0.3 measured them."""
    figures = {key: value for key, value in make_fidelity(manifest).items() if key not in ADDED}
    classes = figures["per_class"].items()
    return {
        **figures,
        "per_class": {label: {key: own[key] for key in own if key not in ADDED} for label, own in classes},
    }


def make_examples(manifest, count=8):
    rng = np.random.default_rng(1)
    return {name: rng.integers(0, 256, (count, *manifest.shape), dtype=np.uint8) for name in manifest.labels}
