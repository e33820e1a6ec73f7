"""The audit of a run's own set: what is like a copy is replaced by the next images of the same GAN, and that leaves."""

from __future__ import annotations

import csv
import dataclasses
import json
import shutil
from pathlib import Path

import numpy as np
import pytest

import gan_aug
from gan_aug.data.synthetic.shards import SyntheticManifest, read_images
from gan_aug.errors import ConfigError, ReleaseRefused
from gan_aug.privacy.copies import CopySearch, Limits
from gan_aug.stages.context import saved_storage
from gan_aug.verification.audit import check_audits
from tests.support.command_line import call
from tests.support.places import GOLDEN


@pytest.fixture
def run(tmp_path: Path) -> gan_aug.Run:
    return gan_aug.open(shutil.copytree(GOLDEN / "run_0_1", tmp_path / "run"))


@pytest.fixture
def _strict(monkeypatch: pytest.MonkeyPatch) -> None:
    """Some images are like a copy, and by chance many may be."""
    usual = CopySearch.limits

    def strict(self: CopySearch, by_chance: np.ndarray) -> Limits:
        return dataclasses.replace(usual(self, by_chance), like_a_copy=LIKE, rank=len(by_chance) // 2)

    monkeypatch.setattr(CopySearch, "limits", strict)


LIKE = 2.5


@pytest.mark.usefixtures("_strict")
def test_replaced_images_are_the_next_of_the_same_gan(
    run: gan_aug.Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (record,) = gan_aug.audit(run.folder)
    dropped = record["copies"]["dropped"]
    assert 0 < len(dropped) < 150
    assert record["set"]["allowed"]
    assert record["discriminator"]["value"] == pytest.approx(0.5, abs=0.2)
    made = SyntheticManifest.load(run.folder / "synthetic/manifest.json")
    released = SyntheticManifest.load(run.folder / "audit/manifest.json")
    assert record["released"] == released.fingerprint != made.fingerprint
    images, before = read_images(run.folder / "audit", released), read_images(run.folder / "synthetic", made)
    places = [one["index"] for one in dropped]
    assert np.flatnonzero((images != before).any(axis=(1, 2, 3))).tolist() == places
    generator = run.generator()
    for one in dropped:
        label = made.labels[made.image_labels[one["index"]][0]]
        wanted = generator.sample(label, 1, seed=made.seed, first=one["replaced_by"])[0]
        np.testing.assert_array_equal(images[one["index"]], wanted)
        assert released.number(one["index"]) == one["replaced_by"] >= len(before)

    (link,) = check_audits(saved_storage(run.folder), {0: made}, lambda *_: None, quick=False)
    assert (link.name, link.state) == ("audit.json", "ok")
    altered = json.loads((run.folder / "audit.json").read_text()) | {"images": 3}
    (run.folder / "audit.json").write_text(json.dumps(altered))
    (link,) = check_audits(saved_storage(run.folder), {0: made}, lambda *_: None, quick=True)
    assert link.state == "ALTERED"
    (run.folder / "audit.json").unlink()

    assert call(monkeypatch, "export", run.folder, "--to", "png", "--out", tmp_path / "png") == 0  # audits it again
    rows = list(csv.DictReader((tmp_path / "png/labels.csv").read_text().splitlines()))
    numbers = {int(row["file"].split("/")[1].removesuffix(".png")): int(row["index"]) for row in rows}
    assert {place: numbers[place] for place in places} == {one["index"]: one["replaced_by"] for one in dropped}


def test_a_further_set_is_audited_by_its_run(
    run: gan_aug.Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    made = run.generate(4, seed=9, out=tmp_path / "more")
    assert made.export("npz", tmp_path / "more.npz") == 40  # the run is noted beside it
    (made.folder / "audit.json").unlink()
    (made.folder / "run.json").unlink()
    with pytest.raises(ReleaseRefused, match="name that by `gan-aug audit SET --of RUN`"):
        made.export("npz", tmp_path / "again.npz")
    assert call(monkeypatch, "audit", made.folder, "--of", run.folder) == 0
    assert "The set may be released." in capsys.readouterr().out
    assert made.export("npz", tmp_path / "again.npz") == 40
    with pytest.raises(ConfigError, match="which one GAN made"):
        gan_aug.audit(made.folder, gan=1)
    with pytest.raises(ConfigError, match="goes with the folder of a further set"):
        gan_aug.audit(run.folder, of=run.folder)
