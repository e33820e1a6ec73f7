"""From the pixel data of a file to the stored values of one frame.

pydicom's decoders get what the data itself says of its form, where it says anything, and the header's word otherwise.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from gan_aug.data.assumptions import Assumed, assume
from gan_aug.data.dicom.attributes import Attributes
from gan_aug.data.dicom.codestream import (
    BASELINE,
    ITEM,
    RLE,
    SYNTAXES,
    Codestream,
    Fragments,
    beginnings,
    fragments_of,
    frame_of,
    has_end,
    read_codestream,
    with_valid_scan,
    without_adobe,
)
from gan_aug.data.dicom.dataset import OpenedFile
from gan_aug.data.dicom.pixel_module import PixelModule, read_pixel_module, stored_bits
from gan_aug.errors import DataError

Array = npt.NDArray[Any]

NATIVE, BIG_ENDIAN = "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2"

ENCAPSULATED_NATIVE = "1.2.840.10008.1.2.1.98"
"""Encapsulated Uncompressed Explicit VR Little Endian."""

PLUGINS = ("pylibjpeg", "pyjpegls", "pillow", "pydicom", "gdcm")
"""The order in which the plug-ins of pydicom are tried; others come last."""


@dataclass(frozen=True, eq=False)
class PixelSource:
    """The pixel data of one file, of which frames are decoded.

    Attributes:
        file: The file, with its pixels.
        header: Its header.
        module: How the pixels are stored.
        encapsulated: Whether they are in fragments, as compressed pixels are.
    """

    file: OpenedFile = field(repr=False)
    header: Attributes = field(repr=False)
    module: PixelModule
    encapsulated: bool

    @classmethod
    def of(cls, file: OpenedFile, max_pixels: int) -> PixelSource:
        """The pixels of a file; raises DataError with the reason if they cannot be used."""
        if file.element is None:
            raise DataError("it holds no pixels")
        header = Attributes(file.dataset)
        # Some writers give encapsulated data a length. Uncompressed pixels may begin with the same bytes by chance.
        encapsulated = file.length is None or (file.data[:4] == ITEM and is_compressed(file.syntax))
        module = read_pixel_module(header, file.element, None if encapsulated else file.length, max_pixels)
        if not encapsulated and (reason := lack_of_bytes(file, module)):
            raise DataError(reason)
        return cls(file, header, module, encapsulated)

    def frame(self, index: int) -> tuple[Array, int]:
        """The stored values of a frame, counted from 0, and how many bits they span.

        The values are `(H, W)`, or `(H, W, 3)` in RGB. Raises DataError with the reason if it cannot be decoded.
        """
        if not self.encapsulated:
            return self._native(self.file.data, index, self.module.frames)
        if self.module.frames == 1 and len(beginnings(self._fragments)) > 1:
            assume(Assumed.MORE_FRAMES)
        frame = frame_of(self._fragments, self._extended_offsets, self.module.frames, index)
        if not frame:
            raise DataError("its pixel data holds no compressed image")
        syntax = self.file.syntax
        stream = read_codestream(frame)
        if stream:
            return self._compressed(frame, syntax, stream)
        if syntax != RLE and len(frame) - self.module.native_bytes(1) in (0, 1):
            _note_syntax(syntax, fits=syntax == ENCAPSULATED_NATIVE)
            return self._native(frame, 0, 1)
        return self._run_lengths(frame, syntax)

    @cached_property
    def _fragments(self) -> Fragments:
        return fragments_of(self.file.data)

    @cached_property
    def _extended_offsets(self) -> list[int]:
        extended = self.header.content("ExtendedOffsetTable")
        table = extended[0] if isinstance(extended, tuple) else b""
        return list(np.frombuffer(table[: len(table) // 8 * 8], "<u8").tolist())

    def _native(self, data: bytes, index: int, frames: int) -> tuple[Array, int]:
        module = self.module
        values = _decoded(
            data,
            BIG_ENDIAN if self.file.big_endian else NATIVE,
            module,
            index=index,
            number_of_frames=frames,
            bits_allocated=module.allocated,
            planar_configuration=int(module.planar),
            pixel_vr=self.file.vr or "OW",
        )
        return _finished(values.astype(values.dtype.newbyteorder("="), copy=False), module, None)

    def _run_lengths(self, frame: bytes, syntax: str) -> tuple[Array, int]:
        """Decode a frame that says nothing of itself, which is RLE."""
        segments = int.from_bytes(frame[:4], "little")
        if not 1 <= segments <= 15 or int.from_bytes(frame[4:8], "little") != 64:
            raise DataError(f"its pixel data{name_of(syntax)} is damaged, or in a format that no plug-in decodes")
        _note_syntax(syntax, fits=syntax == RLE)
        module = self.module
        values = _decoded(frame, RLE, module, index=0, bits_allocated=module.allocated)
        return _finished(values, module, None)

    def _compressed(self, frame: bytes, syntax: str, stream: Codestream) -> tuple[Array, int]:
        module = _believed(self.module, stream)
        size, claimed = (stream.rows or module.rows, stream.columns), (module.rows, module.columns)
        # Before a codec allocates memory for it.
        if size != claimed:
            raise DataError(
                f"its compressed image has {size[0]} x {size[1]} pixels, but its header claims "
                f"{claimed[0]} x {claimed[1]}"
            )
        _note_syntax(syntax, fits=syntax in SYNTAXES[stream.family])
        if not has_end(frame):
            assume(Assumed.NO_END)
        mended = with_valid_scan(frame, stream)
        if mended != frame:
            assume(Assumed.SCAN_PARAMETERS)
        values = _decoded(
            without_adobe(mended, stream),
            _decodable(syntax, stream),
            module,
            index=0,
            bits_allocated=8 if stream.precision <= 8 else 16 if stream.precision <= 16 else 32,
            bits_stored=stream.precision,
            pixel_representation=int(stream.signed),
        )
        if module.signed and not self.module.signed and (values < 0).any():
            assume(Assumed.OTHER_SIGN)
        return _finished(values, module, stream)


def _believed(module: PixelModule, stream: Codestream) -> PixelModule:
    """The header's description, with what a compressed frame says of its samples and their sign."""
    if stream.components not in (1, 3):
        raise DataError(f"its compressed image has {stream.components} values per pixel, not 1 or 3")
    if stream.components != module.samples:
        assume(Assumed.OTHER_COLOUR)
        colour = "RGB" if stream.components == 3 else "MONOCHROME2"
        module = replace(module, samples=stream.components, photometric=stream.colour or colour)
    return replace(module, signed=True) if stream.signed else module


