"""Sources: folders, tables and named sets, as users have them."""

from __future__ import annotations

import gzip
import json
import stat
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from gan_aug.config.data import DataConfig
from gan_aug.data import locate
from gan_aug.data.image_store import open_images
from gan_aug.data.importing.dataset import import_dataset
from gan_aug.data.labels import label_order
from gan_aug.data.sources import medmnist as source_medmnist
from gan_aug.data.sources.open import open_source
from gan_aug.errors import ConfigError, DataError, GanAugError

RNG = np.random.default_rng(0)


@pytest.fixture(autouse=True)
def _own_places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test here sees the machine's data root or cache."""
    monkeypatch.delenv("GAN_AUG_DATA", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("HOME", str(tmp_path))


def noise(*shape: int) -> Any:
    return RNG.integers(0, 256, shape, dtype=np.uint8)


def write(path: Path, pixels: Any = None) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(noise(12, 10) if pixels is None else pixels).save(path)
    return path


def folder_config(root: Path, **changes: Any) -> DataConfig:
    return DataConfig.model_validate({"source": "folder", "root": root, "size": 8} | changes)


def classes(root: Path, names: str = "ab", count: int = 10, ending: str = "png") -> Path:
    for name in names:
        for number in range(count):
            write(root / name / f"{number}.{ending}")
    return root


def report(folder: Path) -> Any:
    return json.loads((folder / "import-report.json").read_text())


# Folders


def test_a_folder_per_class_with_every_format_and_strays(tmp_path: Path) -> None:
    root = classes(tmp_path / "set")
    for ending in ("jpg", "jpeg", "TIF", "tiff", "bmp"):
        write(root / "a" / f"extra.{ending}")
    (root / "a" / ".hidden.png").write_bytes(b"")
    (root / "b" / "notes.txt").write_text("read me")
    manifest = import_dataset(folder_config(root, max_rejected=0.1), 0, tmp_path / "out")
    assert manifest.labels == ("a", "b")
    assert manifest.shape == (1, 8, 8)
    assert len(manifest.studies) == 25
    assert report(tmp_path / "out")["rejected"] == [
        {"origin": "b/notes.txt", "reason": "not an image file", "counts": True}
    ]


def test_a_folder_per_split_and_class(tmp_path: Path) -> None:
    for word in ("Training", "valid", "test_set"):
        classes(tmp_path / "set" / word, count=3)
    counts = open_source(folder_config(tmp_path / "set")).counts()
    assert counts == {split: {"a": 3, "b": 3} for split in ("train", "validation", "test")}


def test_colour_is_kept_where_there_is_any_and_grey_stored_as_rgb_is_grey(tmp_path: Path) -> None:
    for number in range(10):
        write(tmp_path / "colour" / "a" / f"{number}.png", noise(8, 8, 3))
        write(tmp_path / "grey" / "a" / f"{number}.png", noise(8, 8, 1).repeat(3, axis=2))
    assert import_dataset(folder_config(tmp_path / "colour"), 0, tmp_path / "1").shape == (3, 8, 8)
    assert import_dataset(folder_config(tmp_path / "grey"), 0, tmp_path / "2").shape == (1, 8, 8)
    grey = import_dataset(folder_config(tmp_path / "colour", channels=1), 0, tmp_path / "3")
    assert grey.shape == (1, 8, 8)
    assert "coloured images turned grey: 10, the first a/0.png" in grey.notes


def test_truncated_images_are_set_aside_up_to_a_share(tmp_path: Path) -> None:
    root = classes(tmp_path / "set")
    for number in range(3):
        path = root / "a" / f"{number}.png"
        path.write_bytes(path.read_bytes()[:60])
    with pytest.raises(DataError, match=r"3 of 20 files .* all because .*truncated .*a/0\.png.*data\.max_rejected"):
        import_dataset(folder_config(root), 0, tmp_path / "out")
    manifest = import_dataset(folder_config(root, max_rejected=0.2), 0, tmp_path / "out")
    assert len(manifest.studies) == 17
    assert open_images(tmp_path / "out", manifest).shape == (17, 1, 8, 8)
    assert report(tmp_path / "out")["reasons"] == {"the image file is truncated or corrupt": 3}


def test_folders_that_cannot_be_used_say_why(tmp_path: Path) -> None:
    root = classes(tmp_path / "set")
    (root / "c").mkdir()
    assert_fails(folder_config(root), DataError, "class 'c' of .* has no images")
    assert_fails(folder_config(root / "a"), DataError, "has no class folders")
    assert_fails(folder_config(tmp_path / "nowhere"), DataError, "nowhere is not a folder")
    assert_fails(DataConfig(source="folder"), ConfigError, "data.root is needed")
    write(root / "test" / "1.png")
    assert_fails(folder_config(root), DataError, r"\(test\) beside others \(a\)")


def test_a_folder_that_may_not_be_read_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = classes(tmp_path / "set", count=1)

    def refuse(path: Any) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr("os.scandir", refuse)  # the tests may run as root, to whom nothing is refused
    assert_fails(folder_config(root), DataError, r"set cannot be read \(Permission denied\): check the path")


def test_a_class_missing_from_the_test_is_named_before_anything_is_decoded(tmp_path: Path) -> None:
    classes(tmp_path / "set" / "train", "ab", 2)
    classes(tmp_path / "set" / "test", "a", 2)
    with pytest.raises(DataError, match="class 'b' has no usable image in the test split"):
        import_dataset(folder_config(tmp_path / "set"), 0, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_numbered_labels_and_files_are_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    assert label_order({"10", "2", "1", "b", "a"}) == ("1", "2", "10", "a", "b")
    root = classes(tmp_path / "set", "a", 12)
    assert [item.origin for item in open_source(folder_config(root)).items][1:3] == ["a/1.png", "a/2.png"]


def test_limit_takes_the_first_of_each_class_and_split(tmp_path: Path) -> None:
    classes(tmp_path / "set" / "train")
    classes(tmp_path / "set" / "test")
    source = open_source(folder_config(tmp_path / "set", limit=2))
    assert source.counts() == {split: {"a": 2, "b": 2} for split in ("train", "test")}


# Tables


def table(root: Path, text: str, **changes: Any) -> DataConfig:
    root.mkdir(parents=True, exist_ok=True)
    (root / "index.csv").write_text(text, encoding="utf-8")
    return DataConfig.model_validate({"source": "csv", "root": root, "size": 8} | changes)


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_a_table_with_columns_of_other_names(tmp_path: Path, delimiter: str) -> None:
    rows = [("image", "finding", "who", "part")]
    for number in range(30):
        write(tmp_path / "set" / "films" / f"{number}.png")
        part = "Training" if number < 20 else "val" if number < 25 else "TEST"
        rows.append((f"films/{number}.png", str(number % 2), f"Jane Doe {number // 2}", part))
    columns = {"file": "image", "label": "finding", "patient": "who", "split": "part"}
    text = "\n".join(delimiter.join(row) for row in rows)
    config = table(tmp_path / "set", text, columns=columns, patient_scope="split")
    manifest = import_dataset(config, 0, tmp_path / "out")
    assert {split: len(manifest.indices(split)) for split in ("train", "validation", "test")} == {
        "train": 20, "validation": 5, "test": 5
    }  # fmt: skip
    assert manifest.notes == ("patient numbers restart per split: patients could not be told apart across splits",)
    assert manifest.studies[0].patient == manifest.studies[1].patient != manifest.studies[2].patient


def test_identities_stay_out_of_every_file_and_the_key_is_private(tmp_path: Path) -> None:
    rows = ["file,label,patient"]
    for number in range(30):
        write(tmp_path / "set" / f"{number}.png")
        rows.append(f"{number}.png,{number % 2},Jane Doe {number // 3}")
    config = table(tmp_path / "set", "\n".join(rows), columns={"patient": "patient"})
    out = tmp_path / "out"
    manifest = import_dataset(config, 0, out)
    assert all(b"Jane" not in path.read_bytes() for path in out.iterdir())
    assert stat.S_IMODE((out / "patient.key").stat().st_mode) == 0o600
    assert manifest.patient_key
    assert (out / "patient.key").read_bytes().hex() not in (out / "manifest.json").read_text()
    sides: dict[Any, set[str]] = {}
    for study in manifest.studies:
        sides.setdefault(study.patient, set()).add(study.split)
    assert len(sides) == 10
    assert all(len(splits) == 1 for splits in sides.values())
    (out / "manifest.json").unlink()
    assert import_dataset(config, 0, out).patient_key == manifest.patient_key


def test_several_labels_in_columns(tmp_path: Path) -> None:
    rows = ["file,mass,edema"]
    for number in range(40):
        write(tmp_path / "set" / f"{number}.png", noise(8, 8, 3))
        rows.append(f"{number}.png,{number % 2},{'1.0' if number % 3 == 0 else ''}")
    rows.append("0.png,-1,0")
    config = table(tmp_path / "set", "\n".join(rows), columns={"label": ["mass", "edema"]})
    manifest = import_dataset(config, 0, tmp_path / "out")
    assert (manifest.task, manifest.labels, manifest.shape) == ("multi-label", ("mass", "edema"), (3, 8, 8))
    assert [study.labels for study in manifest.studies[:4]] == [(1,), (0,), (), (0, 1)]
    assert report(tmp_path / "out")["reasons"] == {"its label column 'mass' is neither 0 nor 1": 1}


def test_several_labels_in_one_cell(tmp_path: Path) -> None:
    cells = ["mass|edema", "No Finding", "", "mass", "edema"]
    rows = ["file,label"]
    for number in range(40):
        write(tmp_path / "set" / f"{number}.png")
        rows.append(f"{number}.png,{cells[number % 5]}")
    config = table(tmp_path / "set", "\n".join(rows), label_separator="|")
    source = open_source(config)
    assert (source.task, source.labels) == ("multi-label", ("edema", "mass"))
    assert [item.labels for item in source.items[:5]] == [("mass", "edema"), (), (), ("mass",), ("edema",)]
    assert import_dataset(config, 0, tmp_path / "out").counts()["test"]["mass"] > 0


def test_rows_that_cannot_be_used_are_set_aside_with_their_reason(tmp_path: Path) -> None:
    write(tmp_path / "set" / "1.png")
    rows = ["1.png,a,train,x", "1.png,,train,x", "2.png,a,train,x", "1.png,a,dev,x", ",a,test,x", "1.png,a,test,"]
    text = "\n".join(["file,label,split,who", *rows])
    columns = {"split": "split", "patient": "who"}
    source = open_source(table(tmp_path / "set", text, columns=columns))
    assert len(source.items) == 1
    assert [item.reason for item in source.rejected] == [
        "it has no label",
        "there is no such file below data.root or beside the table",
        "its split is not train, validation or test",
        "its row names no file",
        "its row names no patient",
    ]
    assert source.rejected[3].origin == "line 6"


def test_tables_that_cannot_be_used_say_why(tmp_path: Path) -> None:
    root = tmp_path / "set"
    text = "file,label\n1.png,a\n"
    assert_fails(table(root, text, columns={"label": "lable"}), DataError, "no column 'lable', it has 'file', 'label'")
    assert_fails(table(root, text, columns={"label": ["label", "b"]}), DataError, r"data\.columns\.label\.1: .*'b'")
    assert_fails(table(root, "file,label\n../1.png,a\n"), DataError, r"line 2 names '\.\./1\.png', outside")
    assert_fails(table(root, "file,label\n/etc/1.png,a\n"), DataError, "outside the data folder")
    assert_fails(table(root, "file,label\nC:\\1.png,a\n"), DataError, "outside the data folder")
    assert_fails(table(root, "file,label\n"), DataError, "has no rows")
    assert_fails(table(root, text, table="other.csv"), DataError, r"there is no table other\.csv")
    assert_fails(DataConfig(source="csv"), ConfigError, r"data\.root or data\.table is needed")
    (root / "index.csv").write_bytes(b"PK\x03\x04 a spreadsheet")
    assert_fails(DataConfig(source="csv", root=root), DataError, "save it as CSV in UTF-8")
    with pytest.raises(DataError, match=r"1 of 1 files .* all because there is no such file"):
        import_dataset(table(root, text), 0, tmp_path / "out")


# Named sets


def npz(path: Path, shape: tuple[int, ...] = (4, 4), columns: int = 1, sizes: tuple[int, ...] = (12, 6, 6)) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    arrays = {}
    for part, size in zip(("train", "val", "test"), sizes, strict=True):
        arrays[f"{part}_images"] = noise(size, *shape)
        labels = np.arange(size)[:, None] % 2 if columns == 1 else (np.arange(size)[:, None] >> np.arange(columns)) & 1
        arrays[f"{part}_labels"] = labels.astype(np.uint8)
    np.savez_compressed(path, **arrays)
    return path


def test_a_medmnist_file_is_read_in_its_own_splits_and_labels(tmp_path: Path) -> None:
    path = npz(tmp_path / "medmnist" / "breastmnist.npz", (28, 28))
    config = DataConfig(source="breastmnist", root=tmp_path)
    manifest = import_dataset(config, 0, tmp_path / "out")
    assert manifest.labels == ("malignant", "normal, benign")
    assert (manifest.positive, manifest.positive_index, manifest.flips) == ("malignant", 0, ("horizontal",))
    assert manifest.shape == (1, 28, 28)
    images = open_images(tmp_path / "out", manifest)
    with np.load(path) as arrays:
        assert np.array_equal(images[:12, 0], arrays["train_images"])
        assert np.array_equal(images[18:, 0], arrays["test_images"])
    assert manifest.studies[12].origin == "breastmnist:validation:0"


def test_medmnist_in_colour_with_several_labels_and_no_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source_medmnist, "package_info", lambda: None)
    npz(tmp_path / "newmnist.npz", (4, 4, 3), columns=2)
    monkeypatch.setenv("GAN_AUG_DATA", str(tmp_path))
    manifest = import_dataset(DataConfig(source="newmnist"), 0, tmp_path / "out")
    assert (manifest.task, manifest.labels, manifest.shape) == ("multi-label", ("0", "1"), (3, 4, 4))
    assert [study.labels for study in manifest.studies[:4]] == [(), (0,), (1,), (0, 1)]


def test_names_come_from_the_package_where_it_knows_the_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    info = {"newmnist": {"label": {"1": "sick", "0": "well"}}}
    monkeypatch.setattr(source_medmnist, "package_info", lambda: info)
    npz(tmp_path / "newmnist.npz")
    assert open_source(DataConfig(source="newmnist", root=tmp_path)).labels == ("well", "sick")


def test_the_file_of_the_size_asked_for_comes_first(tmp_path: Path) -> None:
    npz(tmp_path / "pneumoniamnist.npz", (28, 28))
    assert open_source(DataConfig(source="pneumoniamnist", root=tmp_path, size=64)).size == (28, 28)
    npz(tmp_path / "pneumoniamnist_64.npz", (64, 64))
    assert open_source(DataConfig(source="pneumoniamnist", root=tmp_path, size=64)).size == (64, 64)
    assert open_source(DataConfig(source="pneumoniamnist", root=tmp_path)).size == (28, 28)


def test_files_that_are_not_medmnist_say_so(tmp_path: Path) -> None:
    config = DataConfig(source="pneumoniamnist", root=tmp_path)
    path = tmp_path / "pneumoniamnist.npz"
    path.write_bytes(b"torn")
    assert_fails(config, DataError, "is torn or not a MedMNIST file")
    np.savez(path, images=noise(2, 2))
    assert_fails(config, DataError, "has no train_images")
    npz(path, (4, 4, 4, 4))
    assert_fails(config, DataError, "not 2-D 8-bit images")


def idx(path: Path, array: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    content = np.array([0x800 + array.ndim, *array.shape], dtype=">i4").tobytes() + array.astype(np.uint8).tobytes()
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)


@pytest.mark.parametrize("ending", ["", ".gz"])
def test_mnist_is_read_from_idx_files_gzipped_or_not(tmp_path: Path, ending: str) -> None:
    raw = tmp_path / "MNIST" / "raw"
    for part, count in (("train", 60), ("t10k", 20)):
        idx(raw / f"{part}-images-idx3-ubyte{ending}", noise(count, 28, 28))
        idx(raw / f"{part}-labels-idx1-ubyte{ending}", np.arange(count) % 10)
    config = DataConfig(source="mnist", root=tmp_path)
    manifest = import_dataset(config, 0, tmp_path / "out")
    assert Counter(study.split for study in manifest.studies) == {"train": 50, "validation": 10, "test": 20}
    assert manifest.studies[-1].origin == "mnist:test:19"
    (raw / f"t10k-labels-idx1-ubyte{ending}").write_bytes(b"\0\0")
    assert_fails(config, DataError, "t10k-labels-idx1-ubyte.*: replace it")


def test_a_root_without_the_files_is_not_silently_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    npz(tmp_path / "good" / "pneumoniamnist.npz")
    (tmp_path / "bad").mkdir()
    monkeypatch.setenv("GAN_AUG_DATA", str(tmp_path))
    assert_fails(DataConfig(source="pneumoniamnist", root=tmp_path / "bad"), DataError, "bad does not hold pneumoniamn")
    assert open_source(DataConfig(source="pneumoniamnist", root=Path("good"))).items
    assert_fails(
        DataConfig(source="mnist", root=Path("ugly")), DataError, r"ugly is not a folder, nor is .*GAN_AUG_DATA"
    )


def test_a_failed_download_says_what_was_tried_and_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(url: str, *_: Any) -> None:
        raise OSError("no route to host")

    monkeypatch.setattr("torchvision.datasets.utils.download_url", refuse)
    for name in ("mnist", "pneumoniamnist"):
        assert_fails(
            DataConfig(source=name),
            DataError,
            r"neither in .* \(not set\) nor in .*no route to host\).*data\.root",
        )
    monkeypatch.setattr(source_medmnist, "package_info", lambda: None)
    assert_fails(DataConfig(source="pathmnist"), DataError, "package, which knows its address, is not installed")
    assert not list((tmp_path / "cache" / "gan-aug").iterdir())


def test_a_download_is_kept_only_when_every_file_is_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fetch(url: str, folder: Path, name: str, md5: str) -> None:
        (folder / name).write_text(url)
        if url == "bad":
            raise RuntimeError("File not found or corrupted.")

    monkeypatch.setattr("torchvision.datasets.utils.download_url", fetch)
    files = [locate.SetFile(("1",), ("good",), "0"), locate.SetFile(("2",), ("bad", "mirror"), "0")]
    assert [path.read_text() for path in locate.download(files)] == ["good", "mirror"]
    with pytest.raises(DataError, match=r"the download of 3 failed \(File not found or corrupted\)"):
        locate.download([locate.SetFile(("3",), ("bad",), "0")])
    assert sorted(path.name for path in (tmp_path / "cache" / "gan-aug").iterdir()) == ["1", "2"]


def test_unknown_names_suggest_the_nearest() -> None:
    assert_fails(DataConfig(source="digit"), ConfigError, "did you mean digits")
    assert_fails(DataConfig(source="zebra"), ConfigError, "use digits, mnist, folder, csv")
    assert_fails(DataConfig(source="organmnist3d"), ConfigError, "holds volumes")
    assert_fails(DataConfig(source="pneumonamnist"), ConfigError, "did you mean pneumoniamnist")


def test_a_positive_that_is_no_label_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"data\.positive: 'ten' is not a label of digits"):
        import_dataset(DataConfig(source="digits", positive="ten"), 0, tmp_path)


