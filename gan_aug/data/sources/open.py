"""Where images come from: one name in the config, one Source out, without decoding a file."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from gan_aug.config.data import DataConfig
from gan_aug.data.items import Item, Rejected, Source
from gan_aug.data.patients import IdentityKey
from gan_aug.data.reading.reader import Reader
from gan_aug.data.sources.csv_table import open_csv
from gan_aug.data.sources.dicom import open_dicom
from gan_aug.data.sources.dicomweb import dicomweb_source, forget_retrieved
from gan_aug.data.sources.digits import open_digits
from gan_aug.data.sources.folder import open_folder
from gan_aug.data.sources.medmnist import open_medmnist
from gan_aug.data.sources.mnist import open_mnist
from gan_aug.errors import ConfigError, DataError
from gan_aug.run.events import Progress

__all__ = ["Item", "Rejected", "Source", "open_source", "opened_source"]

OPENERS = {"digits": open_digits, "mnist": open_mnist, "folder": open_folder, "csv": open_csv}


@contextmanager
def opened_source(
    config: DataConfig, folder: Path | None, reader: Reader | None = None, progress: Progress | None = None
) -> Iterator[Source]:
    """The source that `config` names, to be read within the block: what had to be fetched goes with its end.

    That is kept below `folder`, longer where it was interrupted; without one items of an archive can be counted and not
    read. `progress` is told (files, files in all). Raises what `open_source` does, and Cancelled.
    """
    reader = reader or Reader()
    if config.source != "dicomweb":
        if folder:
            forget_retrieved(folder)
        yield open_source(config, folder, reader, progress)
        return
    identity = _identity_key(folder, reader)
    with dicomweb_source(config, folder, identity, reader.cancelled, progress) as source:
        yield _as_asked(config, source)


def open_source(
    config: DataConfig, folder: Path | None = None, reader: Reader | None = None, progress: Progress | None = None
) -> Source:
    """The source of files at hand that `config` names, cut to `data.limit`; files are listed, not decoded.

    DICOM headers are looked at by `reader`, which takes time: `progress` is told (files, files in all). The key that
    their identities are hashed with is kept in `folder`. Raises ConfigError for a name that does not exist and
    DataError for files that are absent or unusable.
    """
    reader = reader or Reader()
    opener = OPENERS.get(config.source)
    if config.source == "dicom":
        opener = partial(open_dicom, identity=_identity_key(folder, reader), reader=reader, progress=progress)
    if opener is None and config.source.endswith("mnist"):
        opener = open_medmnist
    if opener is None:
        raise _unknown(config.source)
    try:
        source = opener(config)
    except OSError as error:
        place = error.filename or config.root or config.source
        raise DataError(f"{place} cannot be read ({error.strerror or error}): check the path and its rights") from error
    return _as_asked(config, source)


def _as_asked(config: DataConfig, source: Source) -> Source:
    if config.names:
        source = source.named(config.names)
    return source if config.limit is None else source.limited(config.limit)


def _identity_key(folder: Path | None, reader: Reader) -> IdentityKey:
    """The key of a data set's folder; a new folder gets the cache's, so that headers seen before are known."""
    key = reader.cache.identity_key() if reader.cache else IdentityKey.random()
    return key.stored_in(folder) if folder else key


def _unknown(name: str) -> ConfigError:
    if name.endswith("mnist3d"):
        return ConfigError(f"data.source: {name} holds volumes: use a set of flat images, such as pneumoniamnist")
    choices = [*OPENERS, "dicom", "dicomweb", "pneumoniamnist", "breastmnist"]
    close = difflib.get_close_matches(name.lower(), choices, n=1)
    hint = f"did you mean {close[0]}?" if close else f"use {', '.join(choices)} or another MedMNIST name"
    return ConfigError(f"data.source: there is no source {name!r}; {hint}")
