"""Synthetic images made elsewhere become an ordinary set whose origin is unknown, and are checked by content."""

from __future__ import annotations

import json
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from scipy.ndimage import gaussian_filter

from gan_aug.compute.local.executor import LocalExecutor
from gan_aug.config.compute import ComputeConfig
from gan_aug.config.data import DataConfig
from gan_aug.config.gan import SynthesisConfig
from gan_aug.data.image_store import ImageWriter
from gan_aug.data.manifest import SPLITS, Manifest, Split, Study, content_hash
from gan_aug.data.reading.raster import Raster
from gan_aug.data.synthetic.external import open_external, source_sha256
from gan_aug.data.synthetic.shards import UNKNOWN, SyntheticManifest, read_images
from gan_aug.errors import DataError, LeakageError, RunConflict
from gan_aug.evaluation.held_out_copies import load_held_out_copies
from gan_aug.export.formats import FORMATS
from gan_aug.run import layout
from gan_aug.run.folder import RunDir
from gan_aug.stages.context import StageContext
from gan_aug.stages.external import bring_synthetic
from gan_aug.synthesis.external import mixed_order, write_external_set
from gan_aug.synthesis.plan import plan_labels
from tests.support.cell_data import CellData
from tests.support.command_line import call

Images = npt.NDArray[np.uint8]


def bring(source: Path, data: CellData, run: Path) -> SyntheticManifest:
    write(source, RunDir(run), data.manifest)
    return SyntheticManifest.load(run / "synthetic/manifest.json")


def write(source: Path, run: RunDir, manifest: Manifest) -> None:
    context = StageContext.of(ComputeConfig(), run, LocalExecutor(1))
    bring_synthetic(context, source, DataConfig(source="digits"), SynthesisConfig().shard, manifest)


def random_images(count: int, *shape: int) -> Images:
    return np.random.default_rng(0).integers(0, 256, (count, *shape)).astype(np.uint8)


def save(path: Path, **arrays: Any) -> Path:
    np.savez(path, **arrays)
    return path


@pytest.mark.parametrize("form", ["png", "npz"])
def test_what_export_writes_is_read_back(cell_data: CellData, tmp_path: Path, form: str) -> None:
    first = tmp_path / "first.npz"
    FORMATS["npz"].write(cell_data.synthetic, first)
    brought = bring(first, cell_data, tmp_path / "once")
    out = tmp_path / f"out.{form}"
    FORMATS[form].write(tmp_path / "once/synthetic", out)
    again = bring(out, cell_data, tmp_path / "twice")
    assert again == brought
    assert sorted(again.image_labels) == sorted(cell_data.generated.image_labels)
    theirs = {image.tobytes() for image in cell_data.fakes}
    assert {image.tobytes() for image in read_images(tmp_path / "twice/synthetic", again)} == theirs


def test_the_set_says_that_its_origin_is_unknown(cell_data: CellData, tmp_path: Path) -> None:
    FORMATS["npz"].write(cell_data.synthetic, tmp_path / "set.npz")
    brought = bring(tmp_path / "set.npz", cell_data, tmp_path / "run")
    assert (brought.checkpoint, brought.trained_on, brought.is_traced) == (UNKNOWN, (), False)
    request = json.loads((tmp_path / "run/synthetic/request.json").read_text())
    assert request["source"] == source_sha256(tmp_path / "set.npz")


