"""Arrays, volumes, pages and numbers that are no 8 or 16 bit: against the values that were written."""

from __future__ import annotations

import contextlib
import gzip
import pickle  # noqa: TID251 - to show that none is opened
from pathlib import Path
from typing import Any

import nibabel  # noqa: TID251 - writes what is read
import numpy as np
import pytest
from PIL import Image

from gan_aug.config.data import DataConfig, SlicesConfig
from gan_aug.data.importing.dataset import import_dataset
from gan_aug.data.reading.decode import decode, images_in_file, is_image_file
from gan_aug.data.reading.raster import Raster
from gan_aug.data.sources.open import images_in
from gan_aug.errors import DataError

RNG = np.random.default_rng(0)
VOLUME = RNG.normal(size=(5, 6, 7)).astype(np.float32)


def reason(path: Path, *slices: Any) -> str:
    with pytest.raises(DataError) as caught:
        decode(path, *slices)
    assert str(path.parent) not in str(caught.value)
    return str(caught.value)


def npy(path: Path, array: Any) -> Path:
    np.save(path, array)
    return path


def nifti(path: Path, array: Any, affine: Any = None, **header: Any) -> Path:
    image = nibabel.Nifti1Image(array, np.eye(4) if affine is None else affine)
    for key, value in header.items():
        getattr(image.header, f"set_{key}")(*value)
    nibabel.save(image, path)
    return path


# npy


@pytest.mark.parametrize("dtype", ["u1", "<u2", ">u2", "i2", "<i4", "f2", "f4", ">f8", "u8", "?"])
def test_arrays_of_every_number_type(tmp_path: Path, dtype: str) -> None:
    array = RNG.integers(0, 2 if dtype == "?" else 200, (6, 4)).astype(dtype)
    found = decode(npy(tmp_path / "x.npy", array))
    expected = array * 255 if dtype == "?" else array
    assert found.dtype == ({"u1": "u1", "?": "u1", "<u2": "u2", ">u2": "u2"}.get(dtype, "f4"))
    assert np.array_equal(found, expected.astype(found.dtype))


@pytest.mark.parametrize(
    ("shape", "expected"),
    [((1, 6, 4), (6, 4)), ((6, 4, 1), (6, 4)), ((1, 1, 6, 4), (6, 4)), ((6, 4, 3), (6, 4, 3)), ((6, 4, 4), (6, 4, 3))],
)
def test_shapes_that_are_one_image(tmp_path: Path, shape: tuple[int, ...], expected: tuple[int, ...]) -> None:
    array = RNG.integers(0, 256, shape, dtype=np.uint8)
    for order in "CF":
        found = decode(npy(tmp_path / "x.npy", np.asarray(array, order=order)))
        assert np.array_equal(found, array.reshape(expected) if len(expected) == 2 else array[..., :3])


def test_slices_of_arrays(tmp_path: Path) -> None:
    path = npy(tmp_path / "x.npy", VOLUME)
    assert reason(path) == "it holds 5 slices, not one image: say which with data.slices.index"
    assert np.array_equal(decode(path, None, 2), VOLUME[2])
    assert np.array_equal(decode(path, 1, "middle"), VOLUME[:, 3])
    assert np.array_equal(decode(path, 2, "first"), VOLUME[:, :, 0])
    assert reason(path, 2, 7) == "it holds 7 slices, counted from 0, and data.slices.index asks for 7"
    colour = npy(tmp_path / "c.npy", RNG.integers(0, 256, (5, 6, 7, 3), dtype=np.uint8))
    assert np.array_equal(decode(colour, None, 4), np.load(colour)[4])
    assert np.array_equal(decode(npy(tmp_path / "d.npy", VOLUME[:, :, :3]), 2, 1), VOLUME[:, :, 1])
    assert "three slices or three colours" in reason(npy(tmp_path / "e.npy", VOLUME[:3]))


