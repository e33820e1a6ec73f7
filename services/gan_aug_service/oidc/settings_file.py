"""Reads the file that names an OpenID Connect provider, and what its groups may do."""

from __future__ import annotations

import os
import re
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

import yaml
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, field_validator

from gan_aug.config.faults import faults_of
from gan_aug.errors import ConfigError
from gan_aug_service.database.tables import Role
from gan_aug_service.openapi.people.names import Name
from gan_aug_service.settings import LOOPBACK, Grant, ProviderSettings

SECRET = "GAN_AUG_OIDC_SECRET"  # noqa: S105 - a variable's name
"""The environment variable with the client's secret. A secret belongs neither into a file nor on a command line."""

Text = Annotated[str, StringConstraints(min_length=1, max_length=200)]


class _Grant(BaseModel):
    """A role, and the project that it is for."""

    model_config = ConfigDict(extra="forbid")
    role: Role
    project: Name = "default"


class _File(BaseModel):
    """The file's keys."""

    model_config = ConfigDict(extra="forbid")
    issuer: Text
    client_id: Text
    name: Annotated[str, StringConstraints(min_length=1, max_length=60)] = ProviderSettings.name
    groups: dict[Text, str] = Field(min_length=1)
    groups_claim: Text = ProviderSettings.groups_claim
    scopes: list[Text] = list(ProviderSettings.scopes)
    hours: float = Field(ProviderSettings.hours, gt=0, le=24 * 7)
    leeway: int = Field(ProviderSettings.leeway, ge=0, le=300)

    @field_validator("issuer")
    @classmethod
    def _issuer(cls, text: str) -> str:
        address = urlsplit(text)
        secure = address.scheme == "https" or (address.scheme == "http" and address.hostname in LOOPBACK)
        if not secure or not address.hostname or address.username or address.query or address.fragment:
            raise ValueError("write the provider's address, https://host/path, exactly as the provider gives it")
        return text

    @field_validator("groups")
    @classmethod
    def _groups(cls, groups: dict[str, str]) -> dict[str, str]:
        for group, text in groups.items():
            try:
                _grant(group, text)
            except ValidationError:
                raise ValueError(
                    f"{group!r} has {text!r}: write ROLE or ROLE:PROJECT, with ROLE one of {', '.join(Role)}"
                ) from None
        return groups

    @field_validator("scopes")
    @classmethod
    def _scopes(cls, scopes: list[str]) -> list[str]:
        if "openid" not in scopes or any(re.search(r"\s", scope) for scope in scopes):
            raise ValueError("a list of words, one of which is openid")
        return scopes


def read_provider(path: Path) -> ProviderSettings:
    """The provider that a YAML file names; the client's secret comes from the environment.

    Raises ConfigError for a fault of the file.
    """
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"--oidc {path}: it cannot be read as text ({error}): check the path") from error
    except yaml.YAMLError as error:
        raise ConfigError(f"--oidc {path}: it is not valid YAML: {' '.join(str(error).split())}") from error
    if not find_spec("authlib"):
        raise ConfigError("--oidc needs Authlib, which is not installed: pip install 'gan-aug[oidc]'")
    if not isinstance(values, dict):
        raise ConfigError(f"--oidc {path}: it holds no keys: it needs issuer, client_id and groups")
    try:
        file = _File.model_validate(values)
    except ValidationError as error:
        faults = faults_of(error, _File)
        count = "1 fault" if len(faults) == 1 else f"{len(faults)} faults"
        raise ConfigError(f"--oidc {path} has {count}:\n" + "\n".join(f"  {fault}" for fault in faults)) from error
    return ProviderSettings(
        issuer=file.issuer,
        client_id=file.client_id,
        client_secret=os.environ.get(SECRET) or None,
        name=file.name,
        groups_claim=file.groups_claim,
        scopes=tuple(file.scopes),
        grants=tuple(_grant(group, text) for group, text in file.groups.items()),
        hours=file.hours,
        leeway=file.leeway,
    )


def _grant(group: str, text: str) -> Grant:
    """What `ROLE` or `ROLE:PROJECT` gives to a group; raises ValidationError if it is neither."""
    role, colon, project = text.partition(":")
    values = {"role": role.strip()} | ({"project": project.strip()} if colon else {})
    found = _Grant.model_validate(values)
    return Grant(group, found.role, found.project)
