"""What a forger would do: results changed together with the sums that vouch for them are found all the same."""

from __future__ import annotations

import dataclasses
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

import gan_aug
from gan_aug.data.manifest import Manifest, content_hash
from gan_aug.data.synthetic.shards import SyntheticManifest
from gan_aug.errors import CheckpointError
from gan_aug.evaluation.cells.files import FILES, SUMMED, read_cell
from gan_aug.evaluation.cells.result import CellResult
from gan_aug.run.artefacts import put_files
from gan_aug.run.files import file_sha256, write_json
from gan_aug.stages.context import saved_storage
from gan_aug.stages.storage import RunStorage
from gan_aug.verification import cells as cells_module
from gan_aug.verification import rescored
from gan_aug.verification.cells import check_cells
from gan_aug.verification.chain import Chain
from gan_aug.verification.rescored import ScoredAgain
from gan_aug.verification.run import verify_run
from tests.support.places import GOLDEN

OLD = GOLDEN / "run_0_1"


def write_report(run: Path) -> dict[str, Any]:
    """Write the report again, without its figures, which no check reads; returns its provenance."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("gan_aug.stages.report.draw_figures", lambda *_: {})
        provenance: dict[str, Any] = gan_aug.open(run).write_report().raw["provenance"]
    return provenance


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The golden run with the report of this version, not to be altered."""
    run = Path(shutil.copytree(OLD, tmp_path_factory.mktemp("written") / "run"))
    write_report(run)
    return run


@pytest.fixture
def run(written: Path, tmp_path: Path) -> Path:
    """A copy, to be forged."""
    return Path(shutil.copytree(written, tmp_path / "run"))


def chain_of(run: Path, *, quick: bool = False) -> Chain:
    return verify_run(saved_storage(run), lambda what, done, total: None, quick=quick)


def said(run: Path) -> dict[str, str]:
    """What is said of each broken link."""
    return {link.name: f"{link.state}: {link.says}" for link in chain_of(run).links if link.is_broken}


def said_of_scores(run: Path) -> dict[str, str]:
    """The same of the cells and their scores alone, which is quicker."""
    storage, manifest = saved_storage(run), Manifest.load(run / "dataset/manifest.json")
    sets = {0: SyntheticManifest.load(run / "synthetic/manifest.json")}
    again = ScoredAgain(storage, manifest)
    links, cells = check_cells(storage, manifest, sets, again.score, lambda what, done, total: None)
    links += again.links(cells)
    return {link.name: f"{link.state}: {link.says}" for link in links if link.is_broken}


def cell(run: Path, arm: str, seed: int = 0) -> Path:
    return run / "compare/cells" / json.loads((run / "compare/cells.json").read_text())["arms"][arm][seed]


def change(path: Path, alter: Callable[[dict[str, Any]], None]) -> None:
    record = json.loads(path.read_text())
    alter(record)
    write_json(path, record)


def seal(folder: Path) -> None:
    """Make the sums of a cell's files agree again."""
    weights = file_sha256(folder / "classifier.safetensors")
    change(folder / "classifier.json", lambda card: card.update(sha256=weights))
    change(folder / "result.json", lambda r: r.update(sums={name: file_sha256(folder / name) for name in SUMMED}))


def rescore(folder: Path, alter: Callable[[dict[str, np.ndarray]], None]) -> None:
    with np.load(folder / "scores.npz") as file:
        scores = dict(file)
    alter(scores)
    np.savez(folder / "scores.npz", **scores)
    seal(folder)


def test_a_whole_run_is_scored_again_and_its_results_have_a_fingerprint(run: Path) -> None:
    links = {link.name: link for link in chain_of(run).links}
    assert chain_of(run).verdict == "the chain is whole"
    assert "13 cells scored again on all validation and test images" in links["compare/cells/*/scores.npz"].says
    report = json.loads((run / "report.json").read_text())
    assert report["provenance"]["results"] in links["provenance.results"].says
    assert gan_aug.open(run).report.provenance.results == report["provenance"]["results"]  # type: ignore[union-attr]
    assert f"fingerprint {report['provenance']['results']}" in (run / "report.md").read_text()
    quick = {link.name: link.says for link in chain_of(run, quick=True).links}
    assert "32 images of each split, drawn at random" in quick["compare/cells/*/scores.npz"]


