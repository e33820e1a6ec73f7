"""A run folder of version 0.1 is one of this version, and the same request gives the same run.

`tests/golden/run_0_1` was made by version 0.1.0. Left out are its pages and figures, and
the first of two checkpoints. `run_0_1.machine.json` beside it says on what: images and weights are equal to the bit
only on the same processor with the same PyTorch. A new training of the same request rounds in another order.
"""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from gan_aug.compute.local.executor import LocalExecutor
from gan_aug.run.folder import RunDir
from gan_aug.stages.context import saved_request
from gan_aug.stages.verbs import start
from tests.support.command_line import call
from tests.support.places import GOLDEN

OLD = GOLDEN / "run_0_1"
MACHINE = GOLDEN / "run_0_1.machine.json"


def read(path: Path) -> dict[str, Any]:
    values: dict[str, Any] = json.loads(path.read_text())
    return values


def report(run: Path) -> dict[str, Any]:
    return {key: value for key, value in read(run / "report.json").items() if key not in ("environment", "timing")}


def machine() -> dict[str, Any]:
    """What the last bit of a sum hangs on: PyTorch's version, and the processor with its cores and what they can do."""
    told = Path("/proc/cpuinfo").read_text().split("\n\n")[0] if Path("/proc/cpuinfo").exists() else ""
    rows = dict(line.split(":", 1) for line in told.splitlines() if ":" in line)
    facts = {key.strip(): value.strip() for key, value in rows.items()}
    return {
        "torch": torch.__version__,
        "numpy": np.__version__,
        "cores": os.cpu_count(),
        "processor": facts.get("model name", ""),
        "instructions": " ".join(sorted(name for name in facts.get("flags", "").split() if name[:3] in ("avx", "fma"))),
    }


@pytest.fixture
def old(tmp_path: Path) -> Path:
    return Path(shutil.copytree(OLD, tmp_path / "run"))


