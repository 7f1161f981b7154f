"""Processing of uploaded images: pixels are preserved, metadata and hidden content are removed, bad files are rejected."""

import hashlib
import io
import random
import struct
import time
import zlib
from collections.abc import Callable
from typing import Any

import pytest
from PIL import Image, ImageCms
from PIL.PngImagePlugin import PngInfo

from blog.domain.media import image_decoding, image_processing
from blog.errors import InvalidInput
from tests.support.pictures import encode, png

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


@pytest.mark.parametrize("kind", MEDIA_TYPES)
def test_image_keeps_its_format_size_and_colours(kind: str) -> None:
    processed = image_processing.process(encode(halves(RED, BLUE).convert("RGB"), kind))
    assert processed.main.media_type == MEDIA_TYPES[kind]
    image = open_image(processed.main)
    assert image.size == (600, 8)
    assert is_close(pixel(image, (20, 4)), RED)
    assert is_close(pixel(image, (580, 4)), BLUE)


@pytest.mark.parametrize("kind", MEDIA_TYPES)
def test_names_are_digests_and_deterministic(kind: str) -> None:
    data = encode(halves(RED, BLUE).convert("RGB"), kind)
    first, again = image_processing.process(data), image_processing.process(data)
    assert first == again
    assert first.main == image_processing.reencode(data)
    for file in first.files:
        digest, _, suffix = file.name.partition(".")
        assert digest == hashlib.sha256(file.data).hexdigest()
        assert image_processing.MEDIA_TYPES[suffix] == file.media_type
    assert image_processing.reencode(encode(halves(GREEN, BLUE).convert("RGB"), kind)).name != first.main.name


# -- variants


@pytest.mark.parametrize(
    ("size", "copies"),
    [
        ((2000, 100), [(1600, 80), (960, 48), (480, 24)]),
        ((1601, 10), [(1600, 10), (960, 6), (480, 3)]),
        ((1600, 10), [(960, 6), (480, 3)]),
        ((481, 3), [(480, 3)]),
        ((480, 3), []),
        ((2000, 1), [(1600, 1), (960, 1), (480, 1)]),
    ],
)
def test_smaller_copies_are_webp_with_the_same_ratio(size: tuple[int, int], copies: list[tuple[int, int]]) -> None:
    processed = image_processing.process(png(*size))
    assert [(file.width, file.height) for file in processed.variants] == copies
    for file in processed.variants:
        assert is_close(pixel(open_image(file), (0, 0)), (0, 128, 128, 255))
        assert file.media_type == "image/webp"


def test_a_copy_too_tall_for_webp_is_skipped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(image_processing, "VARIANT_WIDTHS", (2, 1))
    assert [file.height for file in image_processing.process(png(3, 30_000)).variants] == [10_000]


# -- animations


@pytest.mark.parametrize("kind", ANIMATED)
def test_animations_keep_frames_and_durations_and_have_no_copies(kind: str) -> None:
    frames = [Image.new("RGB", (600, 10), colour) for colour in (RED, GREEN, BLUE)]
    data = encode(frames[0], kind, save_all=True, append_images=frames[1:], duration=[100, 250, 400])
    processed = image_processing.process(data)
    assert (processed.main.media_type, processed.variants) == (MEDIA_TYPES[kind], ())
    image, durations = open_image(processed.main), []
    assert frame_count(image) == 3
    for number, colour in enumerate((RED, GREEN, BLUE)):
        image.seek(number)
        image.load()
        assert image.size == (600, 10)
        assert is_close(pixel(image, (1, 1)), colour)
        durations.append(image.info["duration"])
    assert durations == [100, 250, 400]


@pytest.mark.parametrize("kind", KEPT)
def test_ordinary_animations_are_accepted_and_do_not_grow(kind: str) -> None:
    """The case: 789 by 562 pixels, 185 frames. Encoding it again took 11 seconds and made a GIF file 48 times as large."""
    frames = [Image.new("L", (789, 562)) for _ in range(185)]
    for number, frame in enumerate(frames):
        frame.paste(255, (number * 4, 200, number * 4 + 9, 240))
    data = encode(frames[0], kind, save_all=True, append_images=frames[1:], duration=50, loop=0, method=0)
    main = image_processing.process(data).main
    assert (main.width, main.height, frame_count(open_image(main))) == (789, 562, 185)
    assert len(main.data) <= len(data)


