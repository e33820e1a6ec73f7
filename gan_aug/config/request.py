"""The whole config: its sections, how it is read, and how it is written."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any, get_args

import yaml
from pydantic import Field, ValidationError, model_validator

from gan_aug.config.audit import AuditConfig
from gan_aug.config.compare import ClassifierConfig, CompareConfig
from gan_aug.config.compute import ComputeConfig
from gan_aug.config.data import DataConfig
from gan_aug.config.faults import faults_of
from gan_aug.config.gan import GanConfig, SynthesisConfig, TrainConfig
from gan_aug.config.overrides import apply_override
from gan_aug.config.section import Section
from gan_aug.config.stages import CompareRequest, CurveRequest, DatasetRequest, TrainRequest
from gan_aug.errors import ConfigError

EARLIER: dict[str, dict[str, Any]] = {
    "classifier": {"steps": 2000},
    "compare": {"rule": 1, "gans": 1},
    "data": {"assignment": "largest-first", "internal_test": "off"},
    "gan": {"network": "dcgan", "penalty": 1.0},
    "train": {"score_every": 0, "keep": "last", "patience": None, "restarts": 0, "micro_batch": 0},
}
"""By section, the keys whose default is not what was done before they existed, with what was done then.

Saved configs hold every key of their version. So a key that is absent from one is newer than it.
"""

OPEN: dict[str, dict[str, Any]] = {
    "data": {"assignment": None, "near_duplicates": None, "title": None},
    "gan": {"network": "auto", "penalty": None, "augment": None},
    "train": {
        "batch": None,
        "micro_batch": None,
        "precision": "fp32",
        "score_every": None,
        "keep": "best",
        "patience": 10,
        "restarts": 1,
    },
}
"""By section, the keys that may be left open, with the value that says so; for some that is their default.

In a folder that has results, they stay as those were made."""


class Config(Section):
    """Everything that one run is asked for."""

    seed: Annotated[int, Field(ge=0, lt=2**32)] = Field(
        0, description="from which all randomness follows: splits, first weights, order of images"
    )
    data: DataConfig
    gan: GanConfig = GanConfig()
    train: TrainConfig = TrainConfig()
    synthesis: SynthesisConfig = SynthesisConfig()
    classifier: ClassifierConfig = ClassifierConfig()
    compare: CompareConfig = CompareConfig()
    audit: AuditConfig = AuditConfig()
    compute: ComputeConfig = ComputeConfig()

    @property
    def synthesis_wanted(self) -> SynthesisConfig:
        """The section `synthesis`; with `like-real` it asks for enough images for the comparison's largest ratio."""
        if self.synthesis.counts != "like-real":
            return self.synthesis
        multiple = max(self.synthesis.multiple, self.compare.largest_ratio)
        return self.synthesis.model_copy(update={"multiple": multiple})

    @property
    def dataset_request(self) -> DatasetRequest:
        """What the import depends on."""
        return DatasetRequest(seed=self.seed, data=self.data)

    @property
    def train_request(self) -> TrainRequest:
        """What the training depends on."""
        return TrainRequest(seed=self.seed, gan=self.gan, train=self.train)

    @property
    def compare_request(self) -> CompareRequest:
        """What the comparison depends on."""
        return CompareRequest(seed=self.seed, classifier=self.classifier, compare=self.compare)

    @property
    def curve_request(self) -> CurveRequest:
        """What the learning curves' GANs depend on.

        They see as many images as the GAN of all images, unless `compare.curve_images` says otherwise, and make as many
        for each real one.
        """
        seen = self.compare.curve_images or self.train.images
        every = {name: min(getattr(self.train, name), seen) for name in ("checkpoint_every", "sample_every")}
        like_real = self.model_copy(update={"synthesis": self.synthesis.model_copy(update={"counts": "like-real"})})
        return CurveRequest(
            seed=self.seed,
            gan=self.gan,
            train=self.train.model_copy(update={"images": seen, **every}),
            synthesis=like_real.synthesis_wanted,
        )

    @model_validator(mode="after")
    def _splits_leave_training(self) -> Config:
        if self.data.validation + self.data.test >= 1:
            raise ValueError("data.validation and data.test leave nothing to train on: their sum must be below 1")
        return self

    @model_validator(mode="after")
    def _curves_start_anew(self) -> Config:
        if self.compare.sizes and self.train.start_from is not None:
            raise ValueError(
                "compare.sizes trains a GAN on each subset alone, but with train.start_from it would have seen other "
                "images before: leave out one of the two"
            )
        return self


def path_keys() -> list[tuple[str, str]]:
    """The keys that name a file or folder of this machine, as pairs of section and key."""
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
    return _overridden(_read_yaml(path) if path else {}, overrides, str(path or "the command line"))


