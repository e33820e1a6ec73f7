from __future__ import annotations

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn.metrics import roc_auc_score

from gan_aug.config.compare import ClassifierConfig, CompareConfig
from gan_aug.data.synthetic.shards import SyntheticManifest
from gan_aug.errors import Cancelled, ConfigError, DataError
from gan_aug.evaluation.cells.files import read_cell
from gan_aug.evaluation.cells.plan import plan_cells
from gan_aug.evaluation.cells.run import load_context, run_cell
from gan_aug.evaluation.fidelity import measure as measuring
from gan_aug.evaluation.fidelity import memorising
from gan_aug.evaluation.fidelity import run as module
from gan_aug.evaluation.fidelity.appearance import blurred
from gan_aug.evaluation.fidelity.measure import label_agreement
from gan_aug.evaluation.fidelity.own_weights import check_weights
from gan_aug.evaluation.fidelity.run import run_fidelity, stored_fidelity
from gan_aug.evaluation.fidelity.sets import OfReal, choose_images, read_sides, training_halves
from gan_aug.evaluation.image_checks import failed, judge
from gan_aug.run.files import json_sha256, write_json
from tests.support.cell_data import CellData, small_config, write_synthetic
from tests.support.evaluation_samples import make_manifest

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def judged(cell_data, tmp_path_factory):
    """A comparison folder with the cell of the arm real, seed 0, and its result."""
    folder = tmp_path_factory.mktemp("compare")
    context = load_context(cell_data.dataset, [cell_data.synthetic], folder / "cells")
    asked = small_config().model_copy(update={"classifier": ClassifierConfig(steps=150, batch=32)})
    cell = plan_cells(cell_data.manifest, [cell_data.generated], asked)[0]
    run_cell(context, cell)
    return folder, [read_cell(folder / "cells" / cell.key)]


def figures_of(data: CellData, judged, folder, fakes, features="classifier"):
    """The figures of these images, labelled as the training images in order."""
    write_synthetic(folder / "synthetic", fakes, data.manifest)
    compare, results = judged
    return run_fidelity(data.dataset, folder / "synthetic", compare, results, CompareConfig(features=features), CPU)


@pytest.fixture(scope="module")
def shuffled(cell_data, tmp_path_factory):
    """The digits in another order: as they come, they are sorted by who wrote them."""
    order = np.random.default_rng(5).permutation(600)
    splits = [study.split for study in cell_data.manifest.studies]
    studies = tuple(
        replace(cell_data.manifest.studies[row], split=split) for row, split in zip(order, splits, strict=True)
    )
    manifest = replace(cell_data.manifest, studies=studies)
    folder = tmp_path_factory.mktemp("shuffled")
    manifest.save(folder / "manifest.json")
    np.save(folder / "images.npy", cell_data.images[order])
    return replace(cell_data, dataset=folder, manifest=manifest, images=cell_data.images[order])


def others(data: CellData):
    """Real images of the same digits that nobody trained on, in the place of a perfect generator's."""
    labels = data.manifest.label_matrix().argmax(axis=1)
    rng = np.random.default_rng(0)
    held_out = np.arange(300, 600)
    return np.stack([data.images[rng.choice(held_out[labels[300:] == label])] for label in labels[:300]])


@pytest.mark.parametrize("features", ["classifier", "random"])
def test_copies_of_training_images_score_better_than_real_images_can(cell_data, judged, tmp_path, features):
    figures = figures_of(cell_data, judged, tmp_path, cell_data.images[:300], features)
    assert figures["fid"]["value"] < 0.7 * figures["fid"]["real"]
    assert figures["kid"]["value"] < min(0, figures["kid"]["real"])
    assert figures["precision"]["value"] > figures["precision"]["real"]
    assert figures["coverage"]["value"] > figures["coverage"]["real"] - 0.05


def test_other_real_images_score_as_real_images_do(shuffled, judged, tmp_path):
    figures = figures_of(shuffled, judged, tmp_path, others(shuffled), "random")
    assert figures["images"] == 150
    assert abs(figures["kid"]["value"] - figures["kid"]["real"]) < 3 * (
        figures["kid"]["se"] + figures["kid"]["real_se"]
    )
    assert figures["fid"]["value"] == pytest.approx(figures["fid"]["real"], rel=0.5)
    for name in ("precision", "recall", "coverage", "ms_ssim"):
        assert figures[name]["value"] == pytest.approx(figures[name]["real"], abs=0.25), name


