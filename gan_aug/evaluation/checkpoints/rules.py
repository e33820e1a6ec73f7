"""The rules by which a training is judged from the scores of its checkpoints; docs/decisions/0028 has their reasons.

All rules are functions of the scores. A GAN's scores differ by chance from checkpoint to checkpoint, and a false alarm
costs more than a late one, so every rule leaves a margin of several standard errors.

- **Collapsed**: a checkpoint whose images are far worse than those of the good one before it. The training goes back to
  that one, with another seed, or ends there.
- **Unsound**: the last checkpoint, if the labels of its images cannot be told, or next to no real image has one of them
  nearby. If the last scores hardly got better, the training begins anew with another seed.
- **Good**: the newest sound checkpoint whose distance by the judge's features is within one standard error of the
  lowest so far (as Breiman et al. 1984, section 3.4.3, take the simplest such tree). As the learning rate falls, later
  means better at equal scores.
- **Flat**: `train.patience` scores in a row that are no better than those before. What is left to gain then is what a
  falling learning rate gains. So the training ends as one of `images / (1 - train.decay)` images, to which it has been
  equal so far: its learning rate begins to fall now.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass, replace

from gan_aug.config.gan import TrainConfig
from gan_aug.config.stages import TrainRequest
from gan_aug.data.manifest import Manifest
from gan_aug.evaluation.checkpoints.scores import CheckpointScore, Restart, Scores

WORSE, SURE = 4.0, 4.0
"""A checkpoint has collapsed if its distance is so many times the good one's, and so many standard errors above it."""

ORDINARY = {"kid": 0.25, "random_kid": 0.05}
"""Distances up to these are ordinary: the good one's counts as at least so much."""

LABELS_SHARE, COVERAGE_SHARE = 0.5, 0.05
"""At the end, of the way from chance to real images: as in `evaluation.outcome.gans`."""

RANDOM_FACTOR, RANDOM_FREE = 5.0, 0.02
"""A checkpoint is not kept whose distance by random features is above this many times the lowest, plus this."""

LOWER = "Lower train.lr, or raise gan.penalty."
LONGER = "Raise train.images, or try another seed."


