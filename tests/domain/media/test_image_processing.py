"""Processing of uploaded images: pixels are preserved, metadata and hidden content are removed."""

import hashlib
import io
import struct
from typing import Any

import pytest
from PIL import Image, ImageCms

from blog.domain.media import image_processing
from tests.support.image_files import (
    BLUE,
    CLEAR,
    GREEN,
    MEDIA_TYPES,
    ORIENTATION,
    RED,
    SECRET,
    chunk,
    frame_count,
    halves,
    is_close,
    open_image,
    pixel,
    raw_png,
    swapping_profile,
    with_metadata,
)
from tests.support.pictures import encode, png


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


# -- metadata and hidden content


@pytest.mark.parametrize("kind", MEDIA_TYPES)
def test_metadata_are_removed(kind: str) -> None:
    data = with_metadata(kind)
    assert SECRET in data
    for file in image_processing.process(data).files:
        assert SECRET not in file.data
        image = open_image(file)
        assert not image.getexif()
        assert not {"exif", "xmp", "icc_profile", "comment", "Comment", "XML:com.adobe.xmp"} & image.info.keys()


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
