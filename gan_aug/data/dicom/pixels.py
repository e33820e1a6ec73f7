"""From a DICOM file to pixels: decoded, made grey or coloured as its header means, of square shape."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from gan_aug.config.data import DicomConfig
from gan_aug.data.assumptions import Assumed, assume
from gan_aug.data.dicom.attributes import PIXEL_KEYWORDS, named, tags
from gan_aug.data.dicom.dataset import open_file
from gan_aug.data.dicom.decode import PixelSource, name_of
from gan_aug.data.dicom.files import DicomFile
from gan_aug.data.dicom.grey_scale import PixelPlan, read_scale
from gan_aug.data.dicom.pixel_module import height_to_width, stored_bits
from gan_aug.data.dicom.pydicom_messages import suppress_messages
from gan_aug.data.dicom.tables import read_palette
from gan_aug.data.dicom.window import fell_together, grey_frame
from gan_aug.data.items import Pixels
from gan_aug.data.reading.raster import resized_planes
from gan_aug.errors import DataError

Array = npt.NDArray[Any]
DARK = 0.02
"""The share of the grey range up to which a pixel counts as part of a dark border."""


def read_frame(file: DicomFile, frame: int, config: DicomConfig) -> Pixels:
    """Decode one frame.

    Args:
        file: The file.
        frame: The frame, counted from 0.
        config: The window to use, and whether to crop dark borders.

    Returns:
        `(H, W)` uint16 if grey, `(H, W, 3)` uint8 or uint16 if colour, over the full range of the dtype.

    Raises:
        DataError: If the frame cannot be decoded; the message is the reason.
    """
    if file.plan and (pixels := _by_plan(file, file.plan, config)) is not None:
        return pixels
    with suppress_messages():
        source = _loaded(file, config, file.stamp())
        try:
            values, bits = source.frame(frame)
            return render(source, values, bits, frame, config)
        except DataError:
            raise
        except MemoryError as error:
            raise DataError("it needs more memory than there is") from error
        except (KeyboardInterrupt, SystemExit, GeneratorExit):
            raise
        except BaseException as error:
            # pydicom lets through whatever its plug-ins raise; a panic in a Rust codec is not even an Exception.
            raise DataError(f"its pixels cannot be decoded, or shown{name_of(source.file.syntax)}") from error


def render(source: PixelSource, values: Array, bits: int, frame: int, config: DicomConfig) -> Pixels:
    """Turn the stored values of a frame into pixels.

    Args:
        source: Where they are from.
        values: The stored values, `(H, W)` or `(H, W, 3)`.
        bits: How many bits they span.
        frame: The frame, counted from 0.
        config: The window to use, and whether to crop dark borders.

    Returns:
        `(H, W)` uint16 if grey, `(H, W, 3)` uint8 or uint16 if colour, over the full range of the dtype.
    """
    if values.ndim == 3:
        pixels = _colour(values, bits)
    elif source.module.photometric == "PALETTE COLOR":
        pixels = _palette(source, values)
    else:
        pixels = grey_frame(read_scale(source.header, source.module, frame, config.window), values)
    return _shaped(pixels, height_to_width(source.header, frame), config)


def _by_plan(file: DicomFile, plan: PixelPlan, config: DicomConfig) -> Pixels | None:
    """The pixels of a file by what is known of its header; None if the file has changed or cannot be read."""
    module = plan.module
    if file.stamp() != plan.stamp:
        return None
    try:
        with file.path.open("rb") as stream:
            stream.seek(plan.place)
            data = stream.read(module.native_bytes())
    except OSError:
        return None
    if len(data) < module.native_bytes():
        return None
    kind = f"<{'i' if module.signed else 'u'}{module.allocated // 8}"
    values = np.frombuffer(data, dtype=kind).reshape(module.rows, module.columns)
    values = stored_bits(values.astype(values.dtype.newbyteorder("="), copy=False), module, module.stored, None)
    return _shaped(grey_frame(plan.scale, values), plan.ratio, config)


def _shaped(pixels: Pixels, ratio: float, config: DicomConfig) -> Pixels:
    """The picture without dark borders, if that is asked for, and with square pixels; see `of_square_pixels`."""
    return of_square_pixels(pixels if config.crop == "none" else without_border(pixels), ratio, config.max_pixels)


def without_border(pixels: Pixels) -> Pixels:
    """The pixels without dark rows and columns at the edges, which come from collimators and viewers."""
    bright = (pixels if pixels.ndim == 2 else pixels.max(axis=2)) > DARK * np.iinfo(pixels.dtype).max
    rows, columns = np.flatnonzero(bright.any(axis=1)), np.flatnonzero(bright.any(axis=0))
    if not len(rows):
        return pixels
    return pixels[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def of_square_pixels(pixels: Pixels, ratio: float, max_pixels: int) -> Pixels:
    """The picture with square pixels: the direction with the larger distance gets more of them.

    Args:
        pixels: `(H, W)` or `(H, W, 3)`.
        ratio: The height of a pixel by its width.
        max_pixels: The largest number of pixels that the result may have.

    Returns:
        The picture; the same array if pixels are square.

    Raises:
        DataError: If it would have too many pixels.
    """
    height, width = pixels.shape[:2]
    size = (width, round(height * ratio)) if ratio > 1 else (round(width / ratio), height)
    if size == (width, height):
        return pixels
    if size[0] * size[1] > max_pixels:
        raise DataError("with square pixels it would have more of them than data.dicom.max_pixels allows")
    top = np.iinfo(pixels.dtype).max
    made = resized_planes(pixels, size, Image.Resampling.BICUBIC)
    return np.rint(np.clip(made, 0, top)).astype(pixels.dtype)


@lru_cache(maxsize=1)
def _loaded(file: DicomFile, config: DicomConfig, _stamp: tuple[int, ...]) -> PixelSource:
    """The file's pixels. The last file is cached until it changes, as its other frames are usually read next."""
    return PixelSource.of(open_file(file, config, tags(PIXEL_KEYWORDS), pixels=True), config.max_pixels)


def _palette(source: PixelSource, values: Array) -> Pixels:
    header, module = source.header, source.module
    palette = read_palette(header, (float(module.range[0]), float(module.range[1])))
    if palette is None:
        return _segmented_palette(source, values)
    tables, bits = palette
    if fell_together(values, tables[1](values) << (16 - bits)):
        assume(Assumed.FEW_GREYS)
    entries = np.stack([table(values) for table in tables], axis=-1)
    return _colour(entries.astype(np.uint8) if bits == 8 else entries, bits)


def _segmented_palette(source: PixelSource, values: Array) -> Pixels:
    from pydicom.pixels import apply_color_lut  # noqa: TID251

    if "SegmentedRedPaletteColorLookupTableData" not in source.header:
        raise DataError(f"its palette is absent or incomplete: see {named('RedPaletteColorLookupTableDescriptor')}")
    try:
        pixels: Pixels = apply_color_lut(values, source.file.dataset)[..., :3]
    except Exception as error:  # pydicom lets through whatever its parsers raise
        raise DataError("its segmented palette (0028,1221) cannot be read") from error
    return pixels


def _colour(values: Array, bits: int) -> Pixels:
    """Colours of so many bits over the full range of uint8 or uint16."""
    if values.dtype == np.uint8 and bits == 8:
        return values
    scaled = np.clip(values.astype(np.float64) / (2**bits - 1), 0, 1) * np.iinfo(np.uint16).max
    pixels: Pixels = np.rint(scaled).astype(np.uint16)
    return pixels
