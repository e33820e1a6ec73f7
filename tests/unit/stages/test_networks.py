"""What the config leaves open of the GAN's networks is as the folder's GAN has it, else by the images' size."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gan_aug import config as configs
from gan_aug.config import Config
from gan_aug.config.gan import GanConfig
from gan_aug.data.manifest import Manifest
from gan_aug.errors import ConfigError, RunConflict
from gan_aug.run.files import write_json
from gan_aug.run.folder import RunDir
from gan_aug.run.stage_requests import check
from gan_aug.stages.storage import RunStorage
from gan_aug.stages.training.networks import check_size, network_settings, networks_said, penalty_of, settled_gan


def manifest(*size: int) -> Manifest:
    return Manifest("a test", ("a", "b"), "multi-class", (1, *size), ())  # type: ignore[arg-type]


def asked(**gan: Any) -> Config:
    return configs.read({"data": {"source": "digits"}, "gan": gan})


def settled(folder: Path, size: int, **gan: Any) -> tuple[str, float | None]:
    found = settled_gan(asked(**gan), RunStorage(folder, None), manifest(size, size))
    assert found.train.batch == (64 if found.gan.network == "dcgan" else 16)
    return found.gan.network, found.gan.penalty


def trained(folder: Path, request: dict[str, Any]) -> RunDir:
    run = RunDir(folder)
    write_json(run.train / "request.json", request)
    (run.checkpoints / "0000000064").mkdir(parents=True)
    return run


def test_a_new_folder_has_what_suits_the_size(tmp_path: Path) -> None:
    assert settled(tmp_path, 28) == ("dcgan", 1.0)
    assert settled(tmp_path, 64) == ("resize", 0.0256)
    assert settled(tmp_path, 128) == ("resize", 0.102)
    assert settled(tmp_path, 64, network="dcgan") == ("dcgan", 1.0)
    assert settled(tmp_path, 64, penalty=3) == ("resize", 3.0)
    assert settled(tmp_path, 64, network="residual", penalty=0.5) == ("residual", 0.5)


def test_a_folder_with_a_gan_keeps_its_networks(tmp_path: Path) -> None:
    request = asked().train_request.to_json()
    del request["gan"]["network"]  # as earlier versions saved it
    run = trained(tmp_path, request | {"gan": request["gan"] | {"penalty": 1.0}})
    assert settled(tmp_path, 64) == ("dcgan", 1.0)
    check(run, "train", asked().train_request.to_json())
    check(run, "train", asked(network="dcgan").train_request.to_json())
    with pytest.raises(RunConflict, match=r"gan.network was \"dcgan\", now \"resize\"") as caught:
        check(run, "train", asked(network="resize").train_request.to_json())
    assert "penalty" not in str(caught.value)
    with pytest.raises(RunConflict, match=r"gan.penalty was 1.0, now 0.5"):
        check(run, "train", asked(penalty=0.5).train_request.to_json())


def test_what_was_chosen_for_a_folder_stays_if_the_defaults_change(tmp_path: Path) -> None:
    run = trained(tmp_path, asked(network="residual", penalty=0.25).train_request.to_json())
    assert settled(tmp_path, 64) == ("residual", 0.25)
    check(run, "train", asked().train_request.to_json())


def test_keys_that_are_newer_than_a_folders_gan_do_not_tell_it_from_a_request(tmp_path: Path) -> None:
    request = asked().train_request.to_json() | {"gan": {"penalty": 1.0}}
    old = {"images", "batch", "lr", "betas", "decay", "checkpoint_every", "sample_every"}  # of version 0.1
    request["train"] = {key: value for key, value in request["train"].items() if key in old} | {"batch": 64}
    run = trained(tmp_path, request)
    check(run, "train", asked().train_request.to_json())
    found = settled_gan(asked(), RunStorage(tmp_path, None), manifest(64, 64))
    assert (found.train.keep, found.train.restarts) == ("last", 0)
    assert configs.completed(request)["train"] == found.train_request.to_json()["train"]


def test_a_folder_with_a_gan_keeps_its_batch(tmp_path: Path) -> None:
    request = asked(network="resize", penalty=0.01).train_request.to_json()
    run = trained(tmp_path, request | {"train": request["train"] | {"batch": 64}})
    found = settled_gan(asked(), RunStorage(tmp_path, None), manifest(64, 64))
    assert (found.train.batch, found.gan.penalty) == (64, 0.01)
    check(run, "train", asked().train_request.to_json())
    own = configs.read({"data": {"source": "digits"}, "train": {"batch": 8}})
    assert settled_gan(own, RunStorage(tmp_path, None), manifest(64, 64)).train.batch == 8
    with pytest.raises(RunConflict, match=r"train.batch was 64, now 8"):
        check(run, "train", own.train_request.to_json())


def test_a_request_without_results_binds_nobody(tmp_path: Path) -> None:
    write_json(tmp_path / "train/request.json", asked(network="residual").train_request.to_json())
    assert settled(tmp_path, 64) == ("resize", 0.0256)


def test_the_settings_have_the_name_and_the_training_its_penalty() -> None:
    for size, name, penalty in ((28, "dcgan", 1.0), (72, "resize", 0.0324)):
        networks = network_settings(GanConfig(), manifest(size, size))
        assert networks.network == name
        assert penalty_of(asked().train_request, networks) == penalty
        assert penalty_of(asked(regularizer="spectral").train_request, networks) == 0.0


def test_networks_are_said_with_their_parameters() -> None:
    said = networks_said(asked(width=4, latent=8), manifest(72, 100))
    assert (said["name"], said["penalty"]) == ("resize", 0.045)
    assert said["generator"] > 1000 < said["discriminator"]


@pytest.mark.parametrize(
    ("gan", "size", "said"),
    [
        (
            {"network": "dcgan"},
            72,
            "data.size: a DCGAN cannot halve 72x72 .*, or gan.network=resize, which",
        ),
        ({"network": "resize"}, 12, "data.size: 12x12 pixels are too few"),
        ({}, 15, "data.size: 15x15 pixels are too few"),
    ],
)
def test_a_size_that_does_not_fit_is_refused_early(gan: dict[str, Any], size: int, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        check_size(GanConfig(**gan), size)


@pytest.mark.parametrize("size", [None, 8, 12, 16, 28, 29, 72, (200, 300), (17, 31), 1024])
def test_by_default_any_size_fits(size: int | tuple[int, int] | None) -> None:
    check_size(GanConfig(), size)
