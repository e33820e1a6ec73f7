from __future__ import annotations

from pathlib import Path

import pytest

from gan_aug.config import Config
from gan_aug.config.data import DataConfig
from gan_aug.errors import RunConflict
from gan_aug.run.files import read_json, write_json
from gan_aug.run.folder import RunDir
from gan_aug.run.stage_requests import check, claim, differences, settled


def test_another_request_is_a_conflict_that_names_the_change(tmp_path: Path) -> None:
    run = RunDir(tmp_path)
    claim(run, "train", {"gan": {"width": 8}, "seed": 0}, "done*")
    claim(run, "train", {"gan": {"width": 16}, "seed": 0}, "done*")  # nothing was made of the first one
    (run.train / "done-1").touch()
    claim(run, "train", {"gan": {"width": 16}, "seed": 0}, "done*")
    with pytest.raises(RunConflict, match=r"gan\.width was 16, now 32"):
        claim(run, "train", {"gan": {"width": 32}, "seed": 0}, "done*")
    check(run, "train", {"gan": {"width": 16}})
    with pytest.raises(RunConflict, match=r"seed was 0, now 1"):
        check(run, "train", {"seed": 1})
    check(run, "synthetic", {"seed": 1})


def test_a_key_that_an_older_version_did_not_know_was_asked_by_its_default(tmp_path: Path) -> None:
    run = RunDir(tmp_path / "run")
    config = Config(data=DataConfig(source="digits"))
    asked = config.dataset_request.to_json() | {"train": config.train_request.to_json()["train"]}
    older = {"seed": 0, "data": {"source": "digits"}, "train": asked["train"]}
    write_json(run.path / "dataset/request.json", older)
    (run.path / "dataset/manifest.json").touch()
    with pytest.raises(RunConflict, match=r"data\.test was 0\.2, now 0\.3"):
        claim(run, "dataset", asked | {"data": asked["data"] | {"test": 0.3}}, products="manifest.json")
    assert read_json(run.path / "dataset/request.json") == older
    claim(run, "dataset", asked, products="manifest.json")
    assert read_json(run.path / "dataset/request.json") == asked


def test_what_a_request_leaves_open_is_as_the_data_set_was_imported(tmp_path: Path) -> None:
    run, config = RunDir(tmp_path / "run"), Config(data=DataConfig(source="digits"))
    older = config.dataset_request.to_json()
    older["data"] = {key: value for key, value in older["data"].items() if key != "assignment"}
    older["data"]["near_duplicates"] = "report"
    write_json(run.path / "dataset/request.json", older)
    assert settled(run, config) == config  # nothing was imported yet
    (run.path / "dataset/manifest.json").touch()
    for _ in range(2):  # as an earlier version saved it, and as this one saves it again
        found = settled(run, config)
        assert (found.data.assignment, found.data.near_duplicates) == ("largest-first", "report")
        claim(run, "dataset", found.dataset_request.to_json(), products="manifest.json")
    check(run, "dataset", config.dataset_request.to_json())
    other = config.dataset_request.to_json()
    other["data"]["near_duplicates"] = "drop"
    with pytest.raises(RunConflict, match=r"data\.near_duplicates was \"report\", now \"drop\""):
        claim(run, "dataset", other, products="manifest.json")


def test_a_training_from_before_there_were_ranks_had_one(tmp_path: Path) -> None:
    run = RunDir(tmp_path)
    write_json(run.path / "train/request.json", {"seed": 0, "threads": 1})
    check(run, "train", {"seed": 0, "threads": 1, "ranks": 1})
    with pytest.raises(RunConflict, match="ranks was 1, now 2"):
        check(run, "train", {"seed": 0, "threads": 1, "ranks": 2})


def test_differences_name_new_and_lost_keys() -> None:
    assert differences({"a": 1}, {"b": 2}) == ["a was 1, now null", "b was null, now 2"]
    assert not differences({"a": {"b": [1]}}, {"a": {"b": [1]}})
