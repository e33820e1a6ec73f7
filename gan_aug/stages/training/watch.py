"""Watches a training: scores its checkpoints on validation images, and decides by the scores how it goes on.

Rank 0 watches. Every decision follows from the scores alone, and is saved with them before anything follows from it. So
a resumed training decides as an uninterrupted one does.
"""

from __future__ import annotations

import json
import shutil
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from gan_aug.config.stages import TrainRequest
from gan_aug.data.image_store import open_images
from gan_aug.data.manifest import Manifest
from gan_aug.evaluation.checkpoints.judge import judge_for
from gan_aug.evaluation.checkpoints.measure import FEWEST, Ruler
from gan_aug.evaluation.checkpoints.rules import Rules
from gan_aug.evaluation.checkpoints.scores import CheckpointScore, Scores
from gan_aug.gan.ranks import Ranks
from gan_aug.gan.seeds import Purpose
from gan_aug.gan.state import Checkpoint, load_generator
from gan_aug.gan.trainer import GanTrainer, to_signed
from gan_aug.run import layout
from gan_aug.run.files import json_sha256, storage_errors
from gan_aug.run.folder import RunDir
from gan_aug.stages.storage import RunStorage
from gan_aug.synthesis.sampler import sample

D_BATCH = 64


def is_watched(request: TrainRequest, manifest: Manifest) -> bool:
    """Whether a training's checkpoints are scored: it asks for it, is long enough, and has validation images enough."""
    train = request.train
    return 0 < train.scored_every <= train.images and len(manifest.indices("validation")) >= FEWEST


@dataclass(frozen=True)
class Course:
    """How a training goes on: with which seed, up to how many images, and whether it has to go back first."""

    seed: int
    ends: int
    goes_back: bool = False


def told(ranks: Ranks, course: Course | None) -> Course:
    """The course that rank 0 knows, on every rank; the others give None."""
    content = json.dumps(asdict(course)).encode() if course else b""
    return Course(**json.loads(ranks.broadcast(content)))


