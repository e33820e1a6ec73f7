from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch

from gan_aug.errors import CheckpointError, DataError, LeakageError, ManifestError
from gan_aug.evaluation.cells.files import read_cell
from gan_aug.evaluation.cells.plan import plan_cells
from gan_aug.evaluation.cells.run import load_context, run_cell
from gan_aug.evaluation.classifiers.predict import Prediction, predict, prediction_sheet
from tests.support.cell_data import small_config, write_synthetic


@pytest.fixture(scope="module")
def data(cell_data):
    return cell_data


@pytest.fixture(scope="module")
def done(data, tmp_path_factory):
    """A context and its first cell of each arm, computed."""
    context = load_context(data.dataset, [data.synthetic], tmp_path_factory.mktemp("cells"))
    cells = plan_cells(data.manifest, [data.generated], small_config(seeds=1))
    for cell in cells:
        run_cell(context, cell)
    return context, cells


def keys(data, synthetic="as is", **compare):
    generated = data.generated if synthetic == "as is" else synthetic
    return {
        (c.arm, c.seed): c.key
        for c in plan_cells(data.manifest, [generated] if generated else [], small_config(**compare))
    }


def test_the_key_holds_what_the_arm_depends_on_and_no_more(data):
    base = keys(data)
    more_seeds = keys(data, seeds=3)
    assert base.items() < more_seeds.items()
    other_ratio = keys(data, ratio=0.5)
    assert {arm for (arm, _), key in other_ratio.items() if key not in base.values()} == {"mixed"}
    other_set = keys(data, dataclasses.replace(data.generated, seed=1))
    assert {arm for (arm, _), key in other_set.items() if key not in base.values()} == {"synthetic", "mixed"}
    assert keys(data, None, arms=("real",)).items() < base.items()


def test_a_cell_reads_back_as_computed(data, done):
    context, cells = done
    for cell, images in zip(cells, [(300, 0), (0, 300), (300, 300)], strict=True):
        result = read_cell(context.cells / cell.key)
        assert (result.key, result.arm, result.seed, result.steps) == (cell.key, cell.arm, 0, 12)
        assert (result.train_images["real"], result.train_images["synthetic"]) == images
        assert [record["step"] for record in result.history] == [4, 8, 12]
        assert result.validation_scores.shape == (100, 10)
        assert result.test_scores.shape == (200, 10)
        np.testing.assert_allclose(result.test_scores.sum(axis=1), 1)
        assert result.parameters > 0


def test_arms_of_equal_size_share_initialisation_and_order(data, tmp_path):
    train = data.images[data.manifest.indices("train")]
    copies = write_synthetic(tmp_path / "copies", train, data.manifest)
    context = load_context(data.dataset, [tmp_path / "copies"], tmp_path / "cells")
    cells = plan_cells(data.manifest, [copies], small_config(seeds=1, arms=("real", "synthetic")))
    results = [read_cell(context.cells / run_cell(context, cell)) for cell in cells]
    np.testing.assert_array_equal(results[0].test_scores, results[1].test_scores)


def test_a_whole_cell_is_not_computed_again_and_threads_are_left_as_found(done):
    context, cells = done
    result = context.cells / cells[0].key / "result.json"
    before = result.stat().st_mtime_ns
    torch.set_num_threads(2)  # a cell computes with one
    run_cell(context, cells[0])
    assert result.stat().st_mtime_ns == before
    assert torch.get_num_threads() == 2