def test_a_collapsed_generator_is_seen(cell_data, judged, tmp_path):
    labels = cell_data.manifest.label_matrix().argmax(axis=1)[:300]
    one_each = np.stack([cell_data.images[:300][labels == label][0] for label in range(10)])
    jitter = np.random.default_rng(0).integers(0, 3, (300, 1, 16, 16), dtype=np.uint8)
    figures = figures_of(cell_data, judged, tmp_path, np.minimum(one_each[labels], 250) + jitter)
    good = figures_of(cell_data, judged, tmp_path / "good", others(cell_data))
    assert figures["recall"]["value"] < 0.3 < good["recall"]["value"]
    assert figures["coverage"]["value"] < 0.5 * figures["coverage"]["real"]
    assert figures["ms_ssim"]["value"] > 0.9 > good["ms_ssim"]["value"]
    assert figures["precision"]["value"] > 0.5
    assert all(own["ms_ssim"]["value"] > own["ms_ssim"]["real"] for own in figures["per_class"].values())


def few_again(images, count):
    """The first images again and again, each with a little noise of its own."""
    jitter = np.random.default_rng(0).integers(0, 3, images.shape, dtype=np.uint8)
    return np.minimum(images[np.arange(len(images)) % count], 250) + jitter


def chessboard(images):
    return np.clip(images + 60.0 * (2 * (np.indices(images.shape[2:]).sum(axis=0) % 2) - 1), 0, 255).astype(np.uint8)


def grainy(images):
    return np.clip(images + np.random.default_rng(0).normal(0, 80, images.shape), 0, 255).astype(np.uint8)


FAULTS = {
    "black": (np.zeros_like, {"contrast", "distance", "variety"}),
    "chessboard": (chessboard, {"grain"}),
    "grain": (grainy, {"grain"}),
    "blur": (lambda images: blurred(blurred(images)), {"grain", "distance"}),
    "five images again and again": (lambda images: few_again(images, 5), {"variety"}),
    "inverted": (lambda images: 255 - images, {"distance"}),
}


@pytest.fixture
def quick(monkeypatch):
    """Without MS-SSIM, which no check needs."""
    monkeypatch.setattr(measuring, "images_to_similarity", lambda images, seed: None)


@pytest.mark.parametrize("fault", FAULTS)
def test_what_is_wrong_with_images_is_named(fault, shuffled, judged, tmp_path, quick):
    spoil, expected = FAULTS[fault]
    figures = figures_of(shuffled, judged, tmp_path, spoil(others(shuffled)))
    found = {check["check"] for check in failed(judge(figures, "multi-class"))}
    assert found >= expected
    if fault == "five images again and again":
        assert "grain" not in found


@pytest.mark.parametrize("features", ["classifier", "random"])
def test_other_real_images_pass_and_two_networks_stand_side_by_side(features, shuffled, judged, tmp_path, quick):
    figures = figures_of(shuffled, judged, tmp_path, others(shuffled), features)
    checks = judge(figures, "multi-class")
    assert {check["check"] for check in checks} == {
        "contrast",
        "grain",
        "distance",
        "variety",
        "labels",
        "hard",
        "easy",
    }
    # The classifier was trained and validated on the digits in another order, so that what it sees of labels is void.
    assert {check["check"] for check in failed(checks)} <= {"labels", "hard", "easy"}
    first, second = (network["extractor"]["name"] for network in figures["by_features"])
    assert {first, second} == {"classifier cnn, last hidden layer", "random-cnn-1"}
    assert first == figures["extractor"]["name"]
    assert figures["by_features"][0]["kid"] == pytest.approx(figures["kid"])
    assert figures["by_features"][0]["recall"] == pytest.approx(figures["recall"])


def test_auc_against_the_labels_is_that_of_sklearn(cell_data, judged, tmp_path, quick):
    figures = figures_of(cell_data, judged, tmp_path, grainy(cell_data.images[:300]))
    _, (judge_cell,) = judged
    truth = cell_data.manifest.label_matrix()[cell_data.manifest.indices("validation")]
    of_labels = [roc_auc_score(truth[:, k], judge_cell.validation_scores[:, k]) for k in range(10)]
    assert figures["label_auc"]["real"] == pytest.approx(np.mean(of_labels))
    assert [own["label_auc"]["real"] for own in figures["per_class"].values()] == pytest.approx(of_labels)
    assert 0 < figures["label_auc"]["se"] < 0.05


