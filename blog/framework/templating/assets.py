"""Static files under names that contain a digest of their content, compressed once."""

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
_IMPORT_PATH = re.compile(rb"""(?:(?<=from ")|(?<=import\("))(\.{1,2}/[\w./-]+)(?="[;)])""")
_MEDIA_TYPES = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}


@dataclass(frozen=True, slots=True)
class Asset:
    """One static file.

    name: path below the folder `static`. digest: beginning of the content's SHA-256, in hex.
    url: the permanent path, which contains the digest: other content has another URL.
    encoded_variants: the content by content encoding, each compressed once.
    """

    name: str
    content: bytes
    media_type: str
    digest: str
    url: str
    encoded_variants: dict[bytes, bytes] = field(default_factory=dict, compare=False)

    def compressed(self, coding: bytes) -> bytes | None:
        """Return the content in a content encoding, or None if it is not compressible. The first call compresses it."""
        if not is_compressible(self.media_type.encode(), len(self.content)):
            return None
        if coding not in self.encoded_variants:
            self.encoded_variants[coding] = ENCODERS[coding](self.content)
        return self.encoded_variants[coding]


@functools.cache
def load_asset(name: str) -> Asset:
    """Return the file with this name. The first call reads it. Raises FileNotFoundError.

    JavaScript modules import each other by file name, so that they also run from the folder. The imports get permanent URLs.
    """
    content = (resource_dir("static") / name).read_bytes()
    suffix = PurePosixPath(name).suffix
    if suffix == ".js":
        content = _IMPORT_PATH.sub(lambda match: load_asset(_resolve_import(name, match[1].decode())).url.encode(), content)
    media_type = _MEDIA_TYPES.get(suffix) or mimetypes.guess_type(name)[0] or "text/plain"
    digest, path = hashlib.sha256(content).hexdigest()[:_DIGEST_LENGTH], PurePosixPath(name)
    return Asset(name, content, media_type, digest, f"/static/{path.with_name(f'{path.stem}.{digest}{suffix}')}")


def _resolve_import(name: str, relative: str) -> str:
    return posixpath.normpath(posixpath.join(posixpath.dirname(name), relative))


@functools.cache
def list_names() -> frozenset[str]:
    """Return the names of all static files."""
    root = resource_dir("static")
    return frozenset(path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file())


def resolve(path: str) -> tuple[Asset, bool] | None:
    """Return the file for a path below `/static`, and whether the path contains the digest of its content. None: no such file.

    During a rolling update, pages of one version request files of the other one: they get the file with the same name.
    """
    if path in list_names():
        return load_asset(path), False
    hashed = _HASHED_NAME.fullmatch(path)
    if hashed is None or (name := f"{hashed[1]}{hashed[3]}") not in list_names():
        return None
    asset = load_asset(name)
    return asset, hashed[2] == asset.digest
