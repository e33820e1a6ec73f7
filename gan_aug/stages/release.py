"""The verb `export`: a synthetic set or a model in formats that other tools read, after the audit."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gan_aug.config.export import ExportOptions, export_options
from gan_aug.data.synthetic.shards import SyntheticManifest
from gan_aug.errors import ConfigError, ManifestError
from gan_aug.export.archive.doors import ARCHIVES, Sent, send_set
from gan_aug.export.formats import FORMATS
from gan_aug.export.models import MODEL_FORMATS
from gan_aug.privacy.gate import on_this_machine, release_model, release_set
from gan_aug.privacy.record import audit_of, audit_of_model, said_when_released
from gan_aug.run import layout
from gan_aug.run.events import Event, Listener
from gan_aug.run.folder import is_further_set
from gan_aug.run.progress import audit_progress
from gan_aug.run.stores import Place, below
from gan_aug.stages.audit.places import audit_at, set_at
from gan_aug.stages.context import saved_gan
from gan_aug.stages.trained.further import trained_checkpoint

if TYPE_CHECKING:
    from gan_aug.gan.state import Checkpoint


def export(
    folder: Path,
    to: str,
    out: Path,
    gan: int = 0,
    options: Mapping[str, Any] | ExportOptions | None = None,
    listener: Listener | None = None,
    anyway: str | None = None,
) -> int:
    """Write the synthetic set of a run, a further set, or the model of a run at `out`, whole or not at all.

    Args:
        folder: The run folder, or that of the further set.
        to: The name of a format: of a set in `gan_aug.export.formats.FORMATS`, of a model in
            `gan_aug.export.models.MODEL_FORMATS`.
        out: The folder or file to write; it must not exist, or be an empty folder for a format of many files.
        gan: The number of the GAN whose set, or model, it is; a further set has no other.
        options: Of the format, by sections: see `gan_aug.config.export`.
        listener: Is called with the progress.
        anyway: Why it is to leave whatever the privacy audit says.

    Returns:
        The number of images; 0 for a model.

    Raises:
        ConfigError: There is no such format, or the options do not fit.
        RunConflict: `folder` is neither.
        CheckpointError: The run has no such GAN, or it was not trained to the end.
        ManifestError: The run has no synthetic set, by which its model is audited too, or the set is torn.
        ReleaseRefused: The audit does not allow it.
        StorageError: `out` exists, or the disk refuses.
        Cancelled: Stopped by Ctrl-C; the same call goes on.
    """
    if to not in (*FORMATS, *MODEL_FORMATS):
        raise ConfigError(f"there is no export format {to!r}: use {', '.join((*FORMATS, *MODEL_FORMATS))}")
    wanted, door = export_options(options), f"export {to} to {out.absolute()}"
    if to in MODEL_FORMATS:
        checkpoint, audited = _released_model(folder, gan, door, anyway, listener)
        MODEL_FORMATS[to].write(checkpoint, out, audited)
        return 0
    place, audited = _released_set(folder, gan, door, anyway, listener)
    tell = partial(_tell, listener, "images") if listener else None
    return FORMATS[to].write(place, out, wanted, audited=audited, progress=tell)


def send(
    folder: Path,
    to: str,
    address: str,
    gan: int = 0,
    record: Path | None = None,
    options: Mapping[str, Any] | ExportOptions | None = None,
    listener: Listener | None = None,
    anyway: str | None = None,
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
        anyway: As for `export`.

    Returns:
        How many files are in the archive, and the record.

    Raises:
        ConfigError: There is no such way, or the options or the address are wrong.
        RunConflict: `folder` is neither.
        CheckpointError: The run has no such GAN.
        ManifestError: The run has no synthetic set, or the set is torn.
        ReleaseRefused: The audit does not allow it.
        StorageError: The archive was not reached or refused files, or the record cannot be written.
    """
    if to not in ARCHIVES:
        raise ConfigError(f"there is no way to an archive called {to!r}: use {', '.join(ARCHIVES)}")
    wanted = export_options(options)
    ARCHIVES[to].connect(address, wanted.archive).close()  # before the address, which may hold a secret, is recorded
    place, _ = _released_set(folder, gan, f"{to} to {address}", anyway, listener)
    manifest = SyntheticManifest.load(below(place, layout.MANIFEST))
    tell = partial(_tell, listener, "files") if listener else None
    return send_set(ARCHIVES[to], address, place, manifest, wanted, record, folder / layout.SENT, tell)


def _released_set(
    folder: Path, gan: int, door: str, anyway: str | None, listener: Listener | None
) -> tuple[Place, str]:
    """Where the set is that leaves, and what its audit found; every way out asks here.

    If there is no audit of it yet, it is audited first.
    """
    place = set_at(folder, gan)
    made = place.manifest
    if anyway is None and audit_of(place.folder, made.fingerprint) is None:
        audit_at(folder, gan, progress=audit_progress(listener) if listener else None)
    released = release_set(place.folder, place.shards, made, on_this_machine(door, anyway))
    return released, said_when_released(audit_of(place.folder, made.fingerprint), "set")


def _released_model(
    folder: Path, gan: int, door: str, anyway: str | None, listener: Listener | None
) -> tuple[Checkpoint, str]:
    """The GAN whose generator leaves, and what its audit found; if there is none yet, its set is audited first."""
    if is_further_set(folder):
        raise ConfigError(f"{folder} is a synthetic set, and this format is of a model: give the run folder")
    own = saved_gan(folder, gan)
    checkpoint = trained_checkpoint(own)
    if anyway is None and audit_of_model(own.folder, checkpoint.id) is None:
        _check_a_set(folder, gan)
        audit_at(folder, gan, progress=audit_progress(listener) if listener else None)
    release_model(own.folder, checkpoint.id, on_this_machine(door, anyway))
    return checkpoint, said_when_released(audit_of_model(own.folder, checkpoint.id), "model")


def _check_a_set(folder: Path, gan: int) -> None:
    """Raise ManifestError if there is no set by which a GAN could be audited."""
    try:
        _ = set_at(folder, gan).manifest
    except ManifestError as error:
        raise ManifestError(f"a model is audited by a synthetic set that it made: {error}") from error


def _tell(listener: Listener, unit: str, done: int, total: int) -> None:
    listener(Event("export", "progress", "", done, total, unit))
