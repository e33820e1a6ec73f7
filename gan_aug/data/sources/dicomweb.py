"""Images in a DICOMweb archive: retrieved into a folder that is removed again, then read as DICOM files are.

What was retrieved before an interruption is not asked for again.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from gan_aug.config.data import DataConfig
from gan_aug.data.dicom.dataset import byte_limit
from gan_aug.data.dicom.files import DicomFile
from gan_aug.data.dicom.web.dicomweb import Archive, Uids
from gan_aug.data.dicom.web.http import RefusedError, archive_error, read_secret
from gan_aug.data.items import Rejected, Source
from gan_aug.data.reading.reader import Reader
from gan_aug.data.sources.dicom import check_installed, dicom_source, labelled_by
from gan_aug.data.sources.kind import Opening
from gan_aug.errors import Cancelled, ConfigError
from gan_aug.run.events import Progress
from gan_aug.run.files import atomic_file, storage_errors

NAME = "dicomweb"

SPOOL = ".dicomweb"
"""The folder of retrieved files, within the data set's. Its name is not a temporary one, which a start would remove."""


@contextmanager
def open_dicomweb(config: DataConfig, opening: Opening) -> Iterator[Source]:
    """The images that the search in `config` finds, to be read within the block: what was retrieved goes with its end.

    It lies below `opening.folder`, and stays there for the next time if the retrieval breaks off or the block is
    Cancelled. Without a folder files go as soon as their headers are read, so that items can be counted and not read.
    `opening.progress` is told (instances dealt with, instances in all). Raises ConfigError for what cannot be asked,
    and DataError if the archive is away or refuses; what it cannot give is in `rejected`.
    """
    check_installed(NAME)
    _check_labels(config)
    token = read_secret(config.dicomweb.token_env, os.environ, "data.dicomweb.token_env")
    archive = Archive(config.dicomweb, token, opening.reader.cancelled)
    identity = opening.identity_key()
    spool = _make_spool(opening.folder)
    done = False
    try:
        rejected: list[Rejected] = []
        files = _retrieved(config, archive, spool, rejected, opening.progress, keep=opening.folder is not None)
        # Headers are looked at here as files come, without a cache: no later import finds these files again.
        source = dicom_source(config, files, rejected, identity, Reader())
        done = True
        yield replace(source, name=NAME, cacheable=False)
    except (Cancelled, KeyboardInterrupt):
        done = False
        raise
    finally:
        if done or opening.folder is None or not any(spool.iterdir()):
            shutil.rmtree(spool, ignore_errors=True)


def _make_spool(folder: Path | None) -> Path:
    """The folder for retrieved files, open to its owner alone."""
    if folder is None:
        return Path(tempfile.mkdtemp(prefix="gan-aug-dicomweb-"))
    spool = folder / SPOOL
    with storage_errors(spool):
        folder.mkdir(parents=True, exist_ok=True)
        spool.mkdir(mode=0o700, exist_ok=True)
    return spool


def _check_labels(config: DataConfig) -> None:
    label_from = labelled_by(config)
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
    config: DataConfig,
    archive: Archive,
    spool: Path,
    rejected: list[Rejected],
    progress: Progress | None,
    *,
    keep: bool,
) -> Iterator[DicomFile]:
    """Each instance as a file, numbered in the order of study, series and instance UID; one at a time is in memory.

    Without `keep` a file is removed before the next one is retrieved.
    """
    found = archive.search()
    odd = range(1, archive.unusable + 1)
    rejected += [Rejected(f"search result {n} of these", "the archive lists it without a usable UID") for n in odd]
    if not found and not rejected:
        raise archive_error(
            config.dicomweb, "has nothing that matches data.dicomweb.search: ask for less, or at another level"
        )
    for number, uids in enumerate(found, 1):
        file = DicomFile(number, spool / _file_name(archive.url, uids), f"{number:08}")
        try:
            if not file.path.exists():
                _write(file.path, archive.retrieve(uids, byte_limit(config.dicom)))
        except RefusedError as error:
            rejected.append(Rejected(file.origin, str(error)))
        else:
            yield file
            if not keep:
                file.path.unlink()
        if progress and (number % max(1, len(found) // 100) == 0 or number == len(found)):
            progress(number, len(found))


def _write(path: Path, content: memoryview) -> None:
    with atomic_file(path) as file:
        file.write(content)


def _file_name(url: str, uids: Uids) -> str:
    """The same for the same instance of the same archive, and without its UIDs."""
    return hashlib.sha256("\0".join((url, *uids)).encode()).hexdigest()
