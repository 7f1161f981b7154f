"""Slugs of imported posts: the original spelling wherever it is safe in a URL."""

import re
import unicodedata
from pathlib import PurePosixPath
from urllib.parse import unquote, urlsplit

from blog.domain.posts.slugs import MAX_SLUG_LENGTH
from blog.text.slug import slugify

_UNSAFE = re.compile(r"-*(?:[^\w.-]+-*)+")
_EDGES = re.compile(r"^[\W_]+|\W+$")


def safe_slug(text: str) -> str:
    """Return a path segment of at most 120 letters, digits, `-`, `_` and `.`: `something-&-else` → `something-else`."""
    text = unicodedata.normalize("NFC", text)
    # `\w` does not match combining marks, which words in Hindi or Thai contain: `slugify` handles them.
    if any(unicodedata.category(char).startswith("M") for char in text):
        return slugify(text, MAX_SLUG_LENGTH)
    slug = _EDGES.sub("", _UNSAFE.sub("-", text))[:MAX_SLUG_LENGTH]
    return _EDGES.sub("", slug) or slugify(text, MAX_SLUG_LENGTH)


def slug_from_url(url: str) -> str | None:
    """Return the last segment of an old URL as a slug: `/2016/01/tips/` → `tips`. None for a pattern, or without a path."""
    try:
        path = unquote(urlsplit(url).path)
    except ValueError:
        return None
    segments = [segment for segment in path.split("/") if segment]
    if any(segment in (".", "..") or segment.startswith(":") or "{" in segment for segment in segments):
        return None
    if segments and segments[-1] in ("index.html", "index.htm", "index.php"):
        segments.pop()
    return safe_slug(segments[-1]) if segments else None


def title_from_slug(slug: str) -> str:
    """Return a title for a post without one: `foo-bar` → `Foo bar`."""
    words = re.sub(r"[\s_-]+", " ", slug).strip()
    return words[:1].upper() + words[1:] or "Untitled"


def post_stem(path: str, language: str | None) -> str:
    """Return the part of a path that names the post, without suffixes: the file, or the folder of an `index.md`."""
    pure = PurePosixPath(path)
    stem = pure.stem.removesuffix(f".{language}") if language else pure.stem
    return pure.parent.name if stem == "index" and pure.parent.name else stem
