"""Content encodings (RFC 9110, section 8.4.1): negotiation and compression."""

import functools
import gzip
import importlib
import re
from collections.abc import Callable
from types import ModuleType

_MIN_LENGTH = 500
_COMPRESSIBLE_TYPE = re.compile(rb"text/|application/([\w.-]+\+)?(json|xml)\b|image/svg\+xml")


def _import_optional(name: str) -> ModuleType | None:
    """Return a module of the extra `compression`, or None if it is not installed."""
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError:
        return None


def _gzip(content: bytes) -> bytes:
    return gzip.compress(content, 6, mtime=0)


ENCODERS: dict[bytes, Callable[[bytes], bytes]] = {b"gzip": _gzip}
"""Available encoders by name, the best last."""

if zstd := _import_optional("compression.zstd") or _import_optional("backports.zstd"):
    ENCODERS[b"zstd"] = functools.partial(zstd.compress, level=9)
if brotli := _import_optional("brotli"):
    ENCODERS[b"br"] = functools.partial(brotli.compress, mode=brotli.MODE_TEXT, quality=5)


@functools.lru_cache(maxsize=100)
def negotiate(accept_encoding: bytes) -> bytes | None:
    """Return the best available encoding in `Accept-Encoding`, or None."""
    for name in reversed(ENCODERS):
        if name in accept_encoding and _accepts(name, accept_encoding):
            return name
    return None


def _accepts(name: bytes, accepted: bytes) -> bool:
    for part in accepted.split(b","):
        coding, _, weight = part.partition(b";")
        if coding.strip().lower() == name:
            return weight.replace(b" ", b"").rstrip(b"0") not in (b"q=", b"q=0.")
    return False


def is_compressible(media_type: bytes, length: int) -> bool:
    """Return whether compression makes a body of this media type and length smaller."""
    return length >= _MIN_LENGTH and _COMPRESSIBLE_TYPE.match(media_type) is not None
