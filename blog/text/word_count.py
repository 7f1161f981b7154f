"""The number of words of a text in Markdown, for the reading time.

`static/js/editor/word-count.js` has the same rules, so that the editor and the published page agree: change both.
"""

import math
import re
from typing import Final

WORDS_PER_MINUTE: Final = 230

# What readers do not see, or not as words: fences, raw HTML, formulas, URLs of links, footnote labels, ids of headings,
# definitions of links and abbreviations.
_MARKUP: Final = re.compile(
    r"^[ \t>]*(?:`{3,}|~{3,})[^\n]*$"
    r"|<!--[\s\S]*?(?:-->|$(?![\s\S]))"
    r"|</?[A-Za-z][^<>]*>"
    r"|\$\$(?:[^$\n]|\n(?!\n))*\$\$"
    r"|(?<![A-Za-z0-9$\\])\$(?![ \t\n$])(?:[^$`\n]|\n(?!\n))*(?<![ \t\n])\$(?![A-Za-z0-9$])"
    r"|\]\([^()\n]*(?:\([^()\n]*\)[^()\n]*)*\)"
    r"|\[\^[^\[\] \t\n]*\]:?"
    r"|[ \t]\{#[^{} \t\n]*\}[ \t]*$"
    r"|^ {0,3}\*?\[[^\[\]\n]+\]:[^\n]*$",
    re.MULTILINE,
)
# Chinese and Japanese have about two characters per word; Thai, Lao, Khmer and Burmese five, with their vowel signs.
_UNSPACED_SCRIPTS: Final = (
    (
        2,
        r"[\u3005-\u3007\u3041-\u3096\u309d-\u309f\u30a1-\u30fa\u30fc-\u30ff\u3105-\u312f\u31a0-\u31bf\u31f0-\u31ff\u3400-\u4dbf"
        r"\u4e00-\u9fff\uf900-\ufaff\uff66-\uff9d\U00020000-\U0003ffff]",
    ),
    (
        5,
        r"[\u0e01-\u0e4e\u0e81-\u0ece\u0edc-\u0edf\u1000-\u1049\u1050-\u109f\u1780-\u17d3\ua9e0-\ua9fe\uaa60-\uaa7f]",
    ),
)
_SEPARATOR: Final = re.compile(r"[\t-\r \u0085\u00a0\u1680\u2000-\u200b\u2013\u2014\u2026\u2028\u2029\u202f\u205f\u3000\ufeff|]+")


def count_words(markdown: str) -> int:
    """Return the number of words that readers see. Linear in the length of the text.

    Words are separated by spaces, dashes and ellipses, and contain letters or digits. Text in scripts without spaces is
    counted by its characters.
    """
    text = _MARKUP.sub(" ", markdown)
    count = 0
    for characters_per_word, characters in _UNSPACED_SCRIPTS:
        text, found = re.subn(characters, " ", text)
        count += math.ceil(found / characters_per_word)
    return count + sum(any(map(str.isalnum, word)) for word in _SEPARATOR.split(text))


def reading_minutes(words: int) -> int:
    """Return the reading time for a number of words, in minutes; at least 1."""
    return max(1, math.floor(words / WORDS_PER_MINUTE + 0.5))  # not round(), which rounds 2.5 down