class Bomb:
    def __reduce__(self) -> Any:
        raise AssertionError("it was opened")


def test_arrays_that_are_none_say_so_and_nothing_in_them_is_run(tmp_path: Path) -> None:
    objects = np.empty((2, 2), dtype=object)
    assert "pickle" in reason(npy(tmp_path / "x.npy", objects))
    (tmp_path / "p.npy").write_bytes(pickle.dumps([1, 2]))
    assert "pickle" in reason(tmp_path / "p.npy")
    np.savez(tmp_path / "z.npz", a=VOLUME)
    (tmp_path / "z.npz").rename(tmp_path / "z.npy")
    assert "archive of several arrays" in reason(tmp_path / "z.npy")
    whole = npy(tmp_path / "w.npy", VOLUME[0]).read_bytes()
    for cut in (3, 20, 100, len(whole) - 1):
        (tmp_path / "w.npy").write_bytes(whole[:cut])
        assert reason(tmp_path / "w.npy").startswith(("the npy file is truncated", "it holds Python objects"))
    for array, said in (
        (np.zeros((4, 4), dtype=complex), "not grey values"),
        (np.zeros((4, 4), dtype="U3"), "not grey values"),
        (np.zeros((0, 4)), "its array is empty"),
        (np.zeros(4), "not an image or a volume"),
        (np.zeros((2, 3, 4, 5)), "not an image or a volume"),
    ):
        assert said in reason(npy(tmp_path / "o.npy", array))


def test_a_header_that_promises_too_much_is_refused(tmp_path: Path) -> None:
    with (tmp_path / "x.npy").open("wb") as file:
        header = {"descr": "|u1", "fortran_order": False, "shape": (10**6, 10**6)}
        np.lib.format.write_array_header_1_0(file, header)
    assert reason(tmp_path / "x.npy") in (
        "the npy file is truncated or corrupt",
        "the image has too many pixels to be opened safely",
    )


# NIfTI


def shown(plane: Any) -> Any:
    """A slice with the axes (right or front, front or up) as it is shown: up is up, right and front are left."""
    return plane.T[::-1, ::-1]


@pytest.mark.parametrize("ending", [".nii", ".nii.gz"])
def test_slices_of_nifti_as_a_radiologist_sees_them(tmp_path: Path, ending: str) -> None:
    path = nifti(tmp_path / f"x{ending}", VOLUME)
    assert is_image_file(path)
    assert reason(path) == "it holds 7 slices, not one image: say which with data.slices.index"
    assert np.array_equal(decode(path, None, 3), shown(VOLUME[:, :, 3]))
    assert np.array_equal(decode(path, 1, "first"), shown(VOLUME[:, 0, :]))
    assert np.array_equal(decode(path, 0, "middle"), shown(VOLUME[2]))
    assert "asks for 7" in reason(path, 2, 7)


@pytest.mark.parametrize("code", ["LPS", "RAS", "PIR", "SAL", "IPL", "ARS"])
def test_the_order_of_axes_in_the_file_does_not_matter(tmp_path: Path, code: str) -> None:
    ras = nibabel.Nifti1Image(VOLUME, np.diag([1.0, 1.0, 1.0, 1.0]))
    wanted = nibabel.orientations.axcodes2ornt(tuple(code))
    turned = ras.as_reoriented(nibabel.orientations.ornt_transform(nibabel.io_orientation(ras.affine), wanted))
    assert "".join(nibabel.aff2axcodes(turned.affine)) == code
    nibabel.save(turned, tmp_path / "x.nii")
    for axis in range(3):
        for index in (0, 4):
            assert np.array_equal(decode(tmp_path / "x.nii", axis, index), shown(np.take(VOLUME, index, axis)))


