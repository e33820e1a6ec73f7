"""What guards a comparison: the search that must not see the test, canaries, and the gate in front of every arm."""

from __future__ import annotations

import dataclasses
import shutil
from itertools import islice
from typing import get_args

import numpy as np
import pytest

from gan_aug.compute.local.executor import LocalExecutor
from gan_aug.config import Config
from gan_aug.config.compare import ArmName
from gan_aug.config.compute import ComputeConfig
from gan_aug.config.data import DataConfig
from gan_aug.errors import CheckpointError, DataError, LeakageError
from gan_aug.evaluation import canaries as canary_module
from gan_aug.evaluation.arm_catalogue import ARMS
from gan_aug.evaluation.canaries import (
    failures,
    plan_shuffled,
    planted_in_training,
    planted_test_image,
    shuffled_labels,
    watched_training,
)
from gan_aug.evaluation.cells.files import read_cell
from gan_aug.evaluation.cells.plan import cell_seed, plan_cells
from gan_aug.evaluation.cells.result import CellResult
from gan_aug.evaluation.cells.run import CellContext, load_context, run_cell
from gan_aug.evaluation.classifiers.fit import image_order
from gan_aug.evaluation.comparison_plan import ComparisonPlan
from gan_aug.evaluation.ratio import check_search, choose_ratio, plan_search
from gan_aug.run.files import json_sha256
from gan_aug.run.folder import RunDir
from gan_aug.stages.compare import run_comparison
from gan_aug.stages.context import StageContext
from gan_aug.verification.findings import recomputed_comparison
from tests.support.cell_data import small_config, write_synthetic


def result(key: str, validation: np.ndarray) -> CellResult:
    return CellResult(key, "mixed", 0, 1, 1, 0.0, 1, {}, [], validation, np.empty((0, 10)))


@pytest.mark.parametrize("arm", [arm.name for arm in ARMS.values() if arm.needs_synthetic])
def test_a_test_image_planted_in_any_arm_is_refused(cell_data, arm, tmp_path):
    planted = cell_data.fakes.copy()
    planted[7] = cell_data.images[cell_data.manifest.indices("test")[0]]
    told = write_synthetic(tmp_path / "set", planted, cell_data.manifest)
    with pytest.raises(LeakageError, match="1 of the 300 synthetic images are copies"):
        load_context(cell_data.dataset, [tmp_path / "set"], tmp_path)
    seen = dataclasses.replace(told, trained_on=(*told.trained_on, cell_data.manifest.studies[-1].content))
    with pytest.raises(LeakageError, match="1 of the 301 images"):
        plan_cells(cell_data.manifest, [seen], small_config(arms=["real", arm]))


def test_the_search_reads_no_test_image_and_keeps_no_test_score(cell_data, tmp_path):
    cells = plan_search(cell_data.manifest, [cell_data.generated], small_config(ratio="search", ratios=[0.25, 1.0]))
    assert [(c.request["ratio"], c.seed) for c in cells] == [(0.25, 0), (0.25, 1), (1.0, 0), (1.0, 1)]
    context = load_context(cell_data.dataset, [cell_data.synthetic], tmp_path / "one")
    blind = context.images.copy()
    blind[cell_data.manifest.indices("test")] = 0
    other = dataclasses.replace(context, images=blind, cells=tmp_path / "two")
    for cell in cells:
        run_cell(context, cell)
        run_cell(other, cell)
        kept = read_cell(context.cells / cell.key)
        assert kept.test_scores.shape == (0, 10)
        np.testing.assert_array_equal(kept.validation_scores, read_cell(other.cells / cell.key).validation_scores)
    ratio = choose_ratio(cell_data.manifest, cells, [read_cell(context.cells / cell.key) for cell in cells])
    assert ratio["value"] in (0.25, 1.0)
    assert [row["ratio"] for row in ratio["searched"]] == [0.25, 1.0]


def test_the_best_ratio_on_validation_wins_and_of_equal_ones_the_smallest(cell_data):
    cells = plan_search(
        cell_data.manifest, [cell_data.generated], small_config(seeds=1, ratio="search", ratios=[0.25, 0.5, 1.0])
    )
    right = cell_data.manifest.label_matrix()[cell_data.manifest.indices("validation")].astype(np.float64)
    noise = np.random.default_rng(0).random(right.shape)
    poor, good = right + 2 * noise, right + noise
    for scores, best in (((poor, good, good), 0.5), ((good, poor, poor), 0.25), ((poor, poor, good), 1.0)):
        results = [result(cell.key, own) for cell, own in zip(cells, scores, strict=True)]
        assert choose_ratio(cell_data.manifest, cells, results)["value"] == best


