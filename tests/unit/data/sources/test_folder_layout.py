"""Folders as people have them: wrapped, one level too high, with splits above or below the classes, with links."""

from __future__ import annotations

import os
import zipfile
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from gan_aug.config.data import DataConfig
from gan_aug.data.importing.dataset import import_dataset
from gan_aug.data.items import Source, split_of
from gan_aug.data.sources.folder_layout import Place, layout_of
from gan_aug.data.sources.open import open_source
from gan_aug.errors import DataError
from tests.support.dicom.samples import save

NOISE = np.random.default_rng(0)


def tree(root: Path, *files: str) -> Path:
    """A folder with a small image at each path; each holds other noise."""
    for name in files:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(NOISE.integers(0, 256, (8, 8), dtype=np.uint8)).save(path)
    return root


def opened(root: Path, **changes: Any) -> Source:
    return open_source(DataConfig.model_validate({"source": "folder", "root": root, "size": 8} | changes))


def found(source: Source) -> Counter[Any]:
    """How many images of each split and class there are."""
    return Counter((item.split, *item.labels) for item in source.items)


@pytest.mark.parametrize(
    ("word", "split"),
    [
        ("Train", "train"), ("TRAINING", "train"), ("train_set", "train"), ("train-images", "train"),
        ("Test Data", "test"), ("val", "validation"), ("Validation Set", "validation"), ("testset", "test"),
        ("trained", None), ("dev", None), ("", None), ("set", None), ("contest", None),
    ],
)  # fmt: skip
def test_words_for_splits_in_any_spelling(word: str, split: str | None) -> None:
    assert split_of(word) == split


@pytest.mark.parametrize("outer", ["", "my set/", "download/chest_xray/"])
def test_outer_folders_mean_nothing(tmp_path: Path, outer: str) -> None:
    names = [f"{outer}{name}/{k}.png" for name in ("benign", "malignant") for k in range(2)]
    source = opened(tree(tmp_path / "in", *names))
    assert source.labels == ("benign", "malignant")
    assert ("the only one in in with images" in " ".join(source.remarks)) == bool(outer)


def test_a_zip_as_a_desktop_makes_it_has_its_classes(tmp_path: Path) -> None:
    wrapped = tree(tmp_path / "in", *(f"my set/{name}/{k}.png" for name in ("benign", "malignant") for k in range(2)))
    (wrapped / "__MACOSX/my set/benign").mkdir(parents=True)
    (wrapped / "__MACOSX/my set/benign/._0.png").write_bytes(b"a fork")
    (wrapped / "my set/.DS_Store").write_bytes(b"")
    assert found(opened(wrapped)) == {(None, "benign"): 2, (None, "malignant"): 2}
    with zipfile.ZipFile(tmp_path / "in.zip", "w") as archive:
        archive.write(wrapped / "my set/benign/0.png")
    with pytest.raises(DataError, match=r"in\.zip is an archive, which is not opened: unpack it, and name the folder"):
        opened(tmp_path / "in.zip")


@pytest.mark.parametrize("outer", ["", "chest_xray/"])
@pytest.mark.parametrize("below", [False, True])
def test_splits_above_and_below_the_classes(tmp_path: Path, outer: str, below: bool) -> None:
    pairs = [(split, name) for split in ("train", "Test", "val") for name in ("normal", "pneumonia")]
    names = [f"{outer}{'/'.join(pair[::-1] if below else pair)}/patient 1/x.png" for pair in pairs]
    source = opened(tree(tmp_path / "in", *names))
    assert found(source) == {
        (split, name): 1 for split in ("train", "test", "validation") for name in ("normal", "pneumonia")
    }
    assert source.labels == ("normal", "pneumonia")


def test_each_split_may_wrap_its_classes_once_more(tmp_path: Path) -> None:
    names = [f"{split}/{split}_images/{name}/x.png" for split in ("train", "test") for name in "ab"]
    source = opened(tree(tmp_path / "in", *names))
    assert found(source) == {(split, name): 1 for split in ("train", "test") for name in "ab"}
    assert "the classes are in test_images, train_images, the only folder there" in " ".join(source.remarks)


