"""What a verb would do, found out without leaving anything behind."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from gan_aug import config as configs
from gan_aug.compute.cores import cores
from gan_aug.compute.device import choose_device
from gan_aug.config import Config
from gan_aug.config.stages import TrainRequest, Verb
from gan_aug.data.importing.findings import findings
from gan_aug.data.importing.preview import Preview, preview_dataset
from gan_aug.data.manifest import Manifest
from gan_aug.data.reading.caches import dataset_cache
from gan_aug.errors import CheckpointError, DataError, StorageError
from gan_aug.evaluation.arm_catalogue import need_synthetic
from gan_aug.evaluation.cells.plan import check_comparison
from gan_aug.evaluation.comparison_plan import subsets_of
from gan_aug.run import layout
from gan_aug.run.files import read_json
from gan_aug.run.folder import RunDir, present_products
from gan_aug.run.stage_requests import check
from gan_aug.stages.dry_run.estimate import estimate, in_words
from gan_aug.stages.external import check_external, check_source
from gan_aug.stages.gans.parts import gan_count
from gan_aug.stages.storage import RunStorage
from gan_aug.stages.trained.parent import check_start
from gan_aug.stages.training.augmentation import augment_in_words, check_augment
from gan_aug.stages.training.memory import memory_in_words, needed, with_micro_batch
from gan_aug.stages.training.networks import check_size, network_settings, networks_said, settled_gan
from gan_aug.stages.verbs import preflight

TRAINS = ("run", "train")
COMPARES = ("run", "compare")
AT_THIS_SPEED = "at the speed that this machine has now"
TIMED: dict[Verb, tuple[str, ...]] = {
    "run": ("start", "import", "train", "generate", "compare"),
    "train": ("start", "import", "train"),
    "generate": ("start", "generate"),
    "compare": ("start", "compare"),
}
"""The stages whose time is said, for each verb that takes long."""


def dry_run(verb: Verb, request: Config, folder: Path) -> dict[str, Any]:
    """What a verb would do, as JSON values; the images are imported for a look and forgotten.

    Args:
        verb: One of VERBS.
        request: The config.
        folder: The run folder, which may be absent, and stays as it is.

    Returns:
        What to know first (`positive`, `findings`), the verb, the run folder and its state, what the source holds, how
        the splits would be, what would be set aside, the GAN's networks, about how long it would take, and the whole
        config, with what it leaves open filled in.

    Raises:
        GanAugError: What the run would raise before it trains.
    """
    _check_folder(verb, request, folder)
    if verb in TRAINS and request.compare.synthetic is None:
        check_size(request.gan, request.data.size)
        check_start(folder, request.train)
    if verb in COMPARES and request.compare.synthetic:
        check_source(folder, request.compare.synthetic)
    manifest, report, preview = _looked_at(request, folder)
    request = settled_gan(request, RunStorage(folder, None), manifest)
    _check_stages(verb, request, manifest)
    said = findings(manifest, report)[bool(manifest.positive_by_default) :]
    found: dict[str, Any] = {
        **({"positive": manifest.positive_by_default} if manifest.positive_by_default else {}),
        "findings": said,
        "verb": verb,
        "run": str(folder),
        "state": "resumes or checks what is there" if (folder / layout.REQUEST).exists() else "new",
        "source": _source(manifest, report, preview),
        "splits": {
            split: {"images": len(manifest.indices(split)), "labels": counts}
            for split, counts in manifest.counts().items()
        },
        "set aside": {
            "files": len(report["rejected"]),
            "reasons": report["reasons"],
            "first": [f"{one['origin']}: {one['reason']}" for one in report["rejected"][:10]],
        },
    }
    if verb in TRAINS and request.compare.synthetic is None:
        found["networks"] = networks_said(request, manifest)
        said += [_networks_in_words(found["networks"]), augment_in_words(request.gan.augment, manifest)]
        training = _training(request, folder, manifest)
        request = request.model_copy(update={"train": training.train})
        found["memory"] = needed(training, manifest, training.train.micro_batch or 0, request.compute.ranks)
        said.append(f"each process that trains takes {memory_in_words(found['memory'], training)}")
    if verb in TIMED:
        time = estimate(request, manifest, preview, TIMED[verb])
        parts = ", ".join(f"{key} {in_words(time[key])}" for key in time if key not in ("all", "counted"))
        said.append(f"about {in_words(time['all'])} {AT_THIS_SPEED} ({parts})")
        found["seconds"] = time
    return found | {"config": configs.dump(request)}


def _training(request: Config, folder: Path, manifest: Manifest) -> TrainRequest:
    """The request of the training, with as many images at once as the memory allows that is free now."""
    ranks = request.compute.ranks
    beside = min(gan_count(request.compare), cores()) if ranks == 1 else 1
    asked = request.train_request
    return with_micro_batch(folder / layout.TRAIN, asked, manifest, request.compute.device, ranks, beside)


def _networks_in_words(found: dict[str, Any]) -> str:
    """A sentence on what `networks_said` found."""
    penalty = f"the gradient penalty's weight is {found['penalty']:g}" if found["penalty"] else "no gradient penalty"
    made, judged = (f"{found[name]:,} parameters in the {name}" for name in ("generator", "discriminator"))
    return f"the GAN's networks are {found['name']}, with {made} and {judged}; {penalty}"


def _check_stages(verb: Verb, request: Config, manifest: Manifest) -> None:
    """Raise what the stages after the import would raise before they train."""
    if verb == "run" and request.compare.synthetic is None:
        preflight(request, manifest)
    elif verb in COMPARES:
        choose_device(request.compute.device)
        check_comparison(manifest, request.classifier)
        subsets_of(request.compare, manifest)
        if request.compare.synthetic:
            check_external(request.compare.synthetic, manifest)
    elif verb == "train":
        choose_device(request.compute.device)
        network_settings(request.gan, manifest)
        check_augment(request.gan.augment, manifest)


def _looked_at(request: Config, folder: Path) -> tuple[Manifest, dict[str, Any], Preview | None]:
    """The data set with its import report: the one in the run folder, else a look at the source."""
    dataset = folder / layout.DATASET
    if (dataset / layout.MANIFEST).exists():
        run = RunDir.existing(folder)
        check(run, layout.DATASET, request.dataset_request.to_json())
        if request.compare.synthetic is None and present_products(folder)["model"]:
            check(run, layout.TRAIN, request.train_request.to_json())
        manifest = Manifest.load(dataset / layout.MANIFEST)
        empty = {"read": len(manifest.studies), "used": len(manifest.studies), "rejected": [], "reasons": {}}
        report = read_json(dataset / layout.IMPORT_REPORT) if (dataset / layout.IMPORT_REPORT).exists() else empty
        older = {"remarks": [], "dropped": [], "coloured": report["used"]}
        return manifest, older | report, None
    workers, cache = request.compute.workers or cores(), dataset_cache(request.data, request.compute.cache)
    preview = preview_dataset(request.data, request.seed, workers=workers, cache=cache)
    return preview.manifest, preview.report, preview


def _source(manifest: Manifest, report: dict[str, Any], preview: Preview | None) -> dict[str, Any]:
    images = preview.images if preview else len(manifest.studies)
    decoded = preview.decoded if preview else len(manifest.studies)
    if preview is None:
        looked = "imported before"
    elif decoded == images:
        looked = "all images were decoded"
    elif decoded:
        looked = f"{decoded:,} of {images:,} images were decoded, evenly spread: the others may hold more faults"
    else:
        looked = "no image was decoded: the files are still in the archive"
    channels, height, width = manifest.shape
    stored = {"stored": f"{height}x{width}, {'grey' if channels == 1 else 'colour'}"} if decoded else {}
    return {
        "name": manifest.name,
        "task": manifest.task,
        "files": report["read"],
        "images": images,
        "looked at": looked,
        **stored,
        "labels": {label: sum(counts[label] for counts in manifest.counts().values()) for label in manifest.labels},
    }


def _check_folder(verb: Verb, request: Config, folder: Path) -> None:
    """Raise the error of a run folder that cannot be made, or lacks what the verb goes on from."""
    place = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())
    if not place.is_dir():
        raise StorageError(f"cannot write {folder}: {place} is a file: choose another place with --run")
    if not os.access(place, os.W_OK | os.X_OK):
        raise StorageError(f"cannot write {folder}: permission is denied in {place}: choose another place with --run")
    there = present_products(folder)
    if verb == "generate" and not there["model"] and not request.compute.storage:
        raise CheckpointError(f"{folder} holds no trained GAN: run `gan-aug train` on it first")
    needs = verb == "compare" and request.compare.synthetic is None and not request.compute.storage
    if needs and not there["synthetic"] and need_synthetic(request.compare.arms):
        raise DataError(f"{folder} holds no synthetic set for the arms: run `gan-aug generate` on it first")