@pytest.mark.parametrize("kind", KEPT)
def test_frames_of_animations_are_kept_as_they_were_sent(kind: str) -> None:
    frames = [Image.effect_noise((40, 30), 90).convert("RGB") for _ in range(3)]
    data = encode(frames[0], kind, save_all=True, append_images=frames[1:], duration=[40, 80, 120])
    sent, stored = Image.open(io.BytesIO(data)), open_image(image_processing.reencode(data))
    for number in range(3):
        sent.seek(number)
        stored.seek(number)
        assert sent.convert("RGBA").tobytes() == stored.convert("RGBA").tobytes()


@pytest.mark.parametrize("kind", KEPT)
def test_animations_without_metadata_stay_the_same(kind: str) -> None:
    frames = [Image.new("RGB", (8, 8), colour) for colour in (RED, GREEN)]
    data = encode(frames[0], kind, save_all=True, append_images=frames[1:], duration=100, loop=0)
    once = image_processing.reencode(data)
    assert image_processing.reencode(once.data) == once


@pytest.mark.parametrize("kind", ["PNG", "WEBP"])
def test_a_colour_profile_of_an_animation_is_applied(kind: str) -> None:
    frames = [Image.new("RGB", (8, 8), colour) for colour in ((200, 30, 10), (10, 30, 200))]
    data = encode(frames[0], kind, save_all=True, append_images=frames[1:], duration=100, icc_profile=swapping_profile())
    assert is_close(pixel(open_image(image_processing.reencode(data)), (4, 4)), (30, 200, 10, 255))


@pytest.mark.parametrize("kind", KEPT)
def test_content_after_animations_and_between_blocks_is_removed(kind: str) -> None:
    frames = [Image.new("RGB", (8, 8), colour) for colour in (RED, GREEN)]
    data = encode(frames[0], kind, save_all=True, append_images=frames[1:], duration=100, loop=0)
    hidden = {
        "GIF": lambda: data[:-1] + b"\x21\xff\x0bXMP DataXMP" + bytes([len(SECRET)]) + SECRET + b"\0" + data[-1:],
        "PNG": lambda: data[:33] + chunk(b"prIv", SECRET) + data[33:],
        "WEBP": lambda: _with_riff_chunk(data, b"XMP ", SECRET + b"\0"),
    }[kind]()
    with Image.open(io.BytesIO(hidden)) as image:
        assert frame_count(image) == 2
    stored = image_processing.reencode(hidden + SECRET)
    assert SECRET not in stored.data
    assert stored == image_processing.reencode(data)


def _with_riff_chunk(data: bytes, name: bytes, content: bytes) -> bytes:
    added = name + struct.pack("<I", len(content)) + content
    return data[:4] + struct.pack("<I", len(data) - 8 + len(added)) + data[8:] + added


@pytest.mark.parametrize("kind", KEPT)
def test_truncated_animations_are_rejected(kind: str) -> None:
    frames = [Image.effect_noise((40, 30), 90).convert("RGB") for _ in range(3)]
    data = encode(frames[0], kind, save_all=True, append_images=frames[1:], duration=100)
    for share in (0.3, 0.6, 0.9):
        assert error_message(data[: int(len(data) * share)]) == NOT_AN_IMAGE


def test_an_animation_that_repeats_a_large_frame_is_rejected_in_bounded_time() -> None:
    """60 kB of GIF would otherwise be 49 million pixels in each of 100 frames."""
    frames = [Image.new("P", (4000, 4000), number % 2) for number in range(17)]
    data = encode(frames[0], "GIF", save_all=True, append_images=frames[1:], duration=20)
    assert len(data) < 1_000_000
    started = time.process_time()
    assert error_message(data) == "An animation may have at most 250000000 pixels, all frames together"
    assert time.process_time() - started < 20


def test_avatars_use_the_first_frame_of_long_animations(monkeypatch: pytest.MonkeyPatch) -> None:
    frames = [Image.new("RGB", (8, 8), colour) for colour in (RED, GREEN)]
    data = encode(frames[0], "GIF", save_all=True, append_images=frames[1:], duration=100)
    monkeypatch.setattr(image_decoding, "MAX_PIXELS", 64)
    assert is_close(pixel(open_image(image_processing.square_thumbnail(data)), (4, 4)), RED)


