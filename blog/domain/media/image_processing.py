"""Images that people send: checked by decoding them, and encoded anew, so that only pixels of theirs are ever served.

What is no pixel is gone: camera, place and comments in the metadata, and whatever else a file was made to hold. Blocking and
heavy (about a second of a core for 12 million pixels): call it in a thread, few at a time.
"""

import hashlib
import io
import re
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from PIL import Image, ImageCms, ImageOps

from blog.errors import FieldError, InvalidInput

MAX_IMPORT_BYTES = 20_000_000
"""The largest file that an import reads as an image."""
MAX_PIXELS = 50_000_000
"""The largest image, all frames of an animation together; decoded, a pixel takes four bytes."""
MAX_FRAMES = 1_000
MAX_JPEG_SCANS = 100
"""How often a JPEG file may go over its image. Photos do about ten times; some hundred bytes more can keep a core for minutes."""
VARIANT_WIDTHS = (1600, 960, 480)
"""Widths of the smaller copies, in pixels."""
THUMBNAIL_SIZE = 256
"""Side of an avatar, in pixels."""
MEDIA_TYPES = {"png": "image/png", "jpg": "image/jpeg", "webp": "image/webp", "gif": "image/gif", "avif": "image/avif"}

T = TypeVar("T")
_SUFFIXES = {"PNG": "png", "JPEG": "jpg", "WEBP": "webp", "GIF": "gif", "AVIF": "avif"}
_SAVE_OPTIONS: dict[str, dict[str, Any]] = {
    "PNG": {},
    "JPEG": {"quality": 90, "progressive": True, "optimize": True},
    "WEBP": {"quality": 85, "method": 4},
    "GIF": {},
    "AVIF": {"quality": 75, "speed": 8, "max_threads": 1},  # one thread: the other cores serve readers
}
_SUPPORTED_MODES = {"PNG": ("1", "L", "LA", "P", "RGB", "RGBA"), "JPEG": ("L", "RGB"), "GIF": ("L", "P", "RGB", "RGBA")}
_MAX_WEBP_SIDE = 16_383
_JPEG_MARKER = re.compile(rb"\xff([^\x00\x01\xd0-\xd8\xff])")  # those that a length follows, and the end
_JPEG_END, _JPEG_SCAN = 0xD9, 0xDA
_PNG_DEPTH_OFFSET = 24  # where the header says how many bits a channel has
_SRGB = ImageCms.createProfile("sRGB")

# Pillow looks at the size in the header before it decodes, also of frames that grow an animation. Its limit is a warning.
Image.MAX_IMAGE_PIXELS = MAX_PIXELS
warnings.simplefilter("error", Image.DecompressionBombWarning)


@dataclass(frozen=True, slots=True)
class ImageFile:
    """An image file; its name is the SHA-256 of its content, such as `3f….png`. Sizes in pixels."""

    name: str
    media_type: str
    width: int
    height: int
    data: bytes


@dataclass(frozen=True, slots=True)
class ProcessedImage:
    """An image in its own format and full size, and copies of smaller widths as WebP, widest first."""

    main: ImageFile
    variants: tuple[ImageFile, ...]

    @property
    def files(self) -> tuple[ImageFile, ...]:
        """All of them."""
        return (self.main, *self.variants)


@dataclass(frozen=True, slots=True)
class _DecodedImage:
    """Frames without metadata, and what an animation needs besides: milliseconds of each frame, rounds (None: one)."""

    image_format: str
    frames: list[Image.Image]
    durations: list[float]
    loop: int | None
    lossless: bool


def process(data: bytes) -> ProcessedImage:
    """The image with copies for smaller screens; an animation has none, since they would stand still.

    Raises InvalidInput for what has too many pixels or frames, or is no PNG, JPEG, WebP, GIF or AVIF image (SVG can hold
    scripts). The same bytes give the same names.
    """
    return _translate_decoder_errors(_process, data)


def reencode(data: bytes) -> ImageFile:
    """The image alone. Raises InvalidInput as `develop` does."""
    return _translate_decoder_errors(lambda given: _encode(_decode(given)), data)


