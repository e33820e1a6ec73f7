"""Patient ids and UIDs of synthetic cases."""

from __future__ import annotations

import uuid
from dataclasses import replace
from pathlib import Path

from gan_aug.config.export import DicomExport
from gan_aug.export.dicom.case import Cases, uid
from tests.unit.export.synthetic_set import write_set


def test_a_uid_is_a_uuid_of_version_8() -> None:
    for first in (b"\x00", b"\xff", b"\x12"):
        text = uid(first * 32)
        number = int(text.removeprefix("2.25."))
        assert uuid.UUID(int=number).version == 8
        assert uuid.UUID(int=number).variant == uuid.RFC_4122
        assert len(text) <= 64
    # Written by hand: version and variant replace four and two bits of the first 16 bytes.
    assert uid(bytes(range(32))) == f"2.25.{0x00010203_0405_8607_8809_0A0B0C0D0E0F}"


def test_whatever_alters_an_image_alters_its_uids(tmp_path: Path) -> None:
    made = write_set(tmp_path, [(0,), (1,)])
    plain = Cases(made, ["normal"], DicomExport()).of([3])
    assert plain == Cases(made, ["normal"], DicomExport()).of((3,))
    others = [
        Cases(replace(made, seed=8), ["normal"], DicomExport()).of([3]),
        Cases(replace(made, checkpoint="b" * 64), ["normal"], DicomExport()).of([3]),
        Cases(made, ["pneumonia"], DicomExport()).of([3]),
        Cases(made, ["normal"], DicomExport()).of([4]),
    ]
    assert len({case.study_uid for case in (plain, *others)}) == 5
    assert len({case.patient_id for case in (plain, *others)}) == 5


def test_another_form_of_the_same_case_is_another_instance_of_the_same_study(tmp_path: Path) -> None:
    made = write_set(tmp_path, [(0,), (1,)])
    one, other = (Cases(made, ["normal"], DicomExport(bits=bits)).of([3]) for bits in (8, 16))
    assert (one.study_uid, one.patient_id) == (other.study_uid, other.patient_id)
    assert one.series_uid != other.series_uid
    assert one.instance_uid != other.instance_uid
    assert len({one.study_uid, one.series_uid, one.instance_uid}) == 3


def test_two_sets_of_another_program_are_two(tmp_path: Path) -> None:
    sets = [write_set(tmp_path / name, [(0,)], checkpoint="unknown", dataset=name * 64) for name in "ab"]
    assert len({Cases(made, ["normal"], DicomExport()).of([0]).study_uid for made in sets}) == 2
