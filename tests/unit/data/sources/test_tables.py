"""Tables as people have them: encodings, unnamed columns, spellings, identifiers that a spreadsheet has altered."""

from __future__ import annotations

import os
import unicodedata
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from gan_aug.config.data import DataConfig
from gan_aug.data.importing.dataset import import_dataset
from gan_aug.data.items import Source
from gan_aug.data.labels import one_spelling, spelling_key
from gan_aug.data.sources.open import open_source
from gan_aug.errors import ConfigError, DataError

NOISE = np.random.default_rng(0)


def image(path: Path, pixels: Any = None) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(NOISE.integers(0, 256, (8, 8), dtype=np.uint8) if pixels is None else pixels).save(path)


@pytest.fixture
def films(tmp_path: Path) -> Path:
    """A folder with the images 0.png to 11.png."""
    for k in range(12):
        image(tmp_path / "films" / f"{k}.png")
    return tmp_path / "films"


def config(root: Path, text: str | bytes, **changes: Any) -> DataConfig:
    (root / "index.csv").write_bytes(text if isinstance(text, bytes) else text.encode())
    return DataConfig.model_validate({"source": "csv", "root": root, "size": 8} | changes)


def opened(root: Path, text: str | bytes, **changes: Any) -> Source:
    return open_source(config(root, text, **changes))


