"""Which comments wait for a moderator: the rules, pure, on what is known of a text and of its writer."""

import unicodedata
from dataclasses import dataclass

from blog.schemas.site_preferences import Preferences
from blog.text.plain_text import html_to_text

WINDOW_SECONDS = 60
MAX_PER_WINDOW = 5
"""Who writes more comments than this within `RATE_SECONDS` waits."""

# Emoji are words of their own; the selectors of their style are not seen.
_SYMBOL_CATEGORY, _INVISIBLE = "So", frozenset("\ufe0e\ufe0f")


@dataclass(frozen=True, slots=True)
class CommentText:
    """What the rules look at in a text: its words (see `words_of`), as written and as shown, and the number of its links."""

    words: str
    link_count: int


@dataclass(frozen=True, slots=True)
class AuthorHistory:
    """What is known of a writer: has a comment of theirs ever been let through, and how many did they write just now?"""

    has_approved_comment: bool
    recent_count: int


def analyse(content: str, html: str) -> CommentText:
    """Look at a comment, given its Markdown and the HTML of it; CPU-bound, a millisecond for each 5,000 characters."""
    # As written, for words in addresses; as shown, since emphasis may begin in the middle of a word.
    return CommentText(normalise_words(content) + normalise_words(html_to_text(html)), html.count("<a "))


def hold_reason(rules: Preferences, text: CommentText, history: AuthorHistory) -> str | None:
    """The reason why a new comment waits, as a sentence for moderators, or None."""
    if reason := text_hold_reason(rules, text):
        return reason
    if history.recent_count >= MAX_PER_WINDOW:
        return f"Its writer sent more than {MAX_PER_WINDOW} comments within {WINDOW_SECONDS} seconds"
    if rules.hold_first_comment and not history.has_approved_comment:
        return "It is the first comment of its writer"
    return None


def text_hold_reason(rules: Preferences, text: CommentText) -> str | None:
    """The reason that lies in the text alone: also a comment that is changed must meet these."""
    for word in rules.held_words:
        if (folded := normalise_words(word)).strip() and folded in text.words:
            return f"It holds “{word}”"
    if text.link_count > rules.most_links:
        return f"It has {text.link_count} {'link' if text.link_count == 1 else 'links'}; at most {rules.most_links} pass"
    return None


def normalise_words(text: str) -> str:
    """The words of a text in one form whatever their case and spelling in Unicode, each between spaces.

    Compatible characters are one (a full-width letter is a letter), characters that are not seen count for nothing, and
    punctuation only separates: ` big big offer ` for "BIG, big offer!".
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