def _note_syntax(syntax: str, *, fits: bool) -> None:
    """Say that pixel data is not what its header names, if it names anything."""
    if syntax and not fits:
        assume(Assumed.OTHER_SYNTAX)


def _finished(values: Array, module: PixelModule, stream: Codestream | None) -> tuple[Array, int]:
    # A codec knows how many bits it stored; a header may claim more.
    bits = min(module.stored, stream.precision) if stream else module.stored
    if module.is_float:
        return values, bits
    values = stored_bits(values, module, bits, stream.precision if stream else None)
    if module.samples == 1:
        return values, bits
    return _rgb(values.astype(np.uint8) if bits <= 8 else values, module, bits, stream), bits


def lack_of_bytes(file: OpenedFile, module: PixelModule) -> str:
    """Why the uncompressed pixels of `file` cannot be used, or an empty text if all bytes are there."""
    needed, held = module.native_bytes(), file.present
    if held >= needed:
        return ""
    claim = f"{held} bytes, but its header claims {needed} (rows x columns x frames x samples x bits)"
    if file.length is not None and held < file.length:
        return f"its pixel data is truncated: the file ends after {claim}"
    if is_compressed(file.syntax):
        syntax = f"its transfer syntax is a compressed one{name_of(file.syntax)}"
        return f"{syntax}, its pixel data is not encapsulated, and has {claim}"
    return f"its pixel data has {claim}"


def is_compressed(syntax: str) -> bool:
    """Whether this is the UID of a transfer syntax whose pixel data is compressed."""
    return any(syntax in uids for uids in SYNTAXES.values())


def name_of(uid: str) -> str:
    """The name of a UID in brackets, after a space; empty if the standard has no such UID."""
    from pydicom.uid import UID  # noqa: TID251

    name = UID(uid).name
    return f" ({name})" if name != uid else ""


def _decodable(syntax: str, stream: Codestream) -> str:
    """The transfer syntax to decode by: the header's if it can be that and pydicom knows it, else the frame's own."""
    from pydicom.pixels import get_decoder  # noqa: TID251
    from pydicom.uid import UID  # noqa: TID251

    is_baseline = stream.family == "jpeg" and stream.syntax == BASELINE
    if syntax not in SYNTAXES[stream.family] or (syntax == BASELINE) != is_baseline:
        return stream.syntax
    try:
        get_decoder(UID(syntax))
    except NotImplementedError:
        return stream.syntax
    return syntax


