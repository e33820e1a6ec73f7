"""What a GAN had seen before: found by whoever has the data set, and by nobody from the list alone."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from gan_aug.data.synthetic.seen import SeenBefore, seen_key
from gan_aug.errors import ManifestError
from tests.support.tiny_sets import HASHES, MANIFEST

OTHERS = ["a" * 64, "b" * 64, "c" * 64]
"""Images of another data set."""


def test_its_images_are_found_in_the_data_set_and_not_in_the_list(tmp_path: Path) -> None:
    seen = SeenBefore.of([*OTHERS, HASHES[0], HASHES[7]], MANIFEST, None, b"")
    assert seen.among(MANIFEST) == {HASHES[0], HASHES[7]}
    assert len(seen.hashes) == 5
    seen.save(tmp_path / "seen.json")
    text = (tmp_path / "seen.json").read_text()
    assert not any(content in text for content in (*OTHERS, *HASHES))
    assert SeenBefore.load(tmp_path / "seen.json") == seen
    assert SeenBefore.load(tmp_path / "nothing") is None
    (tmp_path / "seen.json").write_text("{}")
    with pytest.raises(ManifestError, match="damaged"):
        SeenBefore.load(tmp_path / "seen.json")


def test_the_key_needs_every_image_of_the_data_set() -> None:
    seen = SeenBefore.of(HASHES[:4], MANIFEST, None, b"")
    fewer = dataclasses.replace(MANIFEST, studies=MANIFEST.studies[:-1])
    assert seen.among(fewer) == set(), "who has all images but one finds nothing"
    assert SeenBefore.of(HASHES[:4], MANIFEST, None, b"").sha256 == seen.sha256, "the same in every run of these data"


def test_what_the_other_gan_had_seen_before_is_found_over_generations() -> None:
    first_data = [*OTHERS, HASHES[6]]
    second = dataclasses.replace(
        MANIFEST,
        studies=tuple(dataclasses.replace(s, content=c) for s, c in zip(MANIFEST.studies, OTHERS, strict=False)),
    )
    first = SeenBefore.of(["d" * 64, HASHES[6]], second, None, b"")  # what the GAN before the second had seen
    own = seen_key(study.content for study in second.studies)
    now = SeenBefore.of(first_data[:3], MANIFEST, first, own)
    assert now.among(MANIFEST) == {HASHES[6]}, "a test image, seen two trainings ago"
    assert len(now.hashes) == 5
    again = SeenBefore.of([*first_data[:3], "d" * 64], MANIFEST, first, own)
    assert len(again.hashes) == 5, "an image that both saw counts once"