def test_a_search_that_cannot_be_made_says_why(cell_data):
    config = small_config(ratio="search", ratios=[0.5, 3])
    with pytest.raises(DataError, match="the largest of compare.ratios needs 900 synthetic images, but there are 300"):
        plan_search(cell_data.manifest, [cell_data.generated], config)
    studies = tuple(s for s in cell_data.manifest.studies if s.split != "validation" or s.labels != (3,))
    with pytest.raises(DataError, match="0 images with the label '3'.*too few to choose a ratio by"):
        check_search(dataclasses.replace(cell_data.manifest, studies=studies), config.compare.ratios, 10_000)


@pytest.fixture(scope="module")
def context(cell_data, tmp_path_factory) -> CellContext:
    return load_context(cell_data.dataset, [], tmp_path_factory.mktemp("canaries"))


def canary(context: CellContext, monkeypatch: pytest.MonkeyPatch, steps: int = 60) -> dict[str, object]:
    monkeypatch.setattr(canary_module, "STEPS", steps)
    config = small_config()
    config = config.model_copy(update={"classifier": config.classifier.model_copy(update={"steps": 200})})
    cells = plan_shuffled(context.manifest, config)
    assert len({cell.key for cell in cells}) == canary_module.SHUFFLES

    def results(cells):
        return [read_cell(context.cells / run_cell(context, cell)) for cell in cells]

    return shuffled_labels(context.manifest, config, results(cells), results)


def test_shuffled_labels_give_chance(context, monkeypatch):
    said = canary(context, monkeypatch)
    assert said["passed"]
    assert (said["optimizer_steps"], said["shuffles"], said["further"]) == (60, 5, None)


def test_the_canary_dies_where_labels_leak_past_the_shuffle(context, monkeypatch, tmp_path):
    monkeypatch.setattr("gan_aug.evaluation.cells.run.shuffle_labels", lambda plan, seed: plan)
    said = canary(dataclasses.replace(context, cells=tmp_path), monkeypatch)
    assert not said["passed"]
    sound = planted_test_image(context.manifest, None, held_out_image(context))
    (sentence,) = failures({"shuffled_labels": said, "planted_test_image": sound})
    assert said["further"]["shuffles"] == 10
    assert "over 5 shuffles, and again 0." in sentence
    assert "over 10 shuffles; both lie above 0.5" in sentence


def test_the_canary_dies_of_two_batches_above_chance_and_not_of_one_or_of_one_below(cell_data):
    right = cell_data.manifest.label_matrix()[cell_data.manifest.indices("test")].astype(np.float64)
    rng = np.random.default_rng(0)

    def batch(count, leak):
        scores = [leak * right + rng.normal(size=right.shape) for _ in range(count)]
        return [dataclasses.replace(result("", right[:0]), test_scores=of_one) for of_one in scores]

    asked = []
    for first, again, passed in ((1.0, 0.0, True), (-1.0, 1.0, True), (0.0, 1.0, True), (1.0, 1.0, False)):

        def further(cells, leak=again):
            asked.append(len(cells))
            return batch(len(cells), leak)

        said = shuffled_labels(cell_data.manifest, small_config(), batch(5, first), further)
        assert said["passed"] == passed
        assert (said["further"] is not None) == (first > 0)
    assert asked == [10, 10]
    cells = [cell for both in (False, True) for cell in plan_shuffled(cell_data.manifest, small_config(), further=both)]
    assert [cell.seed for cell in cells] == list(range(15))
    assert len({cell.key for cell in cells}) == 15


def test_further_shuffles_are_computed_once_kept_and_verified(cell_data, tmp_path, monkeypatch):
    monkeypatch.setattr("gan_aug.evaluation.cells.run.shuffle_labels", lambda plan, seed: plan)
    run = RunDir(tmp_path)
    shutil.copytree(cell_data.dataset, run.dataset)
    run.compare.mkdir()
    config = small_config(arms=["real"], seeds=1, canaries=True)
    config = config.model_copy(update={"classifier": config.classifier.model_copy(update={"steps": 60})})
    plan = ComparisonPlan(config, cell_data.manifest, ())
    there: list[set[str]] = []
    for _ in range(2):
        context = StageContext.of(ComputeConfig(device="cpu"), run, LocalExecutor(1))
        _, findings = run_comparison(context, plan, Config(data=DataConfig(source="digits")).curve_request)
        there.append({path.name for path in (run.compare / "cells").iterdir()})
    assert len(there[0]) == 16
    assert there[0] == there[1]
    assert not findings.canaries["shuffled_labels"]["passed"]
    assert "CANARY FAILED" in (tmp_path / "events.jsonl").read_text()
    cells = {name: read_cell(run.compare / "cells" / name) for name in there[0]}
    report = {"canaries": findings.canaries}
    assert recomputed_comparison(plan, report, {}, cells)[1].canaries == findings.canaries
    further = [cell.key for cell in plan_shuffled(cell_data.manifest, config, further=True)]
    with pytest.raises(CheckpointError, match="1 of the cells"):
        recomputed_comparison(plan, report, {}, {k: v for k, v in cells.items() if k != further[3]})


