"""Callouts, in the form of GitHub: a quote that begins with a line such as `[!NOTE]`."""

import re
from typing import Final

from markdown_it import MarkdownIt
from markdown_it.rules_core import StateCore
from markdown_it.token import Token

_MARKER: Final = re.compile(r"\[!(note|tip|important|warning|caution)\][ \t]*(?:\n|\Z)", re.IGNORECASE)


def callout_plugin(parser: MarkdownIt) -> None:
    """Add callouts to a parser."""
    parser.core.ruler.after("block", "callouts", _mark_callouts)


def _mark_callouts(state: StateCore) -> None:
    """Turn quotes that begin with a marker, and contain more, into callouts."""
    tokens, open_quotes = state.tokens, list[str]()
    result: list[Token] = []
    skipped = 0
    for index, token in enumerate(tokens):
        if index < skipped:
            continue
        result.append(token)
        if token.type == "blockquote_open":
            kind, skipped = _convert(token, tokens[index + 1 : index + 5], index)
            open_quotes.append(kind)
            if kind:
                result.append(_title(kind, token.level + 1))
        elif token.type == "blockquote_close" and open_quotes.pop():
            token.tag = "div"
    state.tokens = result


def _convert(quote: Token, inner: list[Token], index: int) -> tuple[str, int]:
    """Return the kind of a callout, or "" for another quote, and the index of the next token that stays."""
    is_paragraph = len(inner) == 4 and inner[0].type == "paragraph_open"
    match = _MARKER.match(inner[1].content) if is_paragraph else None
    if not match:
        return "", 0
    text = inner[1].content[match.end() :]
    if not text and inner[3].type == "blockquote_close":
        return "", 0
    kind = match[1].lower()
    inner[1].content = text
    quote.tag = "div"
    quote.attrs = {"class": f"callout callout-{kind}", "role": "note"}
    return kind, 0 if text else index + 4


def _title(kind: str, level: int) -> Token:
    html = f'<p class="callout-title"><strong>{kind.capitalize()}</strong></p>\n'
    return Token("html_block", "", 0, content=html, level=level, block=True)
