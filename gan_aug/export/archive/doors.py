"""The list of ways to send a synthetic set to an archive, and the sending of a whole set.

The command line reads this list beside that of the formats. A new way is a Connection and a row in `ARCHIVES`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from gan_aug.config.export import ArchiveExport, ExportOptions
from gan_aug.errors import StorageError
from gan_aug.export.dicom.files import DicomFiles
from gan_aug.export.folder import iterate_files
from gan_aug.run.files import json_sha256

if TYPE_CHECKING:
    from gan_aug.data.synthetic.shards import SyntheticManifest
    from gan_aug.export.archive.sending import Connection, Delivery
    from gan_aug.run.events import Progress
    from gan_aug.run.stores import Place

NAMED = 3
"""Refusals that a message names; the record has all."""


@dataclass(frozen=True)
class ArchiveDoor:
    """A way to send DICOM files to an archive.

    Attributes:
        name: What `gan-aug export --to` calls it.
        description: What it is, in a few words.
        address: How its addresses are written.
        connect: Prepares a connection to an address.
    """

    name: str
    description: str
    address: str
    connect: Callable[[str, ArchiveExport], Connection]


@dataclass(frozen=True)
class Sent:
    """How many files are in the archive, how many of them since before, and the record of it."""

    files: int
    before: int
    record: Path


def _stow(address: str, options: ArchiveExport) -> Connection:
    from gan_aug.export.archive.stow import StowConnection

    return StowConnection(address, options)


def _cstore(address: str, options: ArchiveExport) -> Connection:
    from gan_aug.export.archive.cstore import CStoreConnection

    return CStoreConnection(address, options)


ARCHIVES: dict[str, ArchiveDoor] = {
    row.name: row
    for row in (
        ArchiveDoor("stow", "an archive by DICOMweb (STOW-RS)", "https://HOST/PATH", _stow),
        ArchiveDoor("cstore", "an archive by C-STORE", "AE@HOST:PORT", _cstore),
    )
}
"""Every way to an archive by its name."""


def send_set(
    door: ArchiveDoor,
    address: str,
    place: Place,
    manifest: SyntheticManifest,
    options: ExportOptions,
    record: Path | None,
    records: Path,
    progress: Progress | None = None,
) -> Sent:
    """Send a synthetic set to an archive as DICOM files; what its record says arrived is not sent again.

    Args:
        door: How.
        address: Where to.
        place: Where the set's shards are.
        manifest: The set's manifest.
        options: How the files are written, and the archive reached.
        record: The file of the record; None is one in `records`, named by what is sent where.
        records: The folder of records.
        progress: Called with files that are in the archive, and files in all.

    Returns:
        How many files are in the archive.

    Raises:
        ConfigError: The options do not fit, the address is none, a package or a secret is missing.
        StorageError: The archive was not reached or refused files, or the record cannot be written.
        ManifestError: A shard is absent or altered.
    """
    from gan_aug.data.dicom.web.http import suppress_logs
    from gan_aug.export.archive.record import open_record
    from gan_aug.export.archive.sending import Instance, deliver

    files = DicomFiles(manifest, options)
    connect = partial(door.connect, address, options.archive)
    connect().close()  # a fault of the address is told before the first image is read
    what = {"to": door.name, "address": address, "set": manifest.fingerprint}
    what["form"] = json_sha256(options.dicom.model_dump(mode="json"))
    path = record or records / f"{door.name}-{json_sha256(what)[:12]}.jsonl"
    with suppress_logs(), open_record(path, what) as answers:
        groups = files.groups()
        left = [numbers for numbers in groups if files.uid(numbers) not in answers.arrived]
        before = len(groups) - len(left)
        instances = (
            Instance(files.uid(numbers), numbers[0], file.content)
            for numbers, file in zip(left, iterate_files(place, manifest, files, left), strict=True)
        )
        tell = partial(_tell, progress, before, len(groups))
        delivery = deliver(instances, connect, options.archive, answers, tell)
    if delivery.refused:
        raise StorageError(_refusals(address, path, len(groups), before, delivery))
    return Sent(len(groups), before, path)


def _tell(progress: Progress | None, before: int, total: int, arrived: int) -> None:
    if progress:
        progress(before + arrived, total)


def _refusals(address: str, record: Path, total: int, before: int, delivery: Delivery) -> str:
    """The message about files that did not arrive."""
    named = "; ".join(f"that of image {first}: {why}" for first, why in sorted(delivery.refused.items())[:NAMED])
    untried = total - before - delivery.arrived - len(delivery.refused)
    return (
        f"{before + delivery.arrived:,} of {total:,} files are at {address}, "
        f"{len(delivery.refused):,} are not ({named})"
        + (f", and {untried:,} were not tried" if untried else "")
        + f": the record {record} names all, and the same command sends what is missing"
    )
