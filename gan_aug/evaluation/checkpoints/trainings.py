"""How the GANs behind a report were trained and chosen, as `report.json` says it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gan_aug.data.synthetic.shards import SyntheticManifest
from gan_aug.evaluation.checkpoints.scores import Scores
from gan_aug.run import layout


def trainings_of(run: Path, sets: Sequence[SyntheticManifest], maker: str | None) -> list[dict[str, Any]] | None:
    """What a report says of how the GANs of a run were trained and chosen; None if their checkpoints were not scored.

    Args:
        run: The run folder.
        sets: The synthetic sets of the report, one for each GAN.
        maker: Who made them if not the run's own GANs.

    Returns:
        One row per GAN, as JSON values: `gan`; `images`, which the checkpoint that is the GAN has seen; `ends`, with
        which the training ended; `scored`, how many checkpoints were; `validation`, on how many images;
        `restarts`, each {`broke_at`, `went_on_from`}.
    """
    rows = []
    if maker or not all(synthetic.is_traced for synthetic in sets):
        return None
    for gan in range(len(sets)):
        found = Scores.load(run / layout.gan_folder(gan) / layout.TRAIN / layout.CHECKPOINT_SCORES)
        if found is None:
            return None
        rows.append(
            {
                "gan": gan,
                "images": found.ends if found.best is None else found.best,
                "ends": found.ends,
                "scored": len(found.scores),
                "validation": found.validation,
                "restarts": [{"broke_at": one.broke_at, "went_on_from": one.went_on_from} for one in found.restarts],
            }
        )
    return rows or None
