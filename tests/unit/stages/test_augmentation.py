"""How the images of both losses are augmented follows from what is asked for, or from their number."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from gan_aug import config as configs
from gan_aug.config import Config
from gan_aug.config.presets import PRESETS, preset_for
from gan_aug.data.manifest import Manifest
from gan_aug.errors import ConfigError
from gan_aug.gan.adaptive import AdaptiveSettings
from gan_aug.run.files import write_json
from gan_aug.run.folder import RunDir
from gan_aug.stages.storage import RunStorage
from gan_aug.stages.training.augmentation import augment_in_words, augmentation, check_augment, settled_training
from gan_aug.stages.training.networks import settled_gan
from tests.support.tiny_sets import MANIFEST


def asked(**gan: object) -> Config:
    return configs.read({"data": {"source": "digits"}, "train": {"images": 4000}, "gan": gan})


def of_images(count: int, validation: int = 1) -> Manifest:
    train, held_out = MANIFEST.studies[0], MANIFEST.studies[4]
    return replace(MANIFEST, shape=(1, 16, 16), studies=(train,) * count + (held_out,) * validation)


def test_few_images_are_augmented_and_many_are_not() -> None:
    limit = PRESETS[0].below
    assert limit is not None
    assert f"adaptive below {limit:,} training images" in str(
        Config.model_json_schema()["$defs"]["GanConfig"]["properties"]["augment"]["description"]
    )
    few, many = of_images(limit - 1), of_images(limit)
    assert preset_for(limit - 1).augment == "adaptive"
    settings = augmentation(asked().train_request, few)
    assert settings["adaptive"] == AdaptiveSettings(0.6, 1000)
    assert "flip" not in settings["augment"]
    assert augmentation(asked().train_request, many) == {"augment": ()}
    assert "as strongly as" in augment_in_words("adaptive", few)
    assert "as they are" in augment_in_words((), many)


def test_what_is_asked_for_is_done() -> None:
    few = of_images(20)
    assert augmentation(asked(augment=[]).train_request, few) == {"augment": ()}
    assert augmentation(asked(augment=["cutout"]).train_request, few) == {"augment": ("cutout",)}
    assert augmentation(asked(augment="adaptive").train_request, of_images(3000))["adaptive"] is not None
    mirrored = replace(few, flips=("horizontal",))
    assert augmentation(asked().train_request, mirrored)["augment"][0] == "flip"
    check_augment(("flip",), mirrored)


def test_without_validation_images_nothing_is_adapted() -> None:
    alone = of_images(20, validation=0)
    assert augmentation(asked().train_request, alone) == {"augment": ()}
    with pytest.raises(ConfigError, match="needs validation images"):
        check_augment("adaptive", alone)
    with pytest.raises(ConfigError, match=r"data\.flips"):
        check_augment(("flip",), of_images(20))


def test_a_folder_with_a_trained_gan_keeps_its_augmentation(tmp_path: Path) -> None:
    run, few = RunDir(tmp_path), of_images(20)
    assert settled_training(run, asked().train_request, few).gan.augment == "adaptive"
    assert settled_gan(asked(), RunStorage(tmp_path, None), few).gan.augment == "adaptive"
    write_json(run.train / "request.json", asked(augment=[]).train_request.to_json())
    assert settled_training(run, asked().train_request, few).gan.augment == "adaptive"  # nothing was trained yet
    (run.checkpoints / "0000000640").mkdir(parents=True)
    assert settled_training(run, asked().train_request, few).gan.augment == ()
    assert settled_gan(asked(), RunStorage(tmp_path, None), few).gan.augment == ()
    assert settled_training(run, asked(augment=["cutout"]).train_request, few).gan.augment == ("cutout",)


def test_each_subset_of_a_learning_curve_has_what_suits_it() -> None:
    curves = asked(augment="adaptive").curve_request.with_own(None)
    assert curves.gan.augment is None
    assert curves.gan.network == "auto"
