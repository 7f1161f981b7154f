"""Animations without their metadata. The frames stay as they were sent: encoding them again made files up to 50 times as large.

Each format is a sequence of blocks. Only blocks that show frames are copied, so that comments, camera data, colour profiles and
data after the end are lost.
"""

import struct
from collections.abc import Callable, Iterator

_GIF_HEADER_SIZE = 13
_GIF_IMAGE, _GIF_EXTENSION, _GIF_END = 0x2C, 0x21, 0x3B
_GIF_CONTROL, _GIF_APPLICATION = 0xF9, 0xFF
_GIF_LOOPS = (b"\x0bNETSCAPE2.0\x03\x01", b"\x0bANIMEXTS1.0\x03\x01")
_PNG_SIGNATURE_SIZE = 8
_PNG_CHUNKS = frozenset({b"IHDR", b"PLTE", b"tRNS", b"gAMA", b"cHRM", b"sRGB", b"acTL", b"fcTL", b"IDAT", b"fdAT", b"IEND"})
_RIFF_HEADER_SIZE, _WEBP_FRAME_HEADER_SIZE = 12, 16
_WEBP_METADATA_FLAGS = 0x20 | 0x08 | 0x04  # colour profile, EXIF, XMP
_WEBP_FRAME_CHUNKS = frozenset({b"ALPH", b"VP8 ", b"VP8L"})


def remove_metadata(data: bytes, image_format: str) -> bytes:
    """Return an animation of one of `FORMATS` without its metadata. Raises any exception for a damaged file."""
    return FORMATS[image_format](data)


def _clean_gif(data: bytes) -> bytes:
    return b"".join(_gif_blocks(data))


def _gif_blocks(data: bytes) -> Iterator[bytes]:
    position = _GIF_HEADER_SIZE + _palette_size(data[_GIF_HEADER_SIZE - 3])
    yield data[:position]
    while data[position] != _GIF_END:
        start = position
        if data[position] == _GIF_IMAGE:
            end = _end_of_sub_blocks(data, position + 11 + _palette_size(data[position + 9]))
            is_kept = True
        elif data[position] == _GIF_EXTENSION:
            end = _end_of_sub_blocks(data, position + 2)
            label, content = data[position + 1], data[position + 2 : end]
            is_kept = label == _GIF_CONTROL or (
                label == _GIF_APPLICATION and len(content) == 17 and content.startswith(_GIF_LOOPS)
            )
        else:
            raise ValueError(f"unknown GIF block {data[position]}")
        if is_kept:
            yield data[start:end]
        position = end
    yield bytes([_GIF_END])


def _palette_size(flags: int) -> int:
    return 3 << ((flags & 7) + 1) if flags & 0x80 else 0


def _end_of_sub_blocks(data: bytes, position: int) -> int:
    """Return the position after a sequence of sub-blocks. Each begins with its length; the last has length 0."""
    while length := data[position]:
        position += 1 + length
    return position + 1


def _clean_png(data: bytes) -> bytes:
    chunks, position = [data[:_PNG_SIGNATURE_SIZE]], _PNG_SIGNATURE_SIZE
    name = b""
    while name != b"IEND":
        length, name = struct.unpack_from(">I4s", data, position)
        end = position + 12 + length
        if name in _PNG_CHUNKS:
            chunks.append(data[position:end])
        position = end
    return b"".join(chunks)


def _clean_webp(data: bytes) -> bytes:
    end = 8 + struct.unpack_from("<I", data, 4)[0]
    content = b"".join(_webp_chunks(data[_RIFF_HEADER_SIZE:end]))
    return b"RIFF" + struct.pack("<I", len(content) + 4) + b"WEBP" + content


def _webp_chunks(data: bytes) -> Iterator[bytes]:
    for name, content in _riff_chunks(data):
        if name == b"VP8X":
            yield _riff_chunk(name, bytes([content[0] & ~_WEBP_METADATA_FLAGS]) + content[1:10])
        elif name == b"ANIM":
            yield _riff_chunk(name, content[:6])
        elif name == b"ANMF":
            frame = content[_WEBP_FRAME_HEADER_SIZE:]
            kept = [_riff_chunk(part, data) for part, data in _riff_chunks(frame) if part in _WEBP_FRAME_CHUNKS]
            yield _riff_chunk(name, content[:_WEBP_FRAME_HEADER_SIZE] + b"".join(kept))


def _riff_chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    position = 0
    while position + 8 <= len(data):
        name, length = struct.unpack_from("<4sI", data, position)
        yield name, data[position + 8 : position + 8 + length]
        position += 8 + length + length % 2


def _riff_chunk(name: bytes, content: bytes) -> bytes:
    return name + struct.pack("<I", len(content)) + content + b"\0" * (len(content) % 2)


FORMATS: dict[str, Callable[[bytes], bytes]] = {"GIF": _clean_gif, "PNG": _clean_png, "WEBP": _clean_webp}
"""The formats of animations that are not encoded again, by Pillow's names."""
