"""The verb `export`: a synthetic set in formats that other tools read, on disk or in an archive."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from gan_aug.config.export import ExportOptions, export_options
from gan_aug.data.synthetic.shards import SyntheticManifest
from gan_aug.errors import ConfigError
from gan_aug.export.archive.doors import ARCHIVES, Sent, send_set
from gan_aug.export.formats import FORMATS
from gan_aug.run import layout
from gan_aug.run.events import Event, Listener
from gan_aug.run.folder import is_further_set
from gan_aug.run.stores import Place, below
from gan_aug.stages.context import saved_gan


def export(
    folder: Path,
    to: str,
    out: Path,
    gan: int = 0,
    options: Mapping[str, Any] | ExportOptions | None = None,
    listener: Listener | None = None,
) -> int:
    """Write the synthetic set of a run, or a further set, at `out`, whole or not at all.

    Args:
        folder: The run folder, or that of the further set.
        to: The name of a format in `gan_aug.export.formats.FORMATS`.
        out: The folder or file to write; it must not exist, or be an empty folder for a format of many files.
        gan: The number of the GAN whose set it is; a further set has no other.
        options: Of the format, by sections: see `gan_aug.config.export`.
        listener: Is called with the progress.

    Returns:
        The number of images.

    Raises:
        ConfigError: There is no such format, or the options do not fit.
        RunConflict: `folder` is neither.
        CheckpointError: The run has no such GAN.
        ManifestError: The run has no synthetic set, or the set is torn.
        StorageError: `out` exists, or the disk refuses.
        Cancelled: Stopped by Ctrl-C; the same call goes on.
    """
    if to not in FORMATS:
        raise ConfigError(f"there is no export format {to!r}: use {', '.join(FORMATS)}")
    place, wanted = _released_set(folder, gan), export_options(options)
    return FORMATS[to].write(place, out, wanted, progress=partial(_tell, listener, "images") if listener else None)


def send(
    folder: Path,
    to: str,
    address: str,
    gan: int = 0,
    record: Path | None = None,
    options: Mapping[str, Any] | ExportOptions | None = None,
    listener: Listener | None = None,
) -> Sent:
    """Send the synthetic set of a run, or a further set, to an archive as DICOM files.

    Args:
        folder: The run folder, or that of the further set.
        to: The name of a way in `gan_aug.export.archive.doors.ARCHIVES`.
        address: The archive's address.
        gan: The number of the GAN whose set it is; a further set has no other.
        record: The file that records what arrived; None is one in `folder`. What it says arrived is not sent again.
        options: How the files are written and the archive is reached, by sections: see `gan_aug.config.export`.
        listener: Is called with the progress.

    Returns:
        How many files are in the archive, and the record.

    Raises:
        ConfigError: There is no such way, or the options or the address are wrong.
        RunConflict: `folder` is neither.
        CheckpointError: The run has no such GAN.
        ManifestError: The run has no synthetic set, or the set is torn.
        StorageError: The archive was not reached or refused files, or the record cannot be written.
    """
    if to not in ARCHIVES:
        raise ConfigError(f"there is no way to an archive called {to!r}: use {', '.join(ARCHIVES)}")
    place, wanted = _released_set(folder, gan), export_options(options)
    manifest = SyntheticManifest.load(below(place, layout.MANIFEST))
    tell = partial(_tell, listener, "files") if listener else None
    return send_set(ARCHIVES[to], address, place, manifest, wanted, record, folder / layout.SENT, tell)


def _released_set(folder: Path, gan: int) -> Place:
    """Where the set is that leaves; every way out asks here."""
    return folder if is_further_set(folder) else saved_gan(folder, gan).synthetic


def _tell(listener: Listener, unit: str, done: int, total: int) -> None:
    listener(Event("export", "progress", "", done, total, unit))