def test_a_cell_in_a_store_is_copied_once(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    storage, names = RunStorage(run, tmp_path / "store"), [cell(run, "real").name, cell(run, "mixed").name]
    for name in names:
        folder = run / "compare/cells" / name
        put_files(tmp_path / "store/cells" / name, {file: folder / file for file in FILES})
    shutil.rmtree(run / "compare/cells")
    copied, scored = list[str](), list[str]()
    copy = cells_module.copy_files
    monkeypatch.setattr(cells_module, "copy_files", lambda place, to: (copied.append(to.name), copy(place, to))[1])
    sets = {0: SyntheticManifest.load(run / "synthetic/manifest.json")}
    manifest = Manifest.load(run / "dataset/manifest.json")
    again = ScoredAgain(saved_storage(run), manifest, sample=4)

    def score(key: str, folder: Path, kept: CellResult) -> None:
        scored.append(key)
        again.score(key, folder, kept)

    links, cells = check_cells(storage, manifest, sets, score, lambda what, done, total: None)
    assert (sorted(copied), sorted(scored), sorted(cells)) == (sorted(names), sorted(names), sorted(names))
    assert [link.state for link in (*links, *again.links(cells))] == ["ok", "ok"]


def test_what_was_scored_is_said_as_it_was(run: Path) -> None:
    """A sample that is no smaller than the splits is all of them."""
    manifest = Manifest.load(run / "dataset/manifest.json")
    folder = cell(run, "real")
    for sample, said in ((10_000, "1 cells scored again on all validation and test images"), (4, "4 images of each")):
        again = ScoredAgain(saved_storage(run), manifest, sample)
        again.score(folder.name, folder, read_cell(folder))
        (link,) = again.links({})
        assert said in link.says


def test_a_changed_score_is_found_though_its_sum_agrees(run: Path) -> None:
    folder = cell(run, "real", 1)

    def better(scores: dict[str, np.ndarray]) -> None:
        scores["test"][7] = np.roll(scores["test"][7], 3)

    rescore(folder, better)
    found = said(run)[f"compare/cells/{folder.name}/scores.npz"]
    assert found.startswith(
        "ALTERED: the scores of the arm 'real' with seed 1 do not follow from its weights: test image 7"
    )
    write_report(run)  # so that all figures follow from the scores
    assert list(said(run)) == [f"compare/cells/{folder.name}/scores.npz"]
    with pytest.raises(CheckpointError, match="the arm 'real' with seed 1"):
        chain_of(run).raise_broken()


def test_scores_of_validation_and_scores_that_are_none_are_found(run: Path) -> None:
    folder = cell(run, "real")
    rescore(folder, lambda scores: scores["validation"][3].fill(0.1))
    assert "validation image 3" in said_of_scores(run)[f"compare/cells/{folder.name}/scores.npz"]
    rescore(cell(run, "mixed"), lambda scores: scores["test"][3].fill(np.nan))
    assert "test image 3 has nan" in said_of_scores(run)[f"compare/cells/{cell(run, 'mixed').name}/scores.npz"]
    rescore(cell(run, "classic"), lambda scores: scores.update(test=scores["test"][:-1]))
    assert "for 40 test images" in said_of_scores(run)[f"compare/cells/{cell(run, 'classic').name}"]


def test_many_small_changes_that_raise_an_auc_are_found(run: Path) -> None:
    truth = Manifest.load(run / "dataset/manifest.json")
    right = truth.label_matrix()[truth.indices("test")] > 0

    def nudge(scores: dict[str, np.ndarray]) -> None:
        odds = np.log(scores["test"]) - np.log1p(-scores["test"]) + np.where(right, 0.04, -0.04)
        scores["test"] = 1 / (1 + np.exp(-odds))

    rescore(cell(run, "synthetic"), nudge)
    assert (
        "by its weights its AUC differs by 0.0"
        in said_of_scores(run)[f"compare/cells/{cell(run, 'synthetic').name}/scores.npz"]
    )


def test_swapped_weights_are_found_and_named(run: Path) -> None:
    first, second = cell(run, "real"), cell(run, "mixed")
    for name in ("classifier.safetensors", "classifier.json"):
        kept = (first / name).read_bytes()
        shutil.copyfile(second / name, first / name)
        (second / name).write_bytes(kept)
    seal(first)
    seal(second)
    found = said_of_scores(run)
    assert (
        f"the weights are those of the arm 'mixed' with seed 0 ({second.name[:12]})"
        in found[f"compare/cells/{first.name}/scores.npz"]
    )
    assert "the weights are those of the arm 'real' with seed 0" in found[f"compare/cells/{second.name}/scores.npz"]


def test_weights_altered_in_one_number_are_found(run: Path) -> None:
    path = cell(run, "synthetic", 1) / "classifier.safetensors"
    tensors = load_file(path)
    tensors["1.bias"][0] += 0.5
    save_file(tensors, path)
    seal(path.parent)
    assert "the arm 'synthetic' with seed 1" in said_of_scores(run)[f"compare/cells/{path.parent.name}/scores.npz"]


def swap_cells(run: Path, *arms: str) -> None:
    """Two arms' cells, whole: each then says it is the other."""
    first, second = (cell(run, arm) for arm in arms)
    kept = {name: (first / name).read_bytes() for name in (*SUMMED, "result.json")}
    for name, content in kept.items():
        shutil.copyfile(second / name, first / name)
        (second / name).write_bytes(content)
    for folder, arm in zip((first, second), arms, strict=True):
        change(folder / "result.json", lambda record, arm=arm: record.update(arm=arm))


def test_swapped_cells_are_found(run: Path) -> None:
    swap_cells(run, "classic", "real")
    assert said(run)["report.json"].startswith("ALTERED: made again from the cells, it differs: arms.classic")
    swap_cells(run, "synthetic", "mixed")
    found = said_of_scores(run)
    assert found[f"compare/cells/{cell(run, 'synthetic').name}"] == (
        "ALTERED: it is of the arm 'synthetic' with seed 0, which does not train on 140 real and 140 synthetic images, "
        "as it says: it holds another arm's result"
    )
    assert found.keys() == {f"compare/cells/{cell(run, arm).name}" for arm in ("synthetic", "mixed")}


def test_a_dropped_seed_is_found(run: Path) -> None:
    def drop(report: dict[str, Any]) -> None:
        for arm in report["arms"].values():
            del arm["seeds"][1]
            del arm["history"][1]

    change(run / "report.json", drop)
    assert "arms.classic.history is" in said(run)["report.json"]
    shutil.rmtree(cell(run, "mixed", 1))
    assert "the arm 'mixed' with seed 1" in said(run)["compare/cells"]


def test_a_number_of_the_report_is_found_with_and_without_its_fingerprint(run: Path) -> None:
    change(run / "report.json", lambda report: report["comparisons"][0].update(p=0.001))
    assert "comparisons[0].p is 0.001, not" in said(run)["report.json"]


def test_a_fingerprint_that_is_not_that_of_the_results_is_found(run: Path) -> None:
    change(run / "report.json", lambda report: report["provenance"].update(results="0" * 64))
    assert f"the report's fingerprint {'0' * 64} is not" in said(run)["provenance.results"]


def test_other_results_have_another_fingerprint_even_if_everything_agrees(run: Path) -> None:
    """Weights and scores of other training, sealed, in a report written again: only a note of the fingerprint tells."""
    before = json.loads((run / "report.json").read_text())["provenance"]["results"]
    swap_cells(run, "classic", "real")
    assert write_report(run)["results"] != before
    assert not said(run)


@pytest.mark.parametrize("what", ["image", "label"])
def test_a_test_case_changed_with_all_its_hashes_is_found(run: Path, what: str) -> None:
    path = run / "dataset/manifest.json"
    manifest = Manifest.load(path)
    row = int(manifest.indices("test")[5])
    study = manifest.studies[row]
    if what == "image":
        images = np.load(run / "dataset/images.npy")
        images[row] = 255 - images[row]
        np.save(run / "dataset/images.npy", images)
        study = dataclasses.replace(study, content=content_hash(images[row]))
    else:
        study = dataclasses.replace(study, labels=((study.labels[0] + 1) % 10,))
    studies = tuple(study if i == row else other for i, other in enumerate(manifest.studies))
    dataclasses.replace(manifest, studies=studies).save(path)
    found = said(run)
    assert "it was made for the data" in found["train/checkpoints/0000000320"]
    assert "which are not those on disk" in found[f"compare/cells/{cell(run, 'real').name}"]


def test_an_old_report_has_no_fingerprint_and_is_scored_again_all_the_same(tmp_path: Path) -> None:
    run = Path(shutil.copytree(OLD, tmp_path / "run"))
    links = {link.name: link for link in chain_of(run).links}
    assert (links["provenance.results"].state, links["provenance.results"].says) == (
        "skipped",
        "no fingerprint of results: made by an older version",
    )
    assert links["compare/cells/*/scores.npz"].state == "ok"
    rescore(cell(run, "real"), lambda scores: scores["test"][0].fill(0.1))
    assert "test image 0" in said_of_scores(run)[f"compare/cells/{cell(run, 'real').name}/scores.npz"]


def test_rounding_on_another_processor_is_no_change(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    exact = rescored.predict_scores

    def rounded(*args: Any) -> np.ndarray:
        odds = np.log(exact(*args))
        odds += np.random.default_rng(0).normal(0, 1e-5, odds.shape)
        return np.exp(odds) / np.exp(odds).sum(axis=1, keepdims=True)

    monkeypatch.setattr(rescored, "predict_scores", rounded)
    (link,) = [link for link in chain_of(run).links if link.name == "compare/cells/*/scores.npz"]
    assert link.state == "ok"
    assert "0 equal to the bit, and log-odds differ by" in link.says