LAYOUTS = {
    "(N, H, W)": lambda images: images[:, 0],
    "(N, C, H, W)": lambda images: images,
    "(N, H, W, C)": lambda images: images.transpose(0, 2, 3, 1),
    "(N, H, W, 3)": lambda images: images.transpose(0, 2, 3, 1).repeat(3, axis=3),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_of_an_npz_gives_the_same_images(cell_data: CellData, tmp_path: Path, layout: str) -> None:
    images = random_images(20, 1, 16, 16)
    path = save(tmp_path / "set.npz", images=LAYOUTS[layout](images), labels=np.arange(20) % 10)
    brought = bring(path, cell_data, tmp_path / "run")
    np.testing.assert_array_equal(read_images(tmp_path / "run/synthetic", brought), images)


@pytest.mark.parametrize(
    "arrays",
    [
        {"labels": np.arange(20) % 10},
        {"labels": (np.arange(20) % 10)[:, None]},
        {"labels": np.array([str(k % 10) for k in range(20)])},
        {"labels": np.eye(10, dtype=np.uint8)[np.arange(20) % 10]},
        {"labels": 9 - np.arange(20) % 10, "label_names": np.array([str(9 - k) for k in range(10)])},
    ],
)
def test_labels_may_be_positions_names_or_columns(cell_data: CellData, tmp_path: Path, arrays: Any) -> None:
    path = save(tmp_path / "set.npz", images=random_images(20, 16, 16), **arrays)
    foreign = open_external(path, cell_data.manifest)
    assert foreign.labels == tuple((k % 10,) for k in range(20))


@given(st.lists(st.integers(0, 3), min_size=1, max_size=40))
def test_classes_are_mixed_so_that_a_first_part_holds_each(own: list[int]) -> None:
    order = mixed_order(tuple((k,) for k in own))
    assert sorted(order) == list(range(len(own)))
    for k in set(own):
        share = own.count(k) / len(own)
        for end in range(len(own) + 1):
            assert abs(sum(own[row] == k for row in order[:end]) - share * end) <= 4


def test_a_plans_order_stays_as_it_is(cell_data: CellData) -> None:
    plan = plan_labels(SynthesisConfig(), cell_data.manifest)
    assert mixed_order(plan) == list(range(len(plan)))


def test_other_sizes_and_colours_are_fitted_as_the_data_set_is_and_it_is_said(
    cell_data: CellData, tmp_path: Path
) -> None:
    for k in range(10):
        (tmp_path / f"set/{k}").mkdir(parents=True)
        Image.fromarray(random_images(1, 20, 30, 3)[0]).save(tmp_path / f"set/{k}/a.png")
    brought = bring(tmp_path / "set", cell_data, tmp_path / "run")
    expected = Raster(1, 16, 16, window="full")(random_images(1, 20, 30, 3)[0])
    np.testing.assert_array_equal(read_images(tmp_path / "run/synthetic", brought)[4], expected)
    assert (
        "10 images were of another size or kind: fitted to 16x16 pixels, grey"
        in (tmp_path / "run/events.jsonl").read_text()
    )


def test_copies_of_test_images_are_refused_each_time(cell_data: CellData, tmp_path: Path) -> None:
    images = random_images(20, 1, 16, 16)
    images[7] = cell_data.images[cell_data.manifest.indices("test")[0]]
    path = save(tmp_path / "set.npz", images=images, labels=np.arange(20) % 10)
    for _ in range(2):
        with pytest.raises(LeakageError, match="1 of the 20 synthetic images"):
            bring(path, cell_data, tmp_path / "run")


def films(count: int, seed: int) -> Images:
    """Pictures of a coarse shape and fine grain, `(count, 1, 32, 32) uint8`, no two alike."""
    rng = np.random.default_rng(seed)
    coarse = gaussian_filter(rng.normal(size=(count, 1, 32, 32)), (0, 0, 5, 5))
    fine = gaussian_filter(rng.normal(size=coarse.shape), (0, 0, 0.7, 0.7))
    values = 128 + 60 * coarse / coarse.std() + 20 * fine / fine.std()
    return values.clip(0, 255).astype(np.uint8)


def film_set(folder: Path) -> tuple[Manifest, Images]:
    """A data set on disk of 60 films of two kinds, 20 for each split."""
    images = films(60, 1)
    splits: list[Split] = [split for split in SPLITS for _ in range(20)]
    studies = tuple(
        Study(content_hash(image), (k % 2,), split, None, f"film {k}")
        for k, (image, split) in enumerate(zip(images, splits, strict=True))
    )
    manifest = Manifest("films", ("ill", "well"), "multi-class", (1, 32, 32), studies)
    with ImageWriter(folder, manifest.shape) as writer:
        for image in images:
            writer.append(image)
        writer.commit(list(range(60)))
    manifest.save(folder / "manifest.json")
    return manifest, images


def saved_again(image: Images) -> Images:
    """An image enlarged, saved as JPEG and brought back: other bytes, the same film."""
    file = BytesIO()
    Image.fromarray(image[0]).resize((64, 64)).save(file, "JPEG", quality=80)
    return np.asarray(Image.open(file).resize((32, 32)))[None]


@pytest.mark.parametrize(("planted", "refused"), [(0, False), (3, False), (12, True)])
def test_test_images_that_come_as_jpeg_are_found_and_many_are_refused(
    tmp_path: Path, planted: int, refused: bool
) -> None:
    manifest, images = film_set(tmp_path / "run/dataset")
    brought = films(40, 2)
    for k in range(planted):
        brought[5 + k] = saved_again(images[40 + k])
    path = save(tmp_path / "set.npz", images=brought, labels=np.arange(40) % 2)
    run = RunDir(tmp_path / "run")
    if refused:
        with pytest.raises(LeakageError, match=r"12 of the 40 synthetic images look .* such as image \d+ \(test image"):
            write(path, run, manifest)
        assert not (run.synthetic / "manifest.json").exists()
        assert len(json.loads((run.synthetic / layout.LOOK_ALIKES).read_text())["source"]) == 12
        return
    write(path, run, manifest)
    synthetic = SyntheticManifest.load(run.synthetic / "manifest.json")
    found = load_held_out_copies(run.synthetic, manifest, synthetic)
    assert found is not None
    assert (found["images"], found["of"]) == (planted, 40)
    assert sorted(pair["case"] for pair in found["pairs"]) == list(range(40, 40 + planted))
    kept = read_images(run.synthetic, synthetic)
    for pair in found["pairs"]:
        np.testing.assert_array_equal(kept[pair["synthetic"]], saved_again(images[pair["case"]]))
    assert ("3 of 40 images look nearly the same" in (run.path / "events.jsonl").read_text()) == bool(planted)


def test_it_is_written_once_and_another_source_is_refused(cell_data: CellData, tmp_path: Path) -> None:
    images, labels = random_images(20, 1, 16, 16), np.arange(20) % 10
    path = save(tmp_path / "set.npz", images=images, labels=labels)
    brought = bring(path, cell_data, tmp_path / "run")
    assert bring(path, cell_data, tmp_path / "run") == brought
    save(path, images=images[::-1], labels=labels)
    with pytest.raises(RunConflict, match="source was"):
        bring(path, cell_data, tmp_path / "run")
    path.unlink()
    assert bring(path, cell_data, tmp_path / "run") == brought


FAULTS = {
    "has the label '10'": {"labels": np.array(["10"] * 20)},
    "has the label 11, and 10 label names": {"labels": np.full(20, 11)},
    "4 columns of labels, and 10 label names": {"labels": np.eye(4, dtype=np.uint8)[np.zeros(20, int)]},
    "20 images and 3 labels": {"labels": np.arange(3)},
    "has 2 labels": {"labels": np.ones((20, 10), np.uint8) * (np.arange(10) < 2)},
    "float64": {"labels": np.zeros(20)},
    "no array 'labels'": {},
    "not an npz of plain arrays": {"labels": np.array([{}] * 20)},
    "neither grey nor RGB": {"labels": np.arange(20) % 10, "images": random_images(20, 2, 16, 16)},
    "not 2-D 8-bit images": {"labels": np.arange(20) % 10, "images": np.zeros((20, 16, 16))},
    "holds no images": {"labels": np.zeros(0, int), "images": random_images(0, 16, 16)},
}


@pytest.mark.parametrize("said", FAULTS)
def test_a_faulty_npz_is_one_sentence(cell_data: CellData, tmp_path: Path, said: str) -> None:
    path = save(tmp_path / "set.npz", **{"images": random_images(20, 16, 16), **FAULTS[said]})
    with pytest.raises(DataError) as raised:
        open_external(path, cell_data.manifest)
    assert said in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_faulty_folder_is_one_sentence(cell_data: CellData, tmp_path: Path) -> None:
    for path, said in ((tmp_path / "none", "there is nothing at"), (tmp_path, "has no class folders")):
        with pytest.raises(DataError, match=said):
            open_external(path, cell_data.manifest)
    (tmp_path / "set/3").mkdir(parents=True)
    with pytest.raises(DataError, match="class folder '3' of .* has no images"):
        open_external(tmp_path / "set", cell_data.manifest)
    (tmp_path / "set/3/a.png").write_bytes(b"no image")
    with pytest.raises(DataError, match=r"3/a.png of .* cannot be read"):
        list(open_external(tmp_path / "set", cell_data.manifest).pixels())
    (tmp_path / "set/3").rename(tmp_path / "set/three")
    with pytest.raises(DataError, match="the label 'three', which digits does not have"):
        open_external(tmp_path / "set", cell_data.manifest)


def test_a_folder_of_several_labels_is_read_as_export_writes_it(cell_data: CellData, tmp_path: Path) -> None:
    manifest = Manifest("films", ("A+B", "C d", "E"), "multi-label", (1, 8, 8), ())
    for name in ("A_B", "C_d+E", "none", "E"):
        (tmp_path / f"set/{name}").mkdir(parents=True)
        Image.fromarray(random_images(1, 8, 8)[0]).save(tmp_path / f"set/{name}/0.png")
    foreign = open_external(tmp_path / "set", manifest)
    assert foreign.labels == ((0,), (1, 2), (2,), ())
    written, _ = write_external_set(foreign, manifest, tmp_path / "out", Raster(1, 8, 8), tmp_path, shard_size=64)
    assert written.counts() == {"A+B": 1, "C d": 1, "E": 2}


@pytest.mark.slow
def test_a_whole_comparison_with_it_trains_no_gan_and_says_unknown(
    cell_data: CellData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    save(tmp_path / "set.npz", images=random_images(40, 16, 16), labels=np.arange(40) % 10)
    (tmp_path / "job.yaml").write_text(
        "data: {source: digits, size: 16, limit: 20}\n"
        "classifier: {name: softmax, steps: 10, epochs: 2}\n"
        f"compare: {{seeds: 1, fidelity: false, synthetic: {tmp_path}/set.npz}}\n"
        "compute: {workers: 1, threads: 1, cache: 0}\n"
    )
    run = tmp_path / "run"
    assert call(monkeypatch, "run", tmp_path / "job.yaml", "--run", run) == 0
    assert not (run / "train").exists()
    report = json.loads((run / "report.json").read_text())
    assert report["provenance"]["checkpoint"] == report["provenance"]["trained_on"] == "unknown"
    assert str(tmp_path) not in (run / "report.json").read_text() + (run / "report.html").read_text()
    for name in ("report.md", "report.html"):
        assert "provenance of the synthetic images is unknown" in (run / name).read_text()
    capsys.readouterr()
    assert call(monkeypatch, "verify", run, "--json") == 0
    chain = json.loads(capsys.readouterr().out)
    assert {link["name"]: link["state"] for link in chain["links"]}["synthetic/manifest.json"] == "unknown"
    assert "made elsewhere" in chain["verdict"]
    own = ("--run", run, "--set", "compare.synthetic=null")
    assert call(monkeypatch, "compare", tmp_path / "job.yaml", *own) == 4
    assert "holds synthetic images made elsewhere" in capsys.readouterr().err


def test_what_stands_in_the_way_is_known_before_the_import(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "job.yaml").write_text(f"{{data: {{source: digits}}, compare: {{synthetic: {tmp_path}/none}}}}")
    run = tmp_path / "run"
    assert call(monkeypatch, "run", tmp_path / "job.yaml", "--run", run) == 3
    assert not (run / "dataset").exists()
    save(tmp_path / "set.npz", images=random_images(20, 16, 16), labels=np.arange(20) % 10)
    (run / "synthetic").mkdir()
    for name in ("request.json", "manifest.json"):
        (run / "synthetic" / name).write_text('{"checkpoint": "0"}')
    there = ("--run", run, "--set", f"compare.synthetic={tmp_path}/set.npz")
    assert call(monkeypatch, "run", tmp_path / "job.yaml", *there) == 4
    assert "holds a synthetic set of its own GAN" in capsys.readouterr().err
