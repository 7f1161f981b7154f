"""Inline extensions: `==highlighted==` text, `H~2~O` and `29^th^`."""

import re
from collections.abc import Sequence
from typing import Final

from markdown_it import MarkdownIt
from markdown_it.rules_inline import StateInline
from markdown_it.rules_inline.state_inline import Delimiter

_EQUALS: Final = ord("=")
# No spaces, and something before it: `~gone~`, `~/bin` and `:^)` stay text.
_SCRIPT: Final = re.compile(r"(?<=[^\W_]|[)\]])([~^])([^\W_]|[+\-\u2212=(),.*]){1,40}?\1(?!\1)")
_TAGS: Final = {"~": "sub", "^": "sup"}


def inline_marks_plugin(parser: MarkdownIt) -> None:
    """Add highlighted, subscript and superscript text to a parser."""
    parser.inline.ruler.after("emphasis", "mark", _mark_rule)
    parser.inline.ruler.before("strikethrough", "script", _script_rule)
    parser.inline.ruler2.after("emphasis", "mark", _pair_marks)


def _script_rule(state: StateInline, silent: bool) -> bool:
    match = _SCRIPT.match(state.src, state.pos, state.posMax) if state.src[state.pos] in _TAGS else None
    if not match:
        return False
    if not silent:
        tag = _TAGS[match[1]]
        state.push(f"{tag}_open", tag, 1)
        state.push("text", "", 0).content = match[0][1:-1]
        state.push(f"{tag}_close", tag, -1)
    state.pos = match.end()
    return True


def _mark_rule(state: StateInline, silent: bool) -> bool:
    """Parse a run of `=`, and record one of two. In `a==b` neither begins nor ends highlighted text, as it is code more often."""
    if silent or state.src[state.pos] != "=":
        return False
    run = state.scanDelims(state.pos, True)
    end = state.pos + run.length
    before, after = state.src[state.pos - 1 : state.pos], state.src[end : min(end + 1, state.posMax)]
    state.push("text", "", 0).content = "=" * run.length  # a long run at once: searching its end again takes quadratic time
    state.pos = end
    if run.length == 2:
        can_open, can_close = run.can_open and not _is_ascii_word(before), run.can_close and not _is_ascii_word(after)
        index = len(state.tokens) - 1
        state.delimiters.append(Delimiter(_EQUALS, length=0, token=index, end=-1, open=can_open, close=can_close))
    return True


def _is_ascii_word(char: str) -> bool:
    return char.isascii() and char.isalnum()


def _pair_marks(state: StateInline) -> None:
    """Turn the paired delimiters into tags, also those within links."""
    _convert_pairs(state, state.delimiters)
    for meta in state.tokens_meta:
        if meta and "delimiters" in meta:
            _convert_pairs(state, meta["delimiters"])


def _convert_pairs(state: StateInline, delimiters: Sequence[Delimiter]) -> None:
    for opener in delimiters:
        if opener.marker == _EQUALS and opener.end != -1:
            first, last = state.tokens[opener.token], state.tokens[delimiters[opener.end].token]
            first.type, first.nesting, last.type, last.nesting = "mark_open", 1, "mark_close", -1
            for token in (first, last):
                token.tag, token.content = "mark", ""
