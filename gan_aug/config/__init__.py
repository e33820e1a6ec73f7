"""The config: one typed, frozen Config, read from YAML, `--set` or a REST body; all faults are reported at once."""

from gan_aug.config.request import (
    Config,
    as_before,
    completed,
    dump,
    load,
    parse,
    path_keys,
    read,
    reported,
    settled,
    to_yaml,
    with_earlier,
    with_ranks,
    yaml_text,
)

__all__ = [
    "Config",
    "as_before",
    "completed",
    "dump",
    "load",
    "parse",
    "path_keys",
    "read",
    "reported",
    "settled",
    "to_yaml",
    "with_earlier",
    "with_ranks",
    "yaml_text",
]
