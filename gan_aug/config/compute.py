"""Where and on how much of a machine work runs."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from gan_aug.config.section import Count, Section


class ComputeConfig(Section):
    """Where it runs; no part of a request's identity but for `threads` and `ranks`, which can alter the last bits."""

    device: Literal["auto", "cpu", "cuda"] = "auto"
    threads: Count | None = Field(None, description="threads of GAN training, in each rank; all cores by default")
    workers: Count | None = Field(
        None,
        description="processes for import, generation and comparison; one a core, on Ray as many as fit, by default",
    )
    ranks: Count = Field(1, description="processes that train one GAN together, each on its share of every batch")
    min_ranks: Count | None = Field(
        None, description="go on with fewer ranks, down to this many, where so many cannot be had; all by default"
    )
    cache: Annotated[float, Field(ge=0)] = Field(
        20.0, description="gigabytes of decoded images kept in the user's cache for the next import; 0 keeps none"
    )
    storage: str | None = Field(
        None,
        description="where data set, checkpoints, shards and cells are kept besides or instead of the run folder: "
        "s3://bucket/prefix, or the absolute path of a shared folder; credentials come from the environment alone",
    )
    retries: Annotated[int, Field(ge=0)] = Field(3, description="new starts after a lost process before giving up")
    address: str | None = Field(
        None,
        description="the Ray cluster of --on ray: HOST:PORT, ray://HOST:PORT, or auto for one that runs here; without "
        "it RAY_ADDRESS, and without that one is started here",
    )
    cpus_per_worker: Annotated[float, Field(ge=0)] = Field(1.0, description="cores each process on a cluster asks for")
    gpus_per_worker: Annotated[float, Field(ge=0)] = Field(
        0.0, description="GPUs each process on a cluster asks for; several share one by fractions, such as 0.25"
    )
    wait: Annotated[float, Field(ge=0)] = Field(
        0.0, description="seconds to wait for a cluster that takes no connection, and for a node that can hold a worker"
    )
    dashboard: bool = Field(False, description="with a Ray that is started here: its dashboard, on this machine alone")

    @field_validator("storage")
    @classmethod
    def _plain_storage(cls, storage: str | None) -> str | None:
        if storage is None or storage.startswith("/"):
            return storage
        if "@" in storage:
            raise ValueError("an address with a password would be recorded: give credentials by the environment")
        if any(sign in storage for sign in "?#") or "::" in storage:
            raise ValueError("leave out what follows ?, # or :: as it would be recorded")
        if storage.startswith(("http://", "https://")):
            raise ValueError("name a server of your own in AWS_ENDPOINT_URL, and write s3://bucket/prefix here")
        if re.fullmatch(r"file:///[^\s]*", storage):
            return storage
        if not re.fullmatch(r"[a-z][a-z0-9+.-]*://[^\s/:]+(:\d{1,5})?(/[^\s]*)?", storage) or storage[:5] == "file:":
            raise ValueError("write s3://bucket/prefix, or the absolute path of a folder")
        return storage

    @field_validator("cpus_per_worker", "gpus_per_worker")
    @classmethod
    def _whole_above_one(cls, share: float) -> float:
        if share > 1 and share != int(share):
            raise ValueError("Ray shares out fractions of one only: give a whole number above 1")
        return share

    @model_validator(mode="after")
    def _fewer_is_fewer(self) -> ComputeConfig:
        if self.min_ranks is not None and self.min_ranks > self.ranks:
            raise ValueError("compute.min_ranks is the least number of ranks: it must not be above compute.ranks")
        return self
