"""Content codings (RFC 9110, section 8.4.1): which a client takes, and the work of them."""

import functools
import gzip
import importlib
import re
from collections.abc import Callable
from types import ModuleType

_WORTH_IT = 500
_TEXT = re.compile(rb"text/|application/([\w.-]+\+)?(json|xml)\b|image/svg\+xml")


def _optional(name: str) -> ModuleType | None:
    """A package of the extra `compression`, if it is installed."""
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError:
        return None


def _gzip(content: bytes) -> bytes:
    return gzip.compress(content, 6, mtime=0)


CODINGS: dict[bytes, Callable[[bytes], bytes]] = {b"gzip": _gzip}
"""What this installation can do, by name, the best last."""

if zstd := _optional("compression.zstd") or _optional("backports.zstd"):
    CODINGS[b"zstd"] = functools.partial(zstd.compress, level=9)
if brotli := _optional("brotli"):
    CODINGS[b"br"] = functools.partial(brotli.compress, mode=brotli.MODE_TEXT, quality=5)


@functools.lru_cache(maxsize=100)
def chosen(accepted: bytes) -> bytes | None:
    """The best coding that `Accept-Encoding` names and this installation has; None for none."""
    for name in reversed(CODINGS):
        if name in accepted and _takes(name, accepted):
            return name
    return None


def _takes(name: bytes, accepted: bytes) -> bool:
    for part in accepted.split(b","):
        coding, _, weight = part.partition(b";")
        if coding.strip().lower() == name:
            return weight.replace(b" ", b"").rstrip(b"0") not in (b"q=", b"q=0.")
    return False


def is_worth_it(media_type: bytes, length: int) -> bool:
    """Does a body of this type and length become smaller by it?"""
    return length >= _WORTH_IT and _TEXT.match(media_type) is not None
