"""Code blocks: coloured by Pygments with CSS classes, never with `style`, so that a strict policy can stand."""

import html
import re
from threading import Lock
from typing import Final

from pygments import highlight  # type: ignore[import-untyped]
from pygments.formatters import HtmlFormatter  # type: ignore[import-untyped]
from pygments.lexers import get_lexer_by_name  # type: ignore[import-untyped]
from pygments.util import ClassNotFound  # type: ignore[import-untyped]

MAX_HIGHLIGHTED_BYTES: Final = 50_000
"""Longest code block, in UTF-8 bytes, that is coloured."""

# "rust,no_run" and "js {1,3}" name a language and then options of other tools.
_INFO_SEPARATOR: Final = re.compile(r"[\s,{]")
_LANGUAGE: Final = re.compile(r"[A-Za-z0-9][\w+#.-]{0,39}", re.ASCII)

# Many lexers take time in the square of a line's length, of a run of blank lines, or (C#, Java) of a run of words
# without punctuation; code for people has none of them at length.
_SLOW_TO_LEX: Final = re.compile(r"[^\n]{1001}|(?:\n[^\S\n]*+){31}|(?<![\w.$<>\[\]])(?:[\w.$<>\[\]]++\s++){200}")

# Pygments prepares a lexer class on its first use, and nested lexers while lexing, without a lock of its own. Lexing is
# pure Python, so threads lose no time by taking turns.
_pygments_lock: Final = Lock()


def code_block(code: str, info: str = "") -> str:
    """Return `<pre class="highlight"><code>…`, which the keyboard can reach and scroll, with `code` escaped inside.

    `info` is what stands after the opening fence: its first word names the language by a Pygments alias. Code stays
    uncoloured without a known language, above `HIGHLIGHT_LIMIT`, or with lines or gaps that no person would write.
    """
    name = _INFO_SEPARATOR.split(info.strip(), maxsplit=1)[0]
    language = name if _LANGUAGE.fullmatch(name) else ""
    css_class = f' class="language-{language}"' if language else ""
    body = _highlight(code, language) or html.escape(code, quote=False)
    return f'<pre class="highlight" tabindex="0"><code{css_class}>{body}</code></pre>\n'


def _highlight(code: str, language: str) -> str:
    """Return `code` as spans with Pygments' short classes; empty when it is to stay plain."""
    if not language or len(code.encode()) > MAX_HIGHLIGHTED_BYTES or _SLOW_TO_LEX.search(code):
        return ""
    with _pygments_lock:
        try:
            lexer = get_lexer_by_name(language, stripnl=False, ensurenl=False)
        except ClassNotFound:
            return ""
        return str(highlight(code, lexer, HtmlFormatter(nowrap=True)))