def read_size(path: Path) -> tuple[int, int] | None:
    """Width and height of an image file that we made, from its first bytes; None if it cannot be read."""
    try:
        with Image.open(path, formats=tuple(_SUFFIXES)) as image:
            return image.size
    except (OSError, ValueError):
        return None


def square_thumbnail(data: bytes) -> ImageFile:
    """The middle of the image as a square of at most 256 pixels, as WebP; of an animation the first frame.

    Raises InvalidInput as `develop` does.
    """
    return _translate_decoder_errors(_square_thumbnail, data)


def _translate_decoder_errors(work: Callable[[bytes], T], data: bytes) -> T:
    try:
        return work(data)
    except InvalidInput:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise _too_many_pixels_error() from None
    except Exception as error:
        # Decoders raise whatever comes to them at hostile bytes: struct.error, KeyError, zlib.error, OverflowError…
        raise _image_error("This is no PNG, JPEG, WebP, GIF or AVIF image that can be read") from error


def _image_error(message: str) -> InvalidInput:
    return InvalidInput([FieldError(("file",), message, "image")])


def _too_many_pixels_error() -> InvalidInput:
    return _image_error(f"An image may have at most {MAX_PIXELS} pixels")


def _process(data: bytes) -> ProcessedImage:
    decoded = _decode(data)
    variants = () if len(decoded.frames) > 1 else tuple(_make_variants(decoded.frames[0]))
    return ProcessedImage(_encode(decoded), variants)


def _square_thumbnail(data: bytes) -> ImageFile:
    image = _to_mode(_decode(data).frames[0], ("RGB", "RGBA"))
    side = min(THUMBNAIL_SIZE, *image.size)
    square = ImageOps.fit(image, (side, side), Image.Resampling.LANCZOS)
    return _encode_file(square, "WEBP", {"quality": 85, "method": 4})


def _decode(data: bytes) -> _DecodedImage:
    with Image.open(io.BytesIO(data), formats=tuple(_SUFFIXES)) as image:
        # Telephones append small copies to their photos: Pillow calls such a JPEG file MPO, and them its frames.
        kind, most = ("JPEG", 1) if image.format == "MPO" else (str(image.format), MAX_FRAMES + 1)
        if kind == "JPEG" and _count_scans(data) > MAX_JPEG_SCANS:
            raise _image_error(f"A JPEG image may have at most {MAX_JPEG_SCANS} scans: save it anew")
        depth = data[_PNG_DEPTH_OFFSET] if kind == "PNG" else 8
        loop, has_cover = image.info.get("loop"), bool(image.info.get("default_image"))
        frames: list[Image.Image] = []
        durations: list[float] = []
        for _ in _load_frames(image, most):
            frames.append(_normalise(image, kind, depth))
            durations.append(image.info.get("duration", 0))
    if len(frames) > MAX_FRAMES:
        raise _image_error(f"An animation may have at most {MAX_FRAMES} frames")
    if has_cover and len(frames) > 1:  # a PNG may show another image where it cannot move
        frames, durations = frames[1:], durations[1:]
    if kind == "GIF" and len(frames) > 1:
        frames = [_to_mode(frame, ("RGB", "RGBA")) for frame in frames]  # frames after the first have their own palettes
    return _DecodedImage(kind, frames, durations, loop, lossless=data[12:16] == b"VP8L")


def _load_frames(image: Image.Image, most: int) -> Iterator[int]:
    """Go through the frames; the size of each is looked at before it is decoded."""
    pixels = 0
    for number in range(most):
        try:
            image.seek(number)
        except EOFError:
            return
        pixels += image.width * image.height
        if pixels > MAX_PIXELS:
            raise _too_many_pixels_error()
        image.load()
        yield number


def _count_scans(data: bytes) -> int:
    """How often a JPEG file goes over its image, up to its end. Bytes within a segment are none of its markers."""
    scans = position = 0
    while (found := _JPEG_MARKER.search(data, position)) and found[1][0] != _JPEG_END:
        scans += found[1][0] == _JPEG_SCAN
        position = found.end() + int.from_bytes(data[found.end() : found.end() + 2], "big")
    return scans


