"""The verb `export`: a synthetic set in formats that other tools read."""

from __future__ import annotations

from pathlib import Path

from gan_aug.errors import ConfigError
from gan_aug.export.formats import FORMATS
from gan_aug.run.folder import is_further_set
from gan_aug.stages.context import saved_gan


def export(folder: Path, to: str, out: Path, gan: int = 0) -> int:
    """Write the synthetic set of a run, or a further set, at `out`, whole or not at all.

    Args:
        folder: The run folder, or that of the further set.
        to: The name of a format in `gan_aug.export.formats.FORMATS`.
        out: The folder or file to write; it must not exist, or be an empty folder for a format of many files.
        gan: The number of the GAN whose set it is; a further set has no other.

    Returns:
        The number of images.

    Raises:
        ConfigError: There is no such format.
        RunConflict: `folder` is neither.
        CheckpointError: The run has no such GAN.
        ManifestError: The run has no synthetic set, or the set is torn.
        StorageError: `out` exists, or the disk refuses.
    """
    if to not in FORMATS:
        raise ConfigError(f"there is no export format {to!r}: use {', '.join(FORMATS)}")
    return FORMATS[to].write(folder if is_further_set(folder) else saved_gan(folder, gan).synthetic, out)
