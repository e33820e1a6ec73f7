"""What may be asked for: frozen, typed sections, loaded from YAML with all faults reported at once."""

from __future__ import annotations

import re
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

import yaml
from pydantic import Field, ValidationError, field_validator, model_validator

from gan_aug.config_compare import ClassifierConfig, CompareConfig
from gan_aug.config_data import DataConfig
from gan_aug.config_faults import faults_of
from gan_aug.config_section import Count, Positive, Section, Share
from gan_aug.errors import ConfigError


class GanConfig(Section):
    """The networks and what their losses see."""

    loss: Literal["bce", "hinge", "relativistic"] = "relativistic"
    regularizer: Literal["spectral", "r1", "none"] | None = Field(
        None, description="spectral norm in D, or a gradient penalty; without it what suits the loss"
    )
    penalty: Positive = Field(1.0, description="weight of the gradient penalty (gamma of R1 and R2)")
    penalty_every: Count = Field(8, description="steps between two penalties (lazy regularisation)")
    width: Count = Field(16, description="channels of the widest resolution; each level below doubles it")
    latent: Count = Field(64, description="dimensions of the noise")
    augment: tuple[Literal["translation", "cutout", "brightness", "contrast"], ...] = Field(
        (), description="differentiable augmentation of what both losses see, for sets of a few hundred images"
    )
    balance: Literal["data", "classes"] = Field("data", description="draw training images as they come, or evenly")
    average: Positive = Field(10_000, description="half-life of the averaged generator, in images")

    @property
    def regularizer_wanted(self) -> str:
        """What keeps the discriminator in bounds: as asked, else what suits the loss."""
        return self.regularizer or ("r1" if self.loss == "relativistic" else "spectral")


class TrainConfig(Section):
    """How long and how fast the GAN trains; progress counts images seen."""

    images: Count = Field(200_000, description="training images to see")
    batch: Annotated[int, Field(ge=2)] = 64
    lr: Positive = 1e-3
    betas: tuple[Share, Share] = (0.0, 0.99)
    decay: Annotated[float, Field(ge=0, le=1)] = Field(
        0.5, description="last share of the training over which the rate falls to zero"
    )
    checkpoint_every: Count = Field(50_000, description="images between two checkpoints")
    sample_every: Count = Field(50_000, description="images between two sample grids")


class SynthesisConfig(Section):
    """How many synthetic images, of which classes, from which seed."""

    counts: Literal["like-real"] | Annotated[int, Field(ge=0)] | dict[str, Annotated[int, Field(ge=0)]] = Field(
        "like-real", description="per class: a number, a number for each label, or as in the training split"
    )
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0
    shard: Annotated[int, Field(ge=64, multiple_of=64)] = Field(4096, description="images per file; multiple of 64")
    multiple: Positive = Field(1.0, description="with like-real: how many times the training split")


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


class Config(Section):
    """Everything one run was asked for."""

    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0
    data: DataConfig
    gan: GanConfig = GanConfig()
    train: TrainConfig = TrainConfig()
    synthesis: SynthesisConfig = SynthesisConfig()
    classifier: ClassifierConfig = ClassifierConfig()
    compare: CompareConfig = CompareConfig()
    compute: ComputeConfig = ComputeConfig()

    @property
    def synthesis_wanted(self) -> SynthesisConfig:
        """The section `synthesis`, with as many like-real images as the largest ratio of the comparison needs."""
        if self.synthesis.counts != "like-real":
            return self.synthesis
        multiple = max(self.synthesis.multiple, self.compare.largest_ratio)
        return self.synthesis.model_copy(update={"multiple": multiple})

    @model_validator(mode="after")
    def _splits_leave_training(self) -> Config:
        if self.data.validation + self.data.test >= 1:
            raise ValueError("data.validation and data.test leave nothing to train on: their sum must be below 1")
        return self


def path_keys() -> list[tuple[str, str]]:
    """The keys that name a file or folder of this machine, each as its section and its name there."""
    sections = ((name, field.annotation) for name, field in Config.model_fields.items())
    return [
        (section, name)
        for section, kind in sections
        if isinstance(kind, type) and issubclass(kind, Section)
        for name, field in kind.model_fields.items()
        if Path in get_args(field.annotation)
    ]


def load(path: Path | None, overrides: tuple[str, ...] = ()) -> Config:
    """The config in the YAML file at `path` with `section.key=value` overrides on top.

    Raises ConfigError listing every fault at once.
    """
    values = _read_yaml(path) if path else {}
    for override in overrides:
        _apply(values, override)
    return parse(values, str(path or "the command line"))


def parse(values: dict[str, Any], origin: str) -> Config:
    """The config made of nested `values`; raises ConfigError listing every fault, naming `origin`."""
    try:
        return Config.model_validate(values)
    except ValidationError as error:
        faults = faults_of(error, Config)
        count = "1 fault" if len(faults) == 1 else f"{len(faults)} faults"
        raise ConfigError(f"{origin} has {count}:\n" + "\n".join(f"  {fault}" for fault in faults)) from error


def with_ranks(config: Config, ranks: int) -> Config:
    """The config as it is where somebody else has chosen the number of ranks; raises ConfigError below `min_ranks`."""
    values = dump(config)
    values["compute"]["ranks"] = ranks
    return parse(values, f"the config for {ranks} ranks")


def dump(config: Config) -> dict[str, Any]:
    """The config as plain JSON values, every default spelt out."""
    return config.model_dump(mode="json")


def sections(config: Config, *names: str) -> dict[str, Any]:
    """The named sections as plain JSON values: what a stage depends on."""
    return config.model_dump(mode="json", include=set(names))


def completed(request: dict[str, Any]) -> dict[str, Any]:
    """A stage's saved request as this version spells it: a key that the version before did not know has its default.

    So a key that comes later must by default do what was done before it. A section that this version would refuse, and
    what is no section, stay as they are.
    """
    found = dict(request)
    for name, value in request.items():
        kind = Config.model_fields[name].annotation if name in Config.model_fields else None
        if isinstance(kind, type) and issubclass(kind, Section):
            with suppress(ValidationError):
                found[name] = kind.model_validate(value).model_dump(mode="json")
    return found


def to_yaml(config: Config) -> str:
    """The config as YAML, every default spelt out."""
    return yaml_text(dump(config))


def yaml_text(value: Any) -> str:
    """Any JSON value as YAML, keys in their own order."""
    return yaml.safe_dump(value, sort_keys=False, allow_unicode=True)


def _read_yaml(path: Path) -> dict[str, Any]:
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ConfigError(f"no config at {path}: check the path, or start from one in configs/") from error
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot read the config {path} as text ({error}): check the path") from error
    except yaml.YAMLError as error:
        raise ConfigError(f"{path} is not valid YAML: {' '.join(str(error).split())}") from error
    if values is None:
        return {}
    if not isinstance(values, dict):
        raise ConfigError(f"{path} holds a {type(values).__name__}, not sections such as `data:`")
    return values


def _apply(values: dict[str, Any], override: str) -> None:
    path, equals, text = override.partition("=")
    if not equals or not path:
        raise ConfigError(f"--set {override}: write section.key=value, e.g. --set train.images=10000")
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
