"""Which comments wait for a moderator: the rules, pure, on what is known of a text and of its writer."""

import unicodedata
from dataclasses import dataclass

from blog.schemas.site_preferences import Preferences
from blog.text.plain_text import text_of

RATE_SECONDS = 60
MOST_IN_RATE = 5
"""Who writes more comments than this within `RATE_SECONDS` waits."""

# Emoji are words of their own; the selectors of their style are not seen.
_SYMBOL, _UNSEEN = "So", frozenset("\ufe0e\ufe0f")


@dataclass(frozen=True, slots=True)
class Reading:
    """What the rules look at in a text: its words (see `words_of`), as written and as shown, and the number of its links."""

    words: str
    links: int


@dataclass(frozen=True, slots=True)
class Record:
    """What is known of a writer: has a comment of theirs ever been let through, and how many did they write just now?"""

    is_known: bool
    recent: int


def read(content: str, html: str) -> Reading:
    """Look at a comment, given its Markdown and the HTML of it; CPU-bound, a millisecond for each 5,000 characters."""
    # As written, for words in addresses; as shown, since emphasis may begin in the middle of a word.
    return Reading(words_of(content) + words_of(text_of(html)), html.count("<a "))


def why_held(rules: Preferences, reading: Reading, record: Record) -> str | None:
    """The reason why a new comment waits, as a sentence for moderators, or None."""
    if reason := why_text_is_held(rules, reading):
        return reason
    if record.recent >= MOST_IN_RATE:
        return f"Its writer sent more than {MOST_IN_RATE} comments within {RATE_SECONDS} seconds"
    if rules.hold_first_comment and not record.is_known:
        return "It is the first comment of its writer"
    return None


def why_text_is_held(rules: Preferences, reading: Reading) -> str | None:
    """The reason that lies in the text alone: also a comment that is changed must meet these."""
    for word in rules.held_words:
        if (folded := words_of(word)).strip() and folded in reading.words:
            return f"It holds “{word}”"
    if reading.links > rules.most_links:
        return f"It has {reading.links} {'link' if reading.links == 1 else 'links'}; at most {rules.most_links} pass"
    return None


def words_of(text: str) -> str:
    """The words of a text in one form whatever their case and spelling in Unicode, each between spaces.

    Compatible characters are one (a full-width letter is a letter), characters that are not seen count for nothing, and
    punctuation only separates: ` big big offer ` for "BIG, big offer!".
    """
    normal = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    return f" {' '.join(''.join(map(_part, normal)).split())} "


def _part(char: str) -> str:
    kind = unicodedata.category(char)
    if kind == "Cf" or char in _UNSEEN:
        return ""
    if kind[0] in "LMN":
        return char
    return f" {char} " if kind == _SYMBOL else " "
