"""The list of sources: a name in the config means one of them, which opens without decoding a file.

A new source is a module beside this one and a row in `SOURCES`.
"""

from __future__ import annotations

import difflib
import shutil
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

from gan_aug.config.data import DataConfig
from gan_aug.data.items import Source
from gan_aug.data.labels import check_synonyms, one_spelling
from gan_aug.data.reading.decode import is_image_file
from gan_aug.data.reading.raster import Raster
from gan_aug.data.reading.reader import Reader
from gan_aug.data.sources.csv_table import open_csv
from gan_aug.data.sources.dicom import DICOM_ENDINGS, DICOM_FILES, open_dicom
from gan_aug.data.sources.dicomweb import SPOOL, open_dicomweb
from gan_aug.data.sources.digits import open_digits
from gan_aug.data.sources.folder import open_folder
from gan_aug.data.sources.kind import IMAGE_FILES, FileKind, NewImages, Opening, SourceKind, at_hand
from gan_aug.data.sources.medmnist import ENDINGS, open_medmnist
from gan_aug.data.sources.mnist import open_mnist
from gan_aug.errors import ConfigError, DataError
from gan_aug.run.events import Progress

SOURCES = (
    SourceKind(("digits",), at_hand(open_digits)),
    SourceKind(("mnist",), at_hand(open_mnist)),
    SourceKind(("folder",), at_hand(open_folder)),
    SourceKind(("csv",), at_hand(open_csv)),
    SourceKind(("dicom",), open_dicom, files=DICOM_FILES),
    SourceKind(("dicomweb",), open_dicomweb, files=DICOM_FILES, spool=SPOOL),
    SourceKind(("pneumoniamnist", "breastmnist"), at_hand(open_medmnist), endings=ENDINGS),
)
"""Every source, in the order in which people see their names; the first row that knows a name has it."""


@contextmanager
def opened_source(
    config: DataConfig, folder: Path | None, reader: Reader | None = None, progress: Progress | None = None
) -> Iterator[Source]:
    """The source that `config` names, cut to `data.limit`; files are listed, not decoded.

    Its items are to be read within the block: what had to be fetched goes with its end. That lies below `folder`, and
    stays there for the next time if the block is interrupted.

    Args:
        config: The section `data`.
        folder: The data set's folder, which also keeps the key that identities in DICOM headers are hashed with.
            Without one, items can be counted, and those of an archive cannot be read.
        reader: What looks at DICOM headers, which takes time.
        progress: Is told (files, files in all).

    Yields:
        The source.

    Raises:
        ConfigError: There is no such source, or it cannot be asked for so.
        DataError: Files are absent or unusable, or an archive is away or refuses.
        Cancelled: `reader.cancelled` says so.
    """
    kind = source_kind(config.source)
    for other in SOURCES:
        if folder and other.spool and other is not kind:
            shutil.rmtree(folder / other.spool, ignore_errors=True)
    with ExitStack() as stack:
        try:
            source = stack.enter_context(kind.open(config, Opening(folder, reader or Reader(), progress)))
        except OSError as error:
            place = error.filename or config.root or config.source
            raise DataError(
                f"{place} cannot be read ({error.strerror or error}): check the path and its rights"
            ) from error
        source = _spelled(config, source)
        if config.title:
            source = replace(source, name=config.title)
        if config.names:
            source = source.named(config.names)
        yield source if config.limit is None else source.limited(config.limit)


def _spelled(config: DataConfig, source: Source) -> Source:
    """The source with one spelling for labels that differ in spelling alone; those of sets that name them are kept.

    Raises DataError if two labels are words for the same.
    """
    column = config.columns.label
    if not any(item.file for item in source.items) or (config.table and isinstance(column, tuple) and len(column) > 1):
        return source
    counts = Counter(label for item in source.items for label in item.labels)
    new = one_spelling(counts, config.names)
    if new:
        joined = ", ".join(f"{label!r} ({counts[label]}) to {name!r}" for label, name in sorted(new.items()))
        note = f"labels that differ in spelling alone were joined: {joined}"
        source = replace(source.named(new), notes=(*source.notes, note))
    if source.task == "multi-class":
        check_synonyms(source.labels, config.names, source.name)
    return source


def open_source(
    config: DataConfig, folder: Path | None = None, reader: Reader | None = None, progress: Progress | None = None
) -> Source:
    """The source that `config` names, as `opened_source` gives it, for as long as its files stay where they are.

    Args:
        config: The section `data`.
        folder: The data set's folder, if there is one.
        reader: What looks at DICOM headers.
        progress: Is told (files, files in all).

    Returns:
        The source.

    Raises:
        ConfigError: There is no such source, or what it fetches would be gone.
        DataError: Files are absent or unusable.
    """
    if source_kind(config.source).spool:
        raise ConfigError(f"data.source: {config.source} fetches its files: use opened_source")
    with opened_source(config, folder, reader, progress) as source:
        return source


def source_kind(name: str) -> SourceKind:
    """The source called `name`; raises ConfigError, with the nearest name, if there is none."""
    for kind in SOURCES:
        if name in kind.names or name.endswith(kind.endings):
            return kind
    choices = source_names()
    close = difflib.get_close_matches(name.lower(), choices, n=1)
    hint = f"did you mean {close[0]}?" if close else f"use {', '.join(choices)} or another MedMNIST name"
    raise ConfigError(f"data.source: there is no source {name!r}; {hint}")


def source_names() -> list[str]:
    """The names that `data.source` may have, without those that only MedMNIST's package knows."""
    return [name for kind in SOURCES for name in kind.names]


def images_in(file: Path, config: DataConfig, raster: Raster) -> NewImages:
    """The images in a new file, read as the import reads those of the data set.

    A file that says itself what it is, as DICOM does, is read as that. Any other is taken for an image file if its
    suffix is one's, and else for what the data set was made from.

    Args:
        file: The file.
        config: The section `data` of the data set.
        raster: How its images are stored.

    Yields:
        Each image `(C, H, W) uint8`, with its frame number from 1 if the file has several, else None.

    Raises:
        DataError: There is no such file, it is no image, or it may not be shown.
    """
    if not file.is_file():
        raise DataError(f"no image file at {file}: check the path")
    try:
        yield from _file_kind(file, config.source).images(file, config, raster)
    except DataError as error:
        raise DataError(f"{file} cannot be read ({error}): leave it out") from error


def is_readable(file: Path, source: str) -> bool:
    """Whether a file found in a folder is an image by its signature or its ending.

    Args:
        file: The file.
        source: `data.source` of the data set; if that is DICOM, files with the ending of none, or with a number as
            DICOM's often have, are taken too.
    """
    if any(kind.files.recognises(file) for kind in SOURCES) or is_image_file(file):
        return True
    bare = not file.suffix or file.suffix[1:].isdigit()
    return file.suffix.lower() in DICOM_ENDINGS or (bare and source_kind(source).files is DICOM_FILES)


def _file_kind(file: Path, source: str) -> FileKind:
    for kind in SOURCES:
        if kind.files.recognises(file):
            return kind.files
    if file.suffix.lower() in DICOM_ENDINGS:
        return DICOM_FILES  # a file without the signature may still be one
    return IMAGE_FILES if is_image_file(file) else source_kind(source).files
