"""Images in a DICOMweb archive: retrieved into a folder that goes again, then read as DICOM files are."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from gan_aug.config_data import DataConfig
from gan_aug.data.dicom_files import DicomFile
from gan_aug.data.dicom_header import byte_limit
from gan_aug.data.dicom_http import RefusedError, archive_error, read_token
from gan_aug.data.dicom_web import Archive
from gan_aug.data.items import Rejected, Source
from gan_aug.data.patients import IdentityKey
from gan_aug.data.reading import Reader
from gan_aug.data.source_dicom import check_installed, dicom_source
from gan_aug.errors import ConfigError
from gan_aug.run import storage_errors

NAME = "dicomweb"


@contextmanager
def dicomweb_source(
    config: DataConfig, folder: Path | None, identity: IdentityKey, cancelled: Callable[[], bool] | None = None
) -> Iterator[Source]:
    """The images that the search in `config` finds, to be read within the block: what was retrieved goes with its end.

    It lies below `folder` under a name that RunDir sweeps at the next start, should this process be killed. Without a
    folder files go as soon as their headers are read, so that items can be counted and not read. Raises ConfigError for
    what cannot be asked, DataError where the archive is away or refuses; what it cannot give is in `rejected`.
    """
    check_installed("dicomweb")
    _check_labels(config)
    archive = Archive(config.dicomweb, read_token(config.dicomweb.token_env, os.environ), cancelled)
    if folder:
        with storage_errors(folder):
            folder.mkdir(parents=True, exist_ok=True)
    # The folder is open to its owner alone.
    with tempfile.TemporaryDirectory(prefix=".dicomweb-", suffix=".tmp", dir=folder) as spool:
        rejected: list[Rejected] = []
        files = _retrieved(config, archive, Path(spool), rejected, keep=folder is not None)
        yield replace(dicom_source(config, files, rejected, identity, Reader()), name=NAME, lasting=False)


def _check_labels(config: DataConfig) -> None:
    label_from = config.dicom.label_from or ("table" if config.table else "folder")
    if label_from == "folder":
        raise ConfigError(
            "data.dicom.label_from: an archive has no folders to take labels from: give a coded DICOM keyword, none, "
            "or a table in data.table"
        )
    if label_from == "table" and config.dicom.label_key == "file":
        raise ConfigError(
            "data.dicom.label_key: an archive has no file names: use SOPInstanceUID, StudyInstanceUID, AccessionNumber "
            "or PatientID"
        )


def _retrieved(
    config: DataConfig, archive: Archive, spool: Path, rejected: list[Rejected], *, keep: bool
) -> Iterator[DicomFile]:
    """Each instance as a file, numbered in the order of study, series and instance UID, one in memory at a time."""
    found = archive.search()
    odd = range(1, archive.unusable + 1)
    rejected += [Rejected(f"search result {n} of these", "the archive lists it without a usable UID") for n in odd]
    if not found and not rejected:
        raise archive_error(
            config.dicomweb, "has nothing that matches data.dicomweb.search: ask for less, or at another level"
        )
    for number, uids in enumerate(found, 1):
        file = DicomFile(number, spool / f"{number:08}", f"{number:08}")
        try:
            content = archive.retrieve(uids, byte_limit(config.dicom))
        except RefusedError as error:
            rejected.append(Rejected(file.origin, str(error)))
            continue
        with storage_errors(file.path):
            file.path.write_bytes(content)
        del content
        yield file
        if not keep:
            file.path.unlink()