def test_it_resumes_reports_and_verifies(
    old: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(monkeypatch, "verify", old) == 0
    said = capsys.readouterr().out
    assert "the chain is whole; report.md was not compared: version 0.1.0 wrote it" in said
    assert "13 cells" in said
    (old / "report.json").unlink()
    kept = {path: path.read_bytes() for path in old.rglob("*") if path.suffix in (".npy", ".npz", ".safetensors")}
    assert call(monkeypatch, "resume", old) == 0
    assert {path: path.read_bytes() for path in kept} == kept
    assert sorted(path for path in old.rglob("*") if path.suffix in (".npy", ".npz", ".safetensors")) == sorted(kept)
    assert_holds(report(old), report(OLD), close=1e-8)  # processors round sums differently

    assert call(monkeypatch, "verify", old) == 0
    said = capsys.readouterr().out
    assert "13 cells" in said
    assert call(monkeypatch, "report", old) == 0
    assert call(monkeypatch, "inspect", old) == 0
    assert call(monkeypatch, "export", old, "--to", "npz", "--out", old.parent / "set.npz") == 0
    with np.load(old.parent / "set.npz", allow_pickle=False) as exported:
        assert len(exported["images"]) == 200


def assert_holds(found: Any, expected: Any, where: str = "", close: float = 0) -> None:
    """What version 0.1 wrote is there and equal, figures to this relative difference; a newer version may say more."""
    if isinstance(expected, dict):
        assert found.keys() >= expected.keys(), where
        for key, value in expected.items():
            assert_holds(found[key], value, f"{where}.{key}", close)
    elif isinstance(expected, list):
        assert len(found) == len(expected), where
        for number, pair in enumerate(zip(found, expected, strict=True)):
            assert_holds(*pair, f"{where}[{number}]", close)
    elif isinstance(expected, float) and close:
        assert found == pytest.approx(expected, rel=close, abs=1e-12), where
    else:
        assert found == expected, where


def test_it_labels_images_as_it_did(
    old: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    studies = read(old / "dataset/manifest.json")["studies"]
    rows = [number for number, study in enumerate(studies) if study["split"] == "test"]
    files = [old.parent / f"{number}.png" for number in rows]
    for number, file in zip(rows, files, strict=True):
        Image.fromarray(np.load(old / "dataset/images.npy", allow_pickle=False)[number, 0]).save(file)
    assert call(monkeypatch, "predict", old, *files, "--json") == 0
    told = json.loads(capsys.readouterr().out)
    probabilities = [list(row["probabilities"].values()) for row in told]
    cell = read(old / "compare/cells.json")["arms"]["real"][0]
    with np.load(old / "compare/cells" / cell / "scores.npz", allow_pickle=False) as kept:
        np.testing.assert_allclose(probabilities, kept["test"], rtol=0, atol=1e-5)


@pytest.fixture(scope="module")
def anew(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run folder of the same request, made by this version."""
    run = tmp_path_factory.mktemp("anew") / "run"
    verb, request = saved_request(OLD)
    start(verb, request, RunDir(run), LocalExecutor(1))
    return run


def test_the_same_request_gives_the_same_data_and_the_same_cells(anew: Path) -> None:
    """On any machine: whole numbers, and hashes of them."""
    assert (anew / "dataset/images.npy").read_bytes() == (OLD / "dataset/images.npy").read_bytes()
    for name in sorted(files(OLD)):
        if name.endswith(("request.json", "dataset/manifest.json", "dataset/import-report.json")):
            expected = read(OLD / name)
            expected.pop("checkpoint", None)  # the id of a training, which rounds in another order
            assert_holds(read(anew / name), expected, name)
    assert files(anew) >= files(OLD)
    cells, theirs = (read(run / "compare/cells.json")["arms"] for run in (anew, OLD))
    assert {arm: len(keys) for arm, keys in cells.items()} == {arm: len(keys) for arm, keys in theirs.items()}
    assert {arm for arm in theirs if cells[arm] == theirs[arm]} >= {"real", "classic"}  # no synthetic image in them

    made, expected = report(anew), report(OLD)
    assert {*made["files"]["figures"]} >= {*expected["files"]["figures"]}
    made["files"]["figures"] = expected["files"]["figures"]
    assert_holds(outline(made), outline(expected))
    for key in ("schema", "config", "dataset"):
        assert_holds(made[key], expected[key], key)
    for arm, figures in expected["arms"].items():
        for key in ("optimizer_steps", "train_images"):
            assert made["arms"][arm][key] == figures[key]
    assert made["arms"]["real"]["auc"]["value"] == pytest.approx(expected["arms"]["real"]["auc"]["value"], abs=1e-3)


def files(run: Path) -> set[str]:
    """The files of a run, but for those that are named by a hash."""
    whole = {path.relative_to(run).as_posix() for path in run.rglob("*") if path.is_file()}
    return {name for name in whole if not name.startswith(("compare/cells/", "compare/fidelity/"))}


def outline(value: Any) -> Any:
    """The keys of a report, without what they hold."""
    if isinstance(value, dict):
        return {key: outline(held) for key, held in value.items()}
    return [outline(held) for held in value] if isinstance(value, list) else None


def test_on_the_same_machine_what_needs_no_gan_is_the_same_to_the_bit(anew: Path) -> None:
    """A GAN's training rounds in another order since checkpoints of schema 2; of old ones see `test_state.py`."""
    if machine() != read(MACHINE):
        pytest.skip(f"the old run was made on another machine: {read(MACHINE)}, and this one is {machine()}")
    cells = [cell for arm in ("real", "classic") for cell in read(OLD / "compare/cells.json")["arms"][arm]]
    same = [path.relative_to(OLD) for cell in cells for path in OLD.glob(f"compare/cells/{cell}/*")]
    same = [path for path in same if path.name != "result.json"]
    assert len(same) > 5
    assert [name for name in same if (anew / name).read_bytes() != (OLD / name).read_bytes()] == []
