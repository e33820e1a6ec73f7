"""Files of several frames: which are taken, and that each has its own or the shared grey values and spacing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from pydicom import dcmread  # noqa: TID251
from pydicom.dataset import Dataset  # noqa: TID251
from pydicom.pixels import apply_rescale, apply_windowing  # noqa: TID251
from pydicom.sequence import Sequence  # noqa: TID251
from pydicom.uid import JPEG2000Lossless, RLELossless  # noqa: TID251

from gan_aug.config.data import DataConfig
from gan_aug.data.importing.dataset import import_dataset
from gan_aug.data.items import Item
from gan_aug.data.sources.open import open_source
from tests.support.dicom.samples import dataset, save

ENHANCED_CT = "1.2.840.10008.5.1.4.1.1.2.1"
FRAMES = 5


def pixels(count: int = FRAMES) -> NDArray[np.uint16]:
    return np.random.default_rng(count).integers(0, 4096, (count, 40, 36), dtype=np.uint16)


def of(root: Path, **dicom: Any) -> list[Item]:
    values = {"source": "dicom", "root": root, "dicom": {"label_from": "none"} | dicom}
    return list(open_source(DataConfig.model_validate(values)).items)


def group(**sequences: Dataset) -> Dataset:
    made = Dataset()
    for name, item in sequences.items():
        setattr(made, name, Sequence([item]))
    return made


def one(**tags: Any) -> Dataset:
    made = Dataset()
    for name, value in tags.items():
        setattr(made, name, value)
    return made


def rescale(slope: float, intercept: float) -> Dataset:
    return one(RescaleSlope=slope, RescaleIntercept=intercept, RescaleType="HU")


def window(center: float, width: float, **tags: Any) -> Dataset:
    return one(WindowCenter=center, WindowWidth=width, **tags)


def enhanced(shared: Dataset, own: list[Dataset]) -> Dataset:
    made = dataset(pixels(len(own)), NumberOfFrames=len(own), SOPClassUID=ENHANCED_CT, Modality="CT")
    made.SharedFunctionalGroupsSequence = Sequence([shared])
    made.PerFrameFunctionalGroupsSequence = Sequence(own)
    return made


def by_pydicom(values: NDArray[Any], scale: Dataset, shown: Dataset, bits: int = 16) -> NDArray[Any]:
    """What pydicom's functions for a plain file make of one frame, over the range of uint16."""
    plain = one(BitsStored=bits, PixelRepresentation=0, PhotometricInterpretation="MONOCHROME2")
    plain.update(scale)
    plain.update(shown)
    low, high = (bound * float(scale.RescaleSlope) + float(scale.RescaleIntercept) for bound in (0, 2**bits - 1))
    return np.rint((apply_windowing(apply_rescale(values, plain), plain) - low) / (high - low) * 65535)


@pytest.mark.parametrize(
    ("which", "expected"), [("all", [1, 2, 3, 4, 5]), ("first", [1]), ("middle", [3]), (2, [1, 3, 5]), (9, [1])]
)
@pytest.mark.parametrize("syntax", [None, RLELossless, JPEG2000Lossless])
def test_frames_that_are_asked_for(tmp_path: Path, which: Any, expected: list[int], syntax: Any) -> None:
    made = dataset(pixels(), NumberOfFrames=FRAMES, WindowCenter=32768, WindowWidth=65536)
    if syntax:
        made.compress(syntax)
    save(tmp_path / "a", made)
    whole = dcmread(tmp_path / "a").pixel_array
    assert whole.shape == (FRAMES, 40, 36)
    items = of(tmp_path, frames=which)
    assert [item.origin for item in items] == [f"file 1 frame {number}" for number in expected]
    for item, number in zip(items, expected, strict=True):
        np.testing.assert_allclose(item.read(), whole[number - 1], atol=1)  # that window leaves them as they are
    assert len({item.patient for item in items}) == 1


