"""Files of many images each: read again by pyarrow and tarfile, with Pillow, and by what their card says."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from PIL import Image
from pyarrow import parquet  # noqa: TID251 - another reader

from gan_aug.data.synthetic.shards import SyntheticManifest, read_images
from gan_aug.errors import ConfigError
from gan_aug.export import shards
from gan_aug.export.formats import FORMATS
from tests.support.reads_marks import made_from
from tests.unit.export.synthetic_set import write_set

SETS: dict[str, Any] = {
    "grey": ([(k % 2,) for k in range(95)], (1, 16, 12), ("normal", "肺炎")),
    "colour": ([(), (0,), (0, 2), (1,)] * 10, (3, 9, 11), ("a|b", "yes", "0")),
}


@pytest.fixture(params=SETS)
def place(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A set whose files have 30 images each."""
    monkeypatch.setattr(shards, "SHARD_IMAGES", 30)
    write_set(tmp_path / "set", *SETS[request.param])
    return tmp_path / "set"


def read_parquet(out: Path, labels: list[str]) -> Iterator[tuple[bytes, list[int], int]]:
    for path in sorted(out.glob("data/*.parquet")):
        table = parquet.read_table(path)
        told = json.loads(table.schema.metadata[b"huggingface"])["info"]["features"]
        assert list(told) == table.column_names
        assert told["image"] == {"_type": "Image"}
        own = told["label"] if "label" in told else told["labels"]["feature"]
        assert own == {"names": labels, "_type": "ClassLabel"}
        for row in table.to_pylist():
            assert row["image"]["path"] == f"{row['number']:08d}.png"
            yield row["image"]["bytes"], [row["label"]] if "label" in row else row["labels"], row["number"]


def read_webdataset(out: Path, labels: list[str]) -> Iterator[tuple[bytes, list[int], int]]:
    for path in sorted(out.glob("*.tar")):
        with tarfile.open(path) as archive:
            members = archive.getmembers()
            assert [member.name for member in members] == sorted(member.name for member in members)
            assert {(member.mtime, member.uid, member.uname) for member in members} == {(0, 0, "")}
            samples: dict[str, dict[str, bytes]] = {}
            for member in members:
                file = archive.extractfile(member)
                assert file
                stem, _, suffix = member.name.partition(".")
                samples.setdefault(stem, {})[suffix] = file.read()
        for stem, sample in samples.items():
            facts = json.loads(sample["json"])
            positions = [labels.index(label) for label in facts["labels"]]
            assert facts["synthetic"] is True
            assert "cls" not in sample or positions == [int(sample["cls"])]
            assert int(stem) == facts["number"]
            yield sample["png"], positions, facts["number"]


READERS = {"parquet": read_parquet, "webdataset": read_webdataset}


@pytest.mark.parametrize("name", READERS)
def test_all_images_are_read_again_with_labels_and_marks(name: str, place: Path, tmp_path: Path) -> None:
    out, made = tmp_path / "out", json.loads((place / "manifest.json").read_text())
    count = FORMATS[name].write(place, out)
    images = np.concatenate([np.load(place / shard["file"]) for shard in made["shards"]])
    found = list(READERS[name](out, made["labels"]))
    assert [number for *_, number in found] == list(range(count)) == list(range(len(images)))
    assert [labels for _, labels, _ in found] == made["image_labels"]
    for (content, _, number), image in zip(found, images, strict=True):
        np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(content))), np.moveaxis(image, 0, -1).squeeze())
        facts = made_from(content)
        assert facts
        assert facts["number"] == number
    rows = list(csv.DictReader((out / "manifest.csv").read_text(encoding="utf-8").splitlines()))
    assert [int(row["index"]) for row in rows] == list(range(count))
    assert [(row["row"], row["label"]) for row in rows[30:32]] == [
        (str(k), "|".join(made["labels"][j] for j in made["image_labels"][30 + k])) for k in range(2)
    ]
    assert not any(b"1" * 64 in path.read_bytes() for path in out.rglob("*") if path.is_file())


