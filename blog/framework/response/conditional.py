"""ETags of posts, and the conditions that clients send with them (RFC 9110, section 13)."""

import datetime as dt
import re
from email.utils import parsedate_to_datetime

from starlette.requests import Request

from blog.domain.posts.models import Post
from blog.errors import VersionConflict

_CODING_SUFFIX = re.compile(rb"-(?:gzip|zstd|br)$")
_QUOTED_TAG = re.compile(rb'"[^"]*"')
_ENTITY_TAG = re.compile(r'(W/)?"([^"]*)"')


def post_etag(post: Post) -> str:
    """A strong validator: the version and, since the answer shows it, the number of comments, such as `"3.12"`."""
    return f'"{post.version}.{post.comment_count}"'


def is_not_modified(request: Request, etag: str) -> bool:
    """Has the client this very answer (`If-None-Match`)?"""
    return etag_matches(etag.encode(), request.headers.get("if-none-match", "").encode("latin-1"))


def etag_matches(etag: bytes, if_none_match: bytes) -> bool:
    """Is this tag among those that were sent? By weak comparison, whatever the coding in which the client has the answer."""
    return (
        if_none_match == etag
        or if_none_match.strip() == b"*"
        or _opaque_tag(etag) in (_opaque_tag(one) for one in _QUOTED_TAG.findall(if_none_match))
    )


def _opaque_tag(tag: bytes) -> bytes:
    return _CODING_SUFFIX.sub(b"", tag.removeprefix(b"W/").strip(b'"'))


def is_not_modified_since(request: Request, last_modified: dt.datetime) -> bool:
    """Has nothing changed since the instant that the client names (`If-Modified-Since`)? A tag that it sends goes before."""
    sent = request.headers.get("if-modified-since")
    if sent is None or "if-none-match" in request.headers:
        return False
    try:
        since = parsedate_to_datetime(sent)
    except ValueError:
        return False
    return since.tzinfo is not None and last_modified.replace(microsecond=0) <= since


def if_match_versions(request: Request) -> frozenset[int] | None:
    """The versions that the client is ready to replace (`If-Match`), or None when it does not say.

    The number of comments is no part of it: a comment does not make a writer's copy stale. Raises StaleVersion for
    a tag that can match no version.
    """
    # By hand: header parameters. FastAPI declares them with Header().
    sent = request.headers.get("if-match")
    if sent is None or sent.strip() == "*":
        return None
    versions = [tag.partition(".")[0] for weak, tag in _ENTITY_TAG.findall(sent) if not weak]
    numbers = [int(version) for version in versions if version.isascii() and version.isdigit() and len(version) < 10]
    if not numbers:
        raise VersionConflict('If-Match holds no tag of this post: send its ETag, such as "3.12"')
    return frozenset(numbers)
