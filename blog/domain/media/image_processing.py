"""Processing of uploaded images: each file is decoded and encoded again, so that the blog serves only pixels.

Animations keep their encoded frames, see `animations`. Camera data, location, comments and anything else hidden in a file are
lost. Blocking and CPU-bound (about one second per 12 million pixels): call it in a thread, and limit the number of concurrent
calls.
"""

import hashlib
import io
from collections.abc import Callable, Container, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from PIL import Image, ImageOps

from blog.domain.media import animations
from blog.domain.media.image_decoding import (
    SUFFIXES,
    DecodedImage,
    check_frames,
    decode,
    image_error,
    plain_animation_format,
    to_mode,
    too_many_pixels_error,
)
from blog.errors import InvalidInput

MAX_IMPORT_BYTES = 20_000_000
"""The maximum size of an image file in an import."""
VARIANT_WIDTHS = (1600, 960, 480)
"""The widths of the smaller copies, in pixels."""
THUMBNAIL_SIZE = 256
"""The side of an avatar, in pixels."""
MEDIA_TYPES = {"png": "image/png", "jpg": "image/jpeg", "webp": "image/webp", "gif": "image/gif", "avif": "image/avif"}

T = TypeVar("T")
_SAVE_OPTIONS: dict[str, dict[str, Any]] = {
    "PNG": {},
    "JPEG": {"quality": 90, "progressive": True, "optimize": True},
    "WEBP": {"quality": 85, "method": 4},
    "GIF": {},
    "AVIF": {"quality": 75, "speed": 8, "max_threads": 1},  # one thread: the other cores serve readers
}
_MAX_WEBP_SIDE = 16_383


@dataclass(frozen=True, slots=True)
class ImageFile:
    """An image file. `name` is the SHA-256 of its content with a suffix, such as `3f….png`; sizes are in pixels."""

    name: str
    media_type: str
    width: int
    height: int
    data: bytes

    @property
    def size(self) -> int:
        """The size of the file, in bytes."""
        return len(self.data)


@dataclass(frozen=True, slots=True)
class ProcessedImage:
    """An image in its own format and full size, and smaller copies as WebP, widest first."""

    main: ImageFile
    variants: tuple[ImageFile, ...]

    @property
    def files(self) -> tuple[ImageFile, ...]:
        """The main file and its variants."""
        return (self.main, *self.variants)


def process(data: bytes, known_names: Container[str] = ()) -> ProcessedImage:
    """Return the image with copies for smaller screens; an animation gets no copies, because they would not move.

    known_names: names of images that need no copies.

    Deterministic: the same bytes give the same names. Raises InvalidInput if the image has too many pixels or frames, or is
    not a PNG, JPEG, WebP, GIF or AVIF image (SVG can contain scripts).
    """
    return _translate_decoder_errors(lambda data: _process(data, known_names), data)


def reencode(data: bytes) -> ImageFile:
    """Return the image without copies. Raises InvalidInput as `process` does."""
    return _translate_decoder_errors(lambda data: _clean_animation(data) or _encode(decode(data)), data)


def read_size(path: Path) -> tuple[int, int] | None:
    """Return the width and height of a stored image file, from its header; None if it cannot be read."""
    try:
        with Image.open(path, formats=tuple(SUFFIXES)) as image:
            return image.size
    except (OSError, ValueError):
        return None


def square_thumbnail(data: bytes) -> ImageFile:
    """Return the centre of the image, or of the first frame, as a square WebP of at most 256 pixels.

    Raises InvalidInput as `process` does.
    """
    return _translate_decoder_errors(_square_thumbnail, data)


def _translate_decoder_errors(work: Callable[[bytes], T], data: bytes) -> T:
    try:
        return work(data)
    except InvalidInput:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise too_many_pixels_error() from None
    except Exception as error:
        # For hostile bytes decoders raise almost anything: struct.error, KeyError, zlib.error, OverflowError…
        raise image_error("This file isn't a readable PNG, JPEG, WebP, GIF or AVIF image") from error


def _process(data: bytes, known_names: Container[str]) -> ProcessedImage:
    if animation := _clean_animation(data):
        return ProcessedImage(animation, ())
    decoded = decode(data)
    main = _encode(decoded)
    has_copies = len(decoded.frames) == 1 and main.name not in known_names
    return ProcessedImage(main, tuple(_make_variants(decoded.frames[0])) if has_copies else ())


def _square_thumbnail(data: bytes) -> ImageFile:
    image = to_mode(decode(data, max_frames=1).frames[0], ("RGB", "RGBA"))
    side = min(THUMBNAIL_SIZE, *image.size)
    square = ImageOps.fit(image, (side, side), Image.Resampling.LANCZOS)
    return _encode_file(square, "WEBP", {"quality": 85, "method": 4})


def _clean_animation(data: bytes) -> ImageFile | None:
    """Return an animation without metadata; None for other images, and for animations that need new frames."""
    if (image_format := plain_animation_format(data)) not in animations.FORMATS:
        return None
    try:
        cleaned = animations.remove_metadata(data, image_format)
    except Exception:  # a file with stray or missing blocks, which decoders accept
        return None
    return _image_file(cleaned, image_format, check_frames(cleaned))


def _encode(decoded: DecodedImage) -> ImageFile:
    first, *rest = decoded.frames
    options = dict(_SAVE_OPTIONS[decoded.image_format])
    if decoded.image_format == "WEBP" and decoded.lossless:
        options["lossless"] = True
    if rest:
        options |= {"save_all": True, "append_images": rest, "duration": decoded.durations}
        if decoded.image_format == "WEBP" and any(frame.mode == "RGBA" for frame in decoded.frames):
            options |= {"kmin": 0, "kmax": 1}  # whole frames: an animation of opaque parts would be declared opaque
        if decoded.loop is not None:
            options["loop"] = decoded.loop
    return _encode_file(first, decoded.image_format, options)


def _make_variants(image: Image.Image) -> Iterator[ImageFile]:
    resized = to_mode(image, ("RGB", "RGBA"))
    for width in VARIANT_WIDTHS:
        height = max(1, round(image.height * width / image.width))
        if width < image.width and height <= _MAX_WEBP_SIDE:
            resized = resized.resize((width, height), Image.Resampling.LANCZOS, reducing_gap=3.0)
            yield _encode_file(resized, "WEBP", {"quality": 80, "method": 4})


def _encode_file(image: Image.Image, image_format: str, options: dict[str, Any]) -> ImageFile:
    buffer = io.BytesIO()
    image.save(buffer, image_format, **options)
    return _image_file(buffer.getvalue(), image_format, image.size)


def _image_file(data: bytes, image_format: str, size: tuple[int, int]) -> ImageFile:
    suffix = SUFFIXES[image_format]
    return ImageFile(f"{hashlib.sha256(data).hexdigest()}.{suffix}", MEDIA_TYPES[suffix], *size, data)
