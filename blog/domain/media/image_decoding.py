"""Decoding of untrusted image files into plain pixels: upright, in sRGB, without metadata. Blocking and CPU-bound."""

import io
import re
import warnings
from collections.abc import Iterator
from dataclasses import dataclass

from PIL import ExifTags, Image, ImageCms, ImageOps

from blog.errors import FieldError, InvalidInput

MAX_PIXELS = 50_000_000
"""The maximum number of pixels that are in memory at once: of one frame, and of all frames of an animation that is encoded
again. A decoded pixel takes four bytes."""
MAX_FRAME_PIXELS = 16_000_000
"""The maximum number of pixels of one frame of an animation. Decoding takes up to 13 bytes a pixel, about 200 MB."""
MAX_ANIMATION_PIXELS = 250_000_000
"""The maximum number of pixels of all frames of an animation together. Decoding them takes about 3 seconds."""
MAX_FRAMES = 1_000
MAX_JPEG_SCANS = 100
"""The maximum number of scans of a JPEG file. Photos have about ten; each further one costs time, but only some hundred bytes."""
SUFFIXES = {"PNG": "png", "JPEG": "jpg", "WEBP": "webp", "GIF": "gif", "AVIF": "avif"}
"""The supported formats, by Pillow's names, and their file suffixes."""

_SUPPORTED_MODES = {"PNG": ("1", "L", "LA", "P", "RGB", "RGBA"), "JPEG": ("L", "RGB"), "GIF": ("L", "P", "RGB", "RGBA")}
_JPEG_MARKER = re.compile(rb"\xff([^\x00\x01\xd0-\xd8\xff])")  # the markers with a length, and the end marker
_JPEG_END, _JPEG_SCAN = 0xD9, 0xDA
_PNG_DEPTH_OFFSET = 24  # the position of the bits per channel in the header
_SRGB = ImageCms.createProfile("sRGB")

# Pillow checks the size in the header before it decodes, also for frames that enlarge an animation. Its limit is a warning.
Image.MAX_IMAGE_PIXELS = MAX_PIXELS
warnings.simplefilter("error", Image.DecompressionBombWarning)


@dataclass(frozen=True, slots=True)
class DecodedImage:
    """The frames of an image, without metadata.

    - `durations`: the duration of each frame, in milliseconds.
    - `loop`: how often an animation repeats; None if the file does not define it.
    """

    image_format: str
    frames: list[Image.Image]
    durations: list[float]
    loop: int | None
    lossless: bool


def image_error(message: str) -> InvalidInput:
    """Return the error for an unusable image file."""
    return InvalidInput([FieldError(("file",), message, "image")])


def too_many_pixels_error() -> InvalidInput:
    """Return the error for an image over `MAX_PIXELS`."""
    return image_error(f"An image may have at most {MAX_PIXELS} pixels")


def plain_animation_format(data: bytes) -> str:
    """Return the format of an animation with upright frames in sRGB; empty for other images. Raises as `decode` does."""
    with Image.open(io.BytesIO(data), formats=tuple(SUFFIXES)) as image:
        # Phones append small copies to their photos. Pillow calls such a JPEG file MPO, and the copies its frames.
        if image.format == "MPO" or not getattr(image, "is_animated", False) or image.info.get("default_image"):
            return ""
        if image.width * image.height > MAX_FRAME_PIXELS:  # before the metadata are read: for PNG, Pillow then decodes a frame
            raise image_error(f"An animation may have at most {MAX_FRAME_PIXELS} pixels in each frame")
        # Browsers neither rotate GIF images nor apply colour profiles to them.
        is_plain = image.format == "GIF" or (not _is_rotated(image) and _foreign_profile(image) is None)
        return str(image.format) if is_plain else ""


def check_frames(data: bytes) -> tuple[int, int]:
    """Decode all frames of an animation one after the other, and return its width and height. Raises as `decode` does."""
    with Image.open(io.BytesIO(data), formats=tuple(SUFFIXES)) as image:
        for _ in _load_frames(image, MAX_FRAMES + 1, MAX_ANIMATION_PIXELS):
            pass
        return image.size


def decode(data: bytes, max_frames: int | None = None) -> DecodedImage:
    """Decode an image file: all frames, or at most `max_frames`.

    Raises InvalidInput for an image over the limits, and any exception for a damaged file.
    """
    with Image.open(io.BytesIO(data), formats=tuple(SUFFIXES)) as image:
        # Phones append small copies to their photos. Pillow calls such a JPEG file MPO, and the copies its frames.
        image_format, max_frames = ("JPEG", 1) if image.format == "MPO" else (str(image.format), max_frames or MAX_FRAMES + 1)
        if image_format == "JPEG" and _count_scans(data) > MAX_JPEG_SCANS:
            raise image_error(f"A JPEG image may have at most {MAX_JPEG_SCANS} scans. Save it again with an image editor.")
        depth = data[_PNG_DEPTH_OFFSET] if image_format == "PNG" else 8
        loop, has_cover = image.info.get("loop"), bool(image.info.get("default_image"))
        frames: list[Image.Image] = []
        durations: list[float] = []
        for _ in _load_frames(image, max_frames, MAX_PIXELS):
            frames.append(_normalise(image, image_format, depth))
            durations.append(image.info.get("duration", 0))
    if has_cover and len(frames) > 1:  # the cover of a PNG animation is for programs that cannot play it
        frames, durations = frames[1:], durations[1:]
    return DecodedImage(image_format, frames, durations, loop, lossless=data[12:16] == b"VP8L")


