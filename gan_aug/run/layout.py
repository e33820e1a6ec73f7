"""The names of files and folders in a run folder; all code that reads or writes there uses them.

Each constant is one part of a path, so `run / TRAIN / CHECKPOINTS` is a folder. `docs/reference/run-folder.md` says
what every file holds. `gan_aug.run.folder.RunDir` has the folders as properties.

If a run keeps its large files in an object store, it has a prefix there with the same names below it. Checkpoints are
then directly in `train/` and cells in `cells/`, and a `commit.json` marks the files beside it as complete.
"""

from __future__ import annotations

# The run folder itself, and the folder of each stage.
REQUEST = "request.json"
EVENTS = "events.jsonl"
TITLE = "title.txt"
STORAGE = "storage.json"
LOCK = ".lock"
CANCEL = "cancel"
DATASET = "dataset"
TRAIN = "train"
SYNTHETIC = "synthetic"
COMPARE = "compare"
GANS = "gans"
SIZES = "sizes"
REPORT = "report.json"
REPORT_PAGE = "report.html"
REPORT_TEXT = "report.md"
REPORT_PDF = "report.pdf"
FIGURES = "figures"
LEARNING_CURVES = "learning-curves.png"
PREDICTIONS = "predictions.png"
LIKENESS = "likeness.json"
SETS = "sets"
SENT = "sent"
AUDIT = "audit.json"
AUDITED = "audit"
RELEASES = "releases.jsonl"

# In the folder of each stage: on what it was computed.
COMPUTED = "computed.json"

# In `dataset/`; the manifest has the same name in `synthetic/`.
MANIFEST = "manifest.json"
IMAGES = "images.npy"
IMPORT_REPORT = "import-report.json"
PATIENT_KEY = "patient.key"
IDENTITY_KEY = "identity.key"
CONTACT_SHEET = "contact-"

# In `train/`. `gan_aug.gan.state` names the other files of a checkpoint's folder.
CHECKPOINTS = "checkpoints"
CHECKPOINT_RECORD = "checkpoint.json"
EACH_CHECKPOINT = "[0-9]*"
PARENT = "parent"
SEEN = "seen.json"
HISTORY = "history.jsonl"
CHECKPOINT_SCORES = "scores.json"
JUDGE = "judge"
LOSS_CURVES = "loss.png"
SAMPLES = "samples-"

# In `audit/`, beside a manifest and shards as in `synthetic/` if images were replaced.
NEAREST_PAIRS = "nearest-pairs.png"

# In `synthetic/`.
SHARD = "shard-"
LOOK_ALIKES = "look-alikes.json"

# In the folder of a further set, beside a manifest and shards as in `synthetic/`.
SET = "set.json"
SET_PICTURE = "samples.png"
SET_RUN = "run.json"

# In `compare/`.
CELLS = "cells"
CELL_INDEX = "cells.json"
SCORES = "scores.csv"
INTERNAL_SCORES = "scores-internal-test.csv"
MARGINS = "margins.json"
FIDELITY = "fidelity"

# In a cell's folder, beside its request.
CELL_RESULT = "result.json"
CELL_SCORES = "scores.npz"
CLASSIFIER = "classifier.json"
CLASSIFIER_WEIGHTS = "classifier.safetensors"

# In an object store, beside the files that it marks as complete.
COMMIT = "commit.json"


def contact_sheet(label: str) -> str:
    """The file in `dataset/` with images of one class; `label` is the class name in characters fit for file names."""
    return f"{CONTACT_SHEET}{label}.png"


def checkpoint(images: int) -> str:
    """The folder in `train/checkpoints/` of the checkpoint that has seen this many images."""
    return f"{images:010d}"


def sample_grid(images: int) -> str:
    """The file in `train/` with images that the generator made after the training had seen `images` images."""
    return f"{SAMPLES}{images:010d}.png"


def further_set(seed: int) -> str:
    """The folder in `sets/` of a further set made from `seed`, unless another one is asked for."""
    return f"seed-{seed}"


def gan_folder(number: int) -> str:
    """The folder, below the run folder, with `train` and `synthetic` of the GAN of this number; of GAN 0 it is `.`."""
    return f"{GANS}/{number}" if number else "."


def shard(number: int) -> str:
    """The name of the files of a shard in `synthetic/`, without their endings."""
    return f"{SHARD}{number:05d}"