def test_real_images_are_looked_at_once_for_all_sets_of_a_run(shuffled, judged, tmp_path, quick, monkeypatch):
    monkeypatch.setattr(module, "_kept", lambda *_: None)
    looks = []
    for part in (measuring, memorising):
        look = part.images_to_features
        monkeypatch.setattr(part, "images_to_features", lambda *a, look=look, **k: looks.append(1) or look(*a, **k))
    fakes, shared, counted = others(shuffled), OfReal(), []

    def figures(number, of_real):
        looks.clear()
        place = tmp_path / f"{number}"
        write_synthetic(place, fakes if number else grainy(fakes), shuffled.manifest)
        found = run_fidelity(shuffled.dataset, place, *judged, CompareConfig(), CPU, None, of_real)
        counted.append(len(looks))
        return found

    assert figures(0, shared) != figures(1, shared) == figures(1, None)
    assert counted == [15, 5, 15]  # two networks look at 3 sides, also blurred, and one looks for copies


def test_figures_of_an_older_version_stand(cell_data, judged, tmp_path, quick):
    write_synthetic(tmp_path, cell_data.images[1:41], cell_data.manifest)
    asked, (folder, results) = CompareConfig(features="random"), judged
    first = run_fidelity(cell_data.dataset, tmp_path, folder, results, asked, CPU)
    path = next(path for path in (folder / "fidelity").iterdir() if json.loads(path.read_text())["figures"] == first)
    record = json.loads(path.read_text())
    path.unlink()
    older = {"request": {**record["request"], "recipe": 2}, "figures": {"kid": "as it was"}}
    older["sum"] = json_sha256(older["figures"])
    write_json(folder / "fidelity" / f"{json_sha256(older['request'])}.json", older)
    assert run_fidelity(cell_data.dataset, tmp_path, folder, results, asked, CPU) == {"kid": "as it was"}
    synthetic = SyntheticManifest.load(tmp_path / "manifest.json")
    kept = stored_fidelity(folder, cell_data.manifest, synthetic, results, asked, "random-cnn-1")
    assert kept == {"kid": "as it was"}


def test_labels_that_were_not_heeded_are_seen(cell_data, judged, tmp_path):
    right = figures_of(cell_data, judged, tmp_path, cell_data.images[:300])
    wrong = figures_of(cell_data, judged, tmp_path / "wrong", np.roll(cell_data.images[:300], 1, axis=0))
    assert right["label_agreement"]["value"] > 0.7
    assert wrong["label_agreement"]["value"] < 0.3
    assert wrong["label_agreement"]["real"] == right["label_agreement"]["real"] > 0.6
    failures = [{check["check"] for check in failed(judge(figures, "multi-class"))} for figures in (right, wrong)]
    assert not failures[0] & {"labels", "hard"}
    assert failures[1] >= {"labels", "hard"}


def test_what_is_measured_is_kept_and_what_was_altered_is_measured_again(cell_data, judged, tmp_path, monkeypatch):
    first = figures_of(cell_data, judged, tmp_path, cell_data.fakes)
    assert first == json.loads(json.dumps(first, allow_nan=False))
    (kept,) = (path for path in (judged[0] / "fidelity").iterdir() if json.loads(path.read_text())["figures"] == first)
    before = kept.read_bytes()
    calls = []
    measure = module.measure_fidelity
    monkeypatch.setattr(module, "measure_fidelity", lambda *a, **k: calls.append(1) or measure(*a, **k))
    assert figures_of(cell_data, judged, tmp_path, cell_data.fakes) == first
    assert calls == []
    for damage in (before[:50], before.replace(b'"precision"', b'"Precision"', 1), b"[]"):
        kept.write_bytes(damage)
        assert figures_of(cell_data, judged, tmp_path, cell_data.fakes) == first
        assert kept.read_bytes() == before
    assert len(calls) == 3
    random = figures_of(cell_data, judged, tmp_path, cell_data.fakes, "random")
    assert random["extractor"]["name"] == "random-cnn-1"
    assert len(calls) == 4


def test_few_images_leave_gaps_and_no_nan(cell_data, judged, tmp_path):
    figures = figures_of(cell_data, judged, tmp_path, cell_data.images[:5])
    assert figures["images"] == 5
    assert [figures[name] for name in ("fid", "kid", "precision", "coverage", "ms_ssim")] == [None] * 5
    assert figures["label_agreement"] is not None
    assert figures["per_class"]["9"]["label_agreement"] is None


def test_halves_keep_patients_apart():
    manifest = make_manifest(("a", "b", "c"), positive=None, per_label=40)
    halves = training_halves(manifest)
    assert sorted(np.concatenate(halves)) == manifest.indices("train").tolist()
    patients = [{manifest.studies[row].patient for row in half} for half in halves]
    assert not patients[0] & patients[1]
    assert len(halves[0]) == len(halves[1])
    assert [half.tolist() for half in training_halves(manifest)] == [half.tolist() for half in halves]