def to_mode(image: Image.Image, modes: tuple[str, ...]) -> Image.Image:
    """Return the image in one of the modes: unchanged, or as RGB or RGBA."""
    has_key = image.mode == "RGB" and "transparency" in image.info  # a transparent colour: only PNG supports it
    if image.mode in modes and not has_key:
        return image
    return _convert(image, "RGBA" if image.has_transparency_data and "RGBA" in modes else "RGB")


def _load_frames(image: Image.Image, max_frames: int, max_pixels: int) -> Iterator[int]:
    """Load one frame after the other. Checks the size of each frame before decoding it."""
    pixels = 0
    for number in range(max_frames):
        try:
            image.seek(number)
        except EOFError:
            return
        if number >= MAX_FRAMES:
            raise image_error(f"An animation may have at most {MAX_FRAMES} frames")
        pixels += image.width * image.height
        if image.width * image.height > MAX_PIXELS:
            raise too_many_pixels_error()
        if pixels > max_pixels:
            raise image_error(f"An animation may have at most {max_pixels} pixels, all frames together")
        image.load()
        yield number


def _count_scans(data: bytes) -> int:
    """Return the number of scans of a JPEG file up to its end marker. Bytes within a segment are not markers."""
    scans = position = 0
    while (marker := _JPEG_MARKER.search(data, position)) and marker[1][0] != _JPEG_END:
        scans += marker[1][0] == _JPEG_SCAN
        position = marker.end() + int.from_bytes(data[marker.end() : marker.end() + 2], "big")
    return scans


def _normalise(image: Image.Image, image_format: str, depth: int) -> Image.Image:
    """Return a copy of the pixels: upright, in sRGB, in a mode that the format supports, without metadata."""
    copy = _to_srgb(_scale_transparency_key(_apply_orientation(image), depth))
    if copy.mode.startswith("I"):  # 16 bits per pixel: `convert` alone would clip at 255
        copy = copy.point(lambda value: value * (1 / 256)).convert("L")
    copy = to_mode(copy, _SUPPORTED_MODES.get(image_format, ("RGB", "RGBA")))
    copy.info = {name: value for name, value in copy.info.items() if name == "transparency"}
    return copy


def _scale_transparency_key(image: Image.Image, depth: int) -> Image.Image:
    """Scale the transparent colour of a PNG to 8 bits: Pillow scales the channels of 2, 4 and 16 bits, but not this colour."""
    key = image.info.get("transparency")
    if depth not in (2, 4, 16) or image.mode == "P" or not isinstance(key, int | tuple):
        return image
    levels = [level >> 8 if depth == 16 else level * 255 // (2**depth - 1) for level in ([key] if isinstance(key, int) else key)]
    image.info["transparency"] = levels[0] if isinstance(key, int) else tuple(levels)
    return image


def _convert(image: Image.Image, mode: str) -> Image.Image:
    # A copy: Pillow writes transparency into the palette of the image that it converts, and would then save wrong colours.
    return (image.copy() if image.mode == "P" else image).convert(mode)


def _is_rotated(image: Image.Image) -> bool:
    """Return whether the metadata rotate or mirror the image. Unreadable metadata are ignored."""
    try:
        return image.getexif().get(ExifTags.Base.Orientation, 1) in range(2, 9)
    except Exception:
        return False


def _apply_orientation(image: Image.Image) -> Image.Image:
    """Rotate the image as its metadata say. Unreadable metadata are ignored."""
    try:
        return ImageOps.exif_transpose(image)
    except Exception:
        return image.copy()


def _to_srgb(image: Image.Image) -> Image.Image:
    """Apply the colour profile, so that the image needs none. An unsuitable profile is ignored."""
    if (source := _foreign_profile(image)) is None:
        return image
    try:
        mode = "RGBA" if image.has_transparency_data else "RGB"
        converted = _convert(image, mode) if image.mode in ("P", "PA") or "transparency" in image.info else image
        return ImageCms.profileToProfile(converted, source, _SRGB, outputMode=mode) or image
    except Exception:
        return image


def _foreign_profile(image: Image.Image) -> ImageCms.ImageCmsProfile | None:
    """Return the colour profile, or None for sRGB and for an unreadable profile."""
    if not (content := image.info.get("icc_profile")):
        return None
    try:
        profile = ImageCms.ImageCmsProfile(io.BytesIO(content))
        return None if ImageCms.getProfileDescription(profile).startswith("sRGB") else profile
    except Exception:
        return None
