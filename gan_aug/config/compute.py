"""The config section that says where work runs, and on how many processes, threads and GPUs."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from gan_aug.config.section import Count, Section


class ComputeConfig(Section):
    """Where work runs.

    Of these values only `threads` and `ranks` are part of a request's identity, because they can change the last bits
    of a result.
    """

    device: Literal["auto", "cpu", "cuda"] = Field(
        "auto", description="what trains and generates: the CPU, a GPU (cuda), or a GPU if there is one (auto)"
    )
    cuda_graphs: bool = Field(
        False,
        description="let a GPU repeat the steps of GAN training from CUDA graphs, once it was seen that they give the "
        "same; not with several ranks or micro-batches",
    )
    threads: Count | None = Field(
        None,
        description="CPU threads of GAN training, in each rank; default: OMP_NUM_THREADS, else an even part of the "
        "cores that are idle at the first start",
    )
    workers: Count | None = Field(
        None,
        description="processes for import, generation and comparison; default: one per core, of generation and "
        "comparison one per GPU if there are GPUs and `device` lets them be used, on Ray as many as fit",
    )
    ranks: Count = Field(1, description="processes that train one GAN together, each on its share of every batch")
    min_ranks: Count | None = Field(
        None,
        description="train with fewer processes if `ranks` are not available, down to this many; default: ranks",
    )
    cache: Annotated[float, Field(ge=0)] = Field(
        20.0,
        description="gigabytes of decoded images kept for later imports (see `gan-aug cache`); 0 keeps none",
    )
    storage: str | None = Field(
        None,
        description="where the data set, checkpoints, shards and cells are kept in addition to the run folder or "
        "instead of it: s3://bucket/prefix, or the absolute path of a shared folder; credentials are taken from the "
        "environment only",
    )
    retries: Annotated[int, Field(ge=0)] = Field(3, description="how often lost processes are started again")
    address: str | None = Field(
        None,
        description="the Ray cluster for --on ray: HOST:PORT, ray://HOST:PORT, or auto for one that runs on this "
        "machine; default: RAY_ADDRESS, and without it a Ray is started on this machine",
    )
    cpus_per_worker: Annotated[float, Field(ge=0)] = Field(1.0, description="cores of each process on a cluster")
    gpus_per_worker: Annotated[float, Field(ge=0)] = Field(
        0.0, description="GPUs of each process on a cluster; processes can share a GPU by fractions, such as 0.25"
    )
    wait: Annotated[float, Field(ge=0)] = Field(
        0.0, description="seconds to wait for a cluster that does not answer, and for a node that can hold a worker"
    )
    dashboard: bool = Field(
        False, description="start Ray's dashboard, if a Ray is started; it can be reached from this machine only"
    )

    @field_validator("storage")
    @classmethod
    def _plain_storage(cls, storage: str | None) -> str | None:
        if storage is None or storage.startswith("/"):
            return storage
        if "@" in storage:
            raise ValueError("an address with a password would be recorded: give credentials in the environment")
        if any(sign in storage for sign in "?#") or "::" in storage:
            raise ValueError("what follows ?, # or :: would be recorded: leave it out")
        if storage.startswith(("http://", "https://")):
            raise ValueError(
                "set AWS_ENDPOINT_URL to the address of your own server, and write s3://bucket/prefix here"
            )
        if re.fullmatch(r"file:///[^\s]*", storage):
            return storage
        if not re.fullmatch(r"[a-z][a-z0-9+.-]*://[^\s/:]+(:\d{1,5})?(/[^\s]*)?", storage) or storage[:5] == "file:":
            raise ValueError("write s3://bucket/prefix, or the absolute path of a folder")
        return storage

    @field_validator("cpus_per_worker", "gpus_per_worker")
    @classmethod
    def _whole_above_one(cls, share: float) -> float:
        if share > 1 and share != int(share):
            raise ValueError("Ray accepts no fractions above 1: give a whole number, or one below 1")
        return share

    @model_validator(mode="after")
    def _fewer_is_fewer(self) -> ComputeConfig:
        if self.min_ranks is not None and self.min_ranks > self.ranks:
            raise ValueError("compute.min_ranks must not be above compute.ranks")
        return self
