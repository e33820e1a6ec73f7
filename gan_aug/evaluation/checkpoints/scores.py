"""The scores of a training's checkpoints, and what was decided by them, as they are kept in `train/scores.json`."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

from gan_aug.errors import CheckpointError
from gan_aug.evaluation.checkpoints.likeness import Likeness
from gan_aug.run.files import read_json, write_json

SCHEMA = 1


@dataclass(frozen=True)
class CheckpointScore:
    """What a checkpoint was worth.

    Attributes:
        images: The training images that it had seen.
        likeness: How like the validation images its images are.
        lead: D's mean logit of validation images less that of the checkpoint's images.
        training_lead: The same with training images. Far above `lead`, D knows its training images by heart.
        nearer: How often one of its images is nearer to a training image than a validation image is; 0.5 if both are
            alike, see `Memorising`.
        copy_like: The same for the distance as a share of that to the second nearest, which is low for a copy.
    """

    images: int
    likeness: Likeness
    lead: float
    training_lead: float
    nearer: float
    copy_like: float

    @property
    def in_words(self) -> str:
        """The score as a line of a log."""
        like = self.likeness
        return (
            f"after {self.images:,} images: KID {like.kid:.3g} ± {like.kid_se:.2g} by a classifier's features, "
            f"{like.random_kid:.2g} by random ones; finest detail {like.finest:.3g} of real; recall {like.recall:.2f}; "
            f"label agreement {like.labels:.1%}; D's lead {self.lead:.2f}; nearness to training images "
            f"{self.nearer:.2f} (validation images: 0.50)"
        )


@dataclass(frozen=True)
class Restart:
    """A training that broke down, and went on from an earlier checkpoint with another seed.

    Attributes:
        broke_at: The images it had seen when this was noticed.
        went_on_from: The images that the checkpoint had seen from which it went on; 0 if it began anew.
        seed: The seed from there on.
        because: What was found, in words.
    """

    broke_at: int
    went_on_from: int
    seed: int
    because: str


@dataclass(frozen=True)
class Scores:
    """The scores of a training so far, and what was decided.

    Attributes:
        asked: The SHA-256 of the training's request and data.
        validation: How many validation images checkpoints are scored against.
        real: The figures of as many training images.
        ends: The images with which the training ends.
        good: The images that the best checkpoint so far has seen, from which a restart goes on; None if none was sound.
        best: The images that the checkpoint has seen that is the GAN; None if that is the newest one.
        scores: One for each scored checkpoint, the oldest first; none of those that a restart left behind.
        restarts: How often it broke down and went on.
        said: The last decision in words: a restart, or why the training ends before the images that were asked for.
    """

    asked: str
    validation: int
    real: Likeness
    ends: int
    good: int | None = None
    best: int | None = None
    scores: tuple[CheckpointScore, ...] = ()
    restarts: tuple[Restart, ...] = ()
    said: str = ""

    def save(self, path: Path) -> None:
        """Write them as JSON; the file appears complete or not at all."""
        write_json(path, {"schema": SCHEMA, **asdict(self)})

    @classmethod
    def load(cls, path: Path) -> Scores | None:
        """Read them; None if there are none. Raises CheckpointError if the file is not what `save` writes."""
        if not path.exists():
            return None
        record = read_json(path)
        try:
            if record.pop("schema") != SCHEMA:
                raise CheckpointError(f"{path} is of another version: use that one")
            scores = tuple(
                CheckpointScore(**{**one, "likeness": Likeness(**one["likeness"])}) for one in record.pop("scores")
            )
            restarts = tuple(Restart(**one) for one in record.pop("restarts"))
            return cls(**{**record, "real": Likeness(**record["real"]), "scores": scores, "restarts": restarts})
        except (KeyError, TypeError, AttributeError) as error:
            raise CheckpointError(
                f"{path} does not hold the scores of checkpoints ({error}): remove it and resume"
            ) from error
