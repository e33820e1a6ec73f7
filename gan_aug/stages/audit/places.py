"""Where the synthetic sets of a run are that can be audited: those of its GANs, and further sets."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from gan_aug.errors import ReleaseRefused, RunConflict
from gan_aug.run import layout
from gan_aug.run.files import read_json
from gan_aug.run.folder import RunDir, is_further_set
from gan_aug.stages.audit.sets import SetPlace, audit_set, own_set
from gan_aug.stages.context import saved_gan, saved_request, saved_storage
from gan_aug.stages.storage import RunStorage


def set_at(folder: Path, gan: int = 0) -> SetPlace:
    """The set in a folder: that of a GAN of the run there, or the further set there.

    Args:
        folder: A run folder, or that of a further set.
        gan: The number of the GAN.

    Raises:
        RunConflict: The folder is neither.
        CheckpointError: The run has no such GAN.
    """
    if is_further_set(folder):
        return SetPlace(folder, folder, RunStorage(folder, None))
    return own_set(saved_gan(folder, gan))


def audit_at(
    folder: Path,
    gan: int = 0,
    *,
    of: Path | None = None,
    progress: Callable[[int, int], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> dict[str, Any]:
    """Audit the set in a folder, see `set_at`, and write what was found.

    Args:
        folder: A run folder, or that of a further set.
        gan: The number of the GAN.
        of: The run folder of the further set's GAN; by default the one around it.
        progress: Called with (images done, images in all).
        cancelled: Asked now and then whether to stop.

    Returns:
        The audit, as `audit.json` holds it.

    Raises:
        ReleaseRefused: A further set lies outside of a run folder, and `of` does not name it.
        GanAugError: What `audit_set` and `set_at` raise.
    """
    place, run = set_at(folder, gan), folder
    if is_further_set(folder):
        run = of or _around(folder)
        place = SetPlace(folder, folder, _maker(run, place.manifest.checkpoint))
    device = saved_request(run)[1].compute.device
    return audit_set(saved_storage(run), place, device=device, progress=progress, cancelled=cancelled)


def _around(folder: Path) -> Path:
    """The run folder around a further set, else the one that it was made from, if that is still there."""
    noted = folder / layout.SET_RUN
    known = [Path(read_json(noted)["run"])] if noted.exists() else []
    for path in (*folder.absolute().parents, *known):
        if (path / layout.REQUEST).is_file() and (path / layout.DATASET).is_dir():
            return path
    raise ReleaseRefused(
        f"{folder} was not audited, and an audit needs the images that its GAN was trained on, but it lies in no run "
        "folder and that of its GAN is not known: name that by `gan-aug audit SET --of RUN`"
    )


def _maker(run: Path, checkpoint: str) -> RunStorage:
    """The GAN of a run with this checkpoint; GAN 0 if none is found, which the audit then notices."""
    from gan_aug.gan.chosen import chosen_checkpoint

    RunDir.existing(run)
    storage = saved_storage(run)
    numbers = [int(path.name) for path in (run / layout.GANS).glob("[0-9]*")]
    for number in (0, *sorted(numbers)):
        gan = storage.gan(number)
        found = chosen_checkpoint(gan.folder / layout.TRAIN)
        if found and found.id == checkpoint:
            return gan
    raise RunConflict(f"no GAN in {run} made this set: give the run folder of the one that did")
