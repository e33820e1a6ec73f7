"""What the service is told when it starts: its folders, its address, its database and its limits."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass, field
from pathlib import Path

from gan_aug.compute.cores import cores
from gan_aug.compute.memory import machine_memory
from gan_aug.errors import ConfigError
from gan_aug_service.rules.allowed import Rules

DATABASE_URL = "GAN_AUG_DATABASE_URL"
"""The environment variable with the database's address. It may hold a password, so it is no command-line option."""

MEBIBYTE = 1 << 20
GIGABYTE = 10**9
SHARE = 0.8
"""The share of the machine's memory that all long jobs may hold together, if the rules do not say."""
LOOPBACK = ("localhost", "127.0.0.1", "::1")
"""Hosts that a sign-in provider may be asked at over http: no network lies between."""

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True)
class Limits:
    """How much one request, one key, one project or one upload may take."""

    body: int = MEBIBYTE
    """Bytes of a request body that is not an upload."""
    config: int = 64 << 10
    """Bytes of a config."""
    depth: int = 24
    """Levels of nesting in a JSON or YAML body."""
    upload: int = 2 << 30
    """Bytes of an uploaded zip."""
    unpacked: int = 8 << 30
    """Bytes of all files in an uploaded zip together."""
    files: int = 200_000
    """Files and folders in an uploaded zip."""
    uploads: int = 100 << 30
    """Bytes that all uploads of one project may take together, unpacked."""
    reserve: int = 1 << 30
    """Bytes of the disk that stay free of uploads, for jobs and records."""
    rate: float = 50.0
    """Requests a second that one key may send over time."""
    burst: int = 200
    """Requests that one key may send at once."""
    failures: float = 1.0
    """Refused keys a second that one address may send over time."""
    streams: int = 32
    """Event streams that one key may have open at once."""
    queued: int = 1000
    """Jobs of one project that may wait in the queue."""
    sample: int = 256
    """Images that one request for samples may ask for."""
    free: int = 256 * MEBIBYTE
    """Bytes that must be free on the state folder's disk; below them `/readyz` says that the service is not ready."""
    images: int = 1024
    """Sampled images that one key may wait for at once."""


@dataclass(frozen=True)
class Grant:
    """What members of a provider's group may do: a role in a project."""

    group: str
    role: str
    project: str


@dataclass(frozen=True)
class ProviderSettings:
    """An OpenID Connect provider that people sign in with, beside keys (oidc/settings_file.py reads it)."""

    issuer: str
    client_id: str
    client_secret: str | None = field(default=None, repr=False)
    name: str = "your institution's account"
    """What the button on the sign-in page calls it."""
    groups_claim: str = "groups"
    """The claim that lists a person's groups; dots go into objects, as in `realm_access.roles`."""
    scopes: tuple[str, ...] = ("openid", "profile")
    grants: tuple[Grant, ...] = ()
    """The first one whose group a person is in says what that person may do."""
    hours: float = 8.0
    """Hours after which a person has to sign in again, and groups are asked for again."""
    leeway: int = 60
    """Seconds that the provider's clock may differ from this machine's."""


@dataclass(frozen=True)
class Settings:
    """One service: its folder, the data that it may read, its address, its database and its limits."""

    state: Path
    """The service's own folder: database, runs, uploads, logs of jobs, and what jobs cache."""
    data: Path | None = None
    """The folder that `data.root` and `data.table` of a request are relative to."""
    host: str = "127.0.0.1"
    port: int = 8000
    database: str | None = None
    """Address of a PostgreSQL database; without one the records are an SQLite file in the state folder."""
    jobs: int = field(default_factory=lambda: max(1, cores() // 4))
    """Jobs that run at the same time; each uses all cores that it is given."""
    short_jobs: int = 1
    """Short jobs that run beside those (queue/turns.py)."""
    ray: str | None = None
    """Address of a Ray cluster's job API, `http://HEAD:8265`, where jobs run; without one they run on this machine."""
    attempts: int = 3
    """How often a job is started in all if its process is killed from outside."""
    grace: float = 60.0
    """Seconds that a cancelled job has to reach a safe point; then it is killed."""
    nice: int = 10
    """The niceness of jobs: how far the processor prefers the service to them."""
    audit_days: int = 365
    """Days that audit entries are kept; 0 keeps all."""
    https: bool = False
    """Whether browsers reach the service over https; cookies are then sent over https alone."""
    proxies: tuple[Network, ...] = ()
    """Trusted proxies in front of the service: their `X-Forwarded-For` and `X-Forwarded-Proto` are believed."""
    archives: tuple[tuple[str, str | None], ...] = ()
    """DICOMweb archives that a request may name, each with the environment variable of its token."""
    adoptable: tuple[Path, ...] = ()
    """Folders, beside the data folder, from which administrators may adopt runs that were made on the command line."""
    public_url: str | None = None
    """The address that browsers reach the service at, without a slash at its end; without one it is what they send."""
    root_path: str = ""
    """The path under which a proxy shows the service, such as `/gan-aug`; empty for the root of its host."""
    provider: ProviderSettings | None = None
    """The provider that people may sign in with; without one there are keys alone."""
    limits: Limits = Limits()
    rules: Rules = field(default_factory=Rules)
    """What an administrator allows jobs to ask for and to take."""

    @property
    def runs(self) -> Path:
        """The folder of run folders."""
        return self.state / "runs"

    @property
    def uploads(self) -> Path:
        """The folder of unpacked uploads."""
        return self.state / "uploads"

    @property
    def processes(self) -> Path:
        """The folder of what each job's process records: its lock, its log and how it ended."""
        return self.state / "processes"

    @property
    def cache(self) -> Path:
        """The folder of what jobs cache, in place of the cache of the account that the service runs as."""
        return self.state / "cache"

    @property
    def job_memory(self) -> int | None:
        """The bytes that one job may hold: by the rules, else its part of SHARE of this machine's memory."""
        if self.rules.job.memory is not None:
            return round(self.rules.job.memory * GIGABYTE)
        machine = None if self.ray else machine_memory()
        return machine and round(SHARE * machine / self.jobs)

    @property
    def database_url(self) -> str:
        """The SQLAlchemy address of the database."""
        if self.database is None:
            return f"sqlite:///{self.state.resolve() / 'service.db'}"
        for prefix in ("postgresql://", "postgres://"):
            if self.database.startswith(prefix):
                return "postgresql+psycopg://" + self.database.removeprefix(prefix)
        raise ConfigError("--database: write postgresql://user@host/name, or leave it out for SQLite")

    def hide_paths(self, text: str) -> str:
        """`text` without the service's own paths: clients know runs by their ids, and data by relative paths."""
        for folder in (self.runs, self.uploads, self.state, self.data):
            if folder and folder.resolve() != Path("/"):
                prefix = re.escape(str(folder.resolve()))
                text = re.sub(rf"(?<![\w./-]){prefix}(/|(?![\w.-]))", lambda match: "" if match[1] else ".", text)
        return text

    @property
    def loopback(self) -> bool:
        """Whether the service listens on a loopback address, so that only this machine reaches it."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False
