"""The GPU benchmark in its small form: every part is done on a CPU, with the few packages that it says it needs."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
from PIL import Image

from tests.support.places import ROOT

OTHERS = ("pydantic", "safetensors", "ray", "pydicom", "monai", "matplotlib", "yaml", "fsspec", "typer", "jinja2")
RUN = f"""
import sys
sys.modules.update(dict.fromkeys({OTHERS}))  # to import one of them fails
from benchmarks.gpu import main
main(sys.argv[1:])
"""


def write_data(folder: Path) -> tuple[Path, Path]:
    """A tiny set in the files of MNIST, and one in the folders of films."""
    drawn = np.random.default_rng(0)
    for part, count in (("train", 40), ("t10k", 20)):
        head = b"\0\0\x08\3" + np.array([count, 28, 28], ">i4").tobytes()
        (folder / f"{part}-images-idx3-ubyte").write_bytes(
            head + drawn.integers(0, 256, (count, 28, 28), np.uint8).tobytes()
        )
        classes = (np.arange(count) % 3).astype(np.uint8).tobytes()
        (folder / f"{part}-labels-idx1-ubyte").write_bytes(b"\0\0\x08\1" + np.array([count], ">i4").tobytes() + classes)
    for part in ("train", "test"):
        for name in ("a", "b"):
            films = folder / "films" / part / name
            films.mkdir(parents=True)
            for number in range(6):
                Image.fromarray(drawn.integers(0, 256, (40, 30), np.uint8)).save(films / f"{number}.png")
    return folder, folder / "films"


def test_every_part_is_done(tmp_path: Path) -> None:
    mnist, films = write_data(tmp_path)
    out = tmp_path / "table"
    command = [sys.executable, "-W", "ignore", "-c", RUN, "--out", out, "--mnist", mnist, "--films", films]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    found = json.loads((out / "table.json").read_text())
    assert not {name: part for name, part in found.items() if isinstance(part, dict) and "failed" in part}
    assert found["syncs"] == {"skipped": "there is no GPU"}
    assert found["sameness"]["trainings are the same"]
    assert found["sameness"]["image k is the same"]
    assert found["rates at 16 px"]["ours"] > 0
    assert found["sampling at 16 px"]["plain"] > 0
    for name in ("mnist", "films"):
        assert 0 <= found[name]["real"]["auc"] <= 1
        assert (out / f"{name}.png").exists()
    assert "| sameness | image k is the same | True |" in (out / "table.md").read_text()
