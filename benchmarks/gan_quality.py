"""How good a GAN's images are after a given processor time, one configuration a call.

    python -m benchmarks.gan_quality --work DIR [--seconds 120] [--gans 1] [--set gan.penalty=0.1 ...]

The data are those of `configs/chest-films.yaml` at 64 px, unless `--config` or `--set` says otherwise. Of the training
patients 15 % are held out: no GAN and no classifier sees them. Each call trains the GANs of one row, adds their figures
to `DIR/*/rows.jsonl`, and prints the table of all rows so far. `DIR` also keeps the images made and what rows share:
the import, and the classifiers trained on real images.

The budget is processor time of this process, so that other work on the machine does not shorten it. The learning rate
is constant in the first part of a training. The rate measured there sets `train.images`, so that the decay fits the
rest of the budget.

Fidelity is measured beside one half of the training images, as in the report. The row `real` has the figures of the
other half, and those of classifiers trained on all real training images. The columns:

- `images`, `per s`: real images seen in training, also per second of processor time.
- `KID cls`, `prec. cls`, `recall cls`: by the features of a classifier of the arm `real`; `held-out KID cls`: beside
  the held-out images.
- `KID rnd` (times 1000), `prec. rnd`, `recall rnd`: by those of a random network.
- `finest`: the power at the finest frequencies, divided by that of real images.
- `AUC held out`, `AUC test`, `accuracy`: of classifiers trained only on the GAN's images, with classic augmentation;
  means over GANs and classifier seeds. The accuracy is that on the test images. A dash: not measured.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import math
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from gan_aug.compute.cores import cores
from gan_aug.config.compare import ClassifierConfig
from gan_aug.config.request import Config, read
from gan_aug.config.stages import TrainRequest
from gan_aug.data.image_store import open_images
from gan_aug.data.importing.dataset import import_dataset
from gan_aug.data.manifest import Manifest, Split
from gan_aug.data.pictures.png import png_grid
from gan_aug.data.splits.stratify import divide
from gan_aug.data.transforms import ClassicAugmentation
from gan_aug.evaluation.arms import ArmPlan, TrainingSet
from gan_aug.evaluation.classifiers.fit import Fitted, HeldOut, fit
from gan_aug.evaluation.classifiers.networks import ClassifierCard, predict_scores, save_classifier
from gan_aug.evaluation.fidelity.distances import features_to_kid
from gan_aug.evaluation.fidelity.features import Extractor, classifier_features, images_to_features, random_features
from gan_aug.evaluation.fidelity.measure import label_agreement, scaled_features
from gan_aug.evaluation.fidelity.neighbours import features_to_neighbourhood
from gan_aug.evaluation.fidelity.spectrum import finest_power
from gan_aug.evaluation.statistics.ground_truth import GroundTruth
from gan_aug.evaluation.training_length import default_steps
from gan_aug.gan.ranks import Ranks
from gan_aug.gan.state import calibrated_average
from gan_aug.gan.trainer import GanTrainer
from gan_aug.run import layout
from gan_aug.run.files import json_sha256, read_json, write_bytes, write_json, write_text
from gan_aug.stages.train import build_trainer
from gan_aug.synthesis.sampler import sample

Images = npt.NDArray[np.uint8]
Labels = npt.NDArray[np.float32]

HELD_OUT = 0.15
"""The share of the training patients that no GAN and no classifier sees."""

MADE = 10_000
"""The largest number of images of a GAN; otherwise it makes as many as it was trained on."""

COMPARED = 3_000
"""The largest number of images on a side of a distance."""

SHEET_ROWS, SHEET_COLUMNS = 2, 10
CPU = torch.device("cpu")
COLUMNS = {
    "images": ",.0f",
    "per s": ",.0f",
    "KID cls": ".3f",
    "held-out KID cls": ".3f",
    "KID rnd": ".1f",
    "finest": ".2f",
    "prec. cls": ".2f",
    "recall cls": ".2f",
    "prec. rnd": ".2f",
    "recall rnd": ".2f",
    "AUC held out": ".4f",
    "AUC test": ".3f",
    "accuracy": ".3f",
}


@dataclass(frozen=True)
class Data:
    """A data set without its held-out patients' images (`manifest`), and these as a test split (`held_out`)."""

    folder: Path
    manifest: Manifest
    held_out: Manifest
    images: Images

    def part(self, split: Split) -> tuple[Images, Labels]:
        """The images `(N, C, H, W)` and labels `(N, K)` of a split."""
        rows = self.manifest.indices(split)
        return self.images[rows], self.manifest.label_matrix()[rows]

    def sides(self) -> tuple[Images, Images, Images]:
        """The training images in two halves, and the held-out images, in a random order that is always the same."""
        rng = np.random.default_rng(0)
        first, second = np.array_split(rng.permutation(self.manifest.indices("train")), 2)
        held_out = rng.permutation(self.held_out.indices("test"))
        return self.images[first[:COMPARED]], self.images[second[:COMPARED]], self.images[held_out[:COMPARED]]


