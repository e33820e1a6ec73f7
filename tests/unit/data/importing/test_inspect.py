"""Looking at what was imported, from the command line, as a user does."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

from gan_aug.data.importing.inspect import inspect_dataset
from gan_aug.data.importing.report import describe_rejected
from gan_aug.errors import DataError
from tests.support.command_line import call


@pytest.fixture
def imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A run folder with films of two classes, two sizes and ten patients; one file is torn."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    rows = ["file,label,who"]
    for number in range(40):
        name = f"{number}.png"
        size = (20, 16) if number % 4 else (24, 24)
        (tmp_path / "films").mkdir(exist_ok=True)
        pixels = np.random.default_rng(number).integers(0, 256, size, dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / "films" / name)
        rows.append(f"{name},{('no finding/normal', 'pneumonia')[number % 2]},p{number // 2}")
    (tmp_path / "films" / "3.png").write_bytes(b"torn")
    (tmp_path / "films" / "index.csv").write_text("\n".join(rows))
    columns = "{label: label, patient: who}"
    (tmp_path / "job.yaml").write_text(
        f"data: {{source: csv, root: {tmp_path / 'films'}, size: 16, columns: {columns}}}\ncompute: {{workers: 1}}\n"
    )
    call(monkeypatch, "import", str(tmp_path / "job.yaml"), "--run", str(tmp_path / "run"))
    return tmp_path / "run"


def test_inspect_says_what_there_is_and_draws_each_class(
    imported: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    events = [json.loads(line) for line in (imported / "events.jsonl").read_text().splitlines()]
    said = [event["message"] for event in events if event["kind"] == "note"]
    assert said[0].startswith("“pneumonia” counts as the disease, as the second of the two labels")
    assert said[1] == "1 of 40 were set aside:\n  1: not an image that can be decoded"
    capsys.readouterr()
    call(monkeypatch, "inspect", str(imported), "--json")
    shown = json.loads(capsys.readouterr().out)
    assert shown["native_sizes"] == {"20x16": 29, "24x24": 10}
    assert shown["spacings"] == {"unknown": 39}
    assert shown["set_aside"] == {"not an image that can be decoded": 1}
    assert sum(split["images"] for split in shown["splits"].values()) == 39
    assert sum(split["patients"] for split in shown["splits"].values()) == 20
    of_train = shown["splits"]["train"]
    spread = {"mean": of_train["images"] / of_train["patients"], "median": 2.0, "most": 2, "patients_with_one": 1}
    assert of_train["images_per_patient"] == spread
    assert shown["splits"]["test"]["labels"] == {"no finding/normal": 3, "pneumonia": 3}
    sheets = [Path(sheet).name for sheet in shown["contact_sheets"]]
    assert sheets == ["contact-no_finding_normal.png", "contact-pneumonia.png"]
    with Image.open(imported / "dataset" / sheets[0]) as sheet:
        assert min(sheet.size) > 100
    call(monkeypatch, "inspect", str(imported / "dataset"))
    assert yaml.safe_load(capsys.readouterr().out) == shown


def test_a_folder_without_a_data_set_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="holds no imported data set: give the folder"):
        inspect_dataset(tmp_path)


def test_nothing_set_aside_is_nothing_said() -> None:
    assert describe_rejected({"rejected": [], "read": 3, "reasons": {}}) == ""
