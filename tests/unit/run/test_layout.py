"""The names in a run folder: each is written once, in `gan_aug.run.layout`, and told of in the documentation."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from gan_aug.gan import state
from gan_aug.run import layout
from tests.support.places import ROOT

CONSTANTS = {name: value for name, value in vars(layout).items() if name.isupper()}
NAMES = {value for name, value in CONSTANTS.items() if name != "EACH_CHECKPOINT"}
FILES = {name for name in NAMES if Path(name).suffix}

ELSEWHERE = {
    # The training core runs without the rest of the package: it names the files inside a checkpoint itself.
    "gan_aug/gan/state.py": {"checkpoint.json"},
    # What is called the same in other places than a run folder.
    "gan_aug/data/reading/image_cache.py": {"identity.key"},  # in the user's cache
    "gan_aug/evaluation/fidelity/features.py": {"checkpoints"},  # in torch's cache
    "gan_aug/export/npz.py": {"images.npy"},  # the array `images` of an npz
    "services/gan_aug_service/server.py": {".lock"},  # in the service's own folder
    "gan_aug/run/artefacts.py": {".lock"},  # in the user's cache
    "services/gan_aug_service/web/pages/reports.py": {"report.html"},  # a template of the service
}


def names_in(source: Path) -> Iterator[str]:
    """The names of a run folder that a file writes out: as a file's name, or as a step of a path.

    Words of sentences do not count, nor do docstrings.
    """
    for node in ast.walk(ast.parse(source.read_text())):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and not re.search(r"\s", node.value):
            yield from FILES & set(node.value.split("/"))
        steps: list[ast.expr] = []
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div):
            steps = [node.left, node.right]
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("Path", "below"):
            steps = node.args
        for step in steps:
            if isinstance(step, ast.Constant) and isinstance(step.value, str):
                yield from NAMES & set(step.value.split("/"))


def test_no_other_file_writes_out_a_name_of_the_run_folder() -> None:
    sources = [path for name in ("gan_aug", "services") for path in (ROOT / name).rglob("*.py")]
    found = {path.relative_to(ROOT).as_posix(): set(names_in(path)) for path in sources}
    del found["gan_aug/run/layout.py"]
    assert {place: names for place, names in found.items() if names} == ELSEWHERE


def test_each_name_is_given_once() -> None:
    assert len(set(CONSTANTS.values())) == len(CONSTANTS)


def test_the_reference_tells_of_every_name() -> None:
    text = (ROOT / "docs/reference/run-folder.md").read_text()
    steps = {step for path in re.findall(r"`([^`\s]+)`", text) for step in path.split("/")}
    written = {step for step in steps for name in NAMES if step == name or (name[-1] == "-" and step.startswith(name))}
    assert {name for name in NAMES if not any(step.startswith(name) for step in written)} == set()


def test_a_checkpoint_has_the_name_that_the_training_core_gives_it() -> None:
    assert layout.CHECKPOINT_RECORD == state.RECORD


def test_names_with_a_number_or_a_label() -> None:
    assert layout.sample_grid(640) == "samples-0000000640.png"
    assert layout.contact_sheet("pneumonia") == "contact-pneumonia.png"
    assert layout.shard(12) == "shard-00012"