def test_nifti_of_two_dimensions_scaled_coloured_and_stretched(tmp_path: Path) -> None:
    flat = RNG.integers(-1000, 1000, (6, 4)).astype(np.int16)
    assert np.array_equal(decode(nifti(tmp_path / "a.nii", flat)), shown(flat).astype(np.float32))
    assert np.array_equal(decode(nifti(tmp_path / "b.nii", flat[:, :, None])), shown(flat).astype(np.float32))
    scaled = nifti(tmp_path / "c.nii", flat, slope_inter=(0.5, 10))
    assert np.allclose(decode(scaled), shown(flat) * 0.5 + 10) or np.allclose(decode(scaled), shown(flat), atol=0.51)
    bytes_ = RNG.integers(0, 256, (6, 4), dtype=np.uint8)
    assert decode(nifti(tmp_path / "d.nii", bytes_)).dtype == np.uint8
    colours = np.zeros((6, 4, 2), dtype=[("R", "u1"), ("G", "u1"), ("B", "u1")])
    colours["G"] = 200
    assert decode(nifti(tmp_path / "e.nii", colours), None, 0).tolist()[0][0] == [0, 200, 0]
    thick = nifti(tmp_path / "f.nii", VOLUME, np.diag([1.0, 1.0, 4.0, 1.0]))
    assert decode(thick, None, 0).shape == (6, 5)
    assert decode(thick, 1, 0).shape == (28, 5)  # seven slices of 4 mm
    series = nifti(tmp_path / "g.nii", np.zeros((4, 4, 4, 3), dtype=np.float32))
    assert "neither an image nor one volume" in reason(series, None, 0)


def test_nifti_that_is_torn_or_none_is_a_reason(tmp_path: Path) -> None:
    for ending in (".nii", ".nii.gz"):
        path = nifti(tmp_path / f"x{ending}", VOLUME)
        whole = path.read_bytes()
        rng = np.random.default_rng(1)
        for number in range(40):
            torn = bytearray(whole[: rng.integers(1, len(whole))] if number % 2 else whole)
            for place in rng.integers(0, min(len(torn), 360), 3):
                torn[place] = rng.integers(0, 256)
            path.write_bytes(torn)
            with contextlib.suppress(DataError):
                decode(path, None, 1)
    (tmp_path / "y.nii.gz").write_bytes(gzip.compress(b"hello"))
    assert reason(tmp_path / "y.nii.gz") == "the NIfTI file is truncated or corrupt"


def test_without_nibabel_the_reason_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = nifti(tmp_path / "x.nii", VOLUME)
    monkeypatch.setitem(__import__("sys").modules, "nibabel", None)
    assert reason(path, None, 1) == "reading NIfTI needs nibabel: pip install 'gan-aug[nifti]'"


# Pictures


@pytest.mark.parametrize("ending", ["webp", "jp2", "pgm", "gif"])
def test_more_kinds_of_pictures(tmp_path: Path, ending: str) -> None:
    grey = RNG.integers(0, 256, (20, 16), dtype=np.uint8)
    options = {"webp": {"lossless": True}}.get(ending, {})
    Image.fromarray(grey).save(tmp_path / f"x.{ending}", **options)  # type: ignore[arg-type]
    found = decode(tmp_path / f"x.{ending}")
    assert np.array_equal(found if found.ndim == 2 else found[..., 0], grey)


def test_pages_and_floating_point_numbers_of_tiff(tmp_path: Path) -> None:
    pages = [Image.fromarray(VOLUME[k]) for k in range(5)]
    pages[0].save(tmp_path / "x.tif", save_all=True, append_images=pages[1:])
    assert reason(tmp_path / "x.tif") == "it holds 5 pages, not one image: say which with data.slices.index"
    for k in range(5):
        assert np.array_equal(decode(tmp_path / "x.tif", None, k), VOLUME[k])
    assert np.array_equal(decode(tmp_path / "x.tif", None, "middle"), VOLUME[2])
    whole = RNG.integers(-(10**6), 10**6, (6, 4)).astype(np.int32)
    Image.fromarray(whole).save(tmp_path / "y.tif")
    assert np.array_equal(decode(tmp_path / "y.tif"), whole.astype(np.float32))