class Watch:
    """The scores of one training, and what they are measured with; on rank 0 alone."""

    def __init__(
        self, run: RunDir, storage: RunStorage, request: TrainRequest, manifest: Manifest, store: npt.NDArray[np.uint8]
    ) -> None:
        """Prepare the images and the judge; nothing is scored yet.

        Args:
            run: The run folder, or the part of it that the GAN has.
            storage: Its storage.
            request: The request of the training.
            manifest: The data set.
            store: All its images, `(N, C, H, W) uint8`.
        """
        self._run, self._storage, self._request = run, storage, request
        self._path = run.train / layout.CHECKPOINT_SCORES
        self._ruler = Ruler(manifest, store, judge_for(judges(run), manifest, store))
        self._rules = Rules.of(request, manifest)
        self._asked = json_sha256([request.to_json(), manifest.fingerprint])
        self.scores, self._goes_back = self._none(), False

    @property
    def course(self) -> Course:
        """How the training goes on by what was decided last."""
        restarts = self.scores.restarts
        seed = restarts[-1].seed if restarts else self._request.seed
        return Course(seed, self.scores.ends, self._goes_back)

    @property
    def good(self) -> Path | None:
        """The folder of the checkpoint that the scores hold to be good; None if there is none."""
        good = self.scores.good
        return None if good is None else self._run.checkpoints / layout.checkpoint(good)

    def resume(self, newest: Checkpoint | None) -> Course:
        """Take up the scores of an earlier start as they were at its newest checkpoint; None if it begins anew."""
        found = Scores.load(self._path)
        images = newest.images if newest else 0
        if found is None or found.asked != self._asked:
            found = self._none()
        self.scores, self._goes_back = self._rules.as_of(found, images), False
        return self.course

    def catch_up(self, trainer: GanTrainer, newest: Checkpoint | None) -> Course:
        """Score the checkpoint that the training goes on from if it is due: the process may have ended before."""
        if newest and self._rules.is_due(self.scores, newest.images):
            return self.score(trainer, newest)
        return self.course

    def score(self, trainer: GanTrainer, saved: Checkpoint) -> Course:
        """Score a checkpoint that holds the trainer's state, decide how the training goes on, and save both."""
        ruler, began, before = self._ruler, time.monotonic(), self.scores
        generator = load_generator(saved).to(trainer.device)
        made = sample(generator, ruler.wanted, seed=self._request.seed, purpose=Purpose.PREVIEW)
        on_made = mean_logit(trainer, made, ruler.wanted)
        copies = ruler.memorised(made)
        score = CheckpointScore(
            saved.images,
            ruler.measure(made, ruler.wanted),
            lead=mean_logit(trainer, ruler.images, ruler.labels) - on_made,
            training_lead=mean_logit(trainer, ruler.training, ruler.training_labels) - on_made,
            nearer=copies.nearer,
            copy_like=copies.copy_like,
        )
        self.scores = self._rules.decided(before, score)
        self._goes_back = len(self.scores.restarts) > len(before.restarts)
        if self._goes_back:
            self._go_back()
        self.scores.save(self._path)
        self._tell(before, score, time.monotonic() - began)
        return self.course

    def _go_back(self) -> None:
        """Remove all checkpoints but the one to go on from; before that is written down, so that none is left over."""
        folder, kept = self._run.checkpoints, self.good
        names = {path.name for path in folder.glob(layout.EACH_CHECKPOINT)} | set(self._storage.checkpoints())
        for name in names - {kept.name if kept else ""}:
            self._storage.forget_checkpoint(name)
            with storage_errors(folder):
                shutil.rmtree(folder / name, ignore_errors=True)

    def _tell(self, before: Scores, score: CheckpointScore, seconds: float) -> None:
        """Record the score, and what was decided, as events."""
        figures = {key: value for key, value in asdict(score).items() if isinstance(value, float)}
        values = {**asdict(score.likeness), **figures}
        values = {key: round(value, 5) for key, value in values.items()} | {"seconds": round(seconds, 2)}
        self._run.emit("train", "note", score.in_words, done=score.images, values=values)
        if self.scores.said != before.said:
            self._run.emit("train", "note", self.scores.said, done=score.images)

    def _none(self) -> Scores:
        ruler = self._ruler
        return Scores(self._asked, len(ruler.images), ruler.real, ends=self._request.train.images)


def prepare_judge(run: RunDir, request: TrainRequest, manifest: Manifest) -> None:
    """Train the judge for a training that is to be scored, if it is not there yet."""
    if is_watched(request, manifest):
        judge_for(judges(run), manifest, open_images(run.dataset, manifest))


def judges(run: RunDir) -> Path:
    """The folder of the judges, which all GANs of a run share."""
    return run.root / layout.TRAIN / layout.JUDGE


def follow(trainer: GanTrainer, course: Course | None) -> bool:
    """Let the trainer end as the course says that rank 0 gives; returns whether the training goes back."""
    found = told(trainer.ranks, course)
    trainer.settings = replace(trainer.settings, images=found.ends)
    return found.goes_back


@torch.inference_mode()
def mean_logit(trainer: GanTrainer, images: npt.NDArray[np.uint8], labels: npt.NDArray[np.float32]) -> float:
    """D's mean logit of images `(N, C, H, W)` with their labels `(N, K)`, in evaluation mode."""
    discriminator = trainer.discriminator.eval()
    try:
        logits = [
            discriminator(
                to_signed(torch.from_numpy(images[i : i + D_BATCH]).to(trainer.device)).to(trainer.dtype),
                torch.from_numpy(labels[i : i + D_BATCH]).to(trainer.device, trainer.dtype),
            )
            for i in range(0, len(images), 2 * D_BATCH)  # every second batch: a mean needs no more
        ]
    finally:
        discriminator.train()
    return float(torch.cat(logits).double().mean())
