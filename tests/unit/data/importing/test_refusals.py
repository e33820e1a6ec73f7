"""What is told before anything is trained: lists before a refusal, and findings in words."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from gan_aug.config.data import DataConfig
from gan_aug.data.importing import preview
from gan_aug.data.importing.dataset import import_dataset
from gan_aug.data.importing.findings import findings
from gan_aug.data.importing.preview import preview_dataset
from gan_aug.errors import DataError, LeakageError

NOISE = np.random.default_rng(0)


def image(path: Path, *shape: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = NOISE.integers(0, 256, shape or (8, 8), dtype=np.uint8)
    Image.fromarray(pixels if len(shape) < 3 else pixels[..., :1].repeat(3, 2)).save(path)


def settings(root: Path, **changes: Any) -> DataConfig:
    source = "csv" if (root / "index.csv").exists() else "folder"
    return DataConfig.model_validate({"source": source, "root": root, "size": 8} | changes)


@pytest.fixture
def films(tmp_path: Path) -> Path:
    """Forty films of ten patients in given splits, of whom one stands in two."""
    rows = ["file,label,patient,split"]
    for k in range(40):
        image(tmp_path / "films" / f"{k}.png")
        rows.append(f"{k}.png,{'ab'[k % 2]},p{0 if k == 39 else k // 4},{'train' if k < 28 else 'test'}")
    (tmp_path / "films/index.csv").write_text("\n".join(rows))
    return tmp_path / "films"


def test_a_leak_is_listed_before_it_is_refused(films: Path, tmp_path: Path) -> None:
    with pytest.raises(LeakageError) as caught:
        import_dataset(settings(films), 0, tmp_path / "out")
    path = tmp_path / "out/import-report.json"
    assert str(caught.value).endswith(f"; the images that leak are listed in {path}")
    assert "\n" not in str(caught.value)
    report = json.loads(path.read_text())
    assert [one["origin"] for one in report["dropped"]] == [f"{k}.png" for k in range(4)]
    assert report["refused"].startswith("4 images leak")
    assert report["used"] == 0
    manifest = import_dataset(settings(films, on_leak="drop"), 0, tmp_path / "out")
    assert len(manifest.studies) == 36
    assert "refused" not in json.loads(path.read_text())


def test_every_file_that_was_set_aside_is_listed_before_the_refusal(films: Path, tmp_path: Path) -> None:
    for k in range(5):
        (films / f"{k}.png").write_bytes(b"torn")
    (films / "index.csv").write_text((films / "index.csv").read_text() + "\nnone.png,a,p1,train\n7.png,,p1,train\n")
    with pytest.raises(DataError, match=r"7 of 42 files .*listed in .*import-report\.json"):
        import_dataset(settings(films), 0, tmp_path / "out")
    report = json.loads((tmp_path / "out/import-report.json").read_text())
    assert {one["origin"] for one in report["rejected"]} == {"none.png", "7.png", *(f"{k}.png" for k in range(5))}
    assert not (tmp_path / "out/manifest.json").exists()
    assert not (tmp_path / "out/images.npy").exists()


def test_a_refusal_says_what_is_listed_and_no_more(films: Path, tmp_path: Path) -> None:
    """Files are set aside, and the import is refused for another reason: a class that the test split lacks."""
    for k in range(29, 39, 2):
        (films / f"{k}.png").write_bytes(b"torn")
    said = r"; the files or rows set aside and the images that leak are listed in \S*/import-report\.json$"
    with pytest.raises(LeakageError, match=rf"^4 images leak.*{said}"):
        import_dataset(settings(films, max_rejected=0.5), 0, tmp_path / "out")
    (films / "39.png").write_bytes(b"torn")
    said = r"; the files or rows set aside are listed in \S*/import-report\.json$"
    with pytest.raises(DataError, match=rf"^class 'b' has no usable image in the test split[^;]*{said}"):
        import_dataset(settings(films, max_rejected=0.5), 0, tmp_path / "out")


def test_a_table_without_a_file_is_listed_too(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in/index.csv").write_text("file,label\n1.png,a\n2.png,b\n")
    with pytest.raises(DataError, match=r"2 of 2 files .*listed in"):
        import_dataset(settings(tmp_path / "in"), 0, tmp_path / "out")
    assert len(json.loads((tmp_path / "out/import-report.json").read_text())["rejected"]) == 2


def test_a_dry_run_leaves_a_list_only_if_it_refuses(
    films: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with pytest.raises(LeakageError, match="gan-aug-dry-run-") as caught:
        preview_dataset(settings(films), 0)
    listed = Path(str(caught.value).rsplit(" ", 1)[1])
    assert [path.name for path in listed.parent.iterdir()] == ["import-report.json"]
    listed.unlink()
    listed.parent.rmdir()
    seen = preview_dataset(settings(films, on_leak="drop"), 0)
    assert (seen.images, seen.decoded, len(seen.manifest.studies)) == (40, 40, 36)
    assert not list(tmp_path.glob("gan-aug-*"))


def test_findings_say_all_that_is_known(films: Path) -> None:
    seen = preview_dataset(settings(films, on_leak="drop", near_duplicates="report"), 0)
    said = findings(seen.manifest, seen.report)
    assert said[0].startswith("“b” counts as the disease, as the second of the two")
    assert "If “a” is the disease, set data.positive to it." in said[0]
    text = "\n".join(said)
    assert "test: 12 images of 4 patients (a 50.0 %, b 50.0 %)" in text
    assert "the splits are the set's own, by its column 'split'; validation: 0.1 of its training images" in text
    assert "10 patients with 1 to 4 images each, 4 in the middle" in text
    assert "4 images are dropped from the side of training: same patient as one in another split" in text
    assert "column 'patient' of index.csv is used for the patients; data.columns.patient: '' would leave it out" in text
    named = preview_dataset(settings(films, on_leak="drop", positive="a"), 0)
    assert findings(named.manifest, named.report)[0].startswith("train:")


def test_grey_images_in_colour_are_said_to_be_grey(tmp_path: Path) -> None:
    for k in range(50):
        image(tmp_path / "in" / "ab"[k % 2] / f"{k}.png", 8, 8, 3)
    grey = preview_dataset(settings(tmp_path / "in"), 0)
    assert grey.manifest.shape == (1, 8, 8)
    Image.fromarray(NOISE.integers(0, 256, (8, 8, 3), dtype=np.uint8)).save(tmp_path / "in/a/0.png")
    mixed = preview_dataset(settings(tmp_path / "in"), 0)
    assert mixed.manifest.shape == (3, 8, 8)
    assert "98 % of these colour images are grey: data.channels: 1 stores all of them as grey" in findings(
        mixed.manifest, mixed.report
    )


def test_the_share_of_grey_images_is_of_all_that_were_decoded(tmp_path: Path) -> None:
    """The coloured ones are set aside, as they are one image with two labels."""
    for k in range(24):
        image(tmp_path / "in" / "ab"[k % 2] / f"grey{k}.png", 8, 8, 3)
    colour = NOISE.integers(0, 256, (8, 8, 3), dtype=np.uint8)
    for k in range(16):
        Image.fromarray(colour).save(tmp_path / "in" / "ab"[k % 2] / f"{k}.png")
    seen = preview_dataset(settings(tmp_path / "in", max_rejected=0.5), 0)
    assert (seen.report["coloured"], seen.report["used"]) == (16, 24)
    assert any(said.startswith("60 % of these colour images are grey") for said in findings(seen.manifest, seen.report))


def test_of_many_images_a_sample_is_decoded_and_all_are_split(
    films: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(preview, "MOST_IMAGES", 10)
    seen = preview_dataset(settings(films, on_leak="drop"), 0)
    whole = import_dataset(settings(films, on_leak="drop"), 0, tmp_path / "out")
    assert (seen.images, seen.decoded) == (40, 10)
    assert [(s.origin, s.split) for s in seen.manifest.studies] == [(s.origin, s.split) for s in whole.studies]
    assert findings(seen.manifest, seen.report)
    with pytest.raises(LeakageError, match="4 images leak"):
        preview_dataset(settings(films), 0)
    for k in range(0, 40, 8):
        (films / f"{k}.png").write_bytes(b"torn")
    with pytest.raises(DataError, match="5 of 10 files of films were set aside"):
        preview_dataset(settings(films, on_leak="drop"), 0)
