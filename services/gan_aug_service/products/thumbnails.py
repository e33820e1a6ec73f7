"""Small pictures of image files that are not imported yet, on one sheet, made anew for each look."""

from __future__ import annotations

import io
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from PIL import Image

from gan_aug.errors import DataError

SIDE, COLUMNS, GAP = 96, 8, 4
MOST_BYTES, MOST_PIXELS = 64 << 20, 50_000_000


def contact_sheet(paths: Sequence[Path]) -> bytes:
    """A PNG with a small picture of each file that can be read; raises DataError if none can."""
    small: list[Image.Image] = []
    fault: DataError | None = None
    for path in paths:
        try:
            small.append(_small(path))
        except DataError as error:
            fault = error
    if not small:
        raise fault or DataError("there is nothing to show")
    columns = min(COLUMNS, len(small))
    rows = -(-len(small) // columns)
    sheet = Image.new("RGB", (columns * (SIDE + GAP) - GAP, rows * (SIDE + GAP) - GAP))
    for number, image in enumerate(small):
        row, column = divmod(number, columns)
        left, top = column * (SIDE + GAP), row * (SIDE + GAP)
        sheet.paste(image, (left + (SIDE - image.width) // 2, top + (SIDE - image.height) // 2))
    out = io.BytesIO()
    sheet.save(out, "PNG")
    return out.getvalue()


def _small(path: Path) -> Image.Image:
    """An image file at most `SIDE` pixels wide and high; raises DataError if it cannot be read, or is too large."""
    try:
        if path.stat().st_size > MOST_BYTES:
            raise DataError(f"{path.name} is too large for a small picture of it")
        with Image.open(path) as image:
            if image.width * image.height > MOST_PIXELS:
                raise DataError(f"{path.name} is too large for a small picture of it")
            with suppress(AttributeError):
                image.draft("RGB", (SIDE, SIDE))
            found = _eight_bit(image)
            found.thumbnail((SIDE, SIDE))
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise DataError(f"{path.name} cannot be shown: it is no picture that can be read") from error
    return found


def _eight_bit(image: Image.Image) -> Image.Image:
    """An image in colour; the range of one with more than 8 bits is spread, for a look."""
    if image.mode.startswith(("I", "F")):
        grey = image.convert("F")
        low, high = (float(end) for end in grey.getextrema())  # type: ignore[arg-type]
        scale = 255 / ((high - low) or 1.0)
        return grey.point(lambda value: value * scale - low * scale).convert("L").convert("RGB")
    return image.convert("RGB")