@pytest.mark.parametrize(("kind", "loops"), [("GIF", (None, 0, 3)), ("WEBP", (0, 3)), ("PNG", (0, 3))])
def test_animations_keep_their_loop_count(kind: str, loops: tuple[int | None, ...]) -> None:
    frames = [Image.new("RGB", (8, 8), colour) for colour in (RED, GREEN)]
    for loop in loops:
        options = {} if loop is None else {"loop": loop}
        data = encode(frames[0], kind, save_all=True, append_images=frames[1:], duration=100, **options)
        assert open_image(image_processing.reencode(data)).info.get("loop") == loop


@pytest.mark.parametrize(
    ("kind", "options"),
    # WebP: whole frames. An animation of opaque parts is declared opaque, and Pillow then makes the background black.
    [("GIF", {"disposal": 2}), ("PNG", {"disposal": 1}), ("WEBP", {"kmin": 0, "kmax": 1}), ("AVIF", {})],
)
def test_animations_stay_transparent(kind: str, options: dict[str, int]) -> None:
    frames = [halves(RED, CLEAR, 32), halves(CLEAR, RED, 32)]
    image = open_image(
        image_processing.reencode(encode(frames[0], kind, save_all=True, append_images=frames[1:], duration=100, **options))
    )
    for number, sides in enumerate(((RED, CLEAR), (CLEAR, RED))):
        image.seek(number)
        image.load()
        assert is_close(pixel(image, (3, 4)), sides[0])
        assert is_close(pixel(image, (28, 4)), sides[1]), "the previous frame must not show through"


@pytest.mark.parametrize("kind", ["WEBP", "PNG"])
def test_all_frames_are_rotated_upright(kind: str) -> None:
    frames, exif = [Image.new("RGB", (20, 10), colour) for colour in (RED, GREEN)], Image.Exif()
    exif[ORIENTATION] = 6
    data = encode(frames[0], kind, save_all=True, append_images=frames[1:], duration=100, exif=exif)
    image = open_image(image_processing.reencode(data))
    image.seek(1)
    image.load()
    assert image.size == (10, 20)
    assert is_close(pixel(image, (9, 19)), GREEN)


def test_the_cover_of_a_png_animation_is_not_a_frame() -> None:
    frames = [Image.new("RGB", (8, 8), colour) for colour in (BLUE, RED, GREEN)]
    data = encode(frames[0], "PNG", save_all=True, append_images=frames[1:], duration=[100, 200], default_image=True)
    image = open_image(image_processing.reencode(data))
    assert (frame_count(image), image.info.get("default_image")) == (2, None)
    assert pixel(image, (0, 0)) == RED


# -- metadata and hidden content


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


@pytest.mark.parametrize("kind", MEDIA_TYPES)
def test_metadata_are_removed(kind: str) -> None:
    data = with_metadata(kind)
    assert SECRET in data
    for file in image_processing.process(data).files:
        assert SECRET not in file.data
        image = open_image(file)
        assert not image.getexif()
        assert not {"exif", "xmp", "icc_profile", "comment", "Comment", "XML:com.adobe.xmp"} & image.info.keys()


@pytest.mark.parametrize("kind", ANIMATED)
def test_metadata_of_animations_are_removed(kind: str) -> None:
    frames = [Image.new("RGB", (8, 8), colour) for colour in (RED, GREEN)]
    # No EXIF for AVIF: Pillow's encoder crashes on the EXIF of an animation.
    metadata: dict[str, Any] = {"GIF": {"comment": SECRET}, "AVIF": {"xmp": SECRET}}.get(kind, {"exif": b"Exif\0\0" + SECRET})
    data = encode(frames[0], kind, save_all=True, append_images=frames[1:], duration=100, **metadata)
    assert SECRET in data
    assert SECRET not in image_processing.reencode(data).data


@pytest.mark.parametrize("kind", MEDIA_TYPES)
@pytest.mark.parametrize("tail", [b"<script>alert(1)</script>", b"PK\x03\x04 secret.zip", b"<?php system($_GET[0]); ?>"])
def test_appended_data_are_removed(kind: str, tail: bytes) -> None:
    data = encode(Image.new("RGB", (500, 8), RED), kind)
    assert all(tail not in file.data for file in image_processing.process(data + tail).files)


def test_a_polyglot_script_becomes_a_plain_image() -> None:
    """A GIF can also be a script: its pixels are a JavaScript comment, `GIF89a/*…*/=1;alert()`."""
    script = b"*/=1;alert(document.domain)//"
    data = encode(Image.new("P", (8, 8)), "GIF", comment=b"/" + script)
    assert script in data
    assert script not in image_processing.reencode(data).data


