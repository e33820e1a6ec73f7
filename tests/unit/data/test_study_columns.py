"""A manifest is read by columns: what is read, its fingerprint and its faults are those of its file."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gan_aug.data import study_columns
from gan_aug.data.manifest import Manifest, Studies, Study
from gan_aug.errors import DataError, ManifestError

TEXTS = st.text(st.characters(exclude_categories=("Cs",)), max_size=12)
STUDY = st.builds(
    Study,
    st.binary(min_size=1, max_size=2).map(lambda seed: hashlib.sha256(seed).hexdigest()),
    st.lists(st.integers(0, 11), max_size=3, unique=True).map(tuple),
    st.sampled_from(["train", "validation", "test", "unused", "internal_test"]),
    st.one_of(st.none(), st.sampled_from(["0a1b", "ffff", "9" * 16]), TEXTS),
    st.one_of(st.integers(0, 9).map("file {}".format), TEXTS),
)


def manifest(studies: list[Study]) -> Manifest:
    return Manifest("set", tuple("abcdefghijkl"), "multi-label", (1, 2, 2), tuple(studies), notes=('a "studies": [\n',))


def fingerprint(made: Manifest) -> str:
    """By the definition: the JSON text of all of it at once."""
    groups: dict[str, int] = {}
    rows = [
        [s.content, s.labels, s.split, None if s.patient is None else groups.setdefault(s.patient, len(groups))]
        for s in made.studies
    ]
    whole = [made.labels, made.task, made.shape, made.positive, rows]
    return hashlib.sha256(json.dumps(whole, separators=(",", ":"), ensure_ascii=False).encode()).hexdigest()


@given(st.lists(STUDY, max_size=12), st.sampled_from([3, 1 << 16]))
@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_is_saved_is_read_and_has_the_same_fingerprint(tmp_path: Path, studies: list[Study], rows: int) -> None:
    made, path = manifest(studies), tmp_path / "manifest.json"
    with pytest.MonkeyPatch.context() as patch:  # blocks of a few lines, and of a few rows
        patch.setattr(study_columns, "BLOCK_ROWS", rows)
        patch.setattr(study_columns, "BLOCK_BYTES", 300 * rows)
        made.save(path)
        read = Manifest.load(path)
    assert read.fingerprint == made.fingerprint == fingerprint(made)
    assert read == made
    assert [read.studies[n] for n in range(len(studies))] == studies
    assert read.studies[1:-1] == tuple(studies[1:-1])
    for split in ("train", "test"):
        assert read.indices(split).tolist() == [n for n, study in enumerate(studies) if study.split == split]
        assert read.contents(split) == {study.content for study in studies if study.split == split}
    assert read.label_matrix().tolist() == [[float(k in study.labels) for k in range(12)] for study in studies]
    plain = all(not {*'"\\'} & {*json.dumps(s.origin, ensure_ascii=False)[1:-1]} for s in studies)
    plain &= all(not {*'"\\'} & {*json.dumps(s.patient or "", ensure_ascii=False)[1:-1]} for s in studies)
    assert isinstance(read.studies, Studies) == (plain and bool(studies))


def studies() -> list[Study]:
    names = [f"{n:064x}" for n in range(6)]
    splits: list[Any] = ["train", "train", "validation", "test", "test", "train"]
    return [Study(name, (n % 2,), splits[n], f"{n // 2:016x}", f"file {n}") for n, name in enumerate(names)]


@pytest.mark.parametrize(
    "change",
    [
        ("00000003", "00000007"),  # another image
        ('"labels": [1], "split": "train"', '"labels": [0], "split": "train"'),
        ('"split": "validation"', '"split": "test"'),
        ('"patient": "0000000000000000", "origin": "file 1"', '"patient": "0000000000000002", "origin": "file 1"'),
        ('"patient": "0000000000000002", "origin": "file 4"', '"patient": null, "origin": "file 4"'),
    ],
)
@pytest.mark.parametrize("otherwise_written", [False, True])
def test_what_was_altered_is_refused(tmp_path: Path, change: tuple[str, str], otherwise_written: bool) -> None:
    path = tmp_path / "manifest.json"
    manifest(studies()).save(path)
    text = path.read_text()
    assert change[0] in text
    text = text.replace(*change)
    path.write_text(json.dumps(json.loads(text), indent=2) if otherwise_written else text)
    with pytest.raises(ManifestError, match="was altered"):
        Manifest.load(path)


def test_files_that_are_written_otherwise_or_cut_are_understood(tmp_path: Path) -> None:
    path, made = tmp_path / "manifest.json", manifest(studies())
    made.save(path)
    whole = path.read_text()
    path.write_text(json.dumps(json.loads(whole)))
    assert Manifest.load(path) == made
    path.write_text(whole.replace("}\n]}", "}]}"))
    assert Manifest.load(path) == made
    path.write_text(whole.replace('"patient": "0000000000000001", ', "", 1))
    with pytest.raises(ManifestError, match="lacks or mistypes"):
        Manifest.load(path)
    path.write_text(whole.replace("},\n", "}\n", 1))
    with pytest.raises(ManifestError):
        Manifest.load(path)
    path.write_text(whole[:-40])
    with pytest.raises(ManifestError, match="not valid JSON"):
        Manifest.load(path)


def test_a_label_out_of_range_is_named_with_its_study(tmp_path: Path) -> None:
    wrong = [replace(study, labels=(40,)) if n == 4 else study for n, study in enumerate(studies())]
    with pytest.raises(DataError, match="label position 40 of study 4 is outside 0 to 11"):
        manifest(wrong).label_matrix()