@pytest.mark.parametrize(
    "name", ["request.json", "result.json", "scores.npz", "classifier.safetensors", "classifier.json"]
)
def test_a_torn_cell_is_not_believed(done, name, tmp_path):
    context, cells = done
    key = cells[0].key
    copy = tmp_path / key
    copy.mkdir()
    for path in (context.cells / key).iterdir():
        content = path.read_bytes()
        (copy / path.name).write_bytes(content[: len(content) // 2] if path.name == name else content)
    with pytest.raises(CheckpointError, match="gan-aug compare"):
        read_cell(copy)


def test_torn_and_foreign_cells_are_computed_again(data, done, tmp_path):
    context, cells = done
    fresh = dataclasses.replace(context, cells=tmp_path)
    key = cells[0].key
    (tmp_path / f".{key}.1.tmp").mkdir()
    (context.cells / cells[1].key).rename(tmp_path / key)  # another cell under this one's name
    with pytest.raises(CheckpointError, match="another request"):
        read_cell(tmp_path / key)
    run_cell(fresh, cells[0])
    assert [path.name for path in tmp_path.iterdir()] == [key]
    np.testing.assert_array_equal(read_cell(tmp_path / key).test_scores, read_cell(context.cells / key).test_scores)
    run_cell(context, cells[1])


@pytest.mark.parametrize("split", ["validation", "test"])
def test_a_missing_split_is_said_before_anything_is_trained(data, split):
    studies = tuple(dataclasses.replace(s, split="train") if s.split == split else s for s in data.manifest.studies)
    with pytest.raises(DataError, match=rf"no {split} images: set data\.{split}"):
        plan_cells(dataclasses.replace(data.manifest, studies=studies), [], small_config(arms=("real",)))


def test_a_leaking_synthetic_set_is_refused_by_plan_and_by_workers(data, tmp_path):
    test = data.images[data.manifest.indices("test")]
    leaked = write_synthetic(tmp_path / "leaked", test, data.manifest)
    with pytest.raises(LeakageError, match="200 of the 200 synthetic images are copies"):
        load_context(data.dataset, [tmp_path / "leaked"], tmp_path)
    told = dataclasses.replace(leaked, trained_on=(data.manifest.studies[-1].content,))
    with pytest.raises(LeakageError, match="1 of the 1 images"):
        plan_cells(data.manifest, [told], small_config())


def test_an_altered_synthetic_set_is_refused(data, tmp_path):
    generated = write_synthetic(tmp_path / "set", data.fakes, data.manifest)
    (tmp_path / "set" / generated.shards[0].file).write_bytes(b"no")
    with pytest.raises(ManifestError, match="gan-aug generate"):
        load_context(data.dataset, [tmp_path / "set"], tmp_path)


def test_a_kept_cell_predicts_as_it_scored(data, done):
    context, cells = done
    test = data.images[data.manifest.indices("test")][:3]
    predictions = predict(context.cells / cells[0].key, test)
    scores = read_cell(context.cells / cells[0].key).test_scores[:3]
    for prediction, row in zip(predictions, scores, strict=True):
        assert prediction.labels == (data.manifest.labels[row.argmax()],)
        np.testing.assert_allclose(list(prediction.probabilities.values()), row, atol=1e-6)


def test_prediction_refuses_another_shape_and_an_absent_cell(data, done):
    context, cells = done
    with pytest.raises(DataError, match=r"the classifier takes \(1, 16, 16\) uint8"):
        predict(context.cells / cells[0].key, np.zeros((1, 1, 28, 28), np.uint8))
    with pytest.raises(CheckpointError):
        predict(Path("nowhere"), np.zeros((1, 1, 16, 16), np.uint8))
    assert predict(context.cells / cells[0].key, np.zeros((0, 1, 16, 16), np.uint8)) == []


@pytest.mark.parametrize("shape", [(1, 16, 16), (3, 20, 300)])
def test_the_sheet_is_a_picture_of_every_image(shape):
    import io

    from PIL import Image

    images = np.full((5, *shape), 90, np.uint8)
    predictions = [Prediction(("a",), {"a": 0.9, "b": 0.1})] * 4 + [Prediction((), {"a": 0.2, "b": 0.1})]
    names = ["a very long name of a file that fits no tile at all.png"] * 5
    sheet = Image.open(io.BytesIO(prediction_sheet(images, predictions, names)))
    assert sheet.format == "PNG"
    assert sheet.width > 4 * 144
    assert len(sheet.getcolors(1 << 20) or []) > 3
