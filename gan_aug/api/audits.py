"""The privacy audit of synthetic sets, before they are released."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from gan_aug.errors import ConfigError
from gan_aug.run.events import Listener
from gan_aug.run.folder import RunDir, is_further_set
from gan_aug.run.progress import default_listener


def audit(
    folder: str | Path,
    gan: int | None = None,
    *,
    of: str | Path | None = None,
    progress: Listener | None = None,
    stop_on_signals: bool = False,
) -> list[dict[str, Any]]:
    """Compare synthetic sets with the training images of their GAN, and write a run's report again with what was found.

    Args:
        folder: A run folder, or that of a further set.
        gan: Of a run with several GANs the number of the one whose set it is; all by default.
        of: Of a further set the run folder of its GAN; by default the one that it lies in.
        progress: As for `gan_aug.run`.
        stop_on_signals: As for `gan_aug.run`.

    Returns:
        What `audit.json` of each set says; `gan_aug.privacy.record.to_text` puts one in words.

    Raises:
        ConfigError: If an argument does not go with the folder.
        ManifestError: If there is no synthetic set, or it was altered.
        DataError: If there are too few training images for an audit.
        ReleaseRefused: If the folder of a further set lies in no run folder, and `of` names none.
    """
    from gan_aug.stages.launch import launch_audit

    path = Path(folder)
    if is_further_set(path) and gan is not None:
        raise ConfigError(f"gan {gan}: {path} is a further set, which one GAN made: leave it out")
    if not is_further_set(path):
        RunDir.existing(path)
        if of is not None:
            raise ConfigError(f"of {of}: {path} is a run folder, and this goes with the folder of a further set")
    listeners = (progress or default_listener(),)
    return launch_audit(path, gan, Path(of) if of else None, listeners, stop_on_signals=stop_on_signals)
