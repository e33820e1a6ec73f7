"""What the service is told when it starts: where it keeps things, where it listens, and its limits."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass, field
from pathlib import Path

from gan_aug.compute.local.parent import cores
from gan_aug.errors import ConfigError

MEBIBYTE = 1 << 20
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True)
class Limits:
    """How much one request, one key or one upload may ask for."""

    body: int = MEBIBYTE
    """Bytes of any request body but an upload."""
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
    """Bytes that the uploads of one project may take together, unpacked."""
    reserve: int = 1 << 30
    """Bytes of the disk that no upload may take: jobs and records need them."""
    rate: float = 50.0
    """Requests a second that one key may make over time."""
    burst: int = 200
    """Requests that one key may make at once."""
    failures: float = 1.0
    """Refused sign-ins a second, over time, that one address may make."""
    streams: int = 32
    """Event streams open at once for one key."""
    queued: int = 1000
    """Jobs that may wait for one project."""
    sample: int = 256
    """Images that one request may sample."""
    free: int = 256 * MEBIBYTE
    """Bytes that must be free in the state folder for the service to say that it is ready."""
    images: int = 1024
    """Images that one key may wait for at once."""


@dataclass(frozen=True)
class Settings:
    """One service: its folder, the data it may read, its address, its database and its limits."""

    state: Path
    """The service's own folder: database, runs, uploads, logs of jobs."""
    data: Path | None = None
    """The one folder that `data.root` and `data.table` of a request are relative to."""
    host: str = "127.0.0.1"
    port: int = 8000
    database: str | None = None
    """Address of a PostgreSQL database; SQLite in the state folder without one."""
    jobs: int = field(default_factory=lambda: max(1, cores() // 4))
    """Jobs that run at once; each uses all cores it is given."""
    ray: str | None = None
    """Address of a Ray cluster's job API, `http://HEAD:8265`: jobs run there; on this machine without one."""
    attempts: int = 3
    """How often a job is started in all when its process is killed from outside."""
    grace: float = 60.0
    """Seconds that a cancelled job has to come to a safe point before it is killed."""
    nice: int = 10
    """By how much jobs stand back behind the service for the processor."""
    audit_days: int = 365
    """Days that entries of the audit are kept; 0 keeps all."""
    https: bool = False
    """Whether browsers reach the service through https: cookies are then sent no other way."""
    proxies: tuple[Network, ...] = ()
    """Proxies in front of the service: what they say of who asks is believed."""
    archives: tuple[tuple[str, str | None], ...] = ()
    """DICOMweb archives that a request may name, each with the variable that holds its token."""
    limits: Limits = Limits()

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
        """The folder of what each job's process records: its lock, its log, how it ended."""
        return self.state / "processes"

    @property
    def database_url(self) -> str:
        """The SQLAlchemy address of the database."""
        if self.database is None:
            return f"sqlite:///{self.state.resolve() / 'service.db'}"
        for prefix in ("postgresql://", "postgres://"):
            if self.database.startswith(prefix):
                return "postgresql+psycopg://" + self.database.removeprefix(prefix)
        raise ConfigError("--database: write postgresql://user@host/name, or leave it out for SQLite")

    def without_places(self, text: str) -> str:
        """A message without where the service keeps things: callers know runs by their ids, data by relative paths."""
        for folder in (self.runs, self.uploads, self.state, self.data):
            if folder and folder.resolve() != Path("/"):
                whole = re.escape(str(folder.resolve()))
                text = re.sub(rf"(?<![\w./-]){whole}(/|(?![\w.-]))", lambda end: "" if end[1] else ".", text)
        return text

    @property
    def loopback(self) -> bool:
        """Whether only this machine reaches the service."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False
