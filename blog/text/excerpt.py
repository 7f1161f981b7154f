"""The first words of a post, for lists, feeds and link previews."""

import unicodedata

from blog.text.plain_text import Attributes, class_names, extract_text

_ELLIPSIS = "…"
_SKIPPED_TAGS = frozenset({"pre", "table", "h1", "h2", "h3", "h4", "h5", "h6"})
_SKIPPED_CLASSES = frozenset({"footnote-ref", "footnotes"})


def excerpt(html: str, limit: int = 280) -> str:
    """Return the opening of safe `html` as plain text of at most `limit` code points (at least 1).

    Headings, code blocks, tables, footnotes and their markers are left out: they are no sentences. Longer text ends in
    an ellipsis, which counts towards the limit, after a whole word; text without spaces, such as Japanese, is cut
    between characters. Not escaped.
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
        # A last word that fills half of the room is not a word but a script without spaces, or an address.
        head = words if len(words) > length // 2 else text[: _cluster_start(text, length)]
    return head.rstrip(" ,;:\u2013\u2014-")


def _cluster_start(text: str, end: int) -> int:
    """Return the last place not after `end` that does not tear a mark or an emoji part off its base."""
    while end > 0 and (_extends(text[end]) or text[end - 1] == "\u200d"):
        end -= 1
    return end


def _extends(char: str) -> bool:
    is_skin_tone = "\U0001f3fb" <= char <= "\U0001f3ff"
    return unicodedata.category(char).startswith("M") or char == "\u200d" or is_skin_tone
