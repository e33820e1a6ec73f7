"""What leaves of a run or of a further set: images or the model in formats that other tools read, or to an archive."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gan_aug.run.progress import default_listener

if TYPE_CHECKING:
    from gan_aug.config.export import ExportOptions
    from gan_aug.export.archive.doors import Sent
    from gan_aug.export.formats import FormatName
    from gan_aug.export.models import ModelFormatName
    from gan_aug.run.events import Listener


class Released:
    """Writes a synthetic set for others; the base of Run and SyntheticSet."""

    folder: Path

    def export(
        self,
        to: FormatName | ModelFormatName,
        out: str | Path,
        gan: int = 0,
        *,
        options: Mapping[str, Any] | ExportOptions | None = None,
        release_anyway: str | None = None,
        progress: Listener | None = None,
    ) -> int:
        """Write the synthetic set, or a run's model, in a format that other tools read, whole or not at all.

        What has no privacy audit yet is audited first. A set's folder of many files that was interrupted is gone on
        with by the same call.

        Args:
            to: The name of a format: "png", "npz", "dicom" and others of a set, which are in `gan_aug.export.formats`,
                or "bundle", of the model.
            out: The folder or file to write, which must not be there yet.
            gan: Of a run with several GANs: whose set or model.
            options: By sections, such as `{"dicom": {"bits": 16}}`; all are in `gan_aug.config.export`.
            release_anyway: Why it is to leave whatever the privacy audit says; it is noted in `releases.jsonl`.
            progress: Is called with an Event when some images more are written.

        Returns:
            The number of images; 0 for a model.

        Raises:
            ConfigError: If there is no such format, or the options do not fit.
            CheckpointError: If the run has no such GAN.
            ManifestError: If there is no synthetic set, or it was altered.
            ReleaseRefused: If the privacy audit does not allow it.
            StorageError: If there is something at `out` already.
        """
        from gan_aug.stages.release import export

        return export(self.folder, to, Path(out), gan, options, progress or default_listener(), release_anyway)

    def send(
        self,
        to: str,
        address: str,
        gan: int = 0,
        *,
        record: str | Path | None = None,
        options: Mapping[str, Any] | ExportOptions | None = None,
        release_anyway: str | None = None,
        progress: Listener | None = None,
    ) -> Sent:
        """Send the synthetic set to an archive as DICOM files; what is recorded as arrived is not sent again.

        Args:
            to: "stow" or "cstore"; see `gan_aug.export.archive.doors`.
            address: Such as "https://pacs.example/dicom-web", or "PACS@pacs.example:11112".
            gan: Of a run with several GANs: whose set.
            record: The file that records what arrived; by default one in the folder `sent` of the run.
            options: As for `export`.
            release_anyway: As for `export`.
            progress: Is called with an Event when some files more arrived.

        Returns:
            How many files are in the archive, how many of them since before, and the record.

        Raises:
            ConfigError: If the address or the options are wrong.
            CheckpointError: If the run has no such GAN.
            ManifestError: If there is no synthetic set, or it was altered.
            ReleaseRefused: If the privacy audit does not allow it.
            StorageError: If the archive was not reached, or refused files.
        """
        from gan_aug.stages.release import send

        told = progress or default_listener()
        return send(self.folder, to, address, gan, Path(record) if record else None, options, told, release_anyway)
