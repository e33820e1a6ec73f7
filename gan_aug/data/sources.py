"""Where images come from: one name in the config, one Source out, without decoding a file."""

from __future__ import annotations

from collections.abc import Callable

from gan_aug.config import DataConfig
from gan_aug.data.items import Item, Rejected, Source
from gan_aug.errors import ConfigError

__all__ = ["Item", "Rejected", "Source", "open_source"]


def open_source(config: DataConfig) -> Source:
    """The source that `config` names, cut to `data.limit`; files are listed, not decoded.

    Raises ConfigError for a name that does not exist and DataError for files that are absent or unusable.
    """
    source = _opener(config.source)(config)
    return source if config.limit is None else source.limited(config.limit)


def _opener(name: str) -> Callable[[DataConfig], Source]:
    if name == "digits":
        from gan_aug.data.source_digits import open_digits

        return lambda _: open_digits()
    raise ConfigError(f"data.source: there is no source {name!r}: use digits")