def test_the_gate_refuses_a_planted_image_and_a_broken_gate_is_noticed(context, cell_data, monkeypatch):
    for synthetic in (None, cell_data.generated):
        said = planted_test_image(context.manifest, synthetic, held_out_image(context))
        assert said == {"passed": True, "refused": {"trained_on": True, "content": True}}
    monkeypatch.setattr(canary_module, "check_synthetic_images", lambda images, manifest: None)
    said = planted_test_image(context.manifest, None, held_out_image(context))
    assert said == {"passed": False, "refused": {"trained_on": True, "content": False}}
    sound = {"passed": True}
    assert (
        "a planted test image was not refused (checked by content)"
        in failures({"shuffled_labels": sound, "planted_test_image": said})[0]
    )


def test_the_keys_of_arms_hold_what_they_depend_on(cell_data):
    def keys(flips=(), **compare):
        manifest = dataclasses.replace(cell_data.manifest, flips=flips)
        config = small_config(seeds=1, arms=get_args(ArmName), **compare)
        return {cell.arm: cell.key for cell in plan_cells(manifest, [cell_data.generated], config)}

    def changed(**other):
        return {arm for arm, key in keys(**other).items() if key != keys()[arm]}

    assert changed(pretrain=0.3) == {"pretrain", "classic+pretrain"}
    assert changed(ratio=0.5) == {"mixed", "duplicate", "classic+mixed"}
    assert changed(flips=("horizontal",)) == {arm for arm in keys() if ARMS[arm].classic}


def test_images_of_arms_without_classic_reach_the_network_as_they_are_and_digits_are_never_mirrored(cell_data):
    from gan_aug.evaluation.cells.run import _training_set

    context = load_context(cell_data.dataset, [cell_data.synthetic], cell_data.dataset)
    for cell in plan_cells(cell_data.manifest, [cell_data.generated], small_config(seeds=1, arms=get_args(ArmName))):
        training = _training_set(context, cell, 0)
        assert (training.augmentation is not None) == ARMS[cell.arm].classic
        if training.augmentation:
            drawn = training.augmentation.draw(0, range(200))
            assert not drawn.vertical.any()
            assert not drawn.horizontal.any()


def held_out_image(context: CellContext) -> np.ndarray:
    return context.images[context.manifest.indices("test")[0]]


def test_a_held_out_image_in_training_is_noticed_and_a_blind_guard_too(context, monkeypatch):
    """Shuffled labels cannot show it: the canary drives the training of the cells with a planted image."""
    images, classifier = context.images, small_config().classifier
    refused = planted_in_training(context.manifest, classifier, images)
    said = watched_training(refused, [])
    assert said == {
        "passed": True,
        "refused": {"test": True, "validation": True},
        "cells": 0,
        "recorded": 0,
        "images": 0,
    }
    monkeypatch.setattr(canary_module, "held_out_contents", lambda manifest: {})
    said = watched_training(planted_in_training(context.manifest, classifier, images), [])
    assert not said["passed"]
    sound = {"passed": True}
    (sentence,) = failures({"shuffled_labels": sound, "planted_test_image": sound, "watched_training": said})
    assert "a test and a validation image planted among a classifier's training images was not noticed" in sentence


def test_a_cell_that_draws_a_test_image_stops_and_others_say_what_they_drew(context, tmp_path):
    (cell,) = plan_cells(context.manifest, (), small_config(arms=["real"], seeds=1))
    kept = read_cell(context.cells / run_cell(context, cell))
    few, train = small_config().classifier, context.manifest.indices("train")
    drawn = list(islice(image_order(len(train), few.batch, cell_seed(0, 0)), few.steps))
    contents = sorted({context.manifest.studies[train[k]].content for k in np.concatenate(drawn)})
    assert kept.drawn == {"real": len(contents), "synthetic": 0, "sha256": json_sha256(contents)}
    assert watched_training({"test": True}, [kept, kept, result("", kept.test_scores[:0])]) == {
        "passed": True,
        "refused": {"test": True},
        "cells": 2,
        "recorded": 1,
        "images": len(contents),
    }
    wrong = dataclasses.replace(context, cells=tmp_path, images=np.array(context.images))
    wrong.images[train[drawn[-1][-1]]] = wrong.images[wrong.manifest.indices("test")[0]]
    with pytest.raises(LeakageError, match="about to be trained on a test image"):
        run_cell(wrong, cell)
    assert not list(tmp_path.iterdir())