@dataclass(frozen=True)
class Rules:
    """The rules for one training.

    `seed` is that of its request, `chance` the label agreement of a judge that knows nothing; None if labels cannot be
    told by one class.
    """

    train: TrainConfig
    seed: int
    chance: float | None

    @classmethod
    def of(cls, request: TrainRequest, manifest: Manifest) -> Rules:
        """The rules for a request on a data set."""
        chance = 1 / len(manifest.labels) if manifest.task == "multi-class" else None
        return cls(request.train, request.seed, chance)

    def is_due(self, scores: Scores, images: int) -> bool:
        """Whether a checkpoint that has seen `images` images is to be scored and is not yet."""
        scored = scores.scores[-1].images if scores.scores else 0
        every = self.train.scored_every
        return images > scored and (images >= scores.ends or images // every > scored // every)

    def decided(self, before: Scores, score: CheckpointScore) -> Scores:
        """The scores with one more, and what follows from them."""
        now = replace(before, scores=(*before.scores, score))
        if fault := self._collapse(before, score):
            what = f"the training broke down after {score.images:,} images: {fault}"
            if len(before.restarts) < self.train.restarts:
                return self._back_to(before.good or 0, now, what)
            kept = f"the checkpoint after {before.good:,} images is kept. {LOWER}"
            return self._kept(replace(now, ends=score.images, said=f"{what}; {kept}"))
        if self._is_good(now):
            now = replace(now, good=score.images)
        if score.images >= now.ends and (fault := self._unsound(now)):
            what = f"after {score.images:,} images the GAN is not sound: {fault}"
            if len(before.restarts) < self.train.restarts and _is_stuck(now):
                return self._back_to(0, now, what)
            return self._kept(replace(now, said=f"{what}. {LONGER}"))
        if now.ends == self.train.images and (ends := self._shortened(now)) < now.ends:
            said = (
                f"the last {self.train.patience} scores are no better than those before: the training ends at {ends:,} "
                "images, and its learning rate falls from now on (train.patience)"
            )
            now = replace(now, ends=ends, said=said)
        return self._kept(now)

    def as_of(self, scores: Scores, images: int) -> Scores:
        """The scores as they were when the training had seen `images` images: decided again up to there."""
        restarts = tuple(one for one in scores.restarts if one.went_on_from <= images)
        now = replace(scores, scores=(), restarts=restarts, good=None, best=None, ends=self.train.images, said="")
        for score in scores.scores:
            if score.images <= images:
                now = self.decided(now, score)
        return now

    def _collapse(self, before: Scores, score: CheckpointScore) -> str:
        """By what a checkpoint is far worse than the good one before it; empty if it is not."""
        good = next((one for one in before.scores if one.images == before.good), None)
        if good is None:
            return ""
        for name, words in (("kid", "a classifier's"), ("random_kid", "random")):
            value, low = getattr(score.likeness, name), getattr(good.likeness, name)
            error = math.hypot(getattr(score.likeness, f"{name}_se"), getattr(good.likeness, f"{name}_se"))
            if value > WORSE * max(low, ORDINARY[name]) and value - low > SURE * error:
                far = f"at a distance (KID) of {value:.3g} from real ones, and were at {low:.3g}"
                return f"by {words} features its images are {far} after {good.images:,} images"
        return ""

    def _unsound(self, now: Scores) -> str:
        """What shows that a GAN is of no use; empty if nothing does."""
        found, real = now.scores[-1].likeness, now.real
        if self.chance is not None:
            limit = self.chance + LABELS_SHARE * max(0.0, real.labels - self.chance)
            if found.labels < limit:
                seen = f"{found.labels:.0%} of its images, and in {real.labels:.0%} of real ones"
                return f"a classifier sees the label asked for in {seen}"
        if found.coverage < COVERAGE_SHARE * real.coverage:
            seen = f"{found.coverage:.1%} of the validation images have one of its images nearby"
            return f"{seen}, and {real.coverage:.0%} another real one"
        return ""

    def _is_good(self, now: Scores) -> bool:
        """Whether the newest checkpoint is to be kept rather than the one that was good so far."""
        found = now.scores[-1].likeness
        lowest = min(now.scores, key=lambda one: one.likeness.kid).likeness
        calmest = min(one.likeness.random_kid for one in now.scores)
        by_judge = found.kid <= lowest.kid + lowest.kid_se
        return by_judge and found.random_kid <= RANDOM_FACTOR * max(calmest, 0.0) + RANDOM_FREE

    def _shortened(self, now: Scores) -> int:
        """The images with which a training ends whose scores have become flat; `ends` if they have not."""
        patience, decay = self.train.patience, self.train.decay
        if patience is None or len(now.scores) <= patience or decay == 1:
            return now.ends
        before, last = now.scores[:-patience], now.scores[-patience:]
        for name in ("kid", "random_kid"):
            reached = min(before, key=lambda one: getattr(one.likeness, name)).likeness
            lately = min(getattr(one.likeness, name) for one in last)
            if lately < getattr(reached, name) - getattr(reached, f"{name}_se"):
                return now.ends
        return math.ceil(now.scores[-1].images / (1 - decay))

    def _back_to(self, images: int, now: Scores, what: str) -> Scores:
        """The scores of a training that goes on from the checkpoint after `images` images with another seed."""
        number = len(now.restarts) + 1
        seed = restart_seed(self.seed, number)
        where = f"from its checkpoint after {images:,} images" if images else "anew"
        said = (
            f"{what}. It goes on {where} with another seed (restart {number} of {self.train.restarts}, train.restarts)"
        )
        restarts = (*now.restarts, Restart(now.scores[-1].images, images, seed, what))
        return replace(self.as_of(replace(now, restarts=restarts), images), said=said)

    def _kept(self, scores: Scores) -> Scores:
        return replace(scores, best=scores.good if self.train.keep == "best" else None)


def restart_seed(base: int, number: int) -> int:
    """The seed after a restart, below 2**32."""
    return int.from_bytes(hashlib.sha256(f"restart/{base}/{number}".encode()).digest()[:4])


def _is_stuck(now: Scores) -> bool:
    """Whether a training no longer gains much: its last score is nearly as bad as the one before."""
    if len(now.scores) < 2:
        return False
    before, last = now.scores[-2], now.scores[-1]
    return last.likeness.kid > before.likeness.kid * (before.images / last.images)
