from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gan_aug import config as configs
from gan_aug.config import Config
from gan_aug.errors import ConfigError
from tests.support.places import ROOT


def write(folder: Path, text: str) -> Path:
    path = folder / "job.yaml"
    path.write_text(text)
    return path


def test_only_the_source_is_needed(tmp_path: Path) -> None:
    config = configs.load(write(tmp_path, "data: {source: digits}"))
    assert config.data.source == "digits"
    assert config.compare.arms == ("real", "synthetic", "mixed", "duplicate", "classic")


def test_all_faults_come_at_once_with_their_paths(tmp_path: Path) -> None:
    path = write(tmp_path, "data: {source: digits, size: big}\ngan: {los: hinge}\ntrain: {images: -3}\nfoo: 1")
    with pytest.raises(ConfigError) as caught:
        configs.load(path)
    message = str(caught.value)
    assert "has 4 faults" in message
    for part in ("data.size: ", "gan.los: no such key; did you mean loss?", "train.images: ", "foo: no such key"):
        assert part in message
    assert "(got -3)" in message


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "data.source: is required"),
        ("data: [1", "not valid YAML"),
        ("- 1", "holds a list"),
        (
            "data: {source: digits}\ncompare: {arms: [synthetic]}",
            "the arm 'real' is missing, with which all others are compared",
        ),
        ("data: {source: digits}\ncompare: {arms: [real], ratio: search}", "search needs the arm mixed or classic"),
        ("data: {source: digits}\ncompare: {sizes: [9], synthetic: a.npz}", "leave out one of the two"),
        ("data: {source: digits}\ncompare: {sizes: [50, 50]}", "a value is named twice"),
        ("data: {source: digits, test: 0.6, validation: 0.5}", "their sum must be below 1"),
        ("data: {source: csv, columns: {file: a, label: a}}", "file and label are both column 'a'"),
    ],
)
def test_each_fault_says_the_way_out(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        configs.load(write(tmp_path, text))


def test_no_such_file_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no config at .*: check the path"):
        configs.load(tmp_path / "absent.yaml")


def test_overrides_are_yaml_and_win(tmp_path: Path) -> None:
    path = write(tmp_path, "data: {source: digits}\ntrain: {lr: 1e-3}")
    assert configs.load(path).train.lr == 0.001  # PyYAML reads 1e-3 as text
    changed = configs.load(path, ("train.lr=5e-4", "gan.augment=[cutout]", "data.size=[16, 32]"))
    assert changed.train.lr == 0.0005
    assert changed.gan.augment == ("cutout",)
    assert changed.data.size == (16, 32)


@pytest.mark.parametrize("override", ["seed", "=3", "seed.x=1", "data.source={"])
def test_a_bad_override_names_itself(tmp_path: Path, override: str) -> None:
    with pytest.raises(ConfigError, match="--set"):
        configs.load(write(tmp_path, "seed: 1\ndata: {source: digits}"), (override,))


def test_like_real_images_are_as_many_as_the_largest_ratio_needs() -> None:
    def wanted(compare: object, **synthesis: object) -> float:
        values = {"data": {"source": "digits"}, "compare": compare, "synthesis": synthesis}
        return configs.parse(values, "a test").synthesis_wanted.multiple

    assert wanted({}) == 1.0
    assert wanted({"ratio": 3}) == 3.0
    assert wanted({"ratio": "search", "ratios": [2, 0.5]}) == 2.0
    assert wanted({"ratio": 0.5}, multiple=2) == 2.0
    assert wanted({"ratio": 3}, counts=10) == 1.0


@given(
    seed=st.integers(0, 2**32 - 1),
    size=st.one_of(st.none(), st.integers(1, 512), st.tuples(st.integers(1, 512), st.integers(1, 512))),
    counts=st.one_of(st.just("like-real"), st.integers(0, 10), st.dictionaries(st.text(min_size=1), st.integers(0, 9))),
)
def test_what_is_dumped_parses_to_the_same(seed: int, size: object, counts: object) -> None:
    values = {"seed": seed, "data": {"source": "digits", "size": size}, "synthesis": {"counts": counts}}
    config = configs.parse(values, "a test")
    dumped = json.dumps(configs.dump(config))
    assert (
        json.dumps(configs.dump(configs.parse(json.loads(dumped), "a test"))) == dumped
    )  # to the letter: it is hashed


def test_the_schema_is_kept() -> None:
    committed = json.loads((ROOT / "docs/reference/config.schema.json").read_text())
    assert committed == Config.model_json_schema(), "run `make schema`"


@pytest.mark.parametrize("path", sorted((ROOT / "configs").glob("*.yaml")), ids=lambda path: path.stem)
def test_every_config_loads_and_opens_with_its_command(path: Path) -> None:
    configs.load(path)
    head = path.read_text().splitlines()
    assert head[0].startswith("# ")
    assert any(f"gan-aug run configs/{path.name}" in line for line in head[:6])


def test_the_least_number_of_ranks_is_not_above_their_number() -> None:
    with pytest.raises(ConfigError, match="compute.min_ranks must not be above compute.ranks"):
        configs.load(None, ("data.source=digits", "compute.min_ranks=2"))


def test_who_chooses_the_number_of_ranks_keeps_to_the_least() -> None:
    config = configs.load(None, ("data.source=digits", "compute.ranks=4", "compute.min_ranks=2"))
    assert configs.with_ranks(config, 3) == configs.load(
        None, ("data.source=digits", "compute.ranks=3", "compute.min_ranks=2")
    )
    with pytest.raises(ConfigError, match="the config for 1 ranks"):
        configs.with_ranks(config, 1)


def test_a_stage_request_has_its_sections_alone_as_the_config_spells_them() -> None:
    config = configs.parse({"data": {"source": "digits"}, "seed": 3, "train": {"images": 90}}, "a test")
    whole = configs.dump(config)
    for request, names in (
        (config.dataset_request, ("seed", "data")),
        (config.train_request, ("seed", "gan", "train")),
        (config.compare_request, ("seed", "classifier", "compare")),
    ):
        assert list(request.to_json()) == list(names)
        assert request.to_json() == {name: whole[name] for name in names}


def test_the_curves_gans_see_as_many_images_as_asked_and_make_as_many_for_each() -> None:
    values = {"data": {"source": "digits"}, "train": {"images": 900, "sample_every": 100}}
    asked = configs.parse({**values, "compare": {"ratio": 2.0}, "synthesis": {"counts": 5}}, "a test").curve_request
    assert (asked.train.images, asked.train.checkpoint_every, asked.train.sample_every) == (900, 900, 100)
    assert (asked.synthesis.counts, asked.synthesis.multiple) == ("like-real", 2.0)
    asked = configs.parse({**values, "compare": {"curve_images": 50}}, "a test").curve_request
    assert (asked.train.images, asked.train.checkpoint_every, asked.train.sample_every) == (50, 50, 50)


def test_a_report_has_the_config_without_the_machine_and_without_paths() -> None:
    config = configs.parse(
        {"data": {"source": "folder", "root": "/home/somebody"}, "compare": {"synthetic": "/x"}}, "a test"
    )
    told = configs.reported(config)
    assert list(told) == [name for name in configs.dump(config) if name != "compute"]
    assert "root" not in told["data"]
    assert "synthetic" not in told["compare"]
    assert told["train"] == {key: value for key, value in configs.dump(config)["train"].items() if key != "start_from"}
