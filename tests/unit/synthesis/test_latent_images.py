"""Images of the latent space on disk: marked as synthetic, with all that it takes to make them again."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gan_aug.data.pictures.marks import SYNTHETIC
from gan_aug.errors import StorageError
from gan_aug.synthesis.latent_images import LatentImages, Scores, check_out
from gan_aug.synthesis.latents import Latent, walk

LABELS = ("a/b", "Größe", "=c")
START = Latent((1.0, 0.0, 0.0), 4, 2)
END = Latent((0.0, 0.0, 1.0), 9, truncation=0.5)


def made(shape: tuple[int, int, int] = (1, 16, 12), scored: bool = True) -> LatentImages:
    latents = tuple(walk(START, END, np.linspace(0, 1, 5)))
    images = np.random.default_rng(0).integers(0, 256, (5, *shape), dtype=np.uint8)
    probabilities = np.linspace(0, 1, 15).reshape(5, 3)
    scores = Scores({"arm": "real", "cell": "c" * 64, "auc": None}, probabilities) if scored else None
    return LatentImages(images, latents, LABELS, "f" * 64, scores)


def facts(file: Path | io.BytesIO) -> dict:
    with Image.open(file) as picture:
        picture.load()
        assert picture.text["Description"] == SYNTHETIC  # type: ignore[attr-defined]
        said: dict = json.loads(picture.text["gan-aug"])  # type: ignore[attr-defined]
    assert said["synthetic"] is True
    assert said["checkpoint"] == "f" * 64
    return said


@pytest.mark.parametrize("scored", [True, False])
@pytest.mark.parametrize("shape", [(1, 16, 12), (3, 200, 160)])
def test_a_folder_holds_each_image_marked_a_sheet_and_a_table(
    shape: tuple[int, int, int], scored: bool, tmp_path: Path
) -> None:
    one, out = made(shape, scored), tmp_path / "new" / "cases"
    one.save(out)
    with (out / "index.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert sorted(path.name for path in out.iterdir()) == [
        "README.txt", "images", "index.csv", "sheet.png", "synthetic.json"
    ]  # fmt: skip
    assert sorted(path.name for path in (out / "images").iterdir()) == [f"{k:03d}.png" for k in range(5)]
    for k, (row, latent) in enumerate(zip(rows, one.latents, strict=True)):
        with Image.open(out / row["file"]) as picture:
            pixels = np.asarray(picture)
        assert np.array_equal(pixels if shape[0] == 1 else pixels.transpose(2, 0, 1), one.images[k].squeeze())
        said = facts(out / row["file"])
        for source in (said, {key: value or None for key, value in row.items()}):
            toward = None if source["to_seed"] is None else (int(source["to_seed"]), int(source["to_number"]))
            weights = tuple(
                float(source["labels"][label] if "labels" in source else source[f"weight of {label}"])
                for label in LABELS
            )
            where = [float(source[name]) for name in ("position", "truncation")]
            again = Latent(weights, int(source["seed"]), int(source["number"]), toward, *where)
            assert again == latent, "all that it takes to make the image again"
        assert row["checkpoint"] == "f" * 64
        assert ("probability of =c" in row) == ("cell" in row) == ("probabilities" in said) == scored
        if scored:
            assert float(row["probability of =c"]) == said["probabilities"]["=c"]
            assert (row["cell"], said["classifier"]["arm"]) == ("c" * 64, "real")
    assert len(facts(out / "sheet.png")["images"]) == 5
    with Image.open(out / "sheet.png") as sheet:
        assert sheet.width > 5 * max(144, shape[1])


def test_a_sheet_and_arrays_are_files_and_nothing_is_written_over(tmp_path: Path) -> None:
    one = made()
    one.save(tmp_path / "sheet.PNG")
    assert facts(tmp_path / "sheet.PNG") == facts(io.BytesIO(one.sheet()))
    one.save(tmp_path / "arrays.npz")
    with np.load(tmp_path / "arrays.npz", allow_pickle=False) as arrays:
        assert np.array_equal(arrays["images"], one.images)
        assert json.loads(str(arrays["made_from"])) == {"synthetic": True} | one.to_json()
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "film.png").touch()
    (tmp_path / "empty").mkdir()
    one.save(tmp_path / "empty")
    assert (tmp_path / "empty" / "index.csv").exists()
    for name in ("sheet.PNG", "arrays.npz", "full", "empty"):
        with pytest.raises(StorageError, match="exists"):
            one.save(tmp_path / name)
    for name in ("sheet.jpg", "film.tif", "table.csv", "set.zip"):
        with pytest.raises(StorageError, match="--out is a .png for a sheet"):
            check_out(tmp_path / name)
    check_out(tmp_path / "cases.v2")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["arrays.npz", "empty", "full", "sheet.PNG"]


def test_captions_say_what_differs() -> None:
    lines = [made().caption(k) for k in range(5)]
    assert lines[0] == ["a/b 1.00", "=c 0.00", "seed 4, image 2", "", "truncation 1.00", "classifier: =c 0.14"]
    assert lines[1][1:5] == ["=c 0.25", "seed 4, image 2", "25% to seed 9", "truncation 0.88"]
    plain = LatentImages(made().images[:2], (START, Latent((0.0, 0.0, 0.0), 4)), LABELS, "f" * 64)
    assert [plain.caption(k) for k in range(2)] == [["a/b", "seed 4, image 2"], ["no label", "seed 4"]]
