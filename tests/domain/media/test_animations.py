"""Processing of animations: frames, times and transparency are preserved, metadata are removed, limits hold."""

import io
import struct
import time
from collections.abc import Callable
from typing import Any

import pytest
from PIL import Image

from blog.domain.media import image_decoding, image_processing
from tests.support.image_files import (
    ANIMATED,
    BLUE,
    CLEAR,
    GREEN,
    KEPT,
    MEDIA_TYPES,
    NOT_AN_IMAGE,
    ORIENTATION,
    RED,
    SECRET,
    chunk,
    error_message,
    frame_count,
    halves,
    is_close,
    open_image,
    pixel,
    swapping_profile,
)
from tests.support.pictures import encode


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


@pytest.mark.parametrize("kind", ANIMATED)
def test_metadata_of_animations_are_removed(kind: str) -> None:
    frames = [Image.new("RGB", (8, 8), colour) for colour in (RED, GREEN)]
    # No EXIF for AVIF: Pillow's encoder crashes on the EXIF of an animation.
    metadata: dict[str, Any] = {"GIF": {"comment": SECRET}, "AVIF": {"xmp": SECRET}}.get(kind, {"exif": b"Exif\0\0" + SECRET})
    data = encode(frames[0], kind, save_all=True, append_images=frames[1:], duration=100, **metadata)
    assert SECRET in data
    assert SECRET not in image_processing.reencode(data).data


@pytest.mark.parametrize("damage", [lambda data: data[:-1], lambda data: data[:-1] + b"\x00;"], ids=["no end", "stray byte"])
def test_damaged_animations_that_can_be_played_are_accepted(damage: Callable[[bytes], bytes]) -> None:
    frames = [Image.new("RGB", (16, 8), colour) for colour in (RED, BLUE, RED)]
    data = damage(encode(frames[0], "GIF", save_all=True, append_images=frames[1:], duration=100))
    assert frame_count(open_image(image_processing.reencode(data))) == 3


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