def test_previews_that_phones_append_are_removed() -> None:
    frames = [Image.new("RGB", (16, 8), RED), Image.new("RGB", (8, 8), BLUE)]
    data = encode(frames[0], "MPO", save_all=True, append_images=frames[1:])
    with Image.open(io.BytesIO(data)) as sent:
        assert (sent.format, frame_count(sent)) == ("MPO", 2)
    main = image_processing.reencode(data)
    image = open_image(main)
    assert (image.format, image.size, main.data.count(b"\xff\xd8\xff")) == ("JPEG", (16, 8), 1)
    assert is_close(pixel(image, (4, 4)), RED)


def test_large_photos_with_previews_are_not_taken_for_animations() -> None:
    frames = [Image.new("RGB", (4_900, 3_300), RED), Image.new("RGB", (8, 8), BLUE)]
    data = encode(frames[0], "MPO", save_all=True, append_images=frames[1:])
    assert open_image(image_processing.reencode(data)).size == (4_900, 3_300)


@pytest.mark.parametrize("damage", [lambda data: data[:-1], lambda data: data[:-1] + b"\x00;"], ids=["no end", "stray byte"])
def test_damaged_animations_that_can_be_played_are_accepted(damage: Callable[[bytes], bytes]) -> None:
    frames = [Image.new("RGB", (16, 8), colour) for colour in (RED, BLUE, RED)]
    data = damage(encode(frames[0], "GIF", save_all=True, append_images=frames[1:], duration=100))
    assert frame_count(open_image(image_processing.reencode(data))) == 3


# -- orientation and colours


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "AVIF"])
@pytest.mark.parametrize(
    ("orientation", "corner"), [(1, "left top"), (2, "right top"), (3, "right bottom"), (4, "left bottom"), (5, "left top"),
                                (6, "right top"), (7, "right bottom"), (8, "left bottom")],
)  # fmt: skip
def test_images_are_rotated_upright(kind: str, orientation: int, corner: str) -> None:
    """EXIF 2.32: each orientation maps the first stored corner to a corner of the shown image; 5 to 8 swap the sides."""
    image, exif = Image.new("RGB", (40, 20), "white"), Image.Exif()
    image.paste(RED, (0, 0, 20, 10))
    exif[ORIENTATION] = orientation
    upright = open_image(image_processing.reencode(encode(image, kind, exif=exif)))
    width, height = (20, 40) if orientation > 4 else (40, 20)
    assert upright.size == (width, height)
    corners = {
        "left top": (4, 4),
        "right top": (width - 5, 4),
        "left bottom": (4, height - 5),
        "right bottom": (width - 5, height - 5),
    }
    assert [name for name, position in corners.items() if is_close(pixel(upright, position), RED, 40)] == [corner]


def test_copies_are_rotated_upright() -> None:
    image, exif = Image.new("RGB", (10, 600), RED), Image.Exif()
    exif[ORIENTATION] = 6
    processed = image_processing.process(encode(image, "JPEG", exif=exif))
    assert [(file.width, file.height) for file in processed.files] == [(600, 10), (480, 8)]


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("exif", [b"Exif\0\0MM\0*\xff\xff\xff\xff", b"Exif\0\0MM\0*\0\0\0\x08\0\x20\x01\x12", b"Exif\0\0junk"])
@pytest.mark.filterwarnings("ignore")  # as in production, where Pillow only warns
def test_unreadable_metadata_rotate_nothing(kind: str, exif: bytes) -> None:
    data = encode(Image.new("RGB", (20, 10), RED), kind, exif=exif)
    assert is_close(pixel(open_image(image_processing.reencode(data)), (1, 1)), RED)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "AVIF"])
def test_colour_profiles_are_applied(kind: str) -> None:
    data = encode(Image.new("RGB", (8, 8), (200, 30, 10)), kind, icc_profile=swapping_profile())
    assert is_close(pixel(open_image(image_processing.reencode(data)), (4, 4)), (30, 200, 10, 255))