def read(config: str | Path | Mapping[str, Any] | Config, overrides: tuple[str, ...] = ()) -> Config:
    """A config from wherever a program has it, with `section.key=value` overrides on top.

    `config` is a YAML file, nested values, or a Config. Raises ConfigError listing every fault at once.
    """
    if isinstance(config, Config):
        return _overridden(dump(config), overrides, "the config") if overrides else config
    if isinstance(config, Mapping):
        return _overridden(copy.deepcopy(dict(config)), overrides, "the config")
    return load(Path(config), overrides)


def _overridden(values: dict[str, Any], overrides: tuple[str, ...], origin: str) -> Config:
    for override in overrides:
        apply_override(values, override)
    return parse(values, origin)


def parse(values: dict[str, Any], origin: str) -> Config:
    """The config made of nested `values`; raises ConfigError listing every fault, naming `origin`."""
    try:
        return Config.model_validate(values)
    except ValidationError as error:
        faults = faults_of(error, Config)
        count = "1 fault" if len(faults) == 1 else f"{len(faults)} faults"
        raise ConfigError(f"{origin} has {count}:\n" + "\n".join(f"  {fault}" for fault in faults)) from error


def settled(config: Config, before: dict[str, Any] | None) -> Config:
    """The config with a number for `compare.gans`: its own, else that of the folder's last request, else the default.

    Args:
        config: What is asked for.
        before: The config of the last request, as JSON values; None in a new run folder.
    """
    gans = config.compare.gans
    if gans is None and isinstance(before, dict):
        gans = with_earlier(before).get("compare", {}).get("gans")
    values = dump(config)
    values["compare"]["gans"] = gans or config.compare.gans_wanted
    return parse(values, "the config")


def with_ranks(config: Config, ranks: int) -> Config:
    """The config with another number of ranks, chosen by a launcher; raises ConfigError if it is below `min_ranks`."""
    values = dump(config)
    values["compute"]["ranks"] = ranks
    return parse(values, f"the config for {ranks} ranks")


def dump(config: Config) -> dict[str, Any]:
    """The config as JSON values, with all defaults."""
    return config.model_dump(mode="json")


def reported(config: Config) -> dict[str, Any]:
    """The config as a report has it, as JSON values.

    Left out are `compute`, which alters no result, and where files lie, which is the machine's affair and may name
    people.
    """
    paths = path_keys()
    return {
        section: {key: value for key, value in values.items() if (section, key) not in paths}
        if isinstance(values, dict)
        else values
        for section, values in dump(config).items()
        if section != "compute"
    }


def completed(request: dict[str, Any]) -> dict[str, Any]:
    """A stage's saved request in this version's spelling: keys that an earlier version did not know are filled in.

    They get the value of EARLIER, or else their default, which therefore must mean what was done before the key
    existed. A section that this version refuses stays as it is, and so does an entry that is not a section.
    """
    found = with_earlier(request)
    for name, value in found.items():
        kind = Config.model_fields[name].annotation if name in Config.model_fields else None
        if isinstance(kind, type) and issubclass(kind, Section):
            with suppress(ValidationError):
                found[name] = kind.model_validate(value).model_dump(mode="json")
    return found


def with_earlier(saved: dict[str, Any]) -> dict[str, Any]:
    """Saved sections with the keys of EARLIER that they do not have: what the version that saved them did."""
    return {
        name: EARLIER.get(name, {}) | section if isinstance(section, dict) else section
        for name, section in saved.items()
    }


def as_before(request: dict[str, Any], saved: dict[str, Any]) -> dict[str, Any]:
    """A request for results that were made with the request `saved`: what it leaves open is as it was then.

    Args:
        request: Sections of a config as JSON values.
        saved: The saved sections, of this version or an earlier one.

    Returns:
        The request with values for the keys of OPEN that it leaves open, and for those of EARLIER that have their
        default in it and are newer than the saved request.
    """
    found = dict(request)
    for name in OPEN.keys() | EARLIER.keys():
        now, before = request.get(name), saved.get(name)
        if isinstance(now, dict) and isinstance(before, dict):
            newer = {key: _default(name, key) for key in EARLIER.get(name, {}) if key not in before}
            was = EARLIER.get(name, {}) | before
            left_open = OPEN.get(name, {}) | newer
            found[name] = now | {
                key: was.get(key, left) for key, left in left_open.items() if now.get(key, left) == left
            }
    return found


def _default(section: str, key: str) -> Any:
    """The default of a key, as a JSON value."""
    kind = Config.model_fields[section].annotation
    return kind.model_fields[key].default if isinstance(kind, type) and issubclass(kind, Section) else None


def to_yaml(config: Config) -> str:
    """The config as YAML, with all defaults."""
    return yaml_text(dump(config))


def yaml_text(value: Any) -> str:
    """Any JSON value as YAML, with the keys in their order."""
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
