"""Syntax highlighting of code blocks by Pygments. CSS classes only: the content security policy forbids `style`."""

import html
import re
from threading import Lock
from typing import Final

from pygments import highlight  # type: ignore[import-untyped]
from pygments.formatters import HtmlFormatter  # type: ignore[import-untyped]
from pygments.lexers import get_lexer_by_name  # type: ignore[import-untyped]
from pygments.util import ClassNotFound  # type: ignore[import-untyped]

MAX_HIGHLIGHTED_BYTES: Final = 50_000
"""The maximum size of a highlighted code block, in UTF-8 bytes."""

# "rust,no_run" and "js {1,3}" are a language with options of other tools.
_INFO_SEPARATOR: Final = re.compile(r"[\s,{]")
_LANGUAGE: Final = re.compile(r"[A-Za-z0-9][\w+#.-]{0,39}", re.ASCII)

# Many lexers take time quadratic in the length of a line, of a run of blank lines, or (C#, Java) of a run of words
# without punctuation. Code written by people has no long ones.
_SLOW_TO_LEX: Final = re.compile(r"[^\n]{1001}|(?:\n[^\S\n]*+){31}|(?<![\w.$<>\[\]])(?:[\w.$<>\[\]]++\s++){200}")

# Pygments initialises lexer classes on first use, and nested lexers while lexing, without a lock. Lexing is pure Python, so
# a lock costs no parallelism.
_pygments_lock: Final = Lock()


def code_block(code: str, info: str = "") -> str:
    """Return `<pre class="highlight"><code>…`, focusable so that the keyboard can scroll it, with `code` escaped.

    `info` is the text after the opening fence; its first word is the language, a Pygments alias. Code is not highlighted
    without a known language, above `MAX_HIGHLIGHTED_BYTES`, or with extremely long lines or gaps.
    """
    name = _INFO_SEPARATOR.split(info.strip(), maxsplit=1)[0]
    language = name if _LANGUAGE.fullmatch(name) else ""
    css_class = f' class="language-{language}"' if language else ""
    body = _highlight(code, language) or html.escape(code, quote=False)
    return f'<pre class="highlight" tabindex="0"><code{css_class}>{body}</code></pre>\n'


def _highlight(code: str, language: str) -> str:
    """Return `code` as spans with Pygments' short classes; empty if it is not highlighted."""
    if not language or len(code.encode()) > MAX_HIGHLIGHTED_BYTES or _SLOW_TO_LEX.search(code):
        return ""
    with _pygments_lock:
        try:
            lexer = get_lexer_by_name(language, stripnl=False, ensurenl=False)
        except ClassNotFound:
            return ""
        return str(highlight(code, lexer, HtmlFormatter(nowrap=True)))