def test_the_three_sides_are_of_one_size_and_held_out_images_stay_out(cell_data):
    for most in (20, 1000):
        chosen = choose_images(cell_data.manifest, cell_data.generated, most)
        assert [len(rows) for rows in chosen] == [min(most, 150)] * 3
        assert not set(chosen[0]) & set(chosen[1])
        assert {cell_data.manifest.studies[row].split for rows in chosen[:2] for row in rows} == {"train"}
    *_, side = read_sides(cell_data.manifest, cell_data.images, cell_data.generated, cell_data.synthetic, 1000)
    assert (side.images == cell_data.fakes[chosen[2]]).all()
    assert (side.labels == cell_data.generated.label_matrix()[chosen[2]]).all()


def test_the_floor_of_agreement_is_that_of_validation_images_and_no_test_image_plays_a_part(
    cell_data, judged, tmp_path
):
    compare, (judge,) = judged
    blind = replace(judge, test_scores=np.full_like(judge.test_scores, np.nan))
    shutil.copytree(compare / "cells", tmp_path / "compare/cells")  # apart, where nothing was measured yet
    figures = figures_of(cell_data, (tmp_path / "compare", [blind]), tmp_path, cell_data.fakes, "random")
    validation = cell_data.manifest.label_matrix()[cell_data.manifest.indices("validation")]
    overall, per_class = label_agreement(judge.validation_scores, validation, "multi-class")
    assert figures["label_agreement"]["real"] == overall
    assert [own["label_agreement"]["real"] for own in figures["per_class"].values()] == per_class


def test_agreement_is_counted_by_hand():
    scores = np.array([[0.7, 0.2, 0.1], [0.1, 0.8, 0.1], [0.6, 0.3, 0.1]])
    asked = np.array([[1, 0, 0], [0, 1, 0], [0, 1, 0]], dtype=np.float32)
    assert label_agreement(scores, asked, "multi-class") == (pytest.approx(2 / 3), [1.0, 0.5, None])
    scores = np.array([[0.7, 0.6], [0.2, 0.9]])
    asked = np.array([[1, 0], [1, 1]], dtype=np.float32)
    assert label_agreement(scores, asked, "multi-label") == (0.5, [0.5, 1.0])


def test_a_request_to_stop_keeps_nothing(cell_data, judged, tmp_path):
    write_synthetic(tmp_path, cell_data.images[:40], cell_data.manifest)
    before = sorted((judged[0] / "fidelity").glob("*"))
    with pytest.raises(Cancelled):
        run_fidelity(
            cell_data.dataset, tmp_path, *judged, CompareConfig(features="random"), CPU, cancelled=lambda: True
        )
    assert sorted((judged[0] / "fidelity").glob("*")) == before


def test_weights_that_are_away_are_said_before_anything_is_trained(monkeypatch, tmp_path):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    with pytest.raises(ConfigError, match="compare.features is inception"):
        check_weights(CompareConfig(features="inception"), 1)
    check_weights(CompareConfig(features="inception", fidelity=False), 1)
    with pytest.raises(ConfigError, match="no weights are named"):
        check_weights(CompareConfig(features="resnet50"), 1)
    check_weights(CompareConfig(), 1)


def test_figures_by_weights_of_the_user_are_kept_by_what_the_weights_are(cell_data, judged, tmp_path, quick):
    from torchvision.models import resnet18

    path, fakes = tmp_path / "weights.pth", cell_data.images[:12]
    write_synthetic(tmp_path / "synthetic", fakes, cell_data.manifest)
    synthetic = SyntheticManifest.load(tmp_path / "synthetic" / "manifest.json")
    asked = CompareConfig(features="resnet18", weights=path)
    shas = []
    for seed in range(2):
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            torch.save(resnet18(weights=None).state_dict(), path)  # noqa: TID251 - as such files are published
        figures = run_fidelity(cell_data.dataset, tmp_path / "synthetic", *judged, asked, CPU)
        assert figures["extractor"]["name"] == "resnet18 with weights of the user, last pooling"
        shas.append(figures["extractor"]["weights"])
    assert shas[0] != shas[1]
    path.unlink()
    moved = CompareConfig(features="resnet18", weights=None)  # reports name no paths
    kept = [stored_fidelity(judged[0], cell_data.manifest, synthetic, judged[1], moved, sha) for sha in shas]
    assert [one["extractor"]["weights"] for one in kept] == shas
    other = moved.model_copy(update={"weights_range": (0.0, 1.0)})
    assert stored_fidelity(judged[0], cell_data.manifest, synthetic, judged[1], other, shas[0]) is None


def test_without_the_real_arm_nobody_judges(cell_data, tmp_path):
    with pytest.raises(DataError, match="no arm real"):
        run_fidelity(cell_data.dataset, cell_data.synthetic, tmp_path, [], CompareConfig(features="random"), CPU)
