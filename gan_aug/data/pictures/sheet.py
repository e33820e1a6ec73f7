"""Contact sheets: images side by side, each above lines of text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from gan_aug.data.pictures.png import png

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageDraw import ImageDraw

TILE = 144  # px; the longer side of an image on a sheet
MARGIN = 12
LINE = 18
BLACK, GREY = "black", "#666666"


def captioned_sheet(
    images: npt.NDArray[np.uint8],
    captions: Sequence[Sequence[str]],
    heading: str,
    made_from: Mapping[str, Any],
    columns: int = 8,
) -> bytes:
    """Draw synthetic images in rows, each with its lines below it, under a heading.

    Args:
        images: `(N, C, H, W) uint8`. Small ones are enlarged; none is made smaller.
        captions: The lines of each image, of which the first is black.
        heading: A line on top.
        made_from: What the file says of itself, see `marks.png_mark`.
        columns: Images per row.

    Returns:
        A PNG file.
    """
    from PIL import Image, ImageDraw

    longer = max(images.shape[2:])
    side = longer * max(1, -(-TILE // longer))
    columns = min(columns, len(images))
    lines = max(len(own) for own in captions)
    width, height = side + MARGIN, side + LINE * lines + MARGIN
    rows = -(-len(images) // columns)
    sheet = Image.new("RGB", (columns * width + MARGIN, rows * height + MARGIN + LINE), "white")
    draw = ImageDraw.Draw(sheet)
    write_line(draw, (MARGIN, MARGIN // 2), heading, GREY, sheet.width - 2 * MARGIN)
    for k, (image, own) in enumerate(zip(images, captions, strict=True)):
        x, y = MARGIN + k % columns * width, MARGIN + LINE + k // columns * height
        picture = enlarged(image, side)
        sheet.paste(picture, (x + (side - picture.width) // 2, y + (side - picture.height) // 2))
        for number, text in enumerate(own):
            write_line(draw, (x, y + side + number * LINE), text, GREY if number else BLACK, side)
    return png(np.asarray(sheet).transpose(2, 0, 1), made_from=made_from)


def enlarged(image: npt.NDArray[np.uint8], side: int) -> Image:
    """An image `(C, H, W) uint8` whose longer side becomes `side`; it is enlarged without smoothing, pixels show."""
    from PIL import Image

    channels, height, width = image.shape
    pixels = Image.fromarray(image[0] if channels == 1 else np.ascontiguousarray(image.transpose(1, 2, 0)))
    scale = side / max(height, width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return pixels.convert("RGB").resize(size, Image.Resampling.NEAREST if scale > 1 else Image.Resampling.LANCZOS)


def write_line(draw: ImageDraw, place: tuple[int, int], text: str, colour: str, width: int) -> None:
    """Write one line of text, shortened to a width.

    Args:
        draw: What to draw on.
        place: The left upper corner.
        text: The line.
        colour: Its colour.
        width: In pixels.
    """
    from PIL import ImageFont

    font = ImageFont.load_default(size=12)
    cut = text
    while cut and draw.textlength(cut, font=font) > width:
        cut = cut[:-1]
    draw.text(place, cut if cut == text else f"{cut[:-1]}…", fill=colour, font=font)