def test_each_frame_has_its_own_window_and_rescale_or_the_shared(tmp_path: Path) -> None:
    shared = group(PixelValueTransformationSequence=rescale(1, -1000), FrameVOILUTSequence=window(400, 2000))
    own = [group(), group(FrameVOILUTSequence=window(50, 3000)), group(PixelValueTransformationSequence=rescale(2, 0))]
    own.append(group(FrameVOILUTSequence=window(900, 1200), PixelValueTransformationSequence=rescale(0.5, 100)))
    save(tmp_path / "a", enhanced(shared, own))
    expected = [
        (rescale(1, -1000), window(400, 2000)),
        (rescale(1, -1000), window(50, 3000)),
        (rescale(2, 0), window(400, 2000)),
        (rescale(0.5, 100), window(900, 1200)),
    ]
    items = of(tmp_path)
    for item, values, (scale, shown) in zip(items, pixels(4), expected, strict=True):
        np.testing.assert_allclose(item.read(), by_pydicom(values, scale, shown), atol=1)
    assert not (items[0].read() == items[2].read()).all()


def test_a_window_by_name_and_a_function_in_a_group(tmp_path: Path) -> None:
    named = window([100, 2000], [50, 3000], WindowCenterWidthExplanation=["SOFT", "BONE"])
    sigmoid = window(2000, 1500, VOILUTFunction="SIGMOID")
    save(tmp_path / "a", enhanced(group(), [group(FrameVOILUTSequence=named), group(FrameVOILUTSequence=sigmoid)]))
    first, second = (item.read() for item in of(tmp_path, window="BONE"))
    np.testing.assert_allclose(first, by_pydicom(pixels(2)[0], rescale(1, 0), window(2000, 3000)), atol=1)
    share = 1 / (1 + np.exp(-4 * (pixels(2)[1].astype(float) - 2000) / 1500))
    np.testing.assert_allclose(second, np.rint(share * 65535), atol=1)


@pytest.mark.parametrize("place", ["shared", "own"])
def test_the_spacing_of_an_enhanced_file(tmp_path: Path, place: str) -> None:
    measures = group(PixelMeasuresSequence=one(PixelSpacing=[0.7, 0.5]))
    other = group()
    shared, own = (measures, other) if place == "shared" else (other, measures)
    save(tmp_path / "a", enhanced(shared, [own, own]))
    assert [item.spacing for item in of(tmp_path)] == [(0.7, 0.5)] * 2


def test_frames_of_different_spacing_have_none_that_holds_for_all(tmp_path: Path) -> None:
    own = [group(PixelMeasuresSequence=one(PixelSpacing=[size, size])) for size in (0.7, 0.5)]
    save(tmp_path / "a", enhanced(group(), own))
    assert [item.spacing for item in of(tmp_path)] == [None] * 2


@pytest.mark.parametrize(
    ("shared", "own", "assumed"),
    [
        (group(FrameVOILUTSequence=window(400, 2000)), group(), []),
        (group(), group(FrameVOILUTSequence=window(400, 2000)), []),
        (group(), group(), ["no window in the header: percentiles 0.5 to 99.5 of the image"]),
    ],
)
def test_the_report_says_whether_there_was_a_window(
    tmp_path: Path, shared: Dataset, own: Dataset, assumed: list[str]
) -> None:
    for number in range(20):
        made = enhanced(shared, [own])
        made.PixelData = np.random.default_rng(number).integers(0, 4096, (40, 36), dtype=np.uint16).tobytes()
        save(tmp_path / "set" / f"{number:02}", made)
    values = {"source": "dicom", "root": tmp_path / "set", "size": 8, "dicom": {"label_from": "none"}}
    import_dataset(DataConfig.model_validate(values), 0, tmp_path / "out")
    report = json.loads((tmp_path / "out" / "import-report.json").read_text())
    assert [file["assumed"] for file in report["files"].values()] == [assumed] * 20
