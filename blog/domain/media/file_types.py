"""Types of uploaded files, decided by their content: names and declared types are not trusted."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from blog.domain.media import svg

HEAD_BYTES: Final = 4096
"""How much of a file decides its type."""


class FileKind(StrEnum):
    """Kind of a file, as people name it."""

    IMAGE = "image"
    DRAWING = "drawing"
    DOCUMENT = "document"
    AUDIO = "audio"
    VIDEO = "video"
    ARCHIVE = "archive"


@dataclass(frozen=True, slots=True)
class FileType:
    """A supported type: the suffix of stored files, the media type they are served with, and the kind."""

    suffix: str
    media_type: str
    kind: FileKind


IMAGE_TYPES: Final = tuple(
    FileType(suffix, f"image/{name}", FileKind.IMAGE)
    for suffix, name in (("png", "png"), ("jpg", "jpeg"), ("webp", "webp"), ("gif", "gif"), ("avif", "avif"))
)
SVG: Final = FileType("svg", "image/svg+xml", FileKind.DRAWING)
_PDF = FileType("pdf", "application/pdf", FileKind.DOCUMENT)
_MP3 = FileType("mp3", "audio/mpeg", FileKind.AUDIO)
_M4A = FileType("m4a", "audio/mp4", FileKind.AUDIO)
_OGG = FileType("ogg", "audio/ogg", FileKind.AUDIO)
_WAV = FileType("wav", "audio/wav", FileKind.AUDIO)
_FLAC = FileType("flac", "audio/flac", FileKind.AUDIO)
_MP4 = FileType("mp4", "video/mp4", FileKind.VIDEO)
_WEBM = FileType("webm", "video/webm", FileKind.VIDEO)
_ZIP = FileType("zip", "application/zip", FileKind.ARCHIVE)
FILE_TYPES: Final = {kind.suffix: kind for kind in (*IMAGE_TYPES, SVG, _PDF, _MP3, _M4A, _OGG, _WAV, _FLAC, _MP4, _WEBM, _ZIP)}
"""All supported types by the suffix of their files."""
_AUDIO_BRANDS: Final = frozenset({b"M4A ", b"M4B "})
_VIDEO_BRANDS: Final = frozenset({b"isom", b"iso2", b"iso4", b"iso5", b"iso6", b"mp41", b"mp42", b"avc1", b"dash", b"M4V "})
_OGG_AUDIO: Final = (b"\x01vorbis", b"OpusHead", b"\x7fFLAC", b"Speex   ")
_MP3_BITRATES: Final = (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320)
_MP3_RATES: Final = (44_100, 48_000, 32_000)
_MP3_HALF_BITRATES: Final = (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160)


def detect(head: bytes) -> FileType | None:
    """Return the type of a file that is no bitmap and begins with `head` (`HEAD_BYTES`), or None.

    The signature must be at the very beginning: a file that is two things at once is served as the first.
    """
    return next((kind for kind, matches in _TESTS if matches(head)), None)


def is_bitmap(head: bytes) -> bool:
    """Return whether a file has the signature of a bitmap, so that it is worth decoding."""
    is_box = head[4:8] == b"ftyp" and head[8:12] in (b"avif", b"avis", b"mif1", b"msf1")
    return head.startswith((b"\x89PNG", b"\xff\xd8", b"GIF8")) or (head.startswith(b"RIFF") and head[8:12] == b"WEBP") or is_box


def _has_brand(brands: frozenset[bytes]) -> Callable[[bytes], bool]:
    return lambda head: head[4:8] == b"ftyp" and head[8:12] in brands


def _is_mp3(head: bytes) -> bool:
    """Return whether the file begins with an ID3 tag, or with two frames of MPEG audio layer III: two bytes prove nothing."""
    if head.startswith(b"ID3") and len(head) >= 10:
        return head[3] in (2, 3, 4) and all(byte < 0x80 for byte in head[6:10])
    length = _mp3_frame_length(head)
    return length > 0 and _mp3_frame_length(head[length:]) > 0


def _mp3_frame_length(head: bytes) -> int:
    """Return the length of the MPEG audio frame at the beginning, or 0 if there is none."""
    if len(head) < 4 or head[0] != 0xFF or head[1] & 0xE6 != 0xE2 or head[1] & 0x18 == 0x08:
        return 0
    version, bitrate, rate = (head[1] >> 3) & 3, head[2] >> 4, (head[2] >> 2) & 3
    if bitrate in (0, 15) or rate == 3:
        return 0
    is_full_rate = version == 3
    bits = (_MP3_BITRATES if is_full_rate else _MP3_HALF_BITRATES)[bitrate] * 1000
    samples_per_second = _MP3_RATES[rate] >> (3 - version if version else 2)
    return (144 if is_full_rate else 72) * bits // samples_per_second + ((head[2] >> 1) & 1)


_TESTS: Final[tuple[tuple[FileType, Callable[[bytes], bool]], ...]] = (
    (_PDF, lambda head: head.startswith(b"%PDF-")),
    (_ZIP, lambda head: head.startswith((b"PK\x03\x04", b"PK\x05\x06"))),
    (_FLAC, lambda head: head.startswith(b"fLaC")),
    (_WAV, lambda head: head.startswith(b"RIFF") and head[8:12] == b"WAVE"),
    (_OGG, lambda head: head.startswith(b"OggS") and head[28:36].startswith(_OGG_AUDIO)),
    (_M4A, _has_brand(_AUDIO_BRANDS)),
    (_MP4, _has_brand(_VIDEO_BRANDS)),
    (_WEBM, lambda head: head.startswith(b"\x1a\x45\xdf\xa3") and b"\x42\x82\x84webm" in head[:64]),
    (_MP3, _is_mp3),
    (SVG, svg.is_svg),
)
