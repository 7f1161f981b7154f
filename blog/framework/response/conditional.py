"""ETags and conditional requests (RFC 9110, section 13)."""

import datetime as dt
import re
import zlib
from email.utils import format_datetime, parsedate_to_datetime

from starlette.requests import Request

from blog.domain.posts.models import Post
from blog.errors import VersionConflict

_CODING_SUFFIX = re.compile(rb"-(?:gzip|zstd|br)$")
_QUOTED_TAG = re.compile(rb'"[^"]*"')
_ENTITY_TAG = re.compile(r'(W/)?"([^"]*)"')


def post_etag(post: Post) -> str:
    """Return a strong ETag such as `"3.12.2.b1946ac9"`: the version, the number of comments, the version of the renderer and a
    digest of the names of tags and authors.

    The response shows all of them. All but the first change without a new version: `render_again` changes the HTML of a post, and
    tags and authors can get another name.
    """
    names = "\n".join([*post.tags, *(f"{author.username} {author.name} {author.avatar}" for author in post.authors)])
    return f'"{post.version}.{post.comment_count}.{post.renderer_version}.{zlib.crc32(names.encode()):08x}"'


def is_not_modified(request: Request, etag: str) -> bool:
    """Return whether the client has this response (`If-None-Match`)."""
    return etag_matches(etag.encode(), request.headers.get("if-none-match", "").encode("latin-1"))


def etag_matches(etag: bytes, if_none_match: bytes) -> bool:
    """Return whether `If-None-Match` lists this ETag, by weak comparison and ignoring the content encoding."""
    return (
        if_none_match == etag
        or if_none_match.strip() == b"*"
        or _opaque_tag(etag) in map(_opaque_tag, _QUOTED_TAG.findall(if_none_match))
    )


def _opaque_tag(tag: bytes) -> bytes:
    return _CODING_SUFFIX.sub(b"", tag.removeprefix(b"W/").strip(b'"'))


def last_modified_header(instant: dt.datetime) -> str:
    """Return the value of `Last-Modified`, not later than now: the clock of another machine may be ahead of ours."""
    return format_datetime(min(instant, dt.datetime.now(dt.UTC)), usegmt=True)


def is_not_modified_since(request: Request, last_modified: dt.datetime) -> bool:
    """Return whether nothing has changed since `If-Modified-Since`. Ignored if the request has `If-None-Match`."""
    value = request.headers.get("if-modified-since")
    if value is None or "if-none-match" in request.headers:
        return False
    try:
        since = parsedate_to_datetime(value)
    except ValueError:
        return False
    return since.tzinfo is not None and last_modified.replace(microsecond=0) <= since


def if_match_versions(request: Request) -> frozenset[int] | None:
    """Return the versions in `If-Match`, or None for no condition.

    Ignores the rest of the tag: a new comment or renderer does not make an author's copy stale. Raises VersionConflict if
    no tag is a version.
    """
    # By hand: header parameters. FastAPI declares them with Header().
    value = request.headers.get("if-match")
    if value is None or value.strip() == "*":
        return None
    versions = [tag.partition(".")[0] for weak, tag in _ENTITY_TAG.findall(value) if not weak]
    numbers = [int(version) for version in versions if version.isascii() and version.isdigit() and len(version) < 10]
    if not numbers:
        raise VersionConflict('If-Match has no ETag of this post. Send its ETag, such as "3.12.2".')
    return frozenset(numbers)
