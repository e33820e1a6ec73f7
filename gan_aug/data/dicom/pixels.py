"""From a DICOM file to pixels: decoded, Modality LUT and VOI LUT or window applied, MONOCHROME1 inverted."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from gan_aug.config.data import DicomConfig
from gan_aug.data.dicom.codestream import frame_pixels
from gan_aug.data.dicom.dataset import DEFLATED, open_dataset
from gan_aug.data.dicom.files import DicomFile
from gan_aug.data.dicom.pydicom_messages import suppress_messages
from gan_aug.data.dicom.window import windowed_uint16
from gan_aug.data.items import Pixels
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
    with suppress_messages():
        dataset = _loaded(file, config, file.stamp())
        try:
            return render(dataset, stored_values(dataset, frame), frame, config)
        except DataError:
            raise
        except MemoryError as error:
            raise DataError("it needs more memory than there is") from error
        except (KeyboardInterrupt, SystemExit, GeneratorExit):
            raise
        except BaseException as error:
            # pydicom lets through whatever its plug-ins raise; a panic in a Rust codec is not even an Exception.
            raise DataError(f"its pixels cannot be decoded{_tried(dataset)}") from error


def stored_values(dataset: Any, frame: int) -> Array:
    """The stored values of one frame as pydicom decodes them, `(H, W)` or `(H, W, 3)`; YBR is converted to RGB."""
    from pydicom.pixels import pixel_array  # noqa: TID251

    _check_codestream(dataset, frame)
    values: Array = pixel_array(dataset, index=frame)
    if values.shape[:2] != (dataset.Rows, dataset.Columns):
        size = (dataset.Rows, dataset.Columns)
        raise DataError(f"its decoded image is {values.shape[:2]}, but its header claims {size}")
    return values


def render(dataset: Any, values: Array, frame: int, config: DicomConfig) -> Pixels:
    """Turn the stored values of a frame into pixels.

    Args:
        dataset: The pydicom dataset of the frame.
        values: The stored values, `(H, W)` or `(H, W, 3)`.
        frame: The frame, counted from 0.
        config: The window to use, and whether to crop dark borders.

    Returns:
        `(H, W)` uint16 if grey, `(H, W, 3)` uint8 or uint16 if colour, over the full range of the dtype.
    """
    if dataset.PhotometricInterpretation == "PALETTE COLOR":
        from pydicom.pixels import apply_color_lut  # noqa: TID251

        pixels: Array = apply_color_lut(values, dataset)[..., :3]
        if pixels.dtype == np.uint16 and int(dataset.RedPaletteColorLookupTableDescriptor[2]) == 8:
            pixels = pixels.astype(np.uint8)
    elif values.ndim == 3:
        pixels = _colour(dataset, values)
    else:
        pixels = windowed_uint16(dataset, values, frame, config.window)
    return pixels if config.crop == "none" else without_border(pixels)


def without_border(pixels: Pixels) -> Pixels:
    """The pixels without dark rows and columns at the edges, which come from collimators and viewers."""
    bright = (pixels if pixels.ndim == 2 else pixels.max(axis=2)) > DARK * np.iinfo(pixels.dtype).max
    rows, columns = np.flatnonzero(bright.any(axis=1)), np.flatnonzero(bright.any(axis=0))
    if not len(rows):
        return pixels
    return pixels[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


@lru_cache(maxsize=1)
def _loaded(file: DicomFile, config: DicomConfig, _stamp: tuple[int, ...]) -> Any:
    """The whole dataset. The last one is cached until its file changes, as its other frames are usually read next."""
    return open_dataset(file, config, None)[0]


def _colour(dataset: Any, values: Array) -> Pixels:
    bits = int(dataset.get("BitsStored") or dataset.BitsAllocated)
    if values.dtype == np.uint8 and bits == 8:
        return values
    scaled = np.clip(values.astype(np.float64) / (2**bits - 1), 0, 1) * np.iinfo(np.uint16).max
    pixels: Pixels = np.rint(scaled).astype(np.uint16)
    return pixels


def _check_codestream(dataset: Any, frame: int) -> None:
    """Refuse a compressed frame whose own size is not the header's, before a codec allocates memory for it."""
    from pydicom.encaps import get_frame  # noqa: TID251
    from pydicom.uid import UID  # noqa: TID251

    if not UID(dataset.file_meta.TransferSyntaxUID).is_compressed or "PixelData" not in dataset:
        return
    if dataset.file_meta.TransferSyntaxUID == DEFLATED.decode():
        return
    count = int(dataset.get("NumberOfFrames") or 1)
    claimed = frame_pixels(get_frame(dataset.PixelData, frame, number_of_frames=count))
    if claimed is not None and claimed != dataset.Rows * dataset.Columns:
        raise DataError("its compressed image has another size than its header claims")


def _tried(dataset: Any) -> str:
    from pydicom.pixels import get_decoder  # noqa: TID251
    from pydicom.uid import UID  # noqa: TID251

    syntax = UID(dataset.file_meta.TransferSyntaxUID)
    plugins = get_decoder(syntax).available_plugins
    name = syntax.name if syntax.name != syntax else "not in the standard"
    tried = f"; tried {', '.join(plugins)}" if plugins else ""
    return f" (transfer syntax {name}{tried})"
