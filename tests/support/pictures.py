"""Small images to upload."""

import io

from PIL import Image


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    """The image as a file of this format."""
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def png(width: int, height: int, colour: str = "teal") -> bytes:
    """A PNG file of one colour; sizes in pixels."""
    return encoded(Image.new("RGB", (width, height), colour), "PNG")