def load_data(config: Config, work: Path) -> Data:
    """The data set of a config, imported into a folder in `work` unless it is there; held-out images are drawn here."""
    config = config.model_copy(update={"data": config.data.model_copy(update={"internal_test": "off"})})
    folder = work / json_sha256(config.dataset_request.to_json())[:12]
    if not (folder / layout.MANIFEST).exists():
        import_dataset(config.data, config.seed, folder, workers=cores())
    manifest = Manifest.load(folder / layout.MANIFEST)
    patients: dict[str, list[int]] = {}
    for i in manifest.indices("train").tolist():
        patients.setdefault(manifest.studies[i].patient or f"image {i}", []).append(i)
    shares: dict[Split, float] = {"train": 1 - HELD_OUT, "test": HELD_OUT}
    labels = [study.labels for study in manifest.studies]
    drawn = divide(list(patients.values()), labels, shares, np.random.default_rng(config.seed))
    held_out = {i for i, split in drawn.items() if split == "test"}
    studies = list(enumerate(manifest.studies))
    rest = [dataclasses.replace(s, split="unused") if i in held_out else s for i, s in studies]
    judge = [dataclasses.replace(s, split="test" if i in held_out else "unused") for i, s in studies]
    of_rest, of_judge = (dataclasses.replace(manifest, studies=tuple(part)) for part in (rest, judge))
    return Data(folder, of_rest, of_judge, open_images(folder, manifest))


def classifier(data: Data, training: tuple[Images, Labels], seed: int, *, classic: bool) -> Fitted:
    """A classifier trained on these images and labels, chosen by the validation split.

    Args:
        data: The data set.
        training: The images and labels.
        seed: Of the classifier.
        classic: Whether each image is augmented each time it is drawn.

    Returns:
        The classifier.
    """
    images, labels = training
    plan = ArmPlan(np.arange(len(labels)), 0, labels, classic=classic)
    augmentation = ClassicAugmentation(data.manifest.shape, data.manifest.flips) if classic else None
    steps = default_steps(len(data.manifest.indices("train")), ClassifierConfig().batch)
    config = ClassifierConfig(steps=steps)
    return fit(
        config, data.manifest, TrainingSet(plan, images, None, augmentation), HeldOut(*data.part("validation")), seed
    )


def usefulness(data: Data, training: tuple[Images, Labels], seeds: int) -> dict[str, float]:
    """The means of AUC and accuracy over classifiers trained on these images and labels; empty without seeds."""
    if not seeds:
        return {}
    rows = []
    for seed in range(seeds):
        model = classifier(data, training, seed, classic=True).model
        found = []
        for manifest in (data.held_out, data.manifest):
            scores = predict_scores(model, data.images[manifest.indices("test")], manifest.task)
            found.append(float(GroundTruth.of(manifest, "test").auc(scores).value))
        accuracy, _ = label_agreement(scores, data.part("test")[1], data.manifest.task)
        rows.append([*found, accuracy or math.nan])
    return dict(zip(("AUC held out", "AUC test", "accuracy"), np.mean(rows, axis=0).tolist(), strict=True))


def extractors(data: Data) -> list[Extractor]:
    """The classifier of the arm `real` (trained and kept at the first call) and the random network."""
    folder = data.folder / "features"
    if not (folder / layout.CLASSIFIER).exists():
        manifest = data.manifest
        model = classifier(data, data.part("train"), 0, classic=False).model
        card = ClassifierCard("cnn", manifest.shape, manifest.labels, manifest.task, manifest.positive)
        save_classifier(folder, model, card)
    return [classifier_features(folder, CPU), random_features(data.manifest.shape[0], CPU)]


def likeness(data: Data, images: Images) -> dict[str, float]:
    """Distances, power, precision and recall of images `(N, C, H, W)` beside real ones."""
    reference, _, held_out = data.sides()
    images = images[: len(reference)]
    found: dict[str, float] = {}
    for name, factor, extractor in zip(("cls", "rnd"), (1, 1000), extractors(data), strict=True):
        features = [images_to_features(extractor, side, CPU) for side in (reference, held_out, images)]
        reference_side, held_out_side, side = scaled_features(*features)
        found[f"KID {name}"] = factor * features_to_kid(reference_side, side).value
        found[f"held-out KID {name}"] = factor * features_to_kid(held_out_side, side).value
        near = features_to_neighbourhood(reference_side, side)
        found |= {f"prec. {name}": near.precision, f"recall {name}": near.recall}
    return found | {"finest": finest_power(images) / finest_power(reference)}


