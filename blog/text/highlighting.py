"""Syntax highlighting of code blocks by Pygments. CSS classes only: the content security policy forbids `style`."""

import html
import re
from threading import Lock
from typing import Final

from pygments import highlight  # type: ignore[import-untyped]
from pygments.formatters import HtmlFormatter  # type: ignore[import-untyped]
from pygments.lexers import get_lexer_by_name  # type: ignore[import-untyped]
from pygments.util import ClassNotFound  # type: ignore[import-untyped]

MAX_HIGHLIGHTED_BYTES: Final = 30_000
"""The maximum size of the highlighted code blocks of a text together, in UTF-8 bytes: some 0.4 s."""
_BYTES_PER_BLOCK: Final = 50
"""Added to the size of each block: starting a lexer takes as long as 50 bytes of code."""

# "rust,no_run" and "js {1,3}" are a language with options of other tools.
_INFO_SEPARATOR: Final = re.compile(r"[\s,{]")
_LANGUAGE: Final = re.compile(r"[A-Za-z0-9][\w+#.-]{0,39}", re.ASCII)

# Many lexers take time quadratic in the length of a line, of a run of blank lines, or (C#, Java) of a run of words
# without punctuation. Code written by people has no long ones.
_SLOW_TO_LEX: Final = re.compile(r"[^\n]{1001}|(?:\n[^\S\n]*+){31}|(?<![\w.$<>\[\]])(?:[\w.$<>\[\]]++\s++){200}")

# Pygments initialises lexer classes on first use, and nested lexers while lexing, without a lock. Lexing is pure Python, so
# a lock costs no parallelism.
_pygments_lock: Final = Lock()


class HighlightBudget:
    """The number of bytes of a text that may still be highlighted."""

    def __init__(self) -> None:
        self._remaining = MAX_HIGHLIGHTED_BYTES

    def take(self, code: str) -> bool:
        """Return whether to highlight the code, and subtract its size then."""
        size = len(code.encode()) + _BYTES_PER_BLOCK
        if size > self._remaining:
            return False
        self._remaining -= size
        return True


def code_block(code: str, info: str = "", budget: HighlightBudget | None = None) -> str:
    """Return `<pre class="highlight"><code>…`, focusable so that the keyboard can scroll it, with `code` escaped.

    `info` is the text after the opening fence; its first word is the language, a Pygments alias. `budget` is shared by the code
    blocks of a text. Code is not highlighted without a known language, above the budget, or with extremely long lines or gaps.
    """
    name = _INFO_SEPARATOR.split(info.strip(), maxsplit=1)[0]
    language = name if _LANGUAGE.fullmatch(name) else ""
    css_class = f' class="language-{language}"' if language else ""
    body = _highlight(code, language, budget or HighlightBudget()) or html.escape(code, quote=False)
    return f'<pre class="highlight" tabindex="0"><code{css_class}>{body}</code></pre>\n'


def _highlight(code: str, language: str, budget: HighlightBudget) -> str:
    """Return `code` as spans with Pygments' short classes; empty if it is not highlighted."""
    if not language or _SLOW_TO_LEX.search(code) or not budget.take(code):
        return ""
    with _pygments_lock:
        try:
            lexer = get_lexer_by_name(language, stripnl=False, ensurenl=False)
        except ClassNotFound:
            return ""
        return str(highlight(code, lexer, HtmlFormatter(nowrap=True)))
