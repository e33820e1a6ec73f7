"""The verbs, and the requests of a run's stages: the sections of the config that each stage depends on.

A stage's `request.json` has these sections. Its results are the same as long as its request is the same, so the request
holds every section that matters, and no other.
"""

from __future__ import annotations

from typing import Any, Literal

from gan_aug.config.compare import ClassifierConfig, CompareConfig
from gan_aug.config.data import DataConfig
from gan_aug.config.gan import Augmentation, GanConfig, SynthesisConfig, TrainConfig
from gan_aug.config.presets import Adaptive
from gan_aug.config.section import Section

Verb = Literal["run", "import", "train", "generate", "audit", "compare"]
"""What can be done with a config: all stages, or those up to the one named."""


class StageRequest(Section):
    """Some sections of a config."""

    def to_json(self) -> dict[str, Any]:
        """The sections as JSON values, by their names."""
        return self.model_dump(mode="json")


class DatasetRequest(StageRequest):
    """What an import depends on."""

    seed: int
    data: DataConfig


class TrainRequest(StageRequest):
    """What the training of a GAN depends on."""

    seed: int
    gan: GanConfig
    train: TrainConfig


class CompareRequest(StageRequest):
    """What a comparison depends on."""

    seed: int
    classifier: ClassifierConfig
    compare: CompareConfig


class CurveRequest(StageRequest):
    """What the learning curves' GANs depend on. Each of them trains on a subset of the images.

    `train.images` is the number of images that each of them sees. `seed` is that of the run; each draw's own seed
    follows from it.
    """

    seed: int
    gan: GanConfig
    train: TrainConfig
    synthesis: SynthesisConfig

    def with_own(
        self, augment: tuple[Augmentation, ...] | Adaptive | None, score_every: int | None = None
    ) -> CurveRequest:
        """The request with other values of gan.augment and train.score_every; None lets each GAN have what suits it."""
        gan, train = self.gan, self.train
        return self.model_copy(
            update={
                "gan": gan.model_copy(update={"augment": augment}),
                "train": train.model_copy(update={"score_every": score_every}),
            }
        )