@pytest.mark.parametrize(
    ("mode", "colour", "options", "expected"),
    [
        ("RGBA", (200, 30, 10, 77), {}, (30, 200, 10, 77)),
        ("RGB", (200, 30, 10), {"transparency": (200, 30, 10)}, CLEAR),
        ("P", 1, {}, (30, 200, 10, 255)),
        ("P", 1, {"transparency": 1}, CLEAR),
        ("LA", (200, 30), {}, (200, 200, 200, 30)),  # a colour profile does not apply to greys
    ],
)
def test_colour_profiles_preserve_transparency(
    mode: str, colour: int | tuple[int, ...], options: dict[str, Any], expected: tuple[int, ...]
) -> None:
    image = Image.new(mode, (8, 8), colour)
    if mode == "P":
        image.putpalette([0, 0, 0, 200, 30, 10])
    converted = open_image(image_processing.reencode(encode(image, "PNG", icc_profile=swapping_profile(), **options)))
    assert is_close(pixel(converted, (4, 4)), expected, 2)


@pytest.mark.parametrize("profile", [b"nonsense" * 30, b"", swapping_profile()[:200]])
def test_unreadable_profiles_are_ignored(profile: bytes) -> None:
    data = encode(Image.new("RGB", (8, 8), RED), "PNG", icc_profile=profile)
    assert pixel(open_image(image_processing.reencode(data)), (4, 4)) == RED


def test_an_unsuitable_profile_preserves_the_palette() -> None:
    image = Image.new("P", (8, 8), 1)
    image.putpalette([0, 0, 0, 200, 30, 10])
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    converted = open_image(image_processing.reencode(encode(image, "PNG", icc_profile=profile, transparency=0)))
    assert (converted.mode, pixel(converted, (4, 4))) == ("P", (200, 30, 10, 255))


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "AVIF", "GIF"])
def test_images_and_copies_stay_transparent(kind: str) -> None:
    processed = image_processing.process(encode(halves(RED, CLEAR), kind))
    assert len(processed.files) == 2
    for file in processed.files:
        assert is_close(pixel(open_image(file), (20, 4)), RED)
        assert is_close(pixel(open_image(file), (file.width - 20, 4)), CLEAR)


@pytest.mark.parametrize(
    ("mode", "visible", "hidden", "key"),
    [
        ("P", 1, 0, 0),
        ("P", 1, 0, b"\x00\xff"),
        ("L", 20, 200, 200),
        ("RGB", (0, 255, 0), (255, 0, 0), (255, 0, 0)),
        ("1", 1, 0, 0),
    ],
)
def test_a_transparent_colour_stays_transparent(
    mode: str, visible: int | tuple[int, ...], hidden: int | tuple[int, ...], key: int | bytes | tuple[int, ...]
) -> None:
    image = Image.new(mode, (600, 8), hidden)
    image.paste(visible, (0, 0, 300, 8))
    if mode == "P":
        image.putpalette([255, 0, 0, 0, 255, 0])
    processed = image_processing.process(encode(image, "PNG", transparency=key))
    assert len(processed.files) == 2
    for file in processed.files:
        sides = pixel(open_image(file), (20, 4)), pixel(open_image(file), (file.width - 20, 4))
        assert (sides[0][3], sides[1][3]) == (255, 0)
        assert is_close(sides[0], pixel(image, (20, 4)))


@pytest.mark.parametrize(
    ("depth", "colours", "line", "key", "expected"),
    [  # two pixels, of which the first is transparent
        (2, 0, b"\x40", (1,), (0, 0, 0, 255)),
        (4, 0, b"\x40", (4,), (0, 0, 0, 255)),
        (8, 0, b"\x40\x01", (0x40,), (1, 1, 1, 255)),
        (16, 0, b"\x80\x00\x00\x00", (0x8000,), (0, 0, 0, 255)),
        (16, 2, b"\x80\x12\x40\x34\x20\x56\xff\xff\0\0\0\0", (0x8012, 0x4034, 0x2056), RED),
    ],
)
def test_a_transparent_colour_of_other_depths_stays_transparent(
    depth: int, colours: int, line: bytes, key: tuple[int, ...], expected: tuple[int, ...]
) -> None:
    data = raw_png(2, 1, depth, colours, b"\0" + line, chunk(b"tRNS", struct.pack(f">{len(key)}H", *key)))
    converted = open_image(image_processing.reencode(data))
    assert pixel(converted, (0, 0))[3] == 0
    assert pixel(converted, (1, 0)) == expected


