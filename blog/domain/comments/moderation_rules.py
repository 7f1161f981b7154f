"""Moderation rules: pure functions that decide from the text and the author's history whether a comment is pending."""

import unicodedata
from dataclasses import dataclass

from blog.schemas.site_preferences import Preferences
from blog.text.plain_text import html_to_text

WINDOW_SECONDS = 60
MAX_PER_WINDOW = 5
"""More comments than this within `WINDOW_SECONDS` are pending."""

# Each emoji counts as a word; variation selectors are invisible.
_SYMBOL_CATEGORY, _INVISIBLE = "So", frozenset("\ufe0e\ufe0f")


@dataclass(frozen=True, slots=True)
class CommentText:
    """The features of a text: its words (see `normalise_words`) as written and as rendered, and its number of links."""

    words: str
    link_count: int


@dataclass(frozen=True, slots=True)
class AuthorHistory:
    """An author's history: whether a comment is visible, the number within `WINDOW_SECONDS`, and whether one is spam."""

    has_approved_comment: bool
    recent_count: int
    has_spam: bool = False


def analyse(content: str, html: str) -> CommentText:
    """Return the features of a comment from its Markdown and HTML. CPU-bound: about 1 ms per 5,000 characters."""
    # The source contains words in URLs; the rendered text joins words that emphasis markers split.
    return CommentText(normalise_words(content) + normalise_words(html_to_text(html)), html.count("<a "))


def hold_reason(rules: Preferences, text: CommentText, history: AuthorHistory) -> str | None:
    """Return the reason why a new comment is pending, as a sentence for moderators, or None."""
    if reason := text_hold_reason(rules, text):
        return reason
    if history.recent_count >= MAX_PER_WINDOW:
        return f"More than {MAX_PER_WINDOW} comments by this author within {WINDOW_SECONDS} seconds"
    if history.has_spam:
        return "An earlier comment by this author is marked as spam"
    if rules.hold_first_comment and not history.has_approved_comment:
        return "First comment by this author"
    return None


def text_hold_reason(rules: Preferences, text: CommentText) -> str | None:
    """Return the reason that the text alone gives, or None; edits are checked for these too."""
    for word in rules.blocked_words:
        if (folded := normalise_words(word)).strip() and folded in text.words:
            return f"Contains “{word}”"
    if text.link_count > rules.max_links:
        return f"Contains {text.link_count} {'link' if text.link_count == 1 else 'links'} (limit {rules.max_links})"
    return None


def normalise_words(text: str) -> str:
    """Return the words of a text, normalised and each between spaces: ` big big offer ` for "BIG, big offer!".

    Case and Unicode compatibility forms (such as full-width characters) are folded, invisible characters are dropped, and
    punctuation separates words.
    """
    normal = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    return f" {' '.join(''.join(map(_normalise_char, normal)).split())} "


def _normalise_char(char: str) -> str:
    kind = unicodedata.category(char)
    if kind == "Cf" or char in _INVISIBLE:
        return ""
    if kind[0] in "LMN":
        return char
    return f" {char} " if kind == _SYMBOL_CATEGORY else " "
