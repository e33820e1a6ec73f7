"""Overrides of single keys, as `--set` gives them."""

from __future__ import annotations

from typing import Any

import yaml

from gan_aug.errors import ConfigError


def apply_override(values: dict[str, Any], override: str, example: str = "train.images=10000") -> None:
    """Set one key of nested `values`.

    Args:
        values: Sections by their names; altered in place.
        override: `section.key=value`, with the value in YAML.
        example: An override that is right, for the message.

    Raises:
        ConfigError: It is not written so, or what it calls a section is a value.
    """
    path, equals, text = override.partition("=")
    if not equals or not path:
        raise ConfigError(f"--set {override}: write section.key=value, e.g. --set {example}")
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ConfigError(f"--set {override}: the value is not valid YAML; put it in quotes") from error
    *sections, key = path.split(".")
    place = values
    for section in sections:
        place = place.setdefault(section, {})
        if not isinstance(place, dict):
            raise ConfigError(f"--set {override}: {section} is a value, not a section")
    place[key] = value