def test_sixteen_bits_are_scaled_to_eight() -> None:
    grey = raw_png(4, 1, 16, 0, b"\0" + struct.pack(">4H", 0, 0x4000, 0x8000, 0xFFFF))
    converted = open_image(image_processing.reencode(grey))
    assert [pixel(converted, (x, 0))[0] for x in range(4)] == [0, 64, 128, 255]
    colours = raw_png(1, 1, 16, 6, b"\0" + struct.pack(">4H", 0x8012, 0x4034, 0x2056, 0x8000))
    assert pixel(open_image(image_processing.reencode(colours)), (0, 0)) == (128, 64, 32, 128)


def test_palettes_are_preserved() -> None:
    image = Image.new("P", (600, 8), 1)
    image.putpalette([0, 0, 0, 200, 30, 10])
    processed = image_processing.process(encode(image, "PNG"))
    assert open_image(processed.main).mode == "P"
    assert pixel(open_image(processed.main), (4, 4)) == (200, 30, 10, 255)
    assert is_close(pixel(open_image(processed.variants[0]), (4, 4)), (200, 30, 10, 255))


def test_cmyk_becomes_rgb() -> None:
    data = encode(Image.new("CMYK", (600, 8), (0, 255, 255, 0)), "JPEG")
    for file in image_processing.process(data).files:
        image = open_image(file)
        assert image.mode == "RGB"
        assert is_close(pixel(image, (4, 4)), RED)


def test_lossless_webp_stays_lossless() -> None:
    data = encode(Image.effect_noise((64, 64), 80).convert("RGB"), "WEBP", lossless=True)
    with Image.open(io.BytesIO(data)) as sent:
        assert open_image(image_processing.reencode(data)).tobytes() == sent.tobytes()


# -- rejected files

SVG = b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'
REJECTED_FILES = {
    "empty": b"",
    "text": b"GIF89 is an image format",
    "SVG": SVG,
    "HTML": b"<!doctype html><img src=x onerror=alert(1)>",
    "PDF": encode(Image.new("RGB", (8, 8)), "PDF"),
    "BMP": encode(Image.new("RGB", (8, 8)), "BMP"),
    "TIFF": encode(Image.new("RGB", (8, 8)), "TIFF"),
    "ICO": encode(Image.new("RGB", (16, 16)), "ICO"),
    "PPM": encode(Image.new("RGB", (8, 8)), "PPM"),
    "EPS": encode(Image.new("RGB", (8, 8)), "EPS"),
    "HEIC": b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(100),
    "SVG after the signature of a GIF": b"GIF89a" + SVG,
    "HTML after the signature of a PNG": b"\x89PNG\r\n\x1a\n" + b"<script>alert(1)</script>",
    "JPEG of two bytes": b"\xff\xd8",
    "PNG without pixels": raw_png(0, 0, 8, 2, b""),
    "PNG with pixels that are not zlib": raw_png(8, 8, 8, 2, b"").replace(zlib.compress(b""), b"no zlib"),
}


@pytest.mark.parametrize("name", REJECTED_FILES)
@pytest.mark.filterwarnings("ignore")  # as in production, where Pillow only warns
def test_other_files_are_rejected(name: str) -> None:
    assert error_message(REJECTED_FILES[name]).startswith(NOT_AN_IMAGE)


@pytest.mark.parametrize("kind", MEDIA_TYPES)
@pytest.mark.filterwarnings("ignore")
def test_truncated_files_are_rejected(kind: str) -> None:
    data = encode(Image.effect_noise((64, 64), 80).convert("RGB"), kind)
    for part in (0.1, 0.5, 0.9):
        assert error_message(data[: int(len(data) * part)]).startswith(NOT_AN_IMAGE)


@pytest.mark.parametrize("kind", MEDIA_TYPES)
@pytest.mark.filterwarnings("ignore")
def test_damaged_files_are_stored_or_rejected(kind: str) -> None:
    """No exception of a decoder is an internal error."""
    data, random_source = encode(Image.effect_noise((24, 24), 80).convert("RGB"), kind), random.Random(4711)  # noqa: S311
    outcomes = set()
    for _ in range(60):
        damaged = bytearray(data)
        for _ in range(random_source.choice((1, 1, 3, 20))):
            damaged[random_source.randrange(len(data))] = random_source.randrange(256)
        try:
            image_processing.process(bytes(damaged))
            outcomes.add("processed")
        except InvalidInput:
            outcomes.add("rejected")
    assert "rejected" in outcomes


