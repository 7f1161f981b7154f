"""Excerpts of posts, for lists, feeds and link previews."""

import unicodedata

from blog.text.plain_text import Attributes, class_names, extract_text

_ELLIPSIS = "…"
_SKIPPED_TAGS = frozenset({"audio", "figcaption", "pre", "table", "video", "h1", "h2", "h3", "h4", "h5", "h6"})
_SKIPPED_CLASSES = frozenset({"bookmark", "callout-title", "embed", "footnote-ref", "footnotes", "math-block"})


def excerpt(html: str, limit: int = 280) -> str:
    """Return the beginning of safe `html` as plain text, not escaped.

    `limit` is the maximum length in code points, at least 1. Headings, code blocks, tables, players, embeds, formulas in blocks,
    titles of callouts, footnotes and their markers are left out. Longer text is cut after a whole word and ends in an ellipsis,
    which counts towards the limit. Text without spaces, such as Japanese, is cut between characters.
    """
    text = extract_text(html, _is_skipped)
    if len(text) <= limit:
        return text
    return _truncate(text, limit - len(_ELLIPSIS)) + _ELLIPSIS


def _is_skipped(tag: str, attributes: Attributes) -> bool:
    return tag in _SKIPPED_TAGS or not _SKIPPED_CLASSES.isdisjoint(class_names(attributes))


def _truncate(text: str, length: int) -> str:
    """Return at most `length` code points of a longer `text`, without trailing spaces and commas."""
    head = text[:length]
    if text[length] != " ":
        words, _, _ = head.rpartition(" ")
        # A last word over half of the length is a URL or text without spaces: cut within it.
        head = words if len(words) > length // 2 else text[: _cluster_start(text, length)]
    return head.rstrip(" ,;:\u2013\u2014-")


def _cluster_start(text: str, end: int) -> int:
    """Return the last position up to `end` that does not separate a mark or an emoji part from its base."""
    while end > 0 and (_extends(text[end]) or text[end - 1] == "\u200d"):
        end -= 1
    return end


def _extends(char: str) -> bool:
    is_skin_tone = "\U0001f3fb" <= char <= "\U0001f3ff"
    return unicodedata.category(char).startswith("M") or char == "\u200d" or is_skin_tone