def test_one_class_stays_one_and_is_said(tmp_path: Path) -> None:
    source = opened(tree(tmp_path / "in", "a/1.png", "a/more/2.png"))
    assert found(source) == {(None, "a"): 2}
    assert "all images of in are of one class, 'a'" in source.remarks
    patients = opened(tree(tmp_path / "many", *(f"a/patient {k}/1.png" for k in range(60))))
    assert patients.labels == ("a",)
    splits = opened(tree(tmp_path / "splits", "a/train/1.png", "a/test/1.png"))
    assert found(splits) == {("train", "a"): 1, ("test", "a"): 1}


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (["train/a/1.png", "test/a/1.png", "b/1.png"], r"named after splits \(test\) beside others \(b\)"),
        (["a/train/1.png", "a/test/1.png", "b/1.png"], "the folder 'b' in in has no folders named after splits"),
        (["a/train/1.png", "a/2.png", "b/train/1.png"], "'a' in in has 1 images beside folders named after splits"),
        (["a/train/1.png", "a/x/2.png", "b/train/1.png"], "'a' in in has the folder 'x' beside folders"),
        (
            [f"{site}/{split}/{name}/1.png" for site in "AB" for split in ("train", "test") for name in "ab"],
            "in holds several data sets with splits of their own",
        ),
    ],
)
def test_folders_that_can_be_read_in_two_ways_are_refused(tmp_path: Path, names: list[str], said: str) -> None:
    with pytest.raises(DataError, match=said) as caught:
        opened(tree(tmp_path / "in", *names))
    assert "\n" not in str(caught.value)


def test_equal_folders_within_every_class_are_said(tmp_path: Path) -> None:
    source = opened(tree(tmp_path / "in", *(f"{a}/{b}/1.png" for a in ("part1", "part2") for b in ("ill", "well"))))
    assert source.labels == ("part1", "part2")
    assert "the folders within part1 (ill, well) are not looked at: all their images are of class 'part1'" in " ".join(
        source.remarks
    )
    patients = opened(tree(tmp_path / "films", *(f"{a}/P{k}/1.png" for k, a in enumerate(("ill", "ill", "well")))))
    assert "images of ill lie in 2 folders within it, which are not looked at: if each is a patient" in " ".join(
        patients.remarks
    )


def test_texts_beside_the_class_folders_do_not_count_as_unusable(tmp_path: Path) -> None:
    names = [f"set/{name}/{k}.png" for name in "ab" for k in range(12)]
    root = tree(tmp_path / "in", *names, "set/logo.png")
    (root / "set/README.md").write_text("read me")
    (root / "licences").mkdir()
    (root / "licences/x.txt").write_text("all rights")
    source = opened(root)
    assert source.labels == ("a", "b")
    assert {(one.origin, one.counts) for one in source.rejected} == {
        ("licences/x.txt", False), ("set/README.md", False), ("set/logo.png", True)
    }  # fmt: skip


def test_classes_that_differ_in_spelling_alone_are_one(tmp_path: Path) -> None:
    names = [f"{split}/{name}/{k}.png" for split, name in (("train", "Normal"), ("test", "NORMAL")) for k in range(3)]
    source = opened(tree(tmp_path / "in", *names, "train/ill/1.png", "test/Ill/1.png", "test/Ill/2.png"))
    assert source.labels == ("Ill", "NORMAL")
    assert "'Normal' (3) to 'NORMAL'" in " ".join(source.notes)


def test_links_are_followed_but_never_in_circles(tmp_path: Path) -> None:
    elsewhere = tree(tmp_path / "elsewhere", "b/1.png", "more/2.png")
    root = tree(tmp_path / "in", "a/1.png")
    (root / "b").symlink_to(elsewhere / "b")
    (root / "a/more").symlink_to(elsewhere / "more")
    (root / "a/again").symlink_to(root)
    assert sorted(item.origin for item in opened(root).items) == ["a/1.png", "a/more/2.png", "b/1.png"]
    (root / "c").symlink_to(root / "a")
    with pytest.raises(DataError, match="the classes 'a' and 'c' of .* are one folder with two names"):
        opened(root)
    (root / "c").unlink()
    (root / "c").symlink_to(tmp_path / "nowhere")
    with pytest.raises(DataError, match="the class folder 'c' of .* is a link to nothing"):
        opened(root)