@pytest.mark.parametrize("kind", MEDIA_TYPES)
def test_pixel_limit_is_exact(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(image_decoding, "MAX_PIXELS", 99)
    assert image_processing.reencode(encode(Image.new("RGB", (9, 11)), kind)).width == 9
    assert error_message(encode(Image.new("RGB", (10, 10)), kind)) == "An image may have at most 99 pixels"


@pytest.mark.parametrize("kind", ANIMATED)
def test_limits_of_animations_are_exact(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    frames = [Image.new("RGB", (8, 8), colour) for colour in (RED, GREEN, BLUE)]
    data = encode(frames[0], kind, save_all=True, append_images=frames[1:], duration=100)
    limit = "MAX_PIXELS" if kind == "AVIF" else "MAX_ANIMATION_PIXELS"  # AVIF is encoded again, with all frames in memory
    monkeypatch.setattr(image_decoding, limit, 3 * 64)
    assert frame_count(open_image(image_processing.reencode(data))) == 3
    monkeypatch.setattr(image_decoding, limit, 3 * 64 - 1)
    assert error_message(data) == "An animation may have at most 191 pixels, all frames together"
    monkeypatch.setattr(image_decoding, limit, 3 * 64)
    monkeypatch.setattr(image_decoding, "MAX_FRAMES", 2)
    assert error_message(data) == "An animation may have at most 2 frames"


@pytest.mark.parametrize("kind", KEPT)
def test_limit_of_one_frame_is_exact(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    frames = [Image.new("RGB", (8, 8), colour) for colour in (RED, GREEN, BLUE)]
    data = encode(frames[0], kind, save_all=True, append_images=frames[1:], duration=100)
    monkeypatch.setattr(image_decoding, "MAX_FRAME_PIXELS", 64)
    assert frame_count(open_image(image_processing.reencode(data))) == 3
    monkeypatch.setattr(image_decoding, "MAX_FRAME_PIXELS", 63)
    assert error_message(data) == "An animation may have at most 63 pixels in each frame"


def bomb(kind: str, side: int) -> bytes:
    """Return a small file with a header that declares an image of `side` by `side` pixels."""
    if kind == "PNG":
        return raw_png(side, side, 8, 2, b"\0" * 100)
    data = bytearray(encode(Image.new("RGB", (8, 8)), kind))
    if kind == "GIF":
        data[6:10] = struct.pack("<HH", side, side)
    else:  # JPEG: in the start-of-frame segment
        position = data.index(b"\xff\xc0") + 5
        data[position : position + 4] = struct.pack(">HH", side, side)
    return bytes(data)


@pytest.mark.parametrize("kind", ["PNG", "GIF", "JPEG"])
@pytest.mark.parametrize("side", [7_100, 8_000, 20_000, 65_000])
@pytest.mark.filterwarnings("ignore")  # Pillow only warns about up to twice the limit
def test_a_decompression_bomb_is_rejected_by_its_header(kind: str, side: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", lambda image: pytest.fail(f"{image} was decoded"))
    assert len(bomb(kind, side)) < 2_000
    assert error_message(bomb(kind, side)) == "An image may have at most 50000000 pixels"


def test_a_png_with_compressed_text_that_explodes_is_rejected() -> None:
    bomb_chunk = chunk(b"zTXt", b"Comment\0\0" + zlib.compress(bytes(100_000_000)))
    assert len(bomb_chunk) < 100_000
    assert error_message(raw_png(1, 1, 8, 2, b"\0\0\0\0", bomb_chunk * 2)).startswith(NOT_AN_IMAGE)


def test_a_jpeg_with_too_many_scans_is_rejected() -> None:
    data = encode(Image.new("L", (64, 64)), "JPEG", progressive=True)
    last = data[data.rindex(b"\xff\xda") : -2]
    scans = data.count(b"\xff\xda")
    allowed = data[:-2] + last * (image_decoding.MAX_JPEG_SCANS - scans) + b"\xff\xd9"
    assert open_image(image_processing.reencode(allowed)).size == (64, 64)
    assert error_message(data[:-2] + last * (image_decoding.MAX_JPEG_SCANS - scans + 1) + b"\xff\xd9").startswith(
        "A JPEG image may have at most 100"
    )


def test_scan_markers_in_comments_and_after_the_image_do_not_count() -> None:
    markers = b"\xff\xda\x00\x02" * 15_000
    photo = encode(Image.new("RGB", (8, 8), RED), "JPEG", comment=markers, progressive=True)
    assert is_close(pixel(open_image(image_processing.reencode(photo + b"\x00\x02" + markers)), (4, 4)), RED)