def _normalise(image: Image.Image, kind: str, depth: int) -> Image.Image:
    """A copy of the pixels, upright, in sRGB, in a mode that the format has, and nothing else."""
    found = _to_srgb(_scale_transparency_key(_apply_orientation(image), depth))
    if found.mode.startswith("I"):  # 16 bits for each pixel: converting alone would cut off at 255
        found = found.point(lambda value: value * (1 / 256)).convert("L")
    found = _to_mode(found, _SUPPORTED_MODES.get(kind, ("RGB", "RGBA")))
    found.info = {name: value for name, value in found.info.items() if name == "transparency"}
    return found


def _scale_transparency_key(image: Image.Image, depth: int) -> Image.Image:
    """Pillow brings channels of 2, 4 and 16 bits to 8, but not the one colour that a PNG file calls transparent."""
    key = image.info.get("transparency")
    if depth not in (2, 4, 16) or image.mode == "P" or not isinstance(key, int | tuple):
        return image
    levels = [level >> 8 if depth == 16 else level * 255 // (2**depth - 1) for level in ([key] if isinstance(key, int) else key)]
    image.info["transparency"] = levels[0] if isinstance(key, int) else tuple(levels)
    return image


def _to_mode(image: Image.Image, modes: tuple[str, ...]) -> Image.Image:
    has_key = image.mode == "RGB" and "transparency" in image.info  # one colour means nothing there: only PNG has this
    if image.mode in modes and not has_key:
        return image
    return _convert(image, "RGBA" if image.has_transparency_data and "RGBA" in modes else "RGB")


def _convert(image: Image.Image, mode: str) -> Image.Image:
    # Pillow puts transparency into the palette of the very image that it converts, whose colours are then saved wrongly.
    return (image.copy() if image.mode == "P" else image).convert(mode)


def _apply_orientation(image: Image.Image) -> Image.Image:
    """Turned as its metadata say; metadata that cannot be read turn nothing."""
    try:
        return ImageOps.exif_transpose(image)
    except Exception:
        return image.copy()


def _to_srgb(image: Image.Image) -> Image.Image:
    """With the colours that its profile means, so that it needs no profile; one that cannot be read changes nothing."""
    if not (profile := image.info.get("icc_profile")):
        return image
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        if ImageCms.getProfileDescription(source).startswith("sRGB"):
            return image
        wanted = "RGBA" if image.has_transparency_data else "RGB"
        known = _convert(image, wanted) if image.mode in ("P", "PA") or "transparency" in image.info else image
        return ImageCms.profileToProfile(known, source, _SRGB, outputMode=wanted) or image
    except Exception:
        return image


def _encode(decoded: _DecodedImage) -> ImageFile:
    first, *rest = decoded.frames
    options = dict(_SAVE_OPTIONS[decoded.image_format])
    if decoded.image_format == "WEBP" and decoded.lossless:
        options["lossless"] = True
    if rest:
        options |= {"save_all": True, "append_images": rest, "duration": decoded.durations}
        if decoded.image_format == "GIF":  # each frame is whole: its predecessor must not show through where it is transparent
            options["disposal"] = 2
        if decoded.image_format == "WEBP" and any(frame.mode == "RGBA" for frame in decoded.frames):
            options |= {"kmin": 0, "kmax": 1}  # whole frames: one of opaque parts would be declared opaque as a whole
        if decoded.loop is not None:
            options["loop"] = decoded.loop
    return _encode_file(first, decoded.image_format, options)


def _make_variants(image: Image.Image) -> Iterator[ImageFile]:
    known = _to_mode(image, ("RGB", "RGBA"))
    for width in VARIANT_WIDTHS:
        height = max(1, round(image.height * width / image.width))
        if width < image.width and height <= _MAX_WEBP_SIDE:
            known = known.resize((width, height), Image.Resampling.LANCZOS, reducing_gap=3.0)
            yield _encode_file(known, "WEBP", {"quality": 80, "method": 4})


def _encode_file(image: Image.Image, kind: str, options: dict[str, Any]) -> ImageFile:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    data, suffix = buffer.getvalue(), _SUFFIXES[kind]
    return ImageFile(f"{hashlib.sha256(data).hexdigest()}.{suffix}", MEDIA_TYPES[suffix], image.width, image.height, data)
