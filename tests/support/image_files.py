"""Images with all that a file can contain, and what is read from processed ones."""

import io
import struct
import zlib

import pytest
from PIL import Image, ImageCms
from PIL.PngImagePlugin import PngInfo

from blog.domain.media import image_processing
from blog.errors import InvalidInput
from tests.support.pictures import encode

MEDIA_TYPES = {"PNG": "image/png", "JPEG": "image/jpeg", "WEBP": "image/webp", "GIF": "image/gif", "AVIF": "image/avif"}
ANIMATED = ("GIF", "WEBP", "PNG", "AVIF")
KEPT = ("GIF", "WEBP", "PNG")
"""The formats of animations that are not encoded again."""
RED, GREEN, BLUE, CLEAR = (255, 0, 0, 255), (0, 255, 0, 255), (0, 0, 255, 255), (0, 0, 0, 0)
NOT_AN_IMAGE = "This file isn't a readable PNG, JPEG, WebP, GIF or AVIF image"
SECRET = b"secret-4711"
ORIENTATION, DESCRIPTION = 0x0112, 0x010E


def open_image(file: image_processing.ImageFile) -> Image.Image:
    image = Image.open(io.BytesIO(file.data))
    image.load()
    assert (image.size, Image.MIME[image.format or ""]) == ((file.width, file.height), file.media_type)
    return image


def frame_count(image: Image.Image) -> int:
    return int(getattr(image, "n_frames", 1))


def pixel(image: Image.Image, position: tuple[int, int]) -> tuple[int, ...]:
    colour = image.convert("RGBA").getpixel(position)
    assert isinstance(colour, tuple)
    return colour


def is_close(colour: tuple[int, ...], expected: tuple[int, ...], tolerance: int = 12) -> bool:
    """Return whether two colours are equal up to the loss of lossy formats. Transparent pixels have no colour."""
    if expected[3] == 0:
        return colour[3] <= tolerance
    return all(abs(one - other) <= tolerance for one, other in zip(colour, expected, strict=True))


def halves(left: tuple[int, ...], right: tuple[int, ...], width: int = 600) -> Image.Image:
    image = Image.new("RGBA", (width, 8), right)
    image.paste(left, (0, 0, width // 2, 8))
    return image


def error_message(data: bytes) -> str:
    """Return the message with which a file is rejected."""
    with pytest.raises(InvalidInput) as caught:
        image_processing.process(data)
    (error,) = caught.value.errors
    assert error.loc == ("file",)
    return error.msg


def chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def raw_png(width: int, height: int, depth: int, colours: int, lines: bytes, extra: bytes = b"") -> bytes:
    """Return a PNG file that Pillow would not write. Each line begins with the byte of its filter."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colours, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + extra + chunk(b"IDAT", zlib.compress(lines)) + chunk(b"IEND", b"")


def swapping_profile() -> bytes:
    """Return a colour profile that swaps red and green."""
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    profile = profile.replace(b"rXYZ", b"tmpX", 1).replace(b"gXYZ", b"rXYZ", 1).replace(b"tmpX", b"gXYZ", 1)
    return profile.replace("sRGB".encode("utf-16-be"), "Swap".encode("utf-16-be"))


def with_metadata(kind: str) -> bytes:
    """Return an image with the secret in every kind of metadata of its format."""
    exif = Image.Exif()
    exif[DESCRIPTION] = SECRET.decode()
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    options: dict[str, object] = {"exif": exif, "xmp": b"<x>" + SECRET + b"</x>", "icc_profile": profile + SECRET}
    if kind == "PNG":
        text = PngInfo()
        text.add_text("Comment", SECRET.decode())
        text.add_itxt("XML:com.adobe.xmp", SECRET.decode())
        options = {"pnginfo": text, "exif": exif}
    elif kind == "JPEG":
        options["comment"] = SECRET
    elif kind == "GIF":
        options = {"comment": SECRET}
    return encode(Image.new("RGB", (500, 8), RED), kind, **options)