def trained(request: TrainRequest, data: Data, seconds: float) -> tuple[GanTrainer, float]:
    """A trainer that has trained for about `seconds` of processor time, and the time that it took."""
    unlimited = request.train.model_copy(update={"images": 10**9})
    trainer = build_trainer(request.model_copy(update={"train": unlimited}), data.images, data.manifest, Ranks(), CPU)
    constant = max(0.05, 0.8 * (1 - request.train.decay)) * seconds
    start = time.process_time()
    while time.process_time() - start < constant:
        trainer.step()
    rate = trainer.images / (time.process_time() - start)
    trainer.settings = dataclasses.replace(trainer.settings, images=math.ceil(rate * seconds))
    while not trainer.finished:
        trainer.step()
    return trainer, time.process_time() - start


def measured(config: Config, data: Data, seconds: float, classifiers: int, sheet: Path) -> dict[str, Any]:
    """Train one GAN, write a sheet of its images, and measure it."""
    trainer, taken = trained(config.train_request, data, seconds)
    rng = np.random.default_rng(0)
    labels = rng.permutation(data.part("train")[1])[:MADE]
    images = sample(calibrated_average(trainer), labels, seed=0)
    np.savez(sheet.with_suffix(".npz"), images=images, labels=labels)
    chosen = [np.flatnonzero(labels[:, k])[: SHEET_ROWS * SHEET_COLUMNS] for k in range(labels.shape[1])]
    rows = [images[part] for found in chosen for part in np.array_split(found, SHEET_ROWS)]
    write_bytes(sheet, png_grid(rows, {"images_seen": trainer.images, "seed": 0}))
    figures = {"images": trainer.images, "seconds": taken, "per s": trainer.images / taken}
    return figures | likeness(data, images) | usefulness(data, (images, labels), classifiers)


def real_row(data: Data, classifiers: int) -> dict[str, float]:
    """The figures of real training images; measured once for each number of classifiers."""
    path = data.folder / f"real-{classifiers}.json"
    if not path.exists():
        write_json(path, likeness(data, data.sides()[1]) | usefulness(data, data.part("train"), classifiers))
    row: dict[str, float] = read_json(path)
    return row


def table(rows: list[dict[str, Any]]) -> str:
    """The rows as a Markdown table, those with the same name as their mean and the number of GANs."""
    lines = [f"| | GANs | {' | '.join(COLUMNS)} |", "|---" * (len(COLUMNS) + 2) + "|"]
    for name in dict.fromkeys(row["name"] for row in rows):
        same = [row for row in rows if row["name"] == name]
        cells = []
        for column, form in COLUMNS.items():
            values = [row[column] for row in same if column in row]
            cells.append(format(float(np.mean(values)), form) if values else "–")
        lines.append(f"| {name} | {len(same) if name != 'real' else ''} | {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    """Train and measure the GANs of one row, and print the table of all rows."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--work", type=Path, required=True, help="folder for what calls share, and for the results")
    parser.add_argument("--config", type=Path, default=Path("configs/chest-films.yaml"))
    parser.add_argument(
        "--set", nargs="*", default=[], metavar="KEY=VALUE", help="of the config, such as data.size=128"
    )
    parser.add_argument("--seconds", type=float, default=120, help="processor time of each training; 0: only the table")
    parser.add_argument("--gans", type=int, default=1, help="GANs trained from seeds 0, 1, ...")
    parser.add_argument("--first", type=int, default=0, help="the first of these seeds")
    parser.add_argument("--classifiers", type=int, default=0, help="classifier seeds for each GAN")
    parser.add_argument("--threads", type=int, default=1)
    asked = parser.parse_args()
    torch.set_num_threads(asked.threads)
    config = read(asked.config, ("data.size=64", *asked.set))
    data = load_data(config, asked.work)
    real = {"name": "real", **real_row(data, asked.classifiers)}
    path = data.folder / "rows.jsonl"
    rows = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
    said = " ".join(value for value in asked.set if not value.startswith("data."))
    name = f"{said or 'default'}, {asked.seconds:g} s" + (f", {asked.threads} threads" if asked.threads > 1 else "")
    for seed in range(asked.first, asked.first + asked.gans) if asked.seconds else ():
        sheet = data.folder / f"{json_sha256([name, seed])[:8]}.png"
        figures = measured(config.model_copy(update={"seed": seed}), data, asked.seconds, asked.classifiers, sheet)
        rows.append({"name": name, "seed": seed, "sheet": sheet.name, **figures})
        write_text(path, "".join(json.dumps(row) + "\n" for row in rows))
    print(table([real, *rows]))


if __name__ == "__main__":
    main()
