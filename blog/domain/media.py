"""Images beside posts: checked by decoding, kept under the digest of their content."""

import hashlib
import io
import os
import tempfile
import warnings
from pathlib import Path

from PIL import Image, UnidentifiedImageError

from blog.errors import FieldError, InvalidInput

_SUFFIXES = {"PNG": "png", "JPEG": "jpg", "WEBP": "webp", "GIF": "gif", "AVIF": "avif"}
LARGEST_BYTES = 20_000_000
MOST_PIXELS = 50_000_000


def keep(folder: Path, data: bytes) -> str:
    """Keep an image in the folder; its name, such as `3f….png`. The same image is kept once.

    Raises InvalidInput for what is too large or no PNG, JPEG, WebP, GIF or AVIF image (SVG can hold scripts).
    """
    name = name_of(data)
    path = folder / name
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        _write(path, data)
    return name


def name_of(data: bytes) -> str:
    """The name under which `keep` keeps an image. Raises InvalidInput as it does."""
    return f"{hashlib.sha256(data).hexdigest()}.{_suffix(data)}"


def _suffix(data: bytes) -> str:
    if len(data) > LARGEST_BYTES:
        raise _refused(f"An image may have at most {LARGEST_BYTES} bytes")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            with Image.open(io.BytesIO(data), formats=tuple(_SUFFIXES)) as image:
                if image.width * image.height > MOST_PIXELS:
                    raise _refused(f"An image may have at most {MOST_PIXELS} pixels")
                image.load()
                return _SUFFIXES[str(image.format)]
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError, Warning, Image.DecompressionBombError):
        raise _refused("This is no PNG, JPEG, WebP, GIF or AVIF image that can be read") from None


def _refused(message: str) -> InvalidInput:
    return InvalidInput([FieldError(("file",), message, "image")])


def _write(path: Path, data: bytes) -> None:
    """Whole or not at all, also when the machine stops midway."""
    with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as file:
        try:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
            os.replace(file.name, path)
        except BaseException:
            os.unlink(file.name)
            raise
    path.chmod(0o644)
