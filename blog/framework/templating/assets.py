"""The files of the folder `static` as they go out: under names that carry a digest of their content, compressed once."""

import functools
import hashlib
import mimetypes
import posixpath
import re
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from blog.framework.templating.content_encoding import CODINGS, is_worth_it
from blog.framework.templating.resources import folder

_DIGITS = 12
_HASHED = re.compile(rf"(.+)\.([0-9a-f]{{{_DIGITS}}})((?:\.\w+)?)")
_IMPORT = re.compile(rb"""(?<=from ")(\.{1,2}/[\w./-]+)(?=";)""")
_TYPES = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}


@dataclass(frozen=True, slots=True)
class Asset:
    """One file. `name` is its path below the folder; `encoded` holds its content by content coding, each made once."""

    name: str
    content: bytes
    media_type: str
    digest: str
    encoded: dict[bytes, bytes] = field(default_factory=dict, compare=False)

    @property
    def address(self) -> str:
        """Where it is for ever: another content has another address."""
        path = PurePosixPath(self.name)
        return f"/static/{path.with_name(f'{path.stem}.{self.digest}{path.suffix}')}"

    def compressed(self, coding: bytes) -> bytes | None:
        """The content in a coding; None when that would not pay. Takes a moment at first."""
        if not is_worth_it(self.media_type.encode(), len(self.content)):
            return None
        if coding not in self.encoded:
            self.encoded[coding] = CODINGS[coding](self.content)
        return self.encoded[coding]


@functools.cache
def asset(name: str) -> Asset:
    """The file of this name, read once. Raises FileNotFoundError.

    A module names others by their plain names, so that it also runs as it lies in the folder; here it gets their addresses.
    """
    content = (folder("static") / name).read_bytes()
    suffix = PurePosixPath(name).suffix
    if suffix == ".js" and not name.startswith("vendor/"):
        content = _IMPORT.sub(lambda found: asset(_beside(name, found[1].decode())).address.encode(), content)
    media_type = _TYPES.get(suffix) or mimetypes.guess_type(name)[0] or "text/plain"
    return Asset(name, content, media_type, hashlib.sha256(content).hexdigest()[:_DIGITS])


def _beside(name: str, relative: str) -> str:
    return posixpath.normpath(posixpath.join(posixpath.dirname(name), relative))


@functools.cache
def names() -> frozenset[str]:
    """All there are."""
    root = folder("static")
    return frozenset(path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file())


def find(path: str) -> tuple[Asset, bool] | None:
    """The file that a path below `/static` means, and whether it names exactly this content.

    While another version of the blog is rolled out, pages of one ask the other for files: they get those of the same name.
    """
    if path in names():
        return asset(path), False
    hashed = _HASHED.fullmatch(path)
    if hashed is None or (name := f"{hashed[1]}{hashed[3]}") not in names():
        return None
    found = asset(name)
    return found, hashed[2] == found.digest
