"""Small images for uploads."""

import io
from typing import Any

from PIL import Image


def encode(image: Image.Image, image_format: str, **options: Any) -> bytes:
    """Return the image as a file of the given format."""
    buffer = io.BytesIO()
    image.save(buffer, image_format, **options)
    return buffer.getvalue()


def png(width: int, height: int, colour: str = "teal") -> bytes:
    """Return a PNG file of one colour; sizes are in pixels."""
    return encode(Image.new("RGB", (width, height), colour), "PNG")