def test_names_in_other_encodings_can_be_written_down(tmp_path: Path) -> None:
    root = tree(tmp_path / "in", *(f"a/{k}.png" for k in range(9)))
    odd = root / os.fsdecode(b"Geschw\xfcr")
    tree(odd, *(os.fsdecode(b"fr\xe9d %d.png" % k) for k in range(9)))
    (odd / os.fsdecode(b"b\xe4d.png")).write_bytes(b"torn")
    manifest = import_dataset(
        DataConfig.model_validate({"source": "folder", "root": root, "size": 8, "max_rejected": 0.2}), 0, tmp_path / "o"
    )
    assert manifest.labels == ("Geschwür", "a")
    assert "Geschwür/fréd 0.png" in {study.origin for study in manifest.studies}
    assert "Geschwür/bäd.png" in (tmp_path / "o/import-report.json").read_text(encoding="utf-8")


def test_what_lies_beside_and_is_not_used_is_said(tmp_path: Path) -> None:
    root = tree(tmp_path / "set/train", "a/1.png", "b/1.png")
    tree(tmp_path / "set/test", "a/1.png")
    (root / "labels.csv").write_text("file,patient\n")
    said = " ".join(opened(root).remarks)
    assert "the table labels.csv in train is not used: data.source: csv would read it" in said
    assert "data.root is the folder train, and test beside it is not used" in said
    flat = tree(tmp_path / "flat", "1.png")
    (flat / "labels.csv").write_text("file,patient\n")
    with pytest.raises(DataError, match=r"no class folders.*use data\.source: csv with its table labels\.csv"):
        opened(flat)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("x.dcm", b"", "a DICOM file: data.source: dicom reads it"),
        ("IM0001", bytes(128) + b"DICM", "a DICOM file: data.source: dicom reads it"),
        ("x.nrrd", b"NRRD", "save it as NIfTI"),
        ("x.npz", b"PK", "save each image as a .npy file"),
        ("x.xml", b"<a/>", "not an image file"),
    ],
)
def test_other_files_say_what_they_are(tmp_path: Path, name: str, content: bytes, said: str) -> None:
    root = tree(tmp_path / "in", "a/1.png", "b/1.png")
    (root / "b" / name).write_bytes(content)
    (reason,) = [one.reason for one in opened(root).rejected]
    assert said in reason
    (root / "b/1.png").unlink()
    with pytest.raises(DataError, match=r"class 'b' of .* has no images \("):
        opened(root)


def test_series_in_a_single_folder_are_no_classes_in_dicom() -> None:
    series = [("disc", f"SER{k}") for k in range(3)]
    assert layout_of(series, "x", numbered=False).place(("disc", "SER1")) == Place("disc")
    assert layout_of(series, "x").place(("disc", "SER1")) == Place("SER1")
    assert layout_of([("disc", "ill"), ("disc", "well")], "x", numbered=False).place(("disc", "ill")) == Place("ill")


@pytest.mark.parametrize("outer", ["", "my films/"])
@pytest.mark.parametrize("below", [False, True])
def test_dicom_folders_are_read_in_the_same_way(tmp_path: Path, outer: str, below: bool) -> None:
    for number, (split, name) in enumerate((s, n) for s in ("train", "Testing") for n in ("ill", "well")):
        path = "/".join((name, split) if below else (split, name))
        save(tmp_path / "in" / f"{outer}{path}/series/{number}.dcm")
    (tmp_path / "in" / outer / "docs").mkdir(parents=True)
    (tmp_path / "in" / outer / "docs/read me.txt").write_text("no film")
    with zipfile.ZipFile(tmp_path / "in.zip", "w") as archive:
        for path in (tmp_path / "in").rglob("*.*"):
            archive.write(path, path.relative_to(tmp_path / "in"))
    for root in (tmp_path / "in", tmp_path / "in.zip"):
        source = open_source(DataConfig.model_validate({"source": "dicom", "root": root}))
        assert found(source) == {(split, name): 1 for split in ("train", "test") for name in ("ill", "well")}
        assert all("my films" not in said for said in source.remarks)  # it may be a patient's name
    assert bool(source.remarks) == bool(outer or below)


def test_a_link_to_its_own_folder_is_no_second_folder_from_a_relative_root(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tree(tmp_path / "in", "a/1.png", "b/2.png")
    (root / "a/again").symlink_to(root / "a")
    monkeypatch.chdir(tmp_path)
    assert sorted(item.origin for item in opened(Path("in")).items) == ["a/1.png", "b/2.png"]