@pytest.mark.parametrize("name", READERS)
def test_the_card_is_read_by_the_hubs_and_names_no_licence(name: str, place: Path, tmp_path: Path) -> None:
    made = json.loads((place / "manifest.json").read_text())
    FORMATS[name].write(place, tmp_path / "out", audited="The audit found nothing.")
    text = (tmp_path / "out/README.md").read_text(encoding="utf-8")
    _, header, body = text.split("---\n", 2)
    values = yaml.safe_load(header)
    assert values["license"] == "unknown"
    (config,) = values["configs"]
    assert len(list((tmp_path / "out").glob(config["data_files"][0]["path"]))) == -(-len(made["image_labels"]) // 30)
    if name == "parquet":
        label = values["dataset_info"]["features"][1]
        names = (label.get("dtype") or label["sequence"])["class_label"]["names"]
        assert names == {str(k): own for k, own in enumerate(made["labels"])}
    assert "**Not** for diagnosis" in body
    assert "The licence. gan-aug does not know" in body
    assert "## Privacy audit\n\nThe audit found nothing.\n\n" in body


@pytest.mark.filterwarnings("ignore")
def test_the_library_datasets_reads_the_parquet(place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    datasets = pytest.importorskip("datasets")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    made = FORMATS["parquet"].write(place, tmp_path / "out")
    data = datasets.load_dataset(str(tmp_path / "out"), split="train", cache_dir=str(tmp_path / "cache"))
    assert len(data) == made
    manifest = SyntheticManifest.load(place / "manifest.json")
    images = read_images(place, manifest)
    for index in (0, 3, made - 1):
        pixels = np.asarray(data[index]["image"])
        np.testing.assert_array_equal(pixels.reshape(*pixels.shape[:2], -1).transpose(2, 0, 1), images[index])
        read = data[index].get("labels", [data[index].get("label")])
        assert tuple(read) == manifest.image_labels[index]


@pytest.mark.filterwarnings("ignore")  # it leaves its files open
def test_the_library_webdataset_reads_the_tar(place: Path, tmp_path: Path) -> None:
    webdataset = pytest.importorskip("webdataset")
    made = FORMATS["webdataset"].write(place, tmp_path / "out")
    paths = sorted(map(str, (tmp_path / "out").glob("*.tar")))
    read = list(webdataset.WebDataset(paths, shardshuffle=False).decode("pil"))
    assert len(read) == made
    assert [own["json"]["number"] for own in read] == list(range(made))


def test_croissant_names_every_table_with_its_sum(place: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    FORMATS["parquet"].write(place, out)
    record = json.loads((out / "croissant.json").read_text(encoding="utf-8"))
    files = {own["contentUrl"]: own["sha256"] for own in record["distribution"] if own["@type"] == "cr:FileObject"}
    paths = sorted(out.glob("data/*.parquet"))
    assert files == {f"data/{path.name}": hashlib.sha256(path.read_bytes()).hexdigest() for path in paths}
    classes, images = record["recordSet"]
    assert [row["classes/name"] for row in classes["data"]] == json.loads((place / "manifest.json").read_text())[
        "labels"
    ]
    assert [own["source"]["extract"]["column"] for own in images["field"]] == parquet.read_schema(paths[0]).names


@pytest.mark.parametrize("name", ["png", "parquet", "webdataset"])
def test_sha256sum_checks_every_other_file(name: str, place: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    FORMATS[name].write(place, out)
    assert (
        subprocess.run(["sha256sum", "-c", "--strict", "--quiet", "SHA256SUMS"], cwd=out, check=False).returncode == 0
    )
    listed = {line.split("  ", 1)[1] for line in (out / "SHA256SUMS").read_text(encoding="utf-8").splitlines()}
    assert listed == {str(path.relative_to(out)) for path in out.rglob("*") if path.is_file()} - {"SHA256SUMS"}


def test_large_images_make_more_files_and_the_largest_have_one_each(tmp_path: Path, monkeypatch: Any) -> None:
    for most, sizes in ((3 * 192, [3, 3, 1]), (1, [1] * 7)):
        monkeypatch.setattr(shards, "SHARD_BYTES", most)
        manifest = write_set(tmp_path / str(most), [(0,)] * 7)
        assert [*map(len, FORMATS["webdataset"].files(manifest, None).groups())] == sizes  # type: ignore[union-attr,arg-type]


def test_without_pyarrow_one_sentence_says_how_to_get_it(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    with pytest.raises(ConfigError, match=r"pip install 'gan-aug\[parquet\]'"):
        FORMATS["parquet"].write(place, tmp_path / "out")
    assert not (tmp_path / "out").exists()