def assert_fails(config: DataConfig, error: type[GanAugError], match: str) -> None:
    with pytest.raises(error, match=match) as caught:
        open_source(config)
    assert "\n" not in str(caught.value)


# Names of labels


def numbered(root: Path, **changes: Any) -> DataConfig:
    """A folder of the classes 0, 1 and 2."""
    return folder_config(classes(root, "012"), **changes)


def test_labels_get_names_and_equal_names_join_them(tmp_path: Path) -> None:
    names = {0: "normal", 1: "pneumonia", "2": "pneumonia"}
    manifest = import_dataset(numbered(tmp_path / "in", names=names, positive="pneumonia"), 0, tmp_path / "out")
    assert manifest.labels == ("normal", "pneumonia")
    assert manifest.positive == "pneumonia"
    assert Counter(study.labels for study in manifest.studies) == {(0,): 10, (1,): 20}


def test_limits_count_what_labels_are_called(tmp_path: Path) -> None:
    source = open_source(numbered(tmp_path, names={"0": "b", "1": "a", "2": "a"}, limit=3))
    assert Counter(item.labels for item in source.items) == {("b",): 3, ("a",): 3}


@pytest.mark.parametrize(
    ("names", "said"),
    [
        ({"3": "virus"}, "there is no label '3': the labels are 0, 1, 2"),
        ({"0": "x", "1": "x", "2": "x"}, "gives every label the name 'x'"),
    ],
)
def test_names_that_fit_no_labels_are_refused(tmp_path: Path, names: dict[str, str], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        open_source(numbered(tmp_path, names=names))