def test_which_images_a_file_gives(tmp_path: Path) -> None:
    path = npy(tmp_path / "x.npy", VOLUME)
    every = images_in_file(path, SlicesConfig(index="all", axis=1))
    assert [number for number, _ in every] == list(range(6))
    assert np.array_equal(every[4][1](), VOLUME[:, 4])
    assert [number for number, _ in images_in_file(path, SlicesConfig(index=(1, 9)))] == [1, 9]
    assert [number for number, _ in images_in_file(path, SlicesConfig(index=3))] == [None]
    flat = npy(tmp_path / "y.npy", VOLUME[0])
    assert [number for number, _ in images_in_file(flat, SlicesConfig(index="all"))] == [None]


# The grey range


def test_the_range_of_floating_point_numbers_is_that_of_the_finite_ones() -> None:
    ramp = np.linspace(-5, 1000, 64 * 64, dtype=np.float32).reshape(64, 64)
    for window, low, high in (("full", -5, 1000), ("percentile", *np.percentile(ramp, [0.5, 99.5]))):
        expected = np.clip((ramp - low) / (high - low), 0, 1) * 255
        found = Raster(1, 64, 64, window=window)(ramp)[0]  # type: ignore[arg-type]
        assert np.abs(found - expected).max() <= 0.51
    auto = Raster(1, 64, 64)(ramp)
    assert np.array_equal(auto, Raster(1, 64, 64, window="percentile")(ramp))
    holed = ramp.copy()
    holed[:2, :4] = np.nan
    holed[10, 10], holed[20, 20] = np.inf, -np.inf
    found = Raster(1, 64, 64, window="full")(holed)[0].astype(int)
    assert (found[:2, :4] == 0).all()
    assert (found[10, 10], found[20, 20]) == (255, 0)
    rest = np.ones_like(ramp, dtype=bool)
    rest[:2, :4] = rest[10, 10] = rest[20, 20] = False
    assert np.abs(found - Raster(1, 64, 64, window="full")(ramp)[0].astype(int))[rest].max() <= 1
    assert not Raster(1, 8, 8)(np.full((8, 8), 7.5, dtype=np.float32)).any()
    huge = np.array([[-3e38, 3e38]], dtype=np.float32)
    assert Raster(1, 1, 2, window="full")(huge).ravel().tolist() == [0, 255]


# A whole set


def test_volumes_are_imported_and_their_slices_stay_together(tmp_path: Path) -> None:
    for name in "ab":
        (tmp_path / "in" / name).mkdir(parents=True)
        for k in range(8):
            nifti(tmp_path / "in" / name / f"{k}.nii.gz", RNG.normal(size=(8, 8, 5)).astype(np.float32))
    settings = {"source": "folder", "root": tmp_path / "in", "size": 8}
    with pytest.raises(DataError, match=r"16 of 16 files .* all because it holds 5 slices.*data\.slices\.index"):
        import_dataset(DataConfig.model_validate(settings), 0, tmp_path / "none")
    middle = DataConfig.model_validate(settings | {"slices": {"index": "middle"}})
    assert len(import_dataset(middle, 0, tmp_path / "middle").studies) == 16
    every = DataConfig.model_validate(settings | {"slices": {"index": "all"}})
    manifest = import_dataset(every, 0, tmp_path / "all")
    assert len(manifest.studies) == 80
    assert manifest.studies[1].origin == "a/0.nii.gz slice 1"
    sides: dict[str, set[str]] = {}
    for study in manifest.studies:
        sides.setdefault(study.origin.split(" ")[0], set()).add(study.split)
    assert all(len(splits) == 1 for splits in sides.values())
    new = list(images_in(tmp_path / "in/a/0.nii.gz", every, Raster(1, 8, 8)))
    assert [number for number, _ in new] == [0, 1, 2, 3, 4]
