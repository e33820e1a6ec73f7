from __future__ import annotations

import csv
import io
import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from torchvision.datasets import ImageFolder

from gan_aug.config.export import export_options
from gan_aug.data.synthetic.shards import SyntheticManifest, SyntheticShard, read_images, shard_bytes
from gan_aug.errors import ManifestError, StorageError
from gan_aug.export.formats import FORMATS, FileFormat, FolderFormat, either
from gan_aug.export.streams import CHUNK, zip_of
from gan_aug.run.files import file_sha256, write_bytes
from tests.support.reads_marks import TRAINED, made_from
from tests.unit.export.synthetic_set import write_set

LABELS = ("a/b", "b", "..")
SHARDS = (40, 25, 5)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A synthetic set of 70 images in three shards; one image has no label, one has two."""
    images = np.random.default_rng(0).integers(0, 256, (sum(SHARDS), 1, 16, 12), dtype=np.uint8)
    folder, first, shards = tmp_path / "synthetic", 0, []
    for number, count in enumerate(SHARDS):
        write_bytes(folder / f"{number}.npy", shard_bytes(images[first : first + count]))
        shards.append(SyntheticShard(f"{number}.npy", first, count, file_sha256(folder / f"{number}.npy")))
        first += count
    SyntheticManifest(
        labels=LABELS,
        task="multi-label",
        shape=(1, 16, 12),
        seed=7,
        checkpoint="made by a test",
        dataset="f" * 64,
        trained_on=("1" * 64,),
        image_labels=(*((k % 3,) for k in range(68)), (), (0, 2)),
        shards=tuple(shards),
    ).save(folder / "manifest.json")
    return folder


@pytest.fixture
def made(place: Path) -> SyntheticManifest:
    return SyntheticManifest.load(place / "manifest.json")


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_says_what_it_is_and_never_writes_over_anything(name: str, place: Path, tmp_path: Path) -> None:
    row = FORMATS[name]
    assert (row.name, row.kind) == (name, "folder" if isinstance(row, FolderFormat) else "file")
    assert row.title
    assert row.description in row.download
    assert row.suffix.startswith(".")
    assert "/" in row.media_type
    out = tmp_path / "new" / "out"
    assert row.write(place, out) == 70
    before = sorted(path.read_bytes() for path in [out, *out.rglob("*")] if path.is_file())
    with pytest.raises(StorageError, match="exists"):
        row.write(place, out)
    assert sorted(path.read_bytes() for path in [out, *out.rglob("*")] if path.is_file()) == before
    assert list(out.parent.iterdir()) == [out]


@pytest.mark.parametrize("name", FORMATS)
def test_a_download_is_what_export_writes_and_the_same_bytes_each_time(name: str, place: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    FORMATS[name].write(place, out)
    content = b"".join(FORMATS[name].stream(place))
    assert content == b"".join(FORMATS[name].stream(place))
    if isinstance(FORMATS[name], FolderFormat):
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            assert archive.testzip() is None
            files = {path.relative_to(out).as_posix(): path.read_bytes() for path in out.rglob("*") if path.is_file()}
            assert {member: archive.read(member) for member in archive.namelist()} == files
    elif FORMATS[name].media_type == "application/x-npz":
        with np.load(io.BytesIO(content)) as sent, np.load(out) as written:
            assert sent.files == written.files
            assert all(np.array_equal(sent[key], written[key]) for key in sent.files)
    else:
        assert content == out.read_bytes()


@pytest.mark.parametrize("name", FORMATS)
def test_a_torn_set_is_found(name: str, place: Path, tmp_path: Path) -> None:
    (place / "1.npy").write_bytes((place / "1.npy").read_bytes()[:-1])
    with pytest.raises(ManifestError, match="1.npy is absent or altered"):
        FORMATS[name].write(place, tmp_path / "out")
    assert sorted(tmp_path.iterdir()) == [place]
    (place / "manifest.json").unlink()
    with pytest.raises(ManifestError):
        FORMATS[name].stream(place)  # no byte was asked for yet


def test_png_has_a_folder_per_class_and_a_table(place: Path, made: SyntheticManifest, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert FORMATS["png"].write(place, out) == 70
    with (out / "labels.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["label"] for row in rows[:3]] == list(LABELS)
    assert [row["label"] for row in rows[68:]] == ["", "a/b|.."]
    assert {Path(row["file"]).parent.name for row in rows} == {"a_b", "b", "label", "none", "a_b+label"}
    assert rows[69] | {"file": "", "label": ""} == {
        "file": "", "label": "", "index": "69", "seed": "7", "checkpoint": "made by a test"
    }  # fmt: skip
    images = read_images(place, made)
    np.testing.assert_array_equal(np.asarray(Image.open(out / rows[5]["file"])), images[5, 0])
    assert made_from((out / rows[69]["file"]).read_bytes()) == {
        "checkpoint": "made by a test", "seed": 7, "number": 69, "labels": ["a/b", ".."]
    }  # fmt: skip
    assert "SYNTHETIC" in (out / "README.txt").read_text()
    record = json.loads((out / "synthetic.json").read_text())
    assert (record["synthetic"], record["images"], record["trained_images"]) == (True, 70, 1)
    assert not any("1" * 64 in path.read_text() for path in (out / "README.txt", out / "synthetic.json"))
    (tmp_path / "empty").mkdir()
    assert FORMATS["png"].write(place, tmp_path / "empty") == 70
    with pytest.raises(StorageError, match="exists and is not empty"):
        FORMATS["png"].write(place, place / "manifest.json")


def test_npz_is_what_numpy_writes_and_reads_without_pickle(
    place: Path, made: SyntheticManifest, tmp_path: Path
) -> None:
    assert FORMATS["npz"].write(place, tmp_path / "set.npz") == 70
    arrays = {
        "images": read_images(place, made),
        "labels": made.label_matrix().astype(np.uint8),
        "label_names": np.array(LABELS),
        "seed": np.array(7),
        "checkpoint": np.array("made by a test"),
        "synthetic": np.array(True),
        "digital_source_type": np.array(TRAINED),
    }
    with np.load(tmp_path / "set.npz", allow_pickle=False) as file:
        assert file.files == list(arrays)
        for name, array in arrays.items():
            assert file[name].dtype == array.dtype
            np.testing.assert_array_equal(file[name], array)
    np.savez_compressed(tmp_path / "numpy.npz", **arrays)
    assert (tmp_path / "set.npz").read_bytes() == (tmp_path / "numpy.npz").read_bytes()


@pytest.mark.parametrize(("channels", "labels"), [(1, LABELS), (3, tuple(f"label {k}" for k in range(300)))])
def test_npz_has_the_layout_of_medmnist_if_wanted(channels: int, labels: tuple[str, ...], tmp_path: Path) -> None:
    made = write_set(tmp_path / "set", [(k % len(labels),) for k in range(310)], (channels, 28, 28), labels)
    options = export_options({"npz": {"layout": "medmnist"}})
    FORMATS["npz"].write(tmp_path / "set", tmp_path / "pneumoniamnist.npz", options)
    images = read_images(tmp_path / "set", made)
    with np.load(tmp_path / "pneumoniamnist.npz", allow_pickle=False) as file:
        assert {"images", "labels"} & {*file.files} == set()
        assert file["synthetic"].item() is True
        pixels, positions = file["train_images"], file["train_labels"]
    np.testing.assert_array_equal(pixels, images[:, 0] if channels == 1 else images.transpose(0, 2, 3, 1))
    np.testing.assert_array_equal(positions, [[k % len(labels)] for k in range(310)])
    medmnist = pytest.importorskip("medmnist")
    data = medmnist.PneumoniaMNIST(split="train", root=tmp_path)  # of the package, which finds its file's name
    picture, label = data[2]
    assert np.asarray(picture).tolist() == pixels[2].tolist()
    assert label.tolist() == [2]


def test_npz_of_medmnist_has_several_labels_as_zeros_and_ones(
    place: Path, made: SyntheticManifest, tmp_path: Path
) -> None:
    FORMATS["npz"].write(place, tmp_path / "set.npz", export_options(None, ("npz.layout=medmnist",)))
    with np.load(tmp_path / "set.npz") as file:
        np.testing.assert_array_equal(file["train_labels"], made.label_matrix())


def test_the_folder_of_png_is_torchvisions_image_folder(tmp_path: Path) -> None:
    made = write_set(tmp_path / "set", [(k % 2,) for k in range(50)], (3, 9, 11))
    FORMATS["png"].write(tmp_path / "set", tmp_path / "out")
    data = ImageFolder(str(tmp_path / "out"))
    assert (data.classes, len(data)) == (["normal", "肺炎"], 50)
    images = read_images(tmp_path / "set", made)
    for path, label in data.samples:
        index = int(Path(path).stem)
        assert (label,) == made.image_labels[index]
        np.testing.assert_array_equal(np.asarray(data.loader(path)), images[index].transpose(1, 2, 0))


def test_a_download_is_sent_in_chunks_of_one_size() -> None:
    parts = [bytes(1000)] * 2000
    chunks = list(zip_of([("zeros", parts)]))
    assert len(chunks) == 2_000_000 // CHUNK + 1
    assert all(CHUNK <= len(chunk) < CHUNK + 2000 for chunk in chunks[:-1])
    with zipfile.ZipFile(io.BytesIO(b"".join(chunks))) as archive:
        assert archive.read("zeros") == b"".join(parts)


def test_phrases_to_choose_from_are_one_text() -> None:
    assert (either(["a"]), either(["a", "b"]), either("abc")) == ("a", "a, or b", "a, b, or c")


def test_the_list_has_both_kinds() -> None:
    assert {type(row) for row in FORMATS.values()} == {FolderFormat, FileFormat}
