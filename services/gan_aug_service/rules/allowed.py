"""The rules of a service: the most that a job may ask for and take, and who may loosen a guard; read from a file."""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import Field, ValidationError, ValidationInfo, field_validator

from gan_aug.config import Config
from gan_aug.config.faults import faults_of
from gan_aug.config.section import Positive, Section
from gan_aug.errors import ConfigError
from gan_aug_service.rules.ceilings import KEYS, TOTALS, above_ceilings
from gan_aug_service.rules.guards import GUARDS

MOST_BYTES = 64 << 10
DEFAULTS: dict[str, dict[str, Any]] = {
    "keys": dict(KEYS),
    "totals": {name: total.default for name, total in TOTALS.items()},
    "guards": dict.fromkeys(GUARDS, "admin"),
}
"""What holds if a file does not say."""

Ceilings = dict[str, Positive | None]
WhoMay = Literal["editor", "admin", "nobody"]


class JobRules(Section):
    """What one job may take while it works."""

    memory: Positive | None = Field(
        None,
        description="gigabytes that all processes of a job may hold together; default: 0.8 of this machine's, divided "
        "by the number of jobs that may work at once",
    )
    hours: Positive | None = Field(72.0, description="hours that a job may work from when it starts or is resumed")


class Rules(Section):
    """What an administrator allows; every part has a default, and a file names what differs."""

    contact: str = Field(
        "an administrator of this service", min_length=1, max_length=200, description="whom to ask for more"
    )
    keys: Ceilings = Field({}, description="for keys of the config, the most that a request may ask for; null: any")
    totals: Ceilings = Field({}, description="the most that a job's keys may come to together; null: any")
    job: JobRules = JobRules()
    guards: dict[str, WhoMay] = Field(
        {}, description="for keys that can loosen a guard, the role that may do so, or nobody"
    )

    @field_validator("keys", "totals", "guards")
    @classmethod
    def _complete(cls, given: dict[str, Any], info: ValidationInfo) -> dict[str, Any]:
        known = DEFAULTS[info.field_name or ""]
        for name in given:
            if name not in known:
                close = difflib.get_close_matches(name, known, n=1)
                near = f"; did you mean {close[0]}?" if close else f": use {', '.join(known)}"
                raise ValueError(f"there is no rule for {name}{near}")
        return {**known, **given}


def refuse_above_ceilings(config: Config, verb: str, rules: Rules) -> None:
    """Raise ConfigError if a request asks for more than the rules allow; it names each key, its value and its ceiling.

    Args:
        config: What is asked for.
        verb: The verb.
        rules: The service's rules.
    """
    found = above_ceilings(config, verb, rules.keys, rules.totals, rules.contact)
    if len(found) == 1:
        raise ConfigError(found[0])
    if found:
        raise ConfigError(f"the request has {len(found)} faults:\n" + "\n".join(f"  {fault}" for fault in found))


def read_rules(path: Path) -> Rules:
    """The rules in a YAML file; raises ConfigError listing every fault."""
    try:
        text = path.read_bytes()[: MOST_BYTES + 1].decode()
        values = yaml.safe_load(text) or {}
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"--rules {path}: cannot be read as text ({error}): name a YAML file") from error
    except yaml.YAMLError as error:
        raise ConfigError(f"--rules {path}: is not valid YAML: {' '.join(str(error).split())}") from error
    try:
        return Rules.model_validate(values)
    except ValidationError as error:
        raise ConfigError(f"--rules {path}: {'; '.join(faults_of(error, Rules))}") from error
