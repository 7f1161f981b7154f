"""The slugs that a post brings along: kept in their own spelling wherever that is safe in a URL and for the blog."""

import re
import unicodedata
from pathlib import PurePosixPath
from urllib.parse import unquote, urlsplit

from blog.domain.posts.slugs import MAX_SLUG_LENGTH
from blog.text.slug import slugify

_UNSAFE = re.compile(r"-*(?:[^\w.-]+-*)+")
_EDGES = re.compile(r"^[\W_]+|\W+$")


def safe_slug(text: str) -> str:
    """One path segment of letters, digits, `-`, `_` and `.`, at most 120: `something-&-else` → `something-else`."""
    text = unicodedata.normalize("NFC", text)
    # Marks are no word characters for a regular expression, though words of India and Thailand are made of them.
    if any(unicodedata.category(char).startswith("M") for char in text):
        return slugify(text, MAX_SLUG_LENGTH)
    kept = _EDGES.sub("", _UNSAFE.sub("-", text))[:MAX_SLUG_LENGTH]
    return _EDGES.sub("", kept) or slugify(text, MAX_SLUG_LENGTH)


def slug_from_url(address: str) -> str | None:
    """The slug in an old address, its last segment: `/2016/01/tips/` → `tips`. None for a pattern or no real path."""
    try:
        path = unquote(urlsplit(address).path)
    except ValueError:
        return None
    segments = [segment for segment in path.split("/") if segment]
    if any(segment in (".", "..") or segment.startswith(":") or "{" in segment for segment in segments):
        return None
    if segments and segments[-1] in ("index.html", "index.htm", "index.php"):
        segments.pop()
    return safe_slug(segments[-1]) if segments else None


def title_from_slug(slug: str) -> str:
    """A title for a post that has none: `foo-bar` → `Foo bar`."""
    words = re.sub(r"[\s_-]+", " ", slug).strip()
    return words[:1].upper() + words[1:] or "Untitled"


def post_stem(path: str, language: str | None) -> str:
    """What names the post in its path: the file, or the folder of an `index.md`; without suffixes."""
    pure = PurePosixPath(path)
    stem = pure.stem.removesuffix(f".{language}") if language else pure.stem
    return pure.parent.name if stem == "index" and pure.parent.name else stem