def rows(head: str, row: str, count: int = 12) -> str:
    """A table with `k`, `j` (k halved) and `ab` (a or b in turn) filled in."""
    return "\n".join([head, *(row.format(k=k, j=k // 2, ab="ab"[k % 2]) for k in range(count))]) + "\n"


# Encodings and separators


@pytest.mark.parametrize(
    "written",
    [
        lambda text: text.encode("utf-16"),
        lambda text: text.encode("utf-16-le"),
        lambda text: text.encode("utf-16-be"),
        lambda text: b"\xff\xfe" + text.replace("\n", "\r\n").encode("utf-16-le"),
        lambda text: text.encode("utf-8-sig"),
        lambda text: text.encode("cp1252"),
        lambda text: b"sep=;\r\n" + text.replace(",", ";").encode(),
        lambda text: ('"sep=;"\n' + text.replace(",", ";")).encode("utf-16"),
        lambda text: b"sep=\t\n" + text.replace(",", "\t").encode("latin-1"),
        lambda text: b"\n\n" + text.replace("\n", "\r").encode(),
        lambda text: text.replace(",", "|").encode(),
    ],
)
def test_a_table_is_read_in_any_encoding_and_with_any_separator(films: Path, written: Any) -> None:
    text = rows("file,label,Größe", "{k}.png,{ab},groß").replace(",b,", ",müde,")
    source = opened(films, written(text))
    assert Counter(item.labels for item in source.items) == {("a",): 6, ("müde",): 6}
    assert "columns of index.csv that are not used: Größe" in source.remarks


def test_an_encoding_that_is_guessed_is_said_and_a_spreadsheet_refused(films: Path) -> None:
    source = opened(films, rows("file,label", "{k}.png,{ab}ü").encode("latin-1"))
    assert source.remarks[0].startswith("index.csv is not in UTF-8 and was read as Windows-1252")
    for start, kind in ((b"PK\x03\x04", "xlsx"), (b"\xd0\xcf\x11\xe0", "xls")):
        with pytest.raises(DataError, match=rf"is a spreadsheet \({kind}\), not a text: save it as CSV"):
            opened(films, start + b"...")
    with pytest.raises(DataError, match="cannot be read as a table"):
        opened(films, b"\xff\xfef")
    long = opened(films, "file,label\n0.png,a\n1.png,a,b\n")
    assert "1 rows of index.csv have more cells than there are columns" in long.remarks[0]
    assert "line 3" in long.remarks[0]


# Paths


def test_paths_inside_the_folder_are_inside_however_they_are_written(films: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(films)
    paths = [films / "0.png", "./1.png", "sub/../2.png", "..\\films\\3.png", tmp_path / "link/4.png", "5.png"]
    for root in (films, tmp_path / "link"):
        where = [path for path in paths if root != films or "link" not in str(path)]
        text = "\n".join(["file,label", *(f"{path},{'ab'[k % 2]}" for k, path in enumerate(where))])
        names = [str(path).replace("\\", "/").rsplit("/", 1)[-1] for path in where]
        assert [item.origin for item in opened(root, text).items] == names
    for outside in (tmp_path / "other.png", "../x.png", "/etc/x.png", "C:\\x.png", "sub/../../x.png"):
        with pytest.raises(DataError, match="line 2 names .*, outside the data folder"):
            opened(films, f"file,label\n{outside},a\n")


def test_a_column_with_other_capitals_is_found_if_it_can_be_one_only(films: Path) -> None:
    columns = {"label": "finding", "split": "split"}
    source = opened(films, rows("File,Finding,SPLIT", "{k}.png,{ab},train"), columns=columns)
    assert (len(source.items), source.labels, source.split_column) == (12, ("a", "b"), "split")
    assert source.remarks[:2] == (
        "column 'File' of index.csv is used as 'file'",
        "column 'Finding' of index.csv is used as 'finding'",
    )
    several = opened(films, rows("FILE,a,B", "{k}.png,0,1"), columns={"label": ["A", "B"]})
    assert (several.labels, several.items[0].labels) == (("A", "B"), ("B",))
    exact = opened(films, rows("File,file,label", "none,{k}.png,{ab}"))
    assert len(exact.items) == 12
    for head, missing in (("File,FILE,label", "file"), ("file,Label,LABEL", "label")):
        with pytest.raises(DataError, match=f"has no column '{missing}'"):
            opened(films, rows(head, "{k}.png,{k}.png,{ab}"))
    with pytest.raises(DataError, match="has no column 'FILE'"):  # one column cannot be two
        opened(films, rows("File,x", "{k}.png,{ab}"), columns={"label": "FILE"})


def test_names_that_the_disk_spells_otherwise_are_found(tmp_path: Path) -> None:
    root = tmp_path / "set"
    image(root / "IMG_1.PNG")
    image(root / unicodedata.normalize("NFD", "schön.png"))
    image(root / "scan.jpeg")
    image(root / "00012.png")
    (root / "scan.jpeg").rename(root / os.fsdecode(b"caf\xe9.jpeg"))
    image(root / "x" / "17.png")
    text = "file,label\nimg_1.png,a\nschön.png,b\ncafé.jpeg,a\nx/17,b\n12,a\n12.png,a\n"
    source = opened(root, text)
    assert [item.origin for item in source.items] == ["img_1.png", "schön.png", "café.jpeg", "x/17"]
    assert all(item.read().shape == (8, 8) for item in source.items)
    assert (
        "4 files are spelled otherwise on the disk than in the table, the first 'img_1.png' as 'set/IMG_1.PNG'"
        in " ".join(source.remarks)
    )
    image(root / "y" / "0031.png")
    (lost,) = opened(root, "file,label\n31,a\nimg_1.png,b\n").rejected
    assert lost.reason.endswith("but there is 0031.png: were zeros lost?")
    reasons = {one.origin: one.reason for one in source.rejected}
    assert reasons["12"].endswith("but there is 00012.png: were zeros lost?")
    image(root / "Img_1.png")
    assert "img_1.png" not in {item.origin for item in opened(root, text).items}  # two files may be meant


# Columns that are not named


@pytest.mark.parametrize(
    "name", ["patient", "Patient ID", "patient_key", "SubjectID", "subj", "MRN", "PatientID", "pid"]
)
def test_an_unnamed_column_with_the_patient_is_used(films: Path, name: str) -> None:
    source = opened(films, rows(f"file,label,{name}", "{k}.png,{ab},p{j}"))
    assert [item.patient for item in source.items] == [f"p{k // 2}" for k in range(12)]
    assert f"column {name!r} of index.csv is used for the patients" in " ".join(source.remarks)
    other = opened(films, rows(f"file,label,{name}", "{k}.png,{ab},p{j}"), columns={"patient": ""})
    assert {item.patient for item in other.items} == {None}
    assert f"columns of index.csv that are not used: {name}" in other.remarks


@pytest.mark.parametrize("name", ["patient_age", "Patient Sex", "note", "case"])
def test_other_columns_are_not_taken_for_the_patient(films: Path, name: str) -> None:
    source = opened(films, rows(f"file,label,{name}", "{k}.png,{ab},{j}"))
    assert {item.patient for item in source.items} == {None}
    assert f"columns of index.csv that are not used: {name}" in source.remarks


@pytest.mark.parametrize("name", ["split", "Dataset_type", "whatever"])
def test_an_unnamed_column_with_nothing_but_splits_is_used(films: Path, name: str, tmp_path: Path) -> None:
    words = ["Training", "train_set", "TRAIN", "test", "Testing", "val"]
    text = "\n".join([f"file,label,{name}", *(f"{k}.png,{'ab'[k % 2]},{words[k // 2]}" for k in range(12))])
    source = opened(films, text)
    assert Counter(item.split for item in source.items) == {"train": 6, "test": 4, "validation": 2}
    manifest = import_dataset(config(films, text), 0, tmp_path / "out")
    assert manifest.splits_from == f"the set's own, by its column {name!r}"
    assert {item.split for item in opened(films, text, columns={"split": ""}).items} == {None}


def test_a_column_for_splits_that_holds_something_else_is_noted(films: Path) -> None:
    source = opened(films, "file,label,split\n0.png,a,train\n1.png,b,test\n2.png,a,extra\n")
    assert {item.split for item in source.items} == {None}
    (note,) = source.notes
    assert note == (
        "column 'split' of index.csv is not used for the splits: it holds 'extra', which is not train, validation or "
        "test"
    )


def test_columns_that_say_the_same_agree_and_others_must_be_chosen(films: Path) -> None:
    source = opened(films, rows("file,label,patient,subject", "{k}.png,{ab},p{j},s{j}"))
    assert source.items[3].patient == "p1"
    with pytest.raises(
        DataError, match=r"two columns that may name the patient \('patient', 'subject'\).*data\.columns"
    ):
        opened(films, rows("file,label,patient,subject", "{k}.png,{ab},p{j},s{k}"))
    with pytest.raises(DataError, match="two columns that may name the split"):
        opened(films, "file,label,split,set\n0.png,a,train,test\n1.png,b,test,train\n")
    constant = opened(films, rows("file,label,patient", "{k}.png,{ab},ANON"))
    assert {item.patient for item in constant.items} == {None}
    assert (
        "column 'patient' of index.csv is not used for the patients: it holds the same in every row" in constant.remarks
    )


# Identifiers


@pytest.mark.parametrize("cell", ["1.23457E+11", "1,23457E+11", "1E+05", "9.9e+15"])
@pytest.mark.parametrize("column", ["file", "patient"])
def test_numbers_that_a_spreadsheet_shortened_are_refused(films: Path, cell: str, column: str) -> None:
    cells = {"file": "0.png", "patient": "1"} | {column: cell}
    text = f"file;label;patient\n1.png;b;2\n{cells['file']};a;{cells['patient']}\n"
    with pytest.raises(DataError, match=rf"column '{column}' of .* in line 3, as spreadsheets shorten long"):
        opened(films, text)


def test_numbers_with_and_without_their_zeros_are_refused(films: Path) -> None:
    for one, other in (("0012", "12"), ("12", "12.0")):
        with pytest.raises(DataError, match="perhaps one patient whose number a spreadsheet has altered"):
            opened(films, f"file,label,patient\n0.png,a,{one}\n1.png,b,{other}\n")
    assert opened(films, "file,label,patient\n0.png,a,0012\n1.png,b,0013\n").items
    capitals = opened(films, "file,label,patient\n0.png,a,P1\n1.png,b,p1\n2.png,b,p2\n")
    assert "2 patients of index.csv differ in capitals alone and count as different" in capitals.remarks


@pytest.mark.parametrize("cell", ["", "NaN", "nan", "NA", "n/a", "N/A", "null", "<NA>", "#N/A", " NaN "])
def test_cells_that_say_nothing_are_no_label_and_no_patient(films: Path, cell: str) -> None:
    source = opened(films, f"file,label,patient\n0.png,a,1\n1.png,{cell},2\n2.png,b,{cell}\n")
    assert [item.labels for item in source.items] == [("a",)]
    assert [one.reason for one in source.rejected] == ["it has no label", "its row names no patient"]
    several = opened(films, f"file,label\n0.png,a|b\n1.png,{cell or 'NA'}\n2.png,\n", label_separator="|")
    assert [item.labels for item in several.items] == [("a", "b"), ()]
    beside = opened(films, f"file,label\n0.png,a|b\n1.png,a|{cell}\n", label_separator="|")
    assert [item.labels for item in beside.items] == [("a", "b"), ("a",)]


# Labels


def test_spellings_of_one_label_are_joined_and_it_is_said(films: Path, tmp_path: Path) -> None:
    cells = ["neg", "NEG", "Neg ", "neg", "pos", "Pos", "pos", "POS", "no_finding", "No Finding", "neg", "pos"]
    text = "\n".join(["file,label", *(f"{k}.png,{cell}" for k, cell in enumerate(cells))])
    source = opened(films, text)
    assert Counter(item.labels for item in source.items) == {("neg",): 5, ("pos",): 5, ("no_finding",): 2}
    (note,) = source.notes
    assert "'NEG' (1) to 'neg'" in note
    assert "'No Finding' (1) to 'no_finding'" in note
    kept = opened(films, text, names={"NEG": "NEG", "neg": "neg", "no_finding": "neg", "No Finding": "neg"})
    assert Counter(item.labels for item in kept.items) == {("neg",): 6, ("NEG",): 1, ("pos",): 5}


def test_numbers_as_a_library_writes_them_are_one_label(films: Path) -> None:
    cells = ["0", "0.0", "1", "1.0", "01", "1", "0", "0", "2", "2.0", "1.", "0,0"]
    text = "\n".join(["file;label", *(f"{k}.png;{cell}" for k, cell in enumerate(cells))])
    assert Counter(item.labels for item in opened(films, text).items) == {("0",): 5, ("1",): 5, ("2",): 2}
    floats = rows("file,label", "{k}.png,{j}.0", 4)
    named = opened(films, floats, names={"0": "normal", "1": "ill"})
    assert named.labels == ("normal", "ill")
    assert opened(films, floats).labels == ("0.0", "1.0")


def test_two_words_for_the_same_are_refused_with_the_way_out(films: Path) -> None:
    text = "file,label\n0.png,0\n1.png,0.0\n2.png,neg\n3.png,NEG\n4.png,pos\n"
    with pytest.raises(DataError, match=r"'0' and 'neg' of films are words for the same.*data\.names: \{'0': 'neg'\}"):
        opened(films, text)
    assert opened(films, text, names={"0": "neg"}).labels == ("neg", "pos")
    assert opened(films, text, names={"0": "0", "neg": "neg"}).labels == ("0", "neg", "pos")


def test_keys_of_spellings() -> None:
    assert spelling_key(" No_Finding ") == spelling_key("no finding") == spelling_key("NO-FINDING")
    assert len({spelling_key(label) for label in ("1", "-1", "10", "0.5", "a1", "a 1", "1a", "4A", "4B")}) == 9
    assert one_spelling({"a": 1, "A": 2, "b": 1}) == {"a": "A"}


# Rows about one file


def test_rows_that_contradict_each_other_are_set_aside(films: Path, tmp_path: Path) -> None:
    text = (
        "file,label,patient\n0.png,a,1\n./0.png,b,1\n1.png,a,2\n1.png,a,2\n2.png,b,3\n2.png,b,4\n"
        "3.png,a,5\n4.png,b,6\n5.png,a,7\n"
    )
    source = opened(films, text)
    assert [item.origin for item in source.items] == ["1.png", "3.png", "4.png", "5.png"]
    assert [(one.origin, one.reason, one.counts) for one in source.rejected] == [
        ("0.png", "lines 2 and 3 of the table give it different labels ('a' and 'b')", True),
        ("0.png", "lines 2 and 3 of the table give it different labels ('a' and 'b')", True),
        ("1.png", "line 4 of the table says the same", False),
        ("2.png", "lines 6 and 7 of the table give it different patients", True),
        ("2.png", "lines 6 and 7 of the table give it different patients", True),
    ]
    with pytest.raises(DataError, match=r"4 of 8 files of films were set aside, 2 because lines 2 and 3 of the table"):
        import_dataset(config(films, text), 0, tmp_path / "out")


def test_the_same_bytes_with_two_labels_are_set_aside(tmp_path: Path) -> None:
    for name, count in (("a", 20), ("b", 20)):
        for k in range(count):
            image(tmp_path / "set" / name / f"{k}.png")
    twin = np.eye(8, dtype=np.uint8) * 200
    image(tmp_path / "set/a/twin.png", twin)
    image(tmp_path / "set/b/other.png", twin)
    settings = DataConfig.model_validate({"source": "folder", "root": tmp_path / "set", "size": 8})
    manifest = import_dataset(settings, 0, tmp_path / "out")
    assert len(manifest.studies) == 40
    assert not {"a/twin.png", "b/other.png"} & {study.origin for study in manifest.studies}
    with pytest.raises(DataError, match="the same image as b/other.png, which is labelled b"):
        import_dataset(settings.model_copy(update={"max_rejected": 0.0}), 0, tmp_path / "none")


def test_a_name_that_is_no_label_is_still_refused(films: Path) -> None:
    with pytest.raises(ConfigError, match="there is no label '7': the labels are a, b"):
        opened(films, rows("file,label", "{k}.png,{ab}"), names={"7": "x"})


def test_a_root_whose_name_cannot_be_recorded_is_refused() -> None:
    with pytest.raises(ValueError, match="its name holds bytes that are not UTF-8, and cannot be recorded: rename it"):
        DataConfig(source="folder", root=Path(os.fsdecode(b"/films/Geschw\xfcr")))


def test_files_in_folders_that_the_table_does_not_name_are_found_if_one_is_meant(tmp_path: Path) -> None:
    for name in ("images/1.png", "images/2.jpeg", "a/3.png", "b/3.png"):
        image(tmp_path / "set" / name)
    source = opened(tmp_path / "set", "file,label\n1.png,a\n2,b\n3.png,a\n3,b\nx/1.png,a\n")
    assert [item.origin for item in source.items] == ["1.png", "2"]
    assert "2 files are spelled otherwise on the disk than in the table" in " ".join(source.remarks)
    assert len(source.rejected) == 3


def test_cells_with_several_labels_are_said_to_be_so(films: Path) -> None:
    source = opened(films, "file,label\n0.png,mass\n1.png,edema\n2.png,mass|edema\n3.png,a/b\n")
    assert source.labels == ("a/b", "edema", "mass", "mass|edema")
    assert "1 labels such as 'mass|edema' are classes of their own" in source.remarks[-1]
    assert "data.label_separator: '|'" in source.remarks[-1]
