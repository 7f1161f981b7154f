"""What becomes of an image that somebody sends: nothing but its pixels, as they were meant to be seen."""

import hashlib
import io
import random
import struct
import zlib
from typing import Any

import pytest
from PIL import Image, ImageCms
from PIL.PngImagePlugin import PngInfo

from blog.domain.media import image_processing
from blog.errors import InvalidInput
from tests.support.pictures import encoded, png

KINDS = {"PNG": "image/png", "JPEG": "image/jpeg", "WEBP": "image/webp", "GIF": "image/gif", "AVIF": "image/avif"}
ANIMATED = ("GIF", "WEBP", "PNG", "AVIF")
RED, GREEN, BLUE, CLEAR = (255, 0, 0, 255), (0, 255, 0, 255), (0, 0, 255, 255), (0, 0, 0, 0)
SECRET = b"secret-4711"
ORIENTATION, DESCRIPTION = 0x0112, 0x010E


def opened(file: image_processing.ImageFile) -> Image.Image:
    image = Image.open(io.BytesIO(file.data))
    image.load()
    assert (image.size, Image.MIME[image.format or ""]) == ((file.width, file.height), file.media_type)
    return image


def pixel(image: Image.Image, place: tuple[int, int]) -> tuple[int, ...]:
    found = image.convert("RGBA").getpixel(place)
    assert isinstance(found, tuple)
    return found


def near(found: tuple[int, ...], wanted: tuple[int, ...], tolerance: int = 12) -> bool:
    """The same colour, but for what lossy formats do; of what is transparent the colour means nothing."""
    if wanted[3] == 0:
        return found[3] <= tolerance
    return all(abs(one - other) <= tolerance for one, other in zip(found, wanted, strict=True))