def _decoded(data: bytes, syntax: str, module: PixelModule, *, index: int, **options: Any) -> Array:
    """Decode a frame by the first plug-in that can.

    Args:
        data: The pixel data, or one compressed frame.
        syntax: The transfer syntax to decode by.
        module: How the pixels are stored.
        index: The frame in `data`.
        options: Options of pydicom's decoder that are not taken from `module`.

    Returns:
        `(H, W)` or `(H, W, 3)`, in the colour space in which it is stored.

    Raises:
        DataError: If none can.
    """
    from pydicom.encaps import encapsulate  # noqa: TID251
    from pydicom.pixels import get_decoder  # noqa: TID251
    from pydicom.uid import UID  # noqa: TID251

    decoder = get_decoder(UID(syntax))
    all_options: dict[str, Any] = {
        "rows": module.rows,
        "columns": module.columns,
        "number_of_frames": 1,
        "samples_per_pixel": module.samples,
        # Decoders are told what makes them leave colours as they are; `_rgb` converts them.
        "photometric_interpretation": _stored_colour(module),
        "planar_configuration": 0,
        "bits_stored": module.stored,
        "pixel_representation": int(module.signed),
        "pixel_keyword": module.element,
        "allow_excess_frames": False,
        "correct_unused_bits": False,
        "apply_j2k_sign_correction": False,
        "apply_jls_sign_correction": False,
    } | options
    if not decoder.is_encapsulated:
        found: Array = decoder.as_array(data, index=index, raw=True, **all_options)[0]
        return found
    whole = encapsulate([data], has_bot=False)
    for plugin in _plugins(decoder, syntax):
        try:
            return decoder.as_array(whole, index=0, raw=True, decoding_plugin=plugin, **all_options)[0]
        except (KeyboardInterrupt, SystemExit, GeneratorExit, MemoryError):
            raise
        except BaseException:  # noqa: BLE001, S112 - a panic in a Rust codec is not even an Exception
            continue
    tried = ", ".join(decoder.available_plugins)
    raise DataError(f"its compressed image cannot be decoded{name_of(syntax)}; tried {tried}")


def _plugins(decoder: Any, syntax: str) -> Iterator[str]:
    available = decoder.available_plugins
    if not available:
        missing = "; ".join(decoder.missing_dependencies)
        raise DataError(f"its compressed image{name_of(syntax)} needs a plug-in that is not installed: {missing}")
    yield from sorted(available, key=lambda name: PLUGINS.index(name) if name in PLUGINS else len(PLUGINS))


def _stored_colour(module: PixelModule) -> str:
    if module.samples == 1:
        return "MONOCHROME2"
    return "YBR_FULL_422" if module.photometric == "YBR_PARTIAL_422" else module.photometric


def _rgb(values: Array, module: PixelModule, bits: int, stream: Codestream | None) -> Array:
    """The colours as RGB; a compressed image that tells its colour space is believed more than the header."""
    said = "RGB" if module.photometric in ("RGB", "YBR_ICT", "YBR_RCT") else module.photometric
    colour = said
    if stream and stream.colour and (stream.colour == "RGB") != (said == "RGB"):
        assume(Assumed.OTHER_COLOUR)
        colour = stream.colour
    if colour == "RGB":
        return values
    from pydicom.pixels import convert_color_space  # noqa: TID251

    if values.dtype == np.uint8 and colour != "YBR_PARTIAL_422":
        found: Array = convert_color_space(values, "YBR_FULL", "RGB")
        return found
    return _from_ybr(values, bits, partial=colour == "YBR_PARTIAL_422")


def _from_ybr(values: Array, bits: int, *, partial: bool) -> Array:
    """RGB of YCbCr of any depth (PS3.3 C.7.6.3.1.2); `partial` is the range of ITU-R 601 in video, 16 to 235 of 255."""
    white = 2**bits - 1
    y, cb, cr = np.moveaxis(values.astype(np.float64) / white, -1, 0)
    cb, cr = cb - 2 ** (bits - 1) / white, cr - 2 ** (bits - 1) / white
    if partial:
        y, cb, cr = (y - 16 / 255) * 255 / 219, cb * 255 / 224, cr * 255 / 224
    rgb = np.stack([y + 1.402 * cr, y - 0.344136 * cb - 0.714136 * cr, y + 1.772 * cb], axis=-1)
    found: Array = np.rint(np.clip(rgb, 0, 1) * white).astype(values.dtype)
    return found
