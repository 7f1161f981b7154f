"""The files of the folder `static` as they go out: under names that carry a digest of their content, compressed once."""

import functools
import hashlib
import mimetypes
import posixpath
import re
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from blog.framework.templating.content_encoding import ENCODERS, is_compressible
from blog.framework.templating.resources import resource_dir

_DIGEST_LENGTH = 12
_HASHED_NAME = re.compile(rf"(.+)\.([0-9a-f]{{{_DIGEST_LENGTH}}})((?:\.\w+)?)")
_IMPORT_PATH = re.compile(rb"""(?<=from ")(\.{1,2}/[\w./-]+)(?=";)""")
_MEDIA_TYPES = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}


@dataclass(frozen=True, slots=True)
class Asset:
    """One file. `name` is its path below the folder; `encoded` holds its content by content coding, each made once."""

    name: str
    content: bytes
    media_type: str
    digest: str
    encoded_variants: dict[bytes, bytes] = field(default_factory=dict, compare=False)

    @property
    def url(self) -> str:
        """Where it is for ever: another content has another address."""
        path = PurePosixPath(self.name)
        return f"/static/{path.with_name(f'{path.stem}.{self.digest}{path.suffix}')}"

    def compressed(self, coding: bytes) -> bytes | None:
        """The content in a coding; None when that would not pay. Takes a moment at first."""
        if not is_compressible(self.media_type.encode(), len(self.content)):
            return None
        if coding not in self.encoded_variants:
            self.encoded_variants[coding] = ENCODERS[coding](self.content)
        return self.encoded_variants[coding]


@functools.cache
def load_asset(name: str) -> Asset:
    """The file of this name, read once. Raises FileNotFoundError.

    A module names others by their plain names, so that it also runs as it lies in the folder; here it gets their addresses.
    """
    content = (resource_dir("static") / name).read_bytes()
    suffix = PurePosixPath(name).suffix
    if suffix == ".js" and not name.startswith("vendor/"):
        content = _IMPORT_PATH.sub(lambda found: load_asset(_resolve_import(name, found[1].decode())).url.encode(), content)
    media_type = _MEDIA_TYPES.get(suffix) or mimetypes.guess_type(name)[0] or "text/plain"
    return Asset(name, content, media_type, hashlib.sha256(content).hexdigest()[:_DIGEST_LENGTH])


def _resolve_import(name: str, relative: str) -> str:
    return posixpath.normpath(posixpath.join(posixpath.dirname(name), relative))


@functools.cache
def list_names() -> frozenset[str]:
    """All there are."""
    root = resource_dir("static")
    return frozenset(path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file())


def resolve(path: str) -> tuple[Asset, bool] | None:
    """The file that a path below `/static` means, and whether it names exactly this content.

    While another version of the blog is rolled out, pages of one ask the other for files: they get those of the same name.
    """
    if path in list_names():
        return load_asset(path), False
    hashed = _HASHED_NAME.fullmatch(path)
    if hashed is None or (name := f"{hashed[1]}{hashed[3]}") not in list_names():
        return None
    found = load_asset(name)
    return found, hashed[2] == found.digest
