"""Files that are no images, damaged ones and decompression bombs: rejected by their content."""

import random
import struct
import zlib

import pytest
from PIL import Image

from blog.domain.media import image_decoding, image_processing
from blog.errors import InvalidInput
from tests.support.image_files import MEDIA_TYPES, NOT_AN_IMAGE, RED, chunk, error_message, is_close, open_image, pixel, raw_png
from tests.support.pictures import encode

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