def halves(left: tuple[int, ...], right: tuple[int, ...], width: int = 600) -> Image.Image:
    image = Image.new("RGBA", (width, 8), right)
    image.paste(left, (0, 0, width // 2, 8))
    return image


def reason(data: bytes) -> str:
    """Why it is refused."""
    with pytest.raises(InvalidInput) as caught:
        image_processing.process(data)
    (fault,) = caught.value.errors
    assert fault.loc == ("file",)
    return fault.msg


def chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def raw_png(width: int, height: int, depth: int, colours: int, lines: bytes, extra: bytes = b"") -> bytes:
    """A PNG file that Pillow would not write; each line begins with a byte for its filter."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colours, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + extra + chunk(b"IDAT", zlib.compress(lines)) + chunk(b"IEND", b"")


def swapping_profile() -> bytes:
    """A colour profile by which red means green, and green red."""
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    profile = profile.replace(b"rXYZ", b"tmpX", 1).replace(b"gXYZ", b"rXYZ", 1).replace(b"tmpX", b"gXYZ", 1)
    return profile.replace("sRGB".encode("utf-16-be"), "Swap".encode("utf-16-be"))


@pytest.mark.parametrize("kind", KINDS)
def test_image_keeps_its_format_size_and_colours(kind: Any) -> None:
    picture = image_processing.process(encoded(halves(RED, BLUE).convert("RGB"), kind))
    assert picture.main.media_type == KINDS[kind]
    image = opened(picture.main)
    assert image.size == (600, 8)
    assert near(pixel(image, (20, 4)), RED)
    assert near(pixel(image, (580, 4)), BLUE)


@pytest.mark.parametrize("kind", KINDS)
def test_names_are_digests_of_the_content_and_always_the_same(kind: Any) -> None:
    data = encoded(halves(RED, BLUE).convert("RGB"), kind)
    first, again = image_processing.process(data), image_processing.process(data)
    assert first == again
    assert first.main == image_processing.reencode(data)
    for file in first.files:
        digest, _, suffix = file.name.partition(".")
        assert digest == hashlib.sha256(file.data).hexdigest()
        assert image_processing.MEDIA_TYPES[suffix] == file.media_type
    assert image_processing.reencode(encoded(halves(GREEN, BLUE).convert("RGB"), kind)).name != first.main.name


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
def test_smaller_copies_are_webp_of_the_same_shape(size: Any, copies: Any) -> None:
    picture = image_processing.process(png(*size))
    assert [(file.width, file.height) for file in picture.variants] == copies
    for file in picture.variants:
        assert near(pixel(opened(file), (0, 0)), (0, 128, 128, 255))
        assert file.media_type == "image/webp"


def test_copy_that_is_too_long_for_webp_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(image_processing, "VARIANT_WIDTHS", (2, 1))
    assert [file.height for file in image_processing.process(png(3, 30_000)).variants] == [10_000]


# -- animations


@pytest.mark.parametrize("kind", ANIMATED)
def test_animation_keeps_frames_and_times_and_has_no_copies(kind: Any) -> None:
    frames = [Image.new("RGB", (600, 10), colour) for colour in (RED, GREEN, BLUE)]
    data = encoded(frames[0], kind, save_all=True, append_images=frames[1:], duration=[100, 250, 400])
    picture = image_processing.process(data)
    assert (picture.main.media_type, picture.variants) == (KINDS[kind], ())
    image, times = opened(picture.main), []
    assert image.n_frames == 3
    for number, colour in enumerate((RED, GREEN, BLUE)):
        image.seek(number)
        image.load()
        assert image.size == (600, 10)
        assert near(pixel(image, (1, 1)), colour)
        times.append(image.info["duration"])
    assert times == [100, 250, 400]


@pytest.mark.parametrize(("kind", "loops"), [("GIF", (None, 0, 3)), ("WEBP", (0, 3)), ("PNG", (0, 3))])
def test_animation_goes_round_as_often_as_before(kind: str, loops: Any) -> None:
    frames = [Image.new("RGB", (8, 8), colour) for colour in (RED, GREEN)]
    for loop in loops:
        options = {} if loop is None else {"loop": loop}
        data = encoded(frames[0], kind, save_all=True, append_images=frames[1:], duration=100, **options)
        assert opened(image_processing.reencode(data)).info.get("loop") == loop


@pytest.mark.parametrize(
    ("kind", "options"),
    # WebP: each frame whole, since an animation of opaque parts is declared opaque, and Pillow then makes its ground black.
    [("GIF", {"disposal": 2}), ("PNG", {"disposal": 1}), ("WEBP", {"kmin": 0, "kmax": 1}), ("AVIF", {})],
)
def test_animation_stays_transparent(kind: str, options: Any) -> None:
    frames = [halves(RED, CLEAR, 32), halves(CLEAR, RED, 32)]
    image = opened(
        image_processing.reencode(encoded(frames[0], kind, save_all=True, append_images=frames[1:], duration=100, **options))
    )
    for number, sides in enumerate(((RED, CLEAR), (CLEAR, RED))):
        image.seek(number)
        image.load()
        assert near(pixel(image, (3, 4)), sides[0])
        assert near(pixel(image, (28, 4)), sides[1]), "the frame before does not show through"


@pytest.mark.parametrize("kind", ["WEBP", "PNG"])
def test_every_frame_is_upright(kind: str) -> None:
    frames, exif = [Image.new("RGB", (20, 10), colour) for colour in (RED, GREEN)], Image.Exif()
    exif[ORIENTATION] = 6
    data = encoded(frames[0], kind, save_all=True, append_images=frames[1:], duration=100, exif=exif)
    image = opened(image_processing.reencode(data))
    image.seek(1)
    image.load()
    assert image.size == (10, 20)
    assert near(pixel(image, (9, 19)), GREEN)


def test_cover_of_a_moving_png_is_no_frame() -> None:
    frames = [Image.new("RGB", (8, 8), colour) for colour in (BLUE, RED, GREEN)]
    data = encoded(frames[0], "PNG", save_all=True, append_images=frames[1:], duration=[100, 200], default_image=True)
    image = opened(image_processing.reencode(data))
    assert (image.n_frames, image.info.get("default_image")) == (2, None)
    assert pixel(image, (0, 0)) == RED


# -- nothing but pixels


def with_metadata(kind: str) -> bytes:
    """An image that tells the secret in all ways that its format has."""
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
    return encoded(Image.new("RGB", (500, 8), RED), kind, **options)


@pytest.mark.parametrize("kind", KINDS)
def test_metadata_are_gone(kind: Any) -> None:
    data = with_metadata(kind)
    assert SECRET in data
    for file in image_processing.process(data).files:
        assert SECRET not in file.data
        image = opened(file)
        assert not image.getexif()
        assert not {"exif", "xmp", "icc_profile", "comment", "Comment", "XML:com.adobe.xmp"} & image.info.keys()


@pytest.mark.parametrize("kind", ANIMATED)
def test_metadata_of_animations_are_gone(kind: Any) -> None:
    frames = [Image.new("RGB", (8, 8), colour) for colour in (RED, GREEN)]
    # No EXIF of AVIF: Pillow's encoder crashes on that of an animation.
    told = {"GIF": {"comment": SECRET}, "AVIF": {"xmp": SECRET}}.get(kind, {"exif": b"Exif\0\0" + SECRET})
    data = encoded(frames[0], kind, save_all=True, append_images=frames[1:], duration=100, **told)
    assert SECRET in data
    assert SECRET not in image_processing.reencode(data).data


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("tail", [b"<script>alert(1)</script>", b"PK\x03\x04 secret.zip", b"<?php system($_GET[0]); ?>"])
def test_what_was_appended_is_gone(kind: Any, tail: bytes) -> None:
    data = encoded(Image.new("RGB", (500, 8), RED), kind)
    assert all(tail not in file.data for file in image_processing.process(data + tail).files)


def test_script_that_is_an_image_too_is_an_image_alone() -> None:
    """`GIF89a` begins a file that a browser would run, if the rest of it were hidden in a comment of the script."""
    script = b"*/=1;alert(document.domain)//"
    data = encoded(Image.new("P", (8, 8)), "GIF", comment=b"/" + script)
    assert script in data
    assert script not in image_processing.reencode(data).data


def test_copies_that_telephones_append_are_gone() -> None:
    frames = [Image.new("RGB", (16, 8), RED), Image.new("RGB", (8, 8), BLUE)]
    data = encoded(frames[0], "MPO", save_all=True, append_images=frames[1:])
    with Image.open(io.BytesIO(data)) as sent:
        assert (sent.format, sent.n_frames) == ("MPO", 2)
    main = image_processing.reencode(data)
    image = opened(main)
    assert (image.format, image.size, main.data.count(b"\xff\xd8\xff")) == ("JPEG", (16, 8), 1)
    assert near(pixel(image, (4, 4)), RED)


# -- as it was meant to be seen


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "AVIF"])
@pytest.mark.parametrize(
    ("orientation", "corner"), [(1, "left top"), (2, "right top"), (3, "right bottom"), (4, "left bottom"), (5, "left top"),
                                (6, "right top"), (7, "right bottom"), (8, "left bottom")],
)  # fmt: skip
def test_image_is_upright(kind: str, orientation: int, corner: str) -> None:
    """By the table of EXIF 2.32: which corner of the shown image the stored first one is; 5 to 8 lie on their side."""
    image, exif = Image.new("RGB", (40, 20), "white"), Image.Exif()
    image.paste(RED, (0, 0, 20, 10))
    exif[ORIENTATION] = orientation
    found = opened(image_processing.reencode(encoded(image, kind, exif=exif)))
    width, height = (20, 40) if orientation > 4 else (40, 20)
    assert found.size == (width, height)
    corners = {
        "left top": (4, 4),
        "right top": (width - 5, 4),
        "left bottom": (4, height - 5),
        "right bottom": (width - 5, height - 5),
    }
    assert [name for name, place in corners.items() if near(pixel(found, place), RED, 40)] == [corner]


def test_copies_are_upright_too() -> None:
    image, exif = Image.new("RGB", (10, 600), RED), Image.Exif()
    exif[ORIENTATION] = 6
    picture = image_processing.process(encoded(image, "JPEG", exif=exif))
    assert [(file.width, file.height) for file in picture.files] == [(600, 10), (480, 8)]


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("exif", [b"Exif\0\0MM\0*\xff\xff\xff\xff", b"Exif\0\0MM\0*\0\0\0\x08\0\x20\x01\x12", b"Exif\0\0junk"])
@pytest.mark.filterwarnings("ignore")  # as in production, where Pillow's warnings stop nothing
def test_metadata_that_cannot_be_read_turn_nothing(kind: str, exif: bytes) -> None:
    data = encoded(Image.new("RGB", (20, 10), RED), kind, exif=exif)
    assert near(pixel(opened(image_processing.reencode(data)), (1, 1)), RED)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "AVIF"])
def test_colours_are_those_that_the_profile_means(kind: str) -> None:
    data = encoded(Image.new("RGB", (8, 8), (200, 30, 10)), kind, icc_profile=swapping_profile())
    assert near(pixel(opened(image_processing.reencode(data)), (4, 4)), (30, 200, 10, 255))


@pytest.mark.parametrize(
    ("mode", "colour", "options", "wanted"),
    [
        ("RGBA", (200, 30, 10, 77), {}, (30, 200, 10, 77)),
        ("RGB", (200, 30, 10), {"transparency": (200, 30, 10)}, CLEAR),
        ("P", 1, {}, (30, 200, 10, 255)),
        ("P", 1, {"transparency": 1}, CLEAR),
        ("LA", (200, 30), {}, (200, 200, 200, 30)),  # a profile of colours says nothing of greys
    ],
)
def test_profile_leaves_transparency_alone(mode: str, colour: Any, options: Any, wanted: Any) -> None:
    image = Image.new(mode, (8, 8), colour)
    if mode == "P":
        image.putpalette([0, 0, 0, 200, 30, 10])
    found = opened(image_processing.reencode(encoded(image, "PNG", icc_profile=swapping_profile(), **options)))
    assert near(pixel(found, (4, 4)), wanted, 2)


@pytest.mark.parametrize("profile", [b"nonsense" * 30, b"", swapping_profile()[:200]])
def test_profile_that_cannot_be_read_changes_nothing(profile: Any) -> None:
    data = encoded(Image.new("RGB", (8, 8), RED), "PNG", icc_profile=profile)
    assert pixel(opened(image_processing.reencode(data)), (4, 4)) == RED


def test_profile_that_does_not_fit_leaves_a_palette_alone() -> None:
    image = Image.new("P", (8, 8), 1)
    image.putpalette([0, 0, 0, 200, 30, 10])
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    found = opened(image_processing.reencode(encoded(image, "PNG", icc_profile=profile, transparency=0)))
    assert (found.mode, pixel(found, (4, 4))) == ("P", (200, 30, 10, 255))


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "AVIF", "GIF"])
def test_image_and_its_copies_stay_transparent(kind: str) -> None:
    picture = image_processing.process(encoded(halves(RED, CLEAR), kind))
    assert len(picture.files) == 2
    for file in picture.files:
        assert near(pixel(opened(file), (20, 4)), RED)
        assert near(pixel(opened(file), (file.width - 20, 4)), CLEAR)


@pytest.mark.parametrize(
    ("mode", "shown", "hidden", "key"),
    [
        ("P", 1, 0, 0),
        ("P", 1, 0, b"\x00\xff"),
        ("L", 20, 200, 200),
        ("RGB", (0, 255, 0), (255, 0, 0), (255, 0, 0)),
        ("1", 1, 0, 0),
    ],
)
def test_one_colour_that_is_transparent_stays_so(mode: str, shown: Any, hidden: Any, key: Any) -> None:
    image = Image.new(mode, (600, 8), hidden)
    image.paste(shown, (0, 0, 300, 8))
    if mode == "P":
        image.putpalette([255, 0, 0, 0, 255, 0])
    picture = image_processing.process(encoded(image, "PNG", transparency=key))
    assert len(picture.files) == 2
    for file in picture.files:
        sides = pixel(opened(file), (20, 4)), pixel(opened(file), (file.width - 20, 4))
        assert (sides[0][3], sides[1][3]) == (255, 0)
        assert near(sides[0], pixel(image, (20, 4)))


@pytest.mark.parametrize(
    ("depth", "colours", "line", "key", "wanted"),
    [  # of two pixels the first is transparent
        (2, 0, b"\x40", (1,), (0, 0, 0, 255)),
        (4, 0, b"\x40", (4,), (0, 0, 0, 255)),
        (8, 0, b"\x40\x01", (0x40,), (1, 1, 1, 255)),
        (16, 0, b"\x80\x00\x00\x00", (0x8000,), (0, 0, 0, 255)),
        (16, 2, b"\x80\x12\x40\x34\x20\x56\xff\xff\0\0\0\0", (0x8012, 0x4034, 0x2056), RED),
    ],
)
def test_transparent_colour_of_other_depths_stays_so(depth: int, colours: int, line: bytes, key: Any, wanted: Any) -> None:
    data = raw_png(2, 1, depth, colours, b"\0" + line, chunk(b"tRNS", struct.pack(f">{len(key)}H", *key)))
    found = opened(image_processing.reencode(data))
    assert pixel(found, (0, 0))[3] == 0
    assert pixel(found, (1, 0)) == wanted


def test_sixteen_bits_become_eight_without_a_cut() -> None:
    grey = raw_png(4, 1, 16, 0, b"\0" + struct.pack(">4H", 0, 0x4000, 0x8000, 0xFFFF))
    found = opened(image_processing.reencode(grey))
    assert [pixel(found, (x, 0))[0] for x in range(4)] == [0, 64, 128, 255]
    colours = raw_png(1, 1, 16, 6, b"\0" + struct.pack(">4H", 0x8012, 0x4034, 0x2056, 0x8000))
    assert pixel(opened(image_processing.reencode(colours)), (0, 0)) == (128, 64, 32, 128)


def test_palette_stays_a_palette() -> None:
    image = Image.new("P", (600, 8), 1)
    image.putpalette([0, 0, 0, 200, 30, 10])
    picture = image_processing.process(encoded(image, "PNG"))
    assert opened(picture.main).mode == "P"
    assert pixel(opened(picture.main), (4, 4)) == (200, 30, 10, 255)
    assert near(pixel(opened(picture.variants[0]), (4, 4)), (200, 30, 10, 255))


def test_inks_become_colours() -> None:
    data = encoded(Image.new("CMYK", (600, 8), (0, 255, 255, 0)), "JPEG")
    for file in image_processing.process(data).files:
        image = opened(file)
        assert image.mode == "RGB"
        assert near(pixel(image, (4, 4)), RED)


def test_webp_without_loss_stays_without() -> None:
    data = encoded(Image.effect_noise((64, 64), 80).convert("RGB"), "WEBP", lossless=True)
    with Image.open(io.BytesIO(data)) as sent:
        assert opened(image_processing.reencode(data)).tobytes() == sent.tobytes()


# -- what is refused

SVG = b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'
OTHERS = {
    "empty": b"",
    "text": b"GIF89 is a format of images",
    "SVG": SVG,
    "HTML": b"<!doctype html><img src=x onerror=alert(1)>",
    "PDF": encoded(Image.new("RGB", (8, 8)), "PDF"),
    "BMP": encoded(Image.new("RGB", (8, 8)), "BMP"),
    "TIFF": encoded(Image.new("RGB", (8, 8)), "TIFF"),
    "ICO": encoded(Image.new("RGB", (16, 16)), "ICO"),
    "PPM": encoded(Image.new("RGB", (8, 8)), "PPM"),
    "EPS": encoded(Image.new("RGB", (8, 8)), "EPS"),
    "HEIC": b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(100),
    "SVG after a GIF's first bytes": b"GIF89a" + SVG,
    "HTML after a PNG's first bytes": b"\x89PNG\r\n\x1a\n" + b"<script>alert(1)</script>",
    "JPEG of two bytes": b"\xff\xd8",
    "PNG without pixels": raw_png(0, 0, 8, 2, b""),
    "PNG whose pixels are no zlib": raw_png(8, 8, 8, 2, b"").replace(zlib.compress(b""), b"no zlib"),
}


@pytest.mark.parametrize("name", OTHERS)
@pytest.mark.filterwarnings("ignore")  # as in production, where Pillow's warnings stop nothing
def test_what_is_no_image_of_the_five_formats_is_refused(name: Any) -> None:
    assert reason(OTHERS[name]).startswith("This is no PNG, JPEG, WebP, GIF or AVIF image")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.filterwarnings("ignore")
def test_half_a_file_is_refused(kind: Any) -> None:
    data = encoded(Image.effect_noise((64, 64), 80).convert("RGB"), kind)
    for part in (0.1, 0.5, 0.9):
        assert reason(data[: int(len(data) * part)]).startswith("This is no ")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.filterwarnings("ignore")
def test_damaged_files_are_images_or_refused_and_nothing_else(kind: Any) -> None:
    """Whatever a decoder raises at bytes like these is no error of ours."""
    data, chance = encoded(Image.effect_noise((24, 24), 80).convert("RGB"), kind), random.Random(4711)  # noqa: S311
    outcomes = set()
    for _ in range(60):
        damaged = bytearray(data)
        for _ in range(chance.choice((1, 1, 3, 20))):
            damaged[chance.randrange(len(data))] = chance.randrange(256)
        try:
            image_processing.process(bytes(damaged))
            outcomes.add("kept")
        except InvalidInput:
            outcomes.add("refused")
    assert "refused" in outcomes


@pytest.mark.parametrize("kind", KINDS)
def test_as_many_pixels_as_allowed_and_not_one_more(kind: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(image_processing, "MAX_PIXELS", 99)
    assert image_processing.reencode(encoded(Image.new("RGB", (9, 11)), kind)).width == 9
    assert reason(encoded(Image.new("RGB", (10, 10)), kind)) == "An image may have at most 99 pixels"


@pytest.mark.parametrize("kind", ANIMATED)
def test_frames_of_an_animation_count_together(kind: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    frames = [Image.new("RGB", (8, 8), colour) for colour in (RED, GREEN, BLUE)]
    data = encoded(frames[0], kind, save_all=True, append_images=frames[1:], duration=100)
    monkeypatch.setattr(image_processing, "MAX_PIXELS", 3 * 64)
    assert opened(image_processing.reencode(data)).n_frames == 3
    monkeypatch.setattr(image_processing, "MAX_PIXELS", 3 * 64 - 1)
    assert "pixels" in reason(data)
    monkeypatch.setattr(image_processing, "MAX_PIXELS", 3 * 64)
    monkeypatch.setattr(image_processing, "MAX_FRAMES", 2)
    assert reason(data) == "An animation may have at most 2 frames"


def bomb(kind: str, side: int) -> bytes:
    """A small file whose header declares an image of side by side pixels."""
    if kind == "PNG":
        return raw_png(side, side, 8, 2, b"\0" * 100)
    data = bytearray(encoded(Image.new("RGB", (8, 8)), kind))
    if kind == "GIF":
        data[6:10] = struct.pack("<HH", side, side)
    else:  # JPEG: in the segment that begins the frame
        place = data.index(b"\xff\xc0") + 5
        data[place : place + 4] = struct.pack(">HH", side, side)
    return bytes(data)


@pytest.mark.parametrize("kind", ["PNG", "GIF", "JPEG"])
@pytest.mark.parametrize("side", [7_100, 8_000, 20_000, 65_000])
@pytest.mark.filterwarnings("ignore")  # Pillow itself only warns of up to twice as many pixels as are allowed
def test_bomb_is_refused_by_its_header(kind: str, side: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", lambda image: pytest.fail(f"{image} is decoded"))
    assert len(bomb(kind, side)) < 2_000
    assert reason(bomb(kind, side)) == "An image may have at most 50000000 pixels"


def test_text_that_swells_in_a_png_is_refused() -> None:
    swelling = chunk(b"zTXt", b"Comment\0\0" + zlib.compress(bytes(100_000_000)))
    assert len(swelling) < 100_000
    assert reason(raw_png(1, 1, 8, 2, b"\0\0\0\0", swelling * 2)).startswith("This is no ")


def test_jpeg_that_goes_over_its_image_for_ever_is_refused() -> None:
    data = encoded(Image.new("L", (64, 64)), "JPEG", progressive=True)
    last = data[data.rindex(b"\xff\xda") : -2]
    scans = data.count(b"\xff\xda")
    allowed = data[:-2] + last * (image_processing.MAX_JPEG_SCANS - scans) + b"\xff\xd9"
    assert opened(image_processing.reencode(allowed)).size == (64, 64)
    assert reason(data[:-2] + last * (image_processing.MAX_JPEG_SCANS - scans + 1) + b"\xff\xd9").startswith(
        "A JPEG image may have at most 100"
    )


def test_film_in_or_behind_a_photo_is_none_of_its_scans() -> None:
    film = b"\xff\xda\x00\x02" * 15_000
    photo = encoded(Image.new("RGB", (8, 8), RED), "JPEG", comment=film, progressive=True)
    assert near(pixel(opened(image_processing.reencode(photo + b"\x00\x02" + film)), (4, 4)), RED)
