"""The pixels of images as the value of Pixel Data: 8 or 16 bit, grey or colour, as they are or compressed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from pydicom.encaps import encapsulate  # noqa: TID251 - the door
from pydicom.pixels import get_encoder  # noqa: TID251
from pydicom.uid import UID, ExplicitVRLittleEndian, JPEGLSLossless, RLELossless  # noqa: TID251

from gan_aug.config.export import DicomExport
from gan_aug.errors import ConfigError
from gan_aug.export.dicom.mark import drawn_mark, mark_images

if TYPE_CHECKING:
    from collections.abc import Callable

SYNTAXES = {"explicit": ExplicitVRLittleEndian, "rle": RLELossless, "jpeg-ls": JPEGLSLossless}
"""Transfer syntaxes by the names that `dicom.syntax` has for them."""

PACKAGES = {"rle": "pylibjpeg-rle", "jpeg-ls": "pyjpegls"}
"""The package that compresses, for the message if it is absent. pydicom itself compresses to RLE, slowly."""

WIDEN = 257
"""What an 8-bit grey is multiplied with to fill 16 bit: 255 becomes 65,535, and 0 stays."""


class PixelWriter:
    """Makes the value of Pixel Data of images of one shape."""

    def __init__(self, shape: tuple[int, int, int], options: DicomExport) -> None:
        """Look at what is asked for.

        Args:
            shape: The shape of an image, `(C, H, W)`.
            options: Bits, transfer syntax and mark.

        Raises:
            ConfigError: Colour with 16 bit, images too small for the mark or too large for DICOM, or no compressor.
        """
        self.channels, self.height, self.width = shape
        self.bits, self.syntax = options.bits, UID(SYNTAXES[options.syntax])
        if self.channels == 3 and self.bits == 16:
            raise ConfigError("dicom.bits: 16 is for grey images, and these have colour: leave it at 8")
        if max(self.height, self.width) > 65535:
            raise ConfigError(f"images of {self.height} x {self.width} pixels are larger than DICOM allows (65,535)")
        self._mark = drawn_mark(self.height, self.width) if options.mark else None
        self._encode = self._encoder(options.syntax) if self.syntax.is_compressed else None

    @property
    def vr(self) -> str:
        """The value representation of Pixel Data."""
        return "OW" if self.bits == 16 and self._encode is None else "OB"

    def value(self, images: npt.NDArray[np.uint8]) -> bytes:
        """The value of Pixel Data, of even length, of images `(n, C, H, W)` as its frames."""
        shown = images if self._mark is None else mark_images(images, self._mark)
        frames: npt.NDArray[Any] = shown.transpose(0, 2, 3, 1) if self.channels == 3 else shown[:, 0]
        if self.bits == 16:
            frames = frames.astype("<u2") * np.uint16(WIDEN)
        if self._encode:
            value: bytes = encapsulate([self._encode(frame.tobytes()) for frame in frames])
            return value
        native = frames.tobytes()
        return native + b"\0" * (len(native) % 2)

    def _encoder(self, name: str) -> Callable[[bytes], bytes]:
        encoder = get_encoder(self.syntax)
        if not encoder.is_available:
            raise ConfigError(f"dicom.syntax: {name} needs {PACKAGES[name]}: pip install 'gan-aug[dicom]'")
        described: dict[str, Any] = {
            "rows": self.height,
            "columns": self.width,
            "samples_per_pixel": self.channels,
            "number_of_frames": 1,
            "bits_allocated": self.bits,
            "bits_stored": self.bits,
            "pixel_representation": 0,
            "photometric_interpretation": "RGB" if self.channels == 3 else "MONOCHROME2",
        }
        if self.channels == 3:
            described["planar_configuration"] = 0
        # One compressor by name: another one would give other bytes.
        plugin = {"rle": "pylibjpeg" if "pylibjpeg" in encoder.available_plugins else "pydicom"}.get(name, "pyjpegls")
        return lambda frame: encoder.encode(frame, encoding_plugin=plugin, **described)
